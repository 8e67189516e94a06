"""Who works in a results folder: any number of processes share one plan, and one at a time has a model.

The locks are in `.locks/` of the results folder. The system frees those of a process that ends, however it
ends. Disks that several machines share may have no locks, or locks that each machine sees alone. So who has a
lock also has the claim beside it (`claims`).
"""

import contextlib
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import filelock

from fer_meta.errors import ResultsError
from fer_meta.records.plan import Plan, read_plan
from fer_meta.refused import FULL
from fer_meta.runner.claims import claimed

LOCKS = ".locks"
CLAIM = ".owner"
_PLAN, _WORKER = "plan", "worker-"

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
        with held(locks / _PLAN, wait=True):
            alone = not _others(locks)
            if not alone and (other := _differs(folder, plan)):
                raise ResultsError(
                    f"{folder}: another bench is writing here ({other}); wait for it or give another --out"
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
    """Hold a lock and its claim; False if another process holds them, unless that is waited for."""
    with contextlib.ExitStack() as holding:
        if not _locked(path, wait, holding):
            yield False
            return
        mine = holding.enter_context(claimed(_claim(path)))
        while wait and not mine:
            time.sleep(POLL)
            mine = holding.enter_context(claimed(_claim(path)))
        yield mine


def _claim(path: Path) -> Path:
    return path.with_name(f"{path.name}{CLAIM}")


def _locked(path: Path, wait: bool, holding: contextlib.ExitStack) -> bool:
    """Where a disk has no locks, everybody holds them."""
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except filelock.Timeout:
        return False
    except NotImplementedError:
        return True
    holding.callback(lock.release)
    return True


def working(folder: Path) -> int:
    """How many processes work in a results folder now. Nothing but what dead ones claim is removed there, and
    for a moment nobody can begin.
    """
    locks = folder / LOCKS
    if not (locks / _PLAN).exists():
        return 0
    with held(locks / _PLAN) as quiet:
        if not quiet:  # somebody begins
            return 1
        return sum(map(_busy, _workers(locks)))


def _others(locks: Path) -> bool:
    """Whether another process works here. What killed ones left is removed."""
    busy = {path: _busy(path) for path in _workers(locks)}
    for path in [path for path, works in busy.items() if not works]:
        path.unlink(missing_ok=True)
    return any(busy.values())


def _workers(locks: Path) -> set[Path]:
    """The locks of all that work here, or did when they were killed."""
    return {path.with_name(path.name.partition(".")[0]) for path in locks.glob(f"{_WORKER}*")}


def _busy(worker: Path) -> bool:
    with held(worker) as dead:
        return not dead


def _differs(folder: Path, plan: Plan) -> str:
    """In what the plan that is worked on differs; empty if it does not."""
    try:
        return ", ".join(read_plan(folder).differs(plan))
    except ResultsError as error:
        return str(error)
