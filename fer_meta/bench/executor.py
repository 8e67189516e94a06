"""Do the runs of a plan, one after the other or side by side, and say what happens as it happens.

A model's training and all of its runs are one unit, done in order by one worker. Numbers do not hang on the
order of the workers, but their last digits may on the threads that each has (see `workers.choose_workers`).
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import click
import pandas as pd
from tqdm import tqdm

from fer_meta.bench.estimate import Cost, estimate, makespan
from fer_meta.bench.plan import Run
from fer_meta.bench.runner import Bench, execute, fail
from fer_meta.bench.workers import Died, Workers

Unit = list[Run]  # the runs of one model that are left to do


class _Began(NamedTuple):
    run: str


class _At(NamedTuple):
    run: str
    label: str
    done: int
    total: int


class _Said(NamedTuple):
    line: str


class _Ended(NamedTuple):
    run: str
    error: str | None
    accuracies: str
    seconds: float


def run_all(bench: Bench, runs: Sequence[Run], workers: Workers) -> int:
    """Do what is not done yet; returns how many runs failed.

    Raises MachineError when the disk is full. An interrupt ends all workers and passes through.
    """
    todo = [run for run in runs if not bench.is_done(run)]
    if len(todo) < len(runs):
        click.echo(f"{len(runs) - len(todo)} of {len(runs)} runs are done already and are not redone")
    if not todo:
        return 0
    units = by_model(todo)
    workers = workers.at_most(len(units))
    bench = replace(bench, jobs=workers.jobs)
    click.echo("timing a few steps of each method ...", err=True)
    costs = estimate(bench, todo, workers)
    if workers.jobs > 1:
        # a long one begun last would keep the others waiting
        units.sort(key=lambda unit: -seconds_of(unit, costs))
    # Workers' bars would overwrite each other: one is drawn here for all.
    tells = workers.forked and sys.stderr.isatty()
    with _Told(bench, units, costs, first=len(runs) - len(todo) + 1, total=len(runs), tells=tells) as told:
        while units:  # again, if a worker died and left runs undone
            workers.each(units, partial(_work, bench, tells), told.hear)
            units = told.units = [unit for unit in units if unit]
    return told.failed


def by_model(runs: Sequence[Run]) -> list[Unit]:
    units: dict[str, Unit] = {}
    for run in runs:
        units.setdefault(run.model.id, []).append(run)
    return list(units.values())


def seconds_of(unit: Unit, costs: dict[str, Cost]) -> float:
    return sum(sum(costs[run.id]) for run in unit)


def title(run: Run) -> str:
    setting = run.setting
    key = f"{setting.experiment}  " if setting.experiment else ""
    fold = f"  fold {setting.fold}" if setting.fold else ""
    return (
        f"{key}{run.model.algorithm}  {setting.source.name} -> {setting.target.name}{fold}  seed"
        f" {run.model.seed}"
    )


def clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def bar(label: str, total: int) -> tqdm:
    """A progress bar with the time left; none where no one watches, so that a log file holds a line a run."""
    return tqdm(
        total=total, desc=f"    {label}", leave=False, mininterval=0.5, dynamic_ncols=True, disable=None
    )


def _work(bench: Bench, tells: bool, unit: Unit, tell: Callable[[object], None]) -> None:
    bench = replace(bench, say=lambda line: tell(_Said(line)))
    for run in list(unit):
        tell(_Began(run.id))
        began = time.perf_counter()
        error = execute(replace(bench, show=partial(_ToldBar, tell, run.id)) if tells else bench, run)
        tell(_Ended(run.id, error, "" if error else _accuracies(bench, run), time.perf_counter() - began))


def _accuracies(bench: Bench, run: Run) -> str:
    """The accuracies of a finished run in one line."""
    answers = pd.read_parquet(
        bench.run_folder(run) / "predictions.parquet",
        columns=["method", "shots", "selection", "label", "predicted"],
    )
    answers = answers[answers["selection"] == bench.suite.selection[0]]
    right = answers["label"].astype(str) == answers["predicted"].astype(str)
    means = right.groupby([answers["method"].astype(str), answers["shots"]], sort=False).mean()
    return ", ".join(
        f"{method} {f'{shots}-shot' if shots else 'on all images'} {100 * mean:.1f} %"
        for (method, shots), mean in means.items()
    )


class _ToldBar:
    """Stands for a bar in a worker, and tells the parent how far it is, twice a second at most."""

    def __init__(self, tell: Callable[[object], None], run: str, label: str, total: int):
        self.tell, self.run, self.label, self.total = tell, run, label, total
        self.n, self.told = 0, 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def update(self, steps: int = 1) -> None:
        self.n += steps
        if time.monotonic() - self.told > 0.5:
            self.told = time.monotonic()
            self.tell(_At(self.run, self.label, self.n, self.total))

    def set_postfix_str(self, *_, **__) -> None:
        pass


class _Told:
    """A line when a run begins and one when it ends, the time left, and, if workers tell how far they are, a
    bar over the whole bench.
    """

    def __init__(
        self, bench: Bench, units: list[Unit], costs: dict[str, Cost], first: int, total: int, tells: bool
    ):
        self.bench, self.units, self.costs, self.total = bench, units, costs, total
        self.next, self.failed = first, 0
        self.began = time.perf_counter()
        self.expected = self.spent = 0.0  # seconds of the runs that ended
        self.running: dict[str, tuple[int, float]] = {}  # run -> its number, and when it began
        self.at: dict[str, _At] = {}
        self.bar = tqdm(
            total=sum(map(sum, costs.values())),
            leave=False,
            dynamic_ncols=True,
            disable=not tells,
            bar_format="    {percentage:3.0f} %|{bar:20}| {elapsed} so far{postfix}",
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bar.close()

    def hear(self, unit: Unit, message) -> None:
        """Take what a worker of `unit` tells; a run that ended leaves its unit."""
        if isinstance(message, _Began):
            self.running[message.run] = self.next, time.perf_counter()
            elapsed = clock(time.perf_counter() - self.began)
            self._say(
                f"[{self.next}/{self.total}] {title(unit[0])}   ({elapsed} so far, about {clock(self.left())}"
                " left)"
            )
            self.next += 1
        elif isinstance(message, _Said):
            self._say(message.line)
        elif isinstance(message, _At):
            self.at[message.run] = message
        elif isinstance(message, _Ended):
            self._end(unit.pop(0), message.error, message.accuracies, message.seconds)
        elif isinstance(message, Died) and unit:
            if not self.bench.is_trained(unit[0].model):
                self.bench.failed_models[unit[0].model.id] = str(message)
            fail(self.bench, unit[0], str(message))
            self._end(unit.pop(0), str(message), "", 0.0)
        if not self.bar.disable:
            self._draw()

    def left(self) -> float:
        """Seconds until the last worker is done: as estimated, corrected by how the estimate has fared so
        far.
        """
        fared = self.spent / self.expected if self.expected else 1.0
        now, seconds = time.perf_counter(), []
        for unit in self.units:
            whole = seconds_of(unit, self.costs)
            if unit and unit[0].id in self.running:
                whole -= min(sum(self.costs[unit[0].id]), (now - self.running[unit[0].id][1]) / fared)
            seconds.append(whole)
        return fared * makespan(seconds, self.bench.jobs)

    def _end(self, run: Run, error: str | None, accuracies: str, seconds: float) -> None:
        number, _ = self.running.pop(run.id, (self.next, 0.0))
        self.at.pop(run.id, None)
        which = f"[{number}] " if self.bench.jobs > 1 else ""
        if error:
            self.failed += 1
            self._say(f"    {which}FAILED: {error}", err=True)
        else:
            if cost := sum(self.costs[run.id]):  # 0: it could not be timed
                self.expected, self.spent = self.expected + cost, self.spent + seconds
            self._say(f"    {which}{accuracies}")

    def _say(self, line: str, err: bool = False) -> None:
        with tqdm.external_write_mode():
            click.echo(line, err=err)

    def _draw(self) -> None:
        trained = sum(
            at.done / at.total * self.costs[run].train for run, at in self.at.items() if at.label == "train"
        )
        tested = sum(self.costs[run].train for run, at in self.at.items() if at.label != "train")
        ended = self.bar.total - sum(seconds_of(unit, self.costs) for unit in self.units)
        where = [
            f"[{self.running[run][0]}] {at.label.partition(' (')[0]} {at.done}/{at.total}"
            for run, at in self.at.items()
        ]
        self.bar.set_postfix_str("; ".join([f"about {clock(self.left())} left", *where]), refresh=False)
        self.bar.update(ended + trained + tested - self.bar.n)
