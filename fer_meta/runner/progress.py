"""What a user sees of a bench: a line when a run begins, a line when it ends, the time left, and in a
terminal a bar.
"""

import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import click
from tqdm import tqdm

from fer_meta.runner.estimate import UNTIMED, Cost, makespan
from fer_meta.runner.messages import At, Began, Elsewhere, Ended, Message, Said
from fer_meta.runner.plan import Run, Unit

# No process but this one draws bars. The lock that tqdm would make for several is reported as leaked if an
# interrupt ends the bench.
tqdm.set_lock(threading.RLock())


def title(run: Run) -> str:
    """A run in words."""
    setting = run.setting
    key = f"{setting.experiment}  " if setting.experiment else ""
    fold = f"  fold {setting.fold}" if setting.fold else ""
    if run.trial:
        values = ", ".join(f"{name} {value}" for name, value in run.trial.values.items())
        return f"search  {run.model.key}  {setting.source.name}{fold}  draw {run.trial.draw}: {values}"
    pair = f"{setting.source.name} -> {setting.target.name}{fold}"
    return f"{key}{run.model.key}  {pair}  seed {run.model.seed}"


def clock(seconds: float) -> str:
    """1:02:03, or 2:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def seconds_of(runs: Sequence[Run], costs: Mapping[str, Cost]) -> float:
    """The expected seconds of `runs`."""
    return sum(sum(costs[run.id]) for run in runs)


def how_long(runs: Sequence[Run], costs: Mapping[str, Cost], seconds: float) -> str:
    """The `seconds` that `runs` are expected to take, in words: 0:00 is never said of what nobody knows."""
    untimed = [costs[run.id] == UNTIMED for run in runs]
    if runs and all(untimed):
        return "an unknown time"
    return f"{'more than' if any(untimed) else 'about'} {clock(seconds)}"


class Progress:
    """Shows the messages of the runs. `units` are the runs to do, those of a model together; `done` runs of
    the plan were done before. `failed` counts the runs that failed.
    """

    def __init__(self, units: Sequence[Unit], costs: Mapping[str, Cost], jobs: int, done: int):
        self.failed = 0
        self._units, self.costs, self._jobs = [list(unit) for unit in units], costs, jobs
        self._runs = {run.id: run for unit in units for run in unit}
        self._next, self._total = done + 1, done + len(self._runs)
        self._began = time.perf_counter()
        self._expected = self._spent = 0.0  # seconds of the runs that ended
        self.running: dict[str, tuple[int, float]] = {}  # run -> its number, and when it began
        self.at: dict[str, At] = {}
        self._bar = _WholeBar(costs) if jobs > 1 else _StageBar()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def hear(self, message: Message) -> None:
        """Take a message of a run."""
        if isinstance(message, Said):
            _say(message.line)
        elif isinstance(message, Began):
            self._begin(message.run)
        elif isinstance(message, At):
            self.at[message.run] = message
        elif isinstance(message, Ended):
            self._end(message)
        elif isinstance(message, Elsewhere):
            self._leave(message)
        self._bar.draw(self)

    def left(self) -> float:
        """Seconds until the last worker is done: as estimated, corrected by how the estimate has fared so
        far.
        """
        fared = self._spent / self._expected if self._expected else 1.0
        now, seconds = time.perf_counter(), []
        for run in (run for unit in self._units for run in unit):
            _, began = self.running.get(run.id, (0, now))
            seconds.append(max(0.0, sum(self.costs[run.id]) - (now - began) / fared))
        return fared * makespan(seconds, self._jobs)

    def left_in_words(self) -> str:
        """How long it takes until the last worker is done."""
        return how_long([run for unit in self._units for run in unit], self.costs, self.left())

    def left_over(self) -> float:
        """Expected seconds of the runs that did not end."""
        return sum(seconds_of(unit, self.costs) for unit in self._units)

    def _begin(self, run: str) -> None:
        self.running[run] = self._next, time.perf_counter()
        elapsed = clock(time.perf_counter() - self._began)
        times = f"({elapsed} so far, {self.left_in_words()} left)"
        _say(f"[{self._next}/{self._total}] {title(self._runs[run])}   {times}")
        self._next += 1

    def _end(self, ended: Ended) -> None:
        number, _ = self.running.pop(ended.run, (self._next, 0.0))
        self._forget(ended.run)
        which = f"[{number}] " if self._jobs > 1 else ""
        if ended.error:
            self.failed += 1
            _say(f"    {which}FAILED: {ended.error}", err=True)
            return
        if cost := sum(self.costs[ended.run]):  # 0: it could not be timed
            self._expected, self._spent = self._expected + cost, self._spent + ended.seconds
        _say(f"    {which}{ended.accuracies}")

    def _leave(self, left: Elsewhere) -> None:
        self._forget(left.run)
        _say(f"[{self._next}/{self._total}] {title(self._runs[left.run])}   (by another bench)")
        self._next += 1
        if left.error:
            self.failed += 1
            _say(f"    FAILED: {left.error}", err=True)

    def _forget(self, run: str) -> None:
        self.at.pop(run, None)
        self._units = [[one for one in unit if one.id != run] for unit in self._units]


class Counted:
    """Shows the messages of runs that are done elsewhere: a line for each that ended, with the time left as
    the number of runs tells it. `failed` counts the runs that failed.
    """

    def __init__(self, runs: Sequence[Run], done: int):
        self.failed = 0
        self._runs = {run.id: run for run in runs}
        self._before, self._ended = done, 0
        self._began = time.perf_counter()
        self._bar: tqdm[Any] = tqdm(
            total=len(runs), unit="run", leave=False, dynamic_ncols=True, disable=not sys.stderr.isatty()
        )

    def __enter__(self) -> "Counted":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def hear(self, message: Message) -> None:
        """Take a message of a run."""
        if isinstance(message, Said):
            _say(message.line)
        elif isinstance(message, Ended | Elsewhere):
            self._ended += 1
            self._bar.update()
            so_far = time.perf_counter() - self._began
            left = so_far / self._ended * (len(self._runs) - self._ended)
            number = f"[{self._before + self._ended}/{self._before + len(self._runs)}]"
            times = f"({clock(so_far)} so far, about {clock(left)} left)"
            _say(f"{number} {title(self._runs[message.run])}   {times}")
            self.failed += bool(message.error)
            if message.error:
                _say(f"    FAILED: {message.error}", err=True)
            elif isinstance(message, Ended):
                _say(f"    {message.accuracies}")


class _StageBar:
    """The stage that the only job is at."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None
        self._stage: tuple[str, str] | None = None

    def draw(self, progress: "Progress") -> None:
        stages = list(progress.at.values())
        if not stages:
            self.close()
            return
        stage = stages[-1]
        if self._bar is None or (stage.run, stage.stage) != self._stage:
            self.close()
            self._stage = stage.run, stage.stage
            self._bar = tqdm(
                total=stage.total,
                desc=f"    {stage.stage}",
                leave=False,
                dynamic_ncols=True,
                disable=None,  # none without a terminal, so that a log file has one line per run
            )
        self._bar.set_postfix_str(stage.note, refresh=False)
        self._bar.update(stage.done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = None


class _WholeBar:
    """The whole bench, whose jobs are at stages of their own."""

    def __init__(self, costs: Mapping[str, Cost]):
        self._bar: tqdm[Any] = tqdm(
            total=sum(map(sum, costs.values())),
            leave=False,
            dynamic_ncols=True,
            disable=not sys.stderr.isatty(),
            bar_format="    {percentage:3.0f} %|{bar:20}| {elapsed} so far{postfix}",
        )

    def draw(self, progress: Progress) -> None:
        if self._bar.disable:
            return
        at, costs = progress.at, progress.costs
        trained = sum(
            one.done / one.total * costs[run].train for run, one in at.items() if one.stage == "train"
        )
        tested = sum(costs[run].train for run, one in at.items() if one.stage != "train")
        ended = sum(map(sum, costs.values())) - progress.left_over()
        where = [
            f"[{progress.running[run][0]}] {one.stage.partition(' (')[0]} {one.done}/{one.total}"
            for run, one in at.items()
        ]
        self._bar.set_postfix_str("; ".join([f"{progress.left_in_words()} left", *where]), refresh=False)
        self._bar.update(ended + trained + tested - self._bar.n)

    def close(self) -> None:
        self._bar.close()


def _say(line: str, err: bool = False) -> None:
    with tqdm.external_write_mode():
        click.echo(line, err=err)
