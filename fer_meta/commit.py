"""The commit of fer-meta."""

import subprocess
from pathlib import Path


def commit() -> str | None:
    """The commit of fer-meta, with `-dirty` if files differ from it; None if it is not run from a clone."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():  # installed: a repository further up would be somebody else's
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def short(found: str) -> str:
    """The first ten characters of a `commit`, still with its `-dirty`.

    >>> short("0123456789abcdef-dirty")
    '0123456789-dirty'
    """
    return found[:10] + "-dirty" * found.endswith("-dirty")
