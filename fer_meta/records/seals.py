"""`DONE` and `FAILED.json`: how a folder of a run or a model ended."""

import json
from collections.abc import Iterable
from pathlib import Path

from fer_meta.fileio import digest, is_below, write_json
from fer_meta.oneline import escaped
from fer_meta.records.base import Stored, read_record, write_record

DONE = "DONE"
"""The seal of a finished folder: the digests of its files, as JSON. An older version left it empty."""

FAILED = "FAILED.json"


class Failure(Stored):
    """Why a run failed: one line, and the traceback."""

    error: str
    traceback: str = ""


def seal(folder: Path, files: Iterable[str]) -> None:
    """Say that `folder` is finished, and that `files` in it are to stay as they are."""
    write_json(folder / DONE, {name: digest(folder / name) for name in sorted(files)})


def sealed_files(folder: Path) -> dict[str, str]:
    """The digest of each file under the seal of `folder`; none under an older version's. Raises ValueError if
    it is damaged.
    """
    text = (folder / DONE).read_text(encoding="utf-8")
    found = json.loads(text) if text else {}
    if not isinstance(found, dict) or (text and not found) or not all(map(is_below, found)):
        raise ValueError(f"{DONE} is damaged")
    return found


def broken_seal(folder: Path, only: str = "", may_lack: str = "") -> str | None:
    """What is no longer as it was when `folder` was sealed, in words such as "run.json is missing"; None if
    all is. `only`: one file of it; `may_lack`: how the names of those begin that may be missing.
    """
    if not (folder / DONE).is_file():  # a pipe would keep its reader waiting
        return f"{DONE} is missing"
    try:
        sealed = sealed_files(folder)
    except (ValueError, RecursionError):
        return f"{DONE} is damaged"
    for name, kept in sealed.items():
        if only not in ("", name):
            continue
        if not (folder / name).is_file():
            if may_lack and name.startswith(may_lack):
                continue
            return f"{escaped(name)} is missing"
        if digest(folder / name) != kept:
            return f"{escaped(name)} was changed after it was written"
    return None


def write_failure(folder: Path, error: str, traceback: str = "") -> None:
    """Leave the error of a run in its folder."""
    write_record(folder / FAILED, Failure(error=error, traceback=traceback))


def why_unfinished(folder: Path) -> str:
    """Why a run has no seal, in words: "failed: ...", "not finished" or "not run"."""
    if (folder / FAILED).is_file():
        try:
            return f"failed: {read_record(folder / FAILED, Failure).error}"
        except ValueError:
            return f"failed: its {FAILED} cannot be read"
    return "not finished" if folder.exists() else "not run"
