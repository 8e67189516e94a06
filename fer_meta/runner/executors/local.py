"""Do the runs of a plan in this process, or in several of this machine.

A model's training and all of its runs are one unit, done in order by one worker that has the model's lock.
The order of the workers changes no number, but the threads that each has may change its last digits (see
`workers.choose_workers`).
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from fer_meta.runner.executors.outcomes import accuracies_of, error_of, failed_at
from fer_meta.runner.executors.workers import Died, Workers
from fer_meta.runner.locks import model_held, wait_for_one
from fer_meta.runner.messages import Began, Elsewhere, Ended, Message, Said, Tell
from fer_meta.runner.plan import Run, Unit
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
        workers.each(left, partial(_work, bench, failures), partial(_hear, bench, tell))
        left = [unit for unit in left if unit]
        if left and sum(map(len, left)) == before:
            if not waiting:
                tell(Said(f"{before} runs are in the hands of another bench; waiting for it"))
            waiting = True
            wait_for_one(bench.folder, [unit[0].model.id for unit in left])


def _work(bench: Bench, failures: dict[str, int], unit: Unit, tell: Tell) -> None:
    """Do the runs of a unit, in a worker. `failures`: when each had failed before the bench began."""
    bench = replace(bench, tell=tell)
    with model_held(bench.folder, unit[0].model.id) as mine:
        if not mine:
            return
        for run in list(unit):
            if bench.is_done(run):
                tell(Elsewhere(run.id, None))
            elif failed_at(bench, run) != failures[run.id]:
                tell(Elsewhere(run.id, error_of(bench, run)))
            else:
                tell(Began(run.id))
                began = time.perf_counter()
                error = execute(bench, run)
                accuracies = "" if error else accuracies_of(bench, run)
                tell(Ended(run.id, error, accuracies, time.perf_counter() - began))


def _hear(bench: Bench, tell: Tell, unit: Unit, message: Message | Died) -> None:
    """Pass on what the worker of a unit reports; a run that ended leaves its unit."""
    if isinstance(message, Died):
        if unit:
            tell(_died(bench, unit.pop(0), message))
        return
    if isinstance(message, Ended | Elsewhere):
        unit.pop(0)
    tell(message)


def _died(bench: Bench, run: Run, died: Died) -> Ended:
    """The worker of a run died in the middle."""
    if not bench.is_trained(run.model):
        bench.failed_models[run.model.id] = str(died)
    fail(bench, run, str(died))
    return Ended(run.id, str(died), "", 0.0)
