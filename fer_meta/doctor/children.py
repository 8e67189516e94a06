"""Processes that look at what may crash or never answer, such as a library for another processor, or a GPU
that hangs.
"""

import contextlib
import json
import signal
import subprocess
import sys
from functools import cached_property
from typing import Any

from fer_meta.oneline import one_line

SECONDS = 90
"""How long one may take. The first use of a GPU takes up to half a minute on a slow disk."""

# The child finds the very modules that this process finds. Without the garbage collector a large library is
# imported a fifth faster.
_START = """
import sys
sys.path[:] = sys.argv[2:]
import gc
gc.disable()
from fer_meta.doctor import facts
facts.tell(sys.argv[1])
"""


class Child:
    """A process that tells the facts of `facts.TOLD[name]`. It begins at once."""

    def __init__(self, name: str) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._refused = ""
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, name, *sys.path],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
        except OSError as error:
            self._refused = f"no process can be started ({error.strerror or error})"

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    @cached_property
    def facts(self) -> dict[str, Any]:
        """All that it told before it ended. `error` is there if it did not end well: why, in one line; `at`
        says what it was doing then.
        """
        if self._process is None:
            return {"error": self._refused}
        try:
            told, said = self._process.communicate(timeout=SECONDS)
            error = _why(self._process.returncode, said)
        except subprocess.TimeoutExpired:
            told, said = self._end()
            error = f"no answer within {SECONDS} seconds"
        facts: dict[str, Any] = {}
        for line in told.splitlines():
            with contextlib.suppress(ValueError, TypeError):  # a library printed something
                facts.update(json.loads(line))
        return facts | ({"error": error} if error else {})

    def _end(self) -> tuple[str, str]:
        """What it told and said until now."""
        if self._process is None:
            return "", ""
        self._process.kill()
        try:
            return self._process.communicate(timeout=5)
        except (subprocess.TimeoutExpired, ValueError):  # held by a driver; or all is read
            return "", ""


def _why(status: int, said: str) -> str | None:
    """Why a process did not end well; None if it did."""
    if status < 0:
        names = {one.value: one.name for one in signal.Signals}
        return f"the process was ended by {names.get(-status, f'signal {-status}')}"
    lines = said.split("\n")
    last = next((line for line in reversed(lines) if line.strip()), f"the process ended with status {status}")
    return one_line(last, 300) if status else None
