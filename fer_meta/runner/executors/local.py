"""Do the runs of a plan in this process, or in several of this machine.

A model's training and all of its runs are one unit, of which this process has the lock. One worker trains the
model; what it is tested on is then divided among the workers that are free. Who does what changes no number,
but the threads that each has may change its last digits (see `workers.choose_workers`).
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

from fer_meta.runner.executors.outcomes import accuracies_of, error_of, failed_at
from fer_meta.runner.executors.workers import Died, Workers
from fer_meta.runner.locks import model_held, wait_for_one
from fer_meta.runner.messages import Began, Elsewhere, Ended, Message, Said, Tell
from fer_meta.runner.plan import Unit
from fer_meta.runner.run import Bench, execute, fail


def run_all(bench: Bench, units: Sequence[Unit], workers: Workers, tell: Tell) -> None:
    """Do the runs of each unit, or see them done by another process that works on the same plan: a model that
    another has is left to it, and taken over if it ends in the middle.

    Raises MachineError if the disk is full. An interrupt ends all workers and passes through.
    """
    waiting = False
    failures = {run.id: failed_at(bench, run) for unit in units for run in unit}
    left = [list(unit) for unit in units]
    while left:
        before = sum(map(len, left))
        with _Handed(bench, left, workers, tell, failures) as handed:
            workers.each(handed.parts(), partial(_work, bench), handed.hear)
        left = [unit for unit in left if unit]
        if left and sum(map(len, left)) == before:
            if not waiting:
                tell(Said(f"{before} runs are in the hands of another bench; waiting for it"))
            waiting = True
            wait_for_one(bench.folder, [unit[0].model.id for unit in left])


def _work(bench: Bench, part: Unit, tell: Tell) -> None:
    """Do some runs of a model, in a worker."""
    bench = replace(bench, tell=tell)
    for run in list(part):
        tell(Began(run.id))
        began = time.perf_counter()
        error = execute(bench, run)
        accuracies = "" if error else accuracies_of(bench, run)
        tell(Ended(run.id, error, accuracies, time.perf_counter() - began))


@dataclass
class _Held:
    """A unit whose model this process has. `unit`: its runs that did not end; `parts`: those that no worker
    has, by what they are tested on. `trained`: before; its checkpoints may be damaged, and it is then trained
    again. `tested`: a run has ended.
    """

    unit: Unit
    parts: deque[Unit]
    lock: ExitStack
    trained: bool
    tested: bool = False


class _Handed:
    """Hands parts of units to workers, and hears how they end. A unit loses each run that ended."""

    def __init__(
        self, bench: Bench, units: Sequence[Unit], workers: Workers, tell: Tell, failures: dict[str, int]
    ):
        self._bench, self._workers, self._tell, self._failures = bench, workers, tell, failures
        self._waiting = deque(units)
        self._held: dict[str, _Held] = {}

    def __enter__(self) -> "_Handed":
        return self

    def __exit__(self, *_: object) -> None:
        for held in self._held.values():
            held.lock.close()

    def parts(self) -> Iterator[Unit | None]:
        """What a worker that is free does next; None: nothing, until another is heard.

        While few models wait, they go first: a training that begins last keeps one worker busy and no other.
        """
        while self._waiting or self._held:
            few = len(self._waiting) < 2 * self._workers.jobs
            found = (self._new() or self._of_held()) if few else (self._of_held() or self._new())
            if found or self._held:
                yield found

    def hear(self, part: Unit, message: Message | Died) -> None:
        """Pass on what the worker of a part reports; a run that ended leaves its part and its unit."""
        if isinstance(message, Died):
            if part:
                self._died(part, str(message))
            return
        if isinstance(message, Ended):
            self._ended(part, message)
        self._tell(message)

    def _new(self) -> Unit | None:
        """The first part of the next model that nobody has: its training, and what follows at once."""
        while self._waiting:
            unit = self._waiting.popleft()
            model, lock = unit[0].model, ExitStack()
            if not lock.enter_context(model_held(self._bench.folder, model.id)):
                continue  # left to whoever has it
            self._leave(unit)
            if not unit:
                lock.close()
                continue
            parts = deque(_by_target(unit) if self._workers.forked else [list(unit)])
            self._held[model.id] = _Held(unit, parts, lock, self._bench.is_trained(model))
            return parts.popleft()
        return None

    def _of_held(self) -> Unit | None:
        """Another part of a model that is trained."""
        for held in self._held.values():
            ready = held.tested or (not held.trained and self._bench.is_trained(held.unit[0].model))
            if ready and held.parts:
                return held.parts.popleft()
        return None

    def _leave(self, unit: Unit) -> None:
        """Take out of a unit what another process did, or failed in, before this one had the model. What it
        began again and was killed in has neither seal nor failure, and stays.
        """
        for run in list(unit):
            done, at = self._bench.is_done(run), failed_at(self._bench, run)
            if done or (at and at != self._failures[run.id]):
                unit[:] = [one for one in unit if one is not run]
                self._tell(Elsewhere(run.id, None if done else error_of(self._bench, run)))

    def _ended(self, part: Unit, ended: Ended) -> None:
        run = part.pop(0)
        held = self._held[run.model.id]
        held.tested = True
        held.unit[:] = [one for one in held.unit if one is not run]
        if ended.error and not self._bench.is_trained(run.model):
            self._bench.failed_models[run.model.id] = ended.error  # workers to come do not try it again
        if ended.error and held.parts:  # its model may be damaged: one worker alone trains it anew
            held.parts = deque([[one for other in held.parts for one in other]])
        if not held.unit:
            held.lock.close()
            del self._held[run.model.id]

    def _died(self, part: Unit, why: str) -> None:
        """A worker died in the middle of the first run of its part; the others are handed out again."""
        run = part[0]
        fail(self._bench, run, why)
        if part[1:]:
            self._held[run.model.id].parts.append(part[1:])
        self.hear(part, Ended(run.id, why, "", 0.0))


def _by_target(unit: Unit) -> list[Unit]:
    """The runs on the same images together, for they share features."""
    parts: dict[int, Unit] = {}
    for run in unit:
        parts.setdefault(id(run.setting.target.images), []).append(run)
    return list(parts.values())
