"""The messages of the runs of a bench, from whatever process does them."""

import time
from collections.abc import Callable
from typing import NamedTuple


class Began(NamedTuple):
    """A run began."""

    run: str


class At(NamedTuple):
    """How far a stage of a run is, such as "train"; `note`: what it found so far."""

    run: str
    stage: str
    done: int
    total: int
    note: str


class Said(NamedTuple):
    """A line for the user."""

    line: str


class Ended(NamedTuple):
    """A run ended: with an error, or with its accuracies in words."""

    run: str
    error: str | None
    accuracies: str
    seconds: float


class Elsewhere(NamedTuple):
    """Another process has done a run meanwhile, or failed in it."""

    run: str
    error: str | None


Message = Began | At | Said | Ended | Elsewhere
Tell = Callable[[Message], None]


class Stage:
    """Reports how far a stage of a run is, at most twice a second."""

    def __init__(self, tell: Tell, run: str, name: str, total: int):
        self._tell, self._run, self._name, self._total = tell, run, name, total
        self._told = 0.0

    def at(self, done: int, note: str = "") -> None:
        """`done` steps of the stage are done."""
        now = time.monotonic()
        if now - self._told > 0.5:
            self._told = now
            self._tell(At(self._run, self._name, done, self._total, note))
