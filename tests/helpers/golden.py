"""Texts that tests compare with the files of tests/golden/."""

from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "golden"


def compare(path: Path, text: str, update: bool) -> None:
    """Assert that the file holds exactly this text, or make it so."""
    if update:
        path.write_bytes(text.encode())
    stored = path.read_bytes().decode() if path.exists() else ""
    assert text == stored, f"not as in {path}; if the change is meant: pytest --update-golden, then git diff"
