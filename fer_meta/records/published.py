"""Tables that were published without their runs, as a repository keeps them. Nothing here imports torch or
pandas.
"""

import re
from pathlib import Path

from fer_meta.oneline import one_line

PLAN, TABLES = "plan.json", "table.md"

_LONGEST = 300


def is_published(folder: Path) -> bool:
    """Whether `folder` has the tables of a bench, and neither its runs nor their plan."""
    return (folder / TABLES).is_file() and not any((folder / name).exists() for name in (PLAN, "runs"))


def without_plan(folder: Path) -> str:
    """Why nothing can be done with a folder that has no plan, and the command that makes one."""
    place = one_line(str(folder), _LONGEST)
    if is_published(folder):
        return f"{place}: these are published tables without their runs; to make the runs: `{makes(folder)}`"
    return f"{place}: no {PLAN}, run `fer-meta bench --suite NAME` first"


def makes(folder: Path) -> str:
    """The command that published tables say they were made by."""
    try:
        with (folder / TABLES).open(encoding="utf-8", errors="replace") as file:
            start = file.read(10_000)
    except OSError:
        start = ""
    found = re.search(r"^fer-meta bench .+$", start, re.MULTILINE)
    return one_line(found[0], _LONGEST) if found else "fer-meta bench --suite NAME"
