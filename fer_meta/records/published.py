"""Tables that were published without their runs, as a repository keeps them. Nothing here imports torch or
pandas.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from fer_meta.oneline import one_line
from fer_meta.spelling import close

PLAN, TABLES = "plan.json", "table.md"

_LONGEST = 300
_MOST = 3


def is_published(folder: Path) -> bool:
    """Whether `folder` has the tables of a bench, and neither its runs nor their plan."""
    return (folder / TABLES).is_file() and not any((folder / name).exists() for name in (PLAN, "runs"))


def without_plan(folder: Path) -> str:
    """Why nothing can be done with a folder that has no plan, and which results are meant, else the command
    that makes some.
    """
    place = one_line(str(folder), _LONGEST)
    if is_published(folder):
        return f"{place}: these are published tables without their runs; to make the runs: `{makes(folder)}`"
    wrong = f"no {PLAN}" if folder.is_dir() else "is not a folder" if folder.exists() else "no such folder"
    return f"{place}: {wrong}{_others(folder) or ', run `fer-meta bench --suite NAME` first'}"


def _others(folder: Path) -> str:
    """Results that may be meant, at most three: those in `folder`; if it does not exist, those in the folder
    above, with a name like its own or any. "" if there are none.
    """
    found = [path.parent for path in sorted(folder.glob(f"*/{PLAN}"))]
    if not found and not folder.exists():
        beside = {path.parent.name: path.parent for path in sorted(folder.parent.glob(f"*/{PLAN}"))}
        found = [beside[name] for name in close(folder.name, beside)]
        if not found and beside:
            return f"; there are results in {_listed(beside.values(), ', ')}"
    return f"; did you mean {_listed(found, ' or ')}?" if found else ""


def _listed(folders: Iterable[Path], between: str) -> str:
    return between.join(one_line(str(one), _LONGEST) for one in list(folders)[:_MOST])


def makes(folder: Path) -> str:
    """The command that published tables say they were made by."""
    try:
        with (folder / TABLES).open(encoding="utf-8", errors="replace") as file:
            start = file.read(10_000)
    except OSError:
        start = ""
    found = re.search(r"^fer-meta bench .+$", start, re.MULTILINE)
    return one_line(found[0], _LONGEST) if found else "fer-meta bench --suite NAME"
