"""Do the runs of a plan in processes elsewhere: a job for each model, which an engine gives to them.

A job makes the plan itself, from the same options, and does its model's runs in the results folder, which all
processes share. What is done is read there. So only names go to and fro, the tables are those of one machine,
and of a job that dies only what its model had not yet written is lost.
"""

import os
import platform
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from typing import Any, Protocol

from fer_meta.errors import FerMetaError, MachineError, ResultsError
from fer_meta.runner.executors.outcomes import accuracies_of, error_of, failed_at
from fer_meta.runner.messages import Began, Ended, Said, Tell
from fer_meta.runner.options import BenchOptions
from fer_meta.runner.plan import Unit
from fer_meta.runner.run import Bench, fail

POLL = 0.5
_CLOSING = 0.05
_POLL_OF_A_RUN = 0.002  # more runs are looked at less often: each look asks a disk that may be far

TRIES = 3
"""So often a model's job is given out, if its process dies."""

PATIENCE = 90.0
"""Seconds in which what another machine wrote is seen here, at the latest: network disks remember for a while
that a file was not there.
"""

CARRIED = "FER_META_"
"""Variables of the environment that begin so go with a job: where data and caches lie."""


class Future(Protocol):
    """A job that was given out, as concurrent.futures, dask and submitit have it."""

    def done(self) -> bool: ...

    def exception(self) -> BaseException | None: ...

    def cancel(self) -> object: ...


Submit = Callable[[Callable[[str], object], Sequence[str]], Sequence[Future]]
"""An engine: gives a function and the ids of models to processes elsewhere; returns a future for each."""


@dataclass(frozen=True)
class Job:
    """What a process elsewhere does for a model (its id): the runs of the bench of `options`. Relative paths
    start from `folder`. `bench` tells one bench from the next, which plans anew. A `team` of more than one
    process does a job together: this is what its first does.
    """

    options: BenchOptions
    folder: str
    variables: dict[str, str]
    bench: str
    team: int = 1

    def __call__(self, model: str) -> None:
        """Raises MachineError if the model is not in the plan that is made here."""
        from fer_meta.runner.main import work

        with _ALONE:
            planned = self._planned(model)
            planned.bench.failed_models.clear()
            try:
                work(planned, [model], quiet=True)
            except ResultsError:  # such as a plan that is seen here as it was before
                _plans.clear()
                raise

    def follow(self, model: str) -> None:
        """What the others of the team do: their share of the training."""
        from fer_meta.runner.run import follow

        with _ALONE:
            planned = self._planned(model)
            follow(planned.bench, _models(planned)[model])

    def _planned(self, model: str) -> Any:
        """The plan as it is made here, with `model` in it."""
        from fer_meta.runner.main import decided, plan

        os.chdir(self.folder)
        for name in _carried():
            del os.environ[name]
        os.environ.update(self.variables)
        if self.bench not in _plans:
            _plans.clear()
            _plans[self.bench] = plan(self.options)
            if self.team > 1:
                from fer_meta.training.team import Team

                bench = _plans[self.bench].bench
                bench.team = Team(self.team, bench.device)
        planned, began = decided(_plans[self.bench]), time.monotonic()
        while model not in _models(planned):
            # the end of a search may not yet be seen here
            if not planned.trials or time.monotonic() - began > PATIENCE:
                raise MachineError(
                    f"{platform.node()}: the plan made here has no model {model}: data or fer-meta"
                    " are not those of the machine that gave the job; make them equal"
                )
            time.sleep(POLL)
            planned = decided(planned)
        return planned


def _models(planned: Any) -> dict[str, Any]:
    return {run.model.id: run.model for run in [*planned.trials, *planned.runs]}


def _carried() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(CARRIED)}


@dataclass(frozen=True)
class Silent:
    """A job that prints nothing: its process shares the terminal of the bench, which says what it would."""

    job: Any  # a Job

    def __call__(self, model: str) -> None:
        self._quietly(self.job, model)

    def follow(self, model: str) -> None:
        self._quietly(self.job.follow, model)

    def _quietly(self, do: Callable[[str], object], model: str) -> None:
        with _ALONE, open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            do(model)


# torch's threads, the folder, the environment and the streams belong to the whole process.
_ALONE = threading.RLock()
_plans: dict[str, Any] = {}


def job_of(options: BenchOptions, device: str) -> Job:
    """The job of a bench, one model at a time. With `--devices`, on the kind of `device` that the bench has:
    a process that has one for itself calls it the first, and one that has none must not use the processor.
    """
    alone = replace(
        options,
        device=device if options.devices else options.device,
        executor=None,
        scheduler=None,
        cluster={},
        devices=None,
        devices_per_model=1,
        shard=None,
        track=(),
        jobs=1,
        dry_run=False,
    )
    return Job(alone, os.getcwd(), _carried(), uuid.uuid4().hex, options.devices_per_model)


def run_all(bench: Bench, units: Sequence[Unit], submit: Submit, job: Job, tell: Tell) -> None:
    """Have the runs of each unit done elsewhere. A job whose process dies is given out again.

    Raises MachineError if a disk is full. An interrupt takes back what has not begun, and passes through.
    """
    left = {unit[0].model.id: list(unit) for unit in units}
    failures = {run.id: failed_at(bench, run) for unit in units for run in unit}
    tries, ended = Counter(list(left)), dict[str, float]()
    futures = dict(zip(left, submit(job, list(left))))
    try:
        while left:
            for model, unit in list(left.items()):
                over = futures[model].done()  # before the look: what it wrote is then seen
                _see(bench, unit, failures, tell)
                if unit and over:
                    error = futures[model].exception()
                    if isinstance(error, MachineError):
                        raise error
                    since = ended.setdefault(model, time.monotonic())
                    if error is None and time.monotonic() - since < PATIENCE:
                        continue
                    del ended[model]
                    if tries[model] < TRIES and _may_pass(error):
                        tries[model] += 1
                        tell(Said(f"    model {model}: {_in_words(error)}; its job is given out again"))
                        futures[model] = submit(job, [model])[0]
                    else:
                        _give_up(bench, unit, _in_words(error), tell)
                if not unit:
                    del left[model]
            time.sleep(max(POLL, _POLL_OF_A_RUN * sum(map(len, left.values()))) if left else 0)
        while not all(future.done() for future in futures.values()):
            time.sleep(_CLOSING)
    except BaseException:
        for future in futures.values():
            future.cancel()
        raise


def _see(bench: Bench, unit: Unit, failures: dict[str, int], tell: Tell) -> None:
    """Take the runs that ended out of a unit, and tell how."""
    for run in list(unit):
        if bench.is_done(run):
            ended = Ended(run.id, None, accuracies_of(bench, run), 0.0)
        elif (at := failed_at(bench, run)) and at != failures[run.id]:
            ended = Ended(run.id, error_of(bench, run) or "see FAILED.json in its folder", "", 0.0)
        else:
            failures[run.id] = failures[run.id] and at  # 0: it was begun again
            continue
        unit.remove(run)
        tell(Began(run.id))
        tell(ended)


def _may_pass(error: BaseException | None) -> bool:
    """Whether another try may end otherwise: a process died, or a disk showed what was there before."""
    return isinstance(error, ResultsError) or not isinstance(error, FerMetaError)


def _give_up(bench: Bench, unit: Unit, why: str, tell: Tell) -> None:
    while unit:
        run = unit.pop(0)
        if not bench.is_done(run):
            fail(bench, run, why)
        tell(Began(run.id))
        tell(Ended(run.id, why, "", 0.0))


def _in_words(error: BaseException | None) -> str:
    if error is None:
        return "its job ended without a result"
    lines = str(error).split("\n--------")[0].strip().splitlines() or [type(error).__name__]
    return f"its job ended ({lines[-1] if 'Traceback' in str(error) else lines[0]})"
