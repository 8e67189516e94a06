"""What a bench left on disk, read back: the plan, its finished runs, what is missing and why, and
its tables.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from fer_meta.errors import ResultsError
from fer_meta.expressions import EXPRESSIONS
from fer_meta.oneline import one_line
from fer_meta.records.answers import ANSWERS
from fer_meta.records.base import read_record
from fer_meta.records.history import HISTORY, history
from fer_meta.records.plan import read_plan
from fer_meta.records.run import RUN, Environment, FoundRun, RunRecord
from fer_meta.records.seals import DONE, broken_seal, why_unfinished
from fer_meta.statistics.failed import Failed, failure

# accuracies of episodes, which an older version kept of a run instead of answers
OLD_ANSWERS = "episodes.parquet"


@dataclass(frozen=True)
class Run:
    """A finished run: who was trained on what, tested on what, and by which protocol."""

    folder: Path
    id: str
    experiment: str  # its key in the plan's `experiments`; "" in a suite that crosses domains
    method: str
    source: str
    target: str
    seed: int
    model: str
    config: dict  # the method's hyper-parameters: backbone, steps, ...
    protocol: dict  # way, shots, queries, episodes, disjoint, batchnorm, copies, ...
    classes: list  # those tested: what source and target share
    excluded: dict  # class too small for a task -> its images
    copies_removed: int
    test_images: int
    episodes: dict  # shots, as text -> the stored evaluation episodes, relative to the suite's folder
    image_size: int | None  # pixels
    command: str = ""  # makes it, and others of the plan
    # data set -> images that could not be read and were left out
    unreadable: dict = field(default_factory=dict)
    precision: str = ""  # fp32, bf16; "" where it is not known
    # selection -> readout -> the training step of its checkpoint
    selected: dict = field(default_factory=dict)
    transductive: tuple = ()  # readouts, whatever the protocol
    fold: int | None = None  # from 1, of a cross-validation
    # accuracy of a guess on what was trained on; None where it is not known
    training_chance: float | None = None
    # images, steps and seconds of its training; None where an older version did not write them
    trained: dict | None = None
    failed: Failed | None = None  # that its training did not learn
    settings_hash: str = ""  # of the bench that made it
    made_by: dict = field(default_factory=dict)  # commit, machine, versions; "" where they are not known
    # of the images it was trained and tested on; "" where an older version did not write them
    fingerprints: tuple[str, str] = ("", "")

    @property
    def predictions(self) -> Path:
        return self.folder / ANSWERS

    def is_transductive(self, readout: str) -> bool:
        """Whether a readout's answer to a query depends on the other queries of the episode: where BatchNorm
        has the batch's statistics, every answer does.
        """
        return readout in self.transductive or self.protocol.get("batchnorm") == "batch"

    def damaged(self, file: str, what: str) -> ResultsError:
        """The error for what is wrong in a file that is as it was sealed (or was never sealed, by an older
        version).
        """
        return ResultsError(
            f"{self.folder / file}: {what}; delete {self.folder / DONE} and {_anew(self.command)}"
        )


@dataclass(frozen=True)
class Results:
    """`runs` are the finished runs in the plan's order; `missing` the others, each with the reason;
    `unplanned` are the finished runs that lie in the folder and are not in the plan, such as those of a bench
    with other options, by the name of their folder.
    """

    folder: Path
    plan: dict
    runs: list[Run]
    missing: list[tuple[dict, str]]
    unplanned: dict[str, dict] = field(default_factory=dict)
    # model of a finished run -> its training's `history`
    logs: dict[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """The command that made the runs, and that fills in the missing ones."""
        return self.plan["command"]

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The labels that answers may have, in their order."""
        return tuple(self.plan.get("vocabulary") or EXPRESSIONS)

    @property
    def experiments(self) -> dict:
        """Key -> title, trained_on, tested_on, published, faults, against; empty in suites that cross
        domains.
        """
        return self.plan.get("experiments", {})


def read_results(folder: Path, models: Collection[str] | None = None) -> Results:
    """Read the plan, the `run.json` of each finished run and its training's log; `cells.py` reads what they
    predicted. With `models`, only the runs of these.

    Raises:
        ResultsError: there is no plan, no finished run, or one of these files is damaged.
    """
    plan = read_plan(folder).model_dump()
    planned = {run["id"]: run for run in plan["runs"]}  # a run listed twice must not count twice
    runs, missing = [], []
    done = {home.name: home for home in sorted(folder.glob("runs/*")) if (home / DONE).is_file()}
    if done and all(
        (home / OLD_ANSWERS).exists() and not (home / ANSWERS).exists() for home in done.values()
    ):
        raise ResultsError(
            f"{folder}: made by an older version of fer-meta, which kept no predictions; "
            f"delete the folder {folder / 'runs'} and run the bench again"
        )
    for run in planned.values():
        if models is not None and run["model"] not in models:
            continue
        if run["id"] in done:
            runs.append(_read_run(done[run["id"]], run, plan["command"]))
        else:
            missing.append((run, why_unfinished(folder / "runs" / run["id"])))
    if not runs:
        failures = "; ".join(f"{run['id']} {why}" for run, why in missing if why.startswith("failed"))
        if plan["search"] and not planned:
            raise ResultsError(f"{folder}: its search has picked no setting yet; run `{plan['command']}`")
        raise ResultsError(
            f"{folder}: none of the {len(planned)} runs has finished"
            f"{' (' + failures + ')' if failures else ''}; run `{plan['command']}`"
        )
    logs = {
        model: history(folder / "models" / model / HISTORY)
        for model in dict.fromkeys(run.model for run in runs)
    }
    runs = [replace(run, failed=failure(logs[run.model], run.training_chance)) for run in runs]
    return Results(
        folder,
        plan,
        runs,
        missing,
        {one_line(name): _unplanned(home) for name, home in done.items() if name not in planned},
        logs,
    )


def _anew(command: str) -> str:
    return f"run `{command}` again, which makes this run anew"


def _read_run(folder: Path, planned: dict, command: str) -> Run:
    broken = broken_seal(folder)
    if broken:
        raise ResultsError(f"{folder}: {broken}; {_anew(command)}")
    try:
        record = read_record(folder / RUN, RunRecord)
    except ValueError as error:
        raise ResultsError(f"{folder / RUN}: {error}; delete {folder / DONE} and {_anew(command)}") from None
    return Run(
        folder,
        **planned,
        config=record.config.model_dump(),
        protocol=record.protocol.model_dump(),
        classes=record.classes,
        excluded=record.excluded,
        copies_removed=record.copies_removed,
        test_images=record.test_images,
        episodes=record.episodes,
        image_size=record.image_size,
        command=command,
        unreadable=record.unreadable,
        precision=record.precision,
        selected=record.selected,
        transductive=tuple(record.transductive),
        training_chance=record.training_chance,
        settings_hash=record.settings_hash,
        trained=record.trained.model_dump() if record.trained else None,
        made_by=_made_by(record.environment),
        fingerprints=(
            one_line(str(_within(record.identity, "model").get("train_images") or "")),
            one_line(str(record.identity.get("test_images") or "")),
        ),
    )


def _made_by(environment: Environment) -> dict[str, str]:
    """Where a run was made, in words."""
    said = environment.model_dump()
    packages = _within(said, "packages")
    machine = [said.get("device"), said.get("gpu"), said.get("platform")]
    return {
        "commit": one_line(str(said.get("git_commit") or "")),
        "machine": one_line(", ".join(str(part) for part in machine if part)),
        "versions": one_line(", ".join(f"{name} {version}" for name, version in packages.items() if version)),
    }


def _within(found: dict, key: str) -> dict:
    inner = found.get(key)
    return inner if isinstance(inner, dict) else {}


def _unplanned(folder: Path) -> dict:
    """What a run says of itself; nothing if that cannot be read, for the plan does not need it."""
    try:
        return read_record(folder / RUN, FoundRun).model_dump()
    except ValueError:
        return {}
