"""What may happen to a process from outside: its terminal closes, the reader of its output leaves, somebody
asks it to end.
"""

import contextlib
import os
import signal
import sys
from typing import TextIO


class Ended(KeyboardInterrupt):
    """The process got `signal` to end: everything unwinds as after Ctrl-C, so that nothing temporary stays
    behind.
    """

    def __init__(self, number: int):
        super().__init__(number)
        self.signal = signal.Signals(number)


def end_on_signals() -> None:
    """Let SIGTERM and SIGHUP raise Ended, once; one that is ignored (by `nohup`) stays so. Windows has no
    SIGHUP.
    """
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]

    def end(number, frame):
        for other in numbers:  # a second one shall not disturb the unwinding
            signal.signal(other, signal.SIG_IGN)
        raise Ended(number)

    for number in numbers:
        signal.signal(number, end)


def open_closed_streams() -> None:
    """Give standard input, output and error a place where they were closed (`2>&-`): Python has None for
    them, and the next file that is opened would take their number, into which libraries write their warnings.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115  as long as the process


def unwatched() -> bool:
    """Whether nobody would see a progress bar: standard error is closed, or goes neither to a terminal nor
    into a notebook, which is no terminal for Python.
    """
    stream = sys.stderr
    return stream is None or not (stream.isatty() or type(stream).__module__.startswith("ipykernel"))


class Lasting:
    """A text stream whose reader may leave (`| head`, a closed terminal, a full disk): what is written after
    that goes nowhere.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream

    def __getattr__(self, name: str):
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._without_reader():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._without_reader():
            self._stream.flush()

    @contextlib.contextmanager
    def _without_reader(self):
        try:
            yield
        except OSError:
            throw_away(self._stream)


def throw_away(stream: TextIO) -> None:
    """Let what is written to a stream go nowhere, what could not be written before included."""
    # ValueError: no file, as in tests
    with contextlib.suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
