"""What a folder's disk allows: to write, to lock files, and how much is left."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import filelock

from fer_meta.doctor.findings import BROKEN, WARNING, Finding, broken, ok, warning
from fer_meta.fileio import sync
from fer_meta.words import storage

FEW = 1e9
"""Bytes free below which a bench may soon find its disk full."""


def disk_findings(folder: Path, prefix: str, elsewhere: str, locked: bool = True) -> Iterator[Finding]:
    """Whether files can be written and locked in `folder`, or where it would be made. This is tried in a
    folder of its own, whose name begins with `prefix`, and which is removed at once. `elsewhere`: how the
    user names another folder. `locked`: whether nothing is done there without locks.
    """
    there = _existing(folder)
    try:
        with tempfile.TemporaryDirectory(prefix=prefix, dir=there) as trial:
            file = Path(trial) / "written"
            file.write_bytes(bytes(4096))
            sync(file)
            fault = lock_fault(Path(trial) / "lock", locked)
    except OSError as error:
        yield broken(f"{folder}: cannot be written ({error.strerror or error})", elsewhere)
        return
    if fault:
        state, why = fault
        yield Finding(state, f"{folder}: this disk cannot lock files well ({why})", elsewhere)
    free = shutil.disk_usage(there).free
    line = f"{folder}: can be written{'' if fault else ' and locked'}, {storage(free)} free"
    yield ok(line) if free >= FEW else warning(line, f"free some space, or {elsewhere}")


def lock_fault(path: Path, needed: bool) -> tuple[str, str] | None:
    """How bad it is that a lock at `path` cannot be had or keeps nobody out, and why that is; None if all is
    well.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            with filelock.FileLock(path, timeout=0):
                if not _is_held(path):
                    return WARNING, "what is locked can be locked again"
        except NotImplementedError as error:  # a bench goes on, a build of the cache does not
            return BROKEN if needed else WARNING, str(error)
        except OSError as error:
            return BROKEN, error.strerror or str(error)
    # filelock has another way there, which a killed process may leave locked.
    return (WARNING, str(said[0].message)) if said else None


def _is_held(path: Path) -> bool:
    try:
        with filelock.FileLock(path, timeout=0):
            return False
    except filelock.Timeout:
        return True


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that there is."""
    folder = Path(os.path.abspath(folder))
    return next((place for place in (folder, *folder.parents) if os.path.lexists(place)), folder)
