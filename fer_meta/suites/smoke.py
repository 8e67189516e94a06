"""The preset that shows only that everything works."""

SMOKE = "smoke"


def smoke_note(preset: str) -> str:
    """What must be said with every number of this preset; nothing for all others."""
    said = "this run shows only that everything works; its numbers say nothing about methods."
    return f"Preset {SMOKE}: {said}" if preset == SMOKE else ""
