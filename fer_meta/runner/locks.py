"""Who works in a results folder: any number of processes share one plan, and one at a time has a model.

The locks are in `.locks/` of the results folder. The system frees those of a process that ends, however it
ends.
"""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import filelock

from fer_meta.errors import ResultsError
from fer_meta.fileio import FULL
from fer_meta.records.plan import Plan, read_plan

LOCKS = ".locks"
_WORKER = "worker-"

# Seconds between two looks at the locks of other processes.
POLL = 1.0


@contextlib.contextmanager
def part_in(folder: Path, plan: Plan, begin: Callable[[bool], None]) -> Iterator[None]:
    """Work on `plan` in a results folder; other processes may work on the same plan.

    `begin(alone)` is called first, and nobody else begins meanwhile; `alone` says whether no other process
    works here. Raises ResultsError if others work on another plan, or if the folder cannot be written.
    """
    locks = folder / LOCKS
    try:
        locks.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in FULL:
            raise
        raise ResultsError(f"{folder}: cannot be written ({error.strerror}); give another --out") from error
    mine = locks / f"{_WORKER}{uuid.uuid4().hex[:12]}"
    with contextlib.ExitStack() as working:
        with held(locks / "plan", wait=True):
            alone = not _others(locks)
            if not alone and not _is_plan_of(folder, plan):
                raise ResultsError(
                    f"{folder}: another bench is writing here; wait for it or give another --out"
                )
            begin(alone)
            working.callback(mine.unlink, missing_ok=True)
            working.enter_context(held(mine))
        yield


@contextlib.contextmanager
def model_held(folder: Path, model: str) -> Iterator[bool]:
    """Hold the lock of a model (its id); False if another process holds it."""
    with held(folder / LOCKS / f"model-{model}") as mine:
        yield mine


def wait_for_one(folder: Path, models: Iterable[str]) -> None:
    """Return as soon as the lock of one of `models` is free."""
    models = list(models)
    while True:
        for model in models:
            with model_held(folder, model) as free:
                if free:
                    return
        time.sleep(POLL)


@contextlib.contextmanager
def held(path: Path, wait: bool = False) -> Iterator[bool]:
    """Hold a lock; False if another process holds it, unless that is waited for. Where a disk has no locks,
    everybody holds it.
    """
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except filelock.Timeout:
        yield False
        return
    except NotImplementedError:  # some network drives
        yield True
        return
    try:
        yield True
    finally:
        lock.release()


def _others(locks: Path) -> bool:
    """Whether another process works here. What killed ones left is removed."""
    working = False
    for path in locks.glob(f"{_WORKER}*"):
        with held(path) as dead:
            if dead:
                path.unlink(missing_ok=True)
            working = working or not dead
    return working


def _is_plan_of(folder: Path, plan: Plan) -> bool:
    try:
        return read_plan(folder).is_same_bench(plan)
    except ResultsError:
        return False
