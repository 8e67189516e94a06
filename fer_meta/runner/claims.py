"""Who has what in a folder that several machines may share, whether its disk has locks or not: a file that
names its owner, and that the owner touches as long as it lives.

An owner of this machine is dead if its process is gone, as Linux tells; any other, if it has not touched its
file for DEAD seconds. They are seconds of the disk, for the clocks of two machines differ.
"""

import contextlib
import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

_ENDED = "ZX"  # in /proc: its parent has not asked yet how it ended

_SPADE = ".burial"

BEAT = 10.0
DEAD = 120.0


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Have what `path` stands for; False if another process that lives has it."""
    mine = json.dumps({**_self(), "token": uuid.uuid4().hex})
    if not _take(path, mine):
        yield False
        return
    _hearts.add(path, mine)
    try:
        yield True
    finally:
        _hearts.remove(path)
        if _read(path) == mine:  # else it was taken for dead, as after a sleep
            path.unlink(missing_ok=True)


def _take(path: Path, mine: str) -> bool:
    for _ in range(2):
        if _create(path, mine):
            return True
        theirs = _read(path)
        if theirs is not None and _lives(path, theirs):
            return False
        if theirs is not None and not _bury(path, theirs):
            return False
    return False


def _create(path: Path, text: str) -> bool:
    """Make a file that is not there, which only one of all machines can do."""
    try:
        file = path.open("x")
    except FileExistsError:
        return False
    try:
        with file:
            file.write(text)
    except OSError:  # a full disk
        path.unlink(missing_ok=True)
        raise
    return True


def _bury(path: Path, theirs: str) -> bool:
    """Remove the file of a dead owner; False if another process does that now, or has done it. One at a time
    may: else one could remove the file of the next owner, which it took for the dead one's.
    """
    spade = path.with_name(f"{path.name}{_SPADE}")
    if not _create(spade, ""):
        if _age(spade) > DEAD:  # who dug died over it
            spade.unlink(missing_ok=True)
        return False
    try:
        if _read(path) != theirs:
            return False
        path.unlink(missing_ok=True)
        return True
    finally:
        spade.unlink(missing_ok=True)


def _read(path: Path) -> str | None:
    """Empty if it cannot be read: its age then says whether the owner lives."""
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return None
    except OSError:
        return ""


def _self() -> dict:
    return {"host": _host(), "pid": os.getpid(), "began": _began(os.getpid())}


def _host() -> str:
    """This machine since it was started, or the container in it: the numbers of processes are its own. Empty
    where /proc does not say.
    """
    with contextlib.suppress(OSError):
        booted = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{platform.node()} {booted} {os.readlink('/proc/self/ns/pid')}"
    return ""


def _lives(path: Path, text: str) -> bool:
    try:
        owner = json.loads(text)
        host, pid, began = owner["host"], int(owner["pid"]), owner["began"]
    except (ValueError, KeyError, TypeError):  # it is being written, or damaged
        return _age(path) < DEAD
    here = host and host == _host()
    return _began(pid) == began if here else _age(path) < DEAD


def _began(pid: int) -> str | None:
    """When a process of this machine began, in words that differ from those of a later one with its number;
    None if there is none.
    """
    with contextlib.suppress(OSError, IndexError):
        # after the name, which may hold anything: the state first, the start as the 20th
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in _ENDED else fields[19]
    return None


def _age(path: Path) -> float:
    """Seconds since a file was touched, by the clock of its disk. One from the future was touched before the
    clock was set back: it is touched once more, so that a dead owner's does not last until then.
    """
    probe = path.with_name(f"{path.name}.{uuid.uuid4().hex[:12]}")
    try:
        probe.touch()
        age = probe.stat().st_mtime - path.stat().st_mtime
        if age < -BEAT:
            os.utime(path)
        return age
    except FileNotFoundError:
        return 0.0
    finally:
        probe.unlink(missing_ok=True)


class _Hearts:
    """Touches the files of this process, from a thread that every fork begins anew."""

    def __init__(self) -> None:
        self._claims: dict[Path, str] = {}
        self._pid = 0

    def add(self, path: Path, mine: str) -> None:
        if self._pid != os.getpid():
            self._pid, self._claims = os.getpid(), {}
            threading.Thread(target=self._beat, args=(self._pid,), daemon=True).start()
        self._claims[path] = mine

    def remove(self, path: Path) -> None:
        self._claims.pop(path, None)

    def _beat(self, pid: int) -> None:
        while pid == os.getpid():
            time.sleep(BEAT)
            for path, mine in list(self._claims.items()):
                with contextlib.suppress(OSError):
                    if _read(path) == mine:  # not that of whoever took it over
                        os.utime(path)


_hearts = _Hearts()
