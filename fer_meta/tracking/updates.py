"""What a tracker is given: what is new of each training in a results folder, read from its files."""

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from fer_meta.commit import commit
from fer_meta.errors import ResultsError
from fer_meta.records.base import Stored
from fer_meta.records.history import METRICS, read_history
from fer_meta.records.model import MODEL, ModelRecord, read_model
from fer_meta.records.plan import PLAN, Plan, PlannedRun, read_plan
from fer_meta.records.run import commit_of
from fer_meta.records.seals import DONE, FAILED
from fer_meta.report.one_training import scores_of

TABLES = ("table.csv", "heads.csv")
"""Of a bench's report: accuracies with intervals over seeds, people and episodes."""


@dataclass(frozen=True)
class Point:
    """A log point of a training: its step, the images seen so far (None: not counted), when it was logged
    (seconds since 1970), and its values by name, such as loss.
    """

    step: int
    images: int | None
    time: float
    values: dict[str, float]


@dataclass(frozen=True)
class Update:
    """What is new of a training, or of a bench as a whole. `run`: what the tracker called it when it was sent
    before. `results`: accuracies and the half widths of their intervals, 0 to 1, once all is tested. `ended`:
    "finished", "failed" or "" while it goes on.
    """

    name: str
    kind: str  # training, search or bench
    config: dict[str, Any]
    run: str | None = None
    points: list[Point] = field(default_factory=list)
    results: dict[str, float] = field(default_factory=dict)
    ended: str = ""


Send = Callable[[Update], str]
"""Gives an update to a tracker; returns what the tracker calls the run."""

Open = Callable[[Path], AbstractContextManager[Send]]
"""Opens a tracker for a results folder."""


class SentRun(Stored):
    """What a tracker has of a training: what it calls its run, the last step, and how it ended."""

    run: str | None = None
    step: int = -1
    ended: str = ""


def updates(folder: Path, sent: Mapping[str, SentRun]) -> Iterator[Update]:
    """What is new of each training in a results folder. Raises ResultsError for a damaged plan, log or
    answers.
    """
    if not (folder / PLAN).exists():
        return
    stat = (folder / PLAN).stat()
    planned = _planned(folder, stat.st_mtime_ns, stat.st_size)
    for model, runs in planned.runs.items():
        home, before = folder / "models" / model, sent.get(model, SentRun())
        if before.ended == "finished" or not (home / MODEL).exists():
            continue
        trial = model in planned.trials
        # before its log is read, which is then whole
        ended = _ended([home] if trial else [folder / "runs" / run.id for run in runs])
        points = [point for point in _points(home) if point.step > before.step]
        if points or ended != before.ended:
            tested = ended == "finished" and not trial
            results = dict(_named(scores_of(folder, model), "{target}")) if tested else {}
            kind = "search" if trial else "training"
            config = _config(folder, planned.plan, runs, read_model(home))
            yield Update(model, kind, config, before.run, points, results, ended)


def of_bench(folder: Path, before: SentRun) -> Update:
    """The tables of a bench whose report is as its runs are, as one update."""
    plan = read_plan(folder)
    tables = [pd.read_csv(folder / name) for name in TABLES if (folder / name).exists()]
    results = {name: value for table in tables for name, value in _named(table, "{source} to {target}")}
    config = {name: getattr(plan, name) for name in ("suite", "preset", "command", "settings_hash")}
    config["rendered"] = " ".join(plan.rendered)
    return Update(folder.name, "bench", config, before.run, [], results, "finished")


@dataclass(frozen=True)
class _Planned:
    """A plan, with the runs of each model; a training of a search, of `trials`, has none."""

    plan: Plan
    runs: dict[str, list[PlannedRun]]
    trials: set[str]


@functools.lru_cache(maxsize=1)
def _planned(folder: Path, changed: int, size: int) -> _Planned:
    """The plan of a folder; a large one takes a second to read, and is read when it has changed."""
    plan = read_plan(folder)
    trials = {trial.model for trial in plan.search.trials} if plan.search else set[str]()
    runs: dict[str, list[PlannedRun]] = {model: [] for model in trials}
    for run in plan.runs:
        runs.setdefault(run.model, []).append(run)
    return _Planned(plan, runs, trials)


def _ended(homes: list[Path]) -> str:
    """How what is kept in these folders ended."""
    if any((home / FAILED).exists() for home in homes):
        return "failed"
    return "finished" if all((home / DONE).exists() for home in homes) else ""


def _points(home: Path) -> Iterator[Point]:
    """The log points of a model. Each has the time at which it was logged, so that it is the same whenever it
    is sent.
    """
    try:
        rows = read_history(home)
    except ValueError as error:
        raise ResultsError(f"{home}: its log cannot be read ({error}); delete {home}") from None
    began = (home / MODEL).stat().st_mtime
    for row in rows:
        values: dict[str, float] = {name: row[name] for name in ("loss", "train_accuracy") if name in row}
        for metric in METRICS:
            found = row.get(metric, {})
            of_readouts = found if isinstance(found, dict) else {"": found}
            values |= {f"{metric}/{name}".rstrip("/"): value for name, value in of_readouts.items()}
        yield Point(row["step"], row.get("images"), began + row.get("seconds", 0.0), values)


def _config(folder: Path, plan: Plan, runs: list[PlannedRun], record: ModelRecord) -> dict[str, Any]:
    """What made a training: all settings of its method, and where it belongs. The values are single."""
    facts = {
        "suite": plan.suite,
        "preset": plan.preset,
        "method": runs[0].method if runs else record.method,
        "source": runs[0].source if runs else "",
        "seed": record.seed,
        "image_size": record.image_size,
        "way": record.way,
        "shots": record.shots,
        "classes": " ".join(record.classes),
        "training_images_seen": record.images,
        "precision_of_training": record.precision,
        "commit": commit_of(folder, [run.id for run in runs]) or commit(),
        "command": plan.command,
        "rendered": " ".join(plan.rendered),
    }
    single = {name: value for name, value in record.config.items() if isinstance(value, int | float | str)}
    return single | {name: value for name, value in facts.items() if value not in (None, "")}


def _named(table: pd.DataFrame, place: str) -> Iterator[tuple[str, float]]:
    """The accuracies of a table and their intervals, each with a name."""
    several = table["selection"].nunique() > 1
    for row in table.to_dict("records"):
        shots = f"{row['shots']}-shot" if row["shots"] else "all images"
        experiment = row["experiment"] if isinstance(row["experiment"], str) else ""
        parts = [experiment, place.format_map(row), shots, row["readout"], row["selection"] * several]
        name = "/".join(filter(None, parts))
        yield f"accuracy/{name}", row["accuracy"]
        if math.isfinite(row["ci95"]):
            yield f"ci95/{name}", row["ci95"]
