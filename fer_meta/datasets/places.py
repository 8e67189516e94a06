"""Folders of decoded images: built beside their place, written through to the disk, and renamed
when whole.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click
import filelock

from fer_meta.datasets.scanning import expanded
from fer_meta.errors import DatasetError, MachineError
from fer_meta.fileio import sync
from fer_meta.refused import FULL

BUILDING = ".building-"
"""How the names of folders begin that are not whole yet."""

ELSEWHERE = "set FER_META_CACHE to another folder"

OWNED = ".owned"
"""In a folder that is being built: a file that its process keeps locked."""

_DAY = 24 * 3600
_MINUTE = 60


def cache_dir() -> Path:
    """`$FER_META_CACHE`, else `$XDG_CACHE_HOME/fer-meta`, else `~/.cache/fer-meta`."""
    if os.environ.get("FER_META_CACHE"):
        return expanded(os.environ["FER_META_CACHE"], "FER_META_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return expanded(base, "the cache") / "fer-meta"


@contextmanager
def explained(place: Path, fix: str = ELSEWHERE) -> Iterator[None]:
    """Turn what the disk refuses while `place` is made into one line that says which folder is full or cannot
    be written.
    """
    try:
        yield
    except OSError as error:
        folder = place.parent
        if isinstance(error.filename, str | bytes):
            named = Path(os.fsdecode(error.filename))
            # such as the folder for temporary files
            if folder not in (named, *named.parents) and named not in folder.parents:
                folder, fix = named.parent, "set TMPDIR to another folder"
        if error.errno in FULL:
            raise MachineError(f"{folder}: no space left on this disk; free some space, or {fix}") from None
        raise DatasetError(f"{folder}: cannot be written ({error.strerror or error}); {fix}") from None


@contextmanager
def one_at_a_time(place: Path, said: str | None = None, wait: bool = True) -> Iterator[None]:
    """Only one process works on `place` at a time; the others print `said` and wait. Without `wait` they get
    filelock.Timeout.
    """
    path = place.with_name(f".{place.name}.lock")
    lock = filelock.FileLock(path)
    try:
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            if not wait:
                raise
            if said:
                click.echo(said, err=True)
            lock.acquire()
    except NotImplementedError:
        raise DatasetError(f"{place.parent}: this disk cannot lock files; {ELSEWHERE}") from None
    try:
        yield
        # Whoever waits for the removed file looks again at what there is, as does whoever makes it again.
        with suppress(PermissionError):  # Windows keeps an open file, and filelock removes it there
            path.unlink(missing_ok=True)
    finally:
        lock.release()


def appear(folder: Path, place: Path) -> None:
    """Rename a whole folder, whose files were written through, to its place."""
    sync(folder)
    os.rename(folder, place)
    sync(place.parent)


def retire(place: Path, damage: Callable[[], Exception | None]) -> None:
    """Print what is damaged at `place` and remove it. If nothing is, another process has made it again
    meanwhile.
    """
    with one_at_a_time(place):
        found = damage() if place.is_dir() else None
        if found is not None:
            click.echo(f"fer-meta: {found}", err=True)
            bury(place)


def bury(place: Path) -> None:
    """Remove a folder in one step for those who look for it; whoever reads its files may go on."""
    grave = Path(tempfile.mkdtemp(prefix=BUILDING, dir=place.parent))
    os.rename(place, grave / "removed")
    shutil.rmtree(grave, ignore_errors=True)


def remove_stale(folder: Path, keep: Path | None = None) -> None:
    """Remove what died: folders being built, but not `keep`, whose OWNED nobody locks or in which nothing was
    written for a day; and, after a day, locks that nobody holds.
    """
    for old in folder.glob(f"{BUILDING}*"):
        if old != keep and is_dead(old):
            shutil.rmtree(old, ignore_errors=True)
    for old in folder.glob(".*.lock"):
        if _untouched(old):
            try:
                with filelock.FileLock(old, timeout=0):
                    old.unlink(missing_ok=True)
            except (OSError, NotImplementedError):  # held (a Timeout is an OSError), or another user's
                pass


def is_dead(building: Path) -> bool:
    """Whether nobody builds in a folder any more, as far as it can be known (see `remove_stale`)."""
    return _untouched(building) or _is_orphan(building)


def _is_orphan(building: Path) -> bool:
    """Whether the process that built a folder is dead: its file OWNED is there, for a minute at least, and
    not locked. One from the future is there for long too: the clock was set back.
    """
    owned = building / OWNED
    age = _age(owned)
    if age is None or abs(age) <= _MINUTE:
        return False
    try:
        with filelock.FileLock(owned, timeout=0):
            return True
    except (OSError, NotImplementedError):
        return False


def _untouched(path: Path) -> bool:
    """Whether nothing was written to a file or folder for a day."""
    age = _age(path)
    return age is not None and age > _DAY


def _age(path: Path) -> float | None:
    """Seconds since something was written to a file or folder; None if it is gone, or is another user's."""
    try:
        inside = path.iterdir() if path.is_dir() else ()
        return time.time() - max(part.stat().st_mtime for part in (path, *inside))
    except OSError:
        return None
