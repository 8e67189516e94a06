"""A bench as a process of its own, forked from one that has imported everything: it begins in no time.

An audit hook sees each file that the process or its workers open, make, rename or remove. Where one is what a
fault waits for, the fault comes, just before it is done.
"""

import atexit
import ctypes
import os
import re
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .places import Home

SEEN = ("open", "os.rename", "os.mkdir", "os.remove")

LONGEST = 90.0
"""Seconds: a bench that takes longer waits for something."""

MASTER = 200
"""In a process with a terminal, its other end: whoever closes it takes the terminal away."""


@dataclass(frozen=True)
class Started:
    """How a bench is started: the words for `fer-meta`, its cache, its streams (see `_redirect`), and whether
    it has no rights of root's. `first` is called at its very beginning.
    """

    words: list[str]
    cache: str
    streams: str = "files"
    by_user: bool = False
    first: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class Ended:
    """How it ended: its status (negative: the signal), what it said, and whether the fault came."""

    status: int
    said: str
    struck: bool = False


def run(home: Home, bench: Started, at: str = "", strike: Callable[[Home], object] | None = None) -> Ended:
    """Run a bench. `strike` comes once, where it or a worker does what `at` says: a pattern of an event and a
    path, such as "os.rename .*DONE".
    """
    said, marker = home.folder.parent / "said", home.folder.parent / "struck"
    for path in (said, marker):
        path.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        _live(home, bench, said, lambda: strike and _watch(home, re.compile(at), strike, marker))
    status = _wait(child)
    return Ended(status, said.read_text(errors="replace"), marker.exists())


def _wait(child: int) -> int:
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -signal.SIGALRM


def _live(home: Home, bench: Started, said: Path, prepare: Callable[[], object]) -> None:
    """What the forked process does, as Python would have done it from the start. It never returns."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is started deaf to it
    status = 1
    try:
        os.setsid()
        _redirect(bench.streams, said)
        os.environ.update(
            FER_META_CACHE=bench.cache, TMPDIR=str(home.tmp), HOME=str(home.user), COLUMNS="200"
        )
        os.chdir(home.elsewhere)
        sys.argv = ["fer-meta", *bench.words]
        if bench.by_user:
            _without_rights()
        tempfile.tempdir = None
        tempfile.gettempdir()  # while it can be written
        bench.first()
        prepare()
        from fer_meta.cli.main import run as fer_meta

        fer_meta()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    try:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except OSError:
        status = status or 120  # as Python does
    finally:
        os._exit(status)


def _without_rights() -> None:
    """Modes of files concern this process now, as they concern all users."""
    version_3, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    ctypes.CDLL(None).capset(version_3, none)


# --- its streams --------------------------------------------------------------------------------------------


def _redirect(streams: str, said: Path) -> None:
    """Standard output and error go to a file; where `streams` says "head", "full" or "terminal", to one that
    does not last. Those that it names after a "no" are closed.
    """
    file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    ends = {0: os.open(os.devnull, os.O_RDONLY), 1: file, 2: file}
    if streams == "head":
        reader, ends[1] = os.pipe()
        os.close(reader)
    elif streams == "full":
        ends[1] = os.open("/dev/full", os.O_WRONLY)
    elif streams == "terminal":
        ends = dict.fromkeys(range(3), _terminal())
    for number, end in ends.items():
        os.dup2(end, number)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if f"no {name}" in streams:
            os.close(number)
            setattr(sys, name, None)
        else:
            stream = open(number, mode, 1 if name == "stderr" else -1, "utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def _terminal() -> int:
    import fcntl
    import termios

    master, slave = os.openpty()
    os.dup2(master, MASTER)
    os.close(master)
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    return slave


# --- where the fault comes ----------------------------------------------------------------------------------


def _watch(home: Home, at: re.Pattern, strike: Callable[[Home], object], marker: Path) -> None:
    busy = False

    def hook(event: str, arguments: tuple) -> None:
        nonlocal busy
        if busy or event not in SEEN:
            return
        name = arguments[1 if event == "os.rename" else 0]  # the new one
        if not isinstance(name, str | bytes | os.PathLike) or not at.search(f"{event} {os.fsdecode(name)}"):
            return
        busy = True
        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
            strike(home)
        except FileExistsError:
            pass  # it came before, perhaps in another worker
        finally:
            busy = False

    sys.addaudithook(hook)
