"""`run.json`: a finished run, and all that made its answers."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import AliasChoices, Field

from fer_meta.records.base import (
    Below,
    Count,
    FolderName,
    Open,
    Positive,
    Seconds,
    Share,
    Stored,
    read_record,
    write_record,
)
from fer_meta.records.plan import PlannedRun

RUN = "run.json"


class Shape(Open):
    """Training or validation episodes."""

    way: Positive = 1


class StoredProtocol(Open):
    """The protocol of a run; the fields that the report reads are checked."""

    way: Positive
    shots: list[Positive] = Field(min_length=1)
    queries: Literal["all"] | Positive
    disjoint: str = ""
    support_clips: str = ""
    tested_classes: str = ""
    batchnorm: str = ""
    split: list[float] | dict[str, Positive] | str = []
    train: Shape = Shape()
    validation: Shape = Shape()


class Config(Open):
    """The method's hyper-parameters; the fields that the report reads are checked."""

    backbone: str
    weights: str = "none"
    precision: str = ""


class Environment(Open):
    """Where a run was made (`bench.environment`)."""

    precision: str = ""  # fp32 or bf16, of the embedding
    trained_in: str | None = None  # another precision where the training began on another machine


class Timings(Open):
    """Seconds of the stages of a run."""

    train_s: Seconds = 0.0
    evaluate_s: Seconds = 0.0


class Trained(Stored):
    """What the training of a run's model took."""

    steps: Count
    images: Count | None = None  # shown, each time that one is in a batch; None: not counted
    seconds: Seconds | None = None  # without validation


class FoundRun(PlannedRun):
    """What a run says of itself that the plan may not name: the command of the bench that made it, and its
    hashes (of `bench.identity.bench_hashes`).
    """

    command: str = ""
    suite_hash: str = ""
    settings_hash: str = ""


class RunRecord(Stored):
    """The whole file. What an older version did not write is empty."""

    id: FolderName | Literal[""] = ""
    suite: str = ""
    preset: str = ""
    command: str = ""
    suite_hash: str = ""
    settings_hash: str = ""
    experiment: str = ""
    method: str = Field("", validation_alias=AliasChoices("method", "algorithm"))
    source: str = ""
    target: str = ""
    fold: Positive | None = None
    seed: Count = 0
    model: str = ""
    identity: dict[str, Any] = {}
    config: Config
    protocol: StoredProtocol
    image_size: Positive | None = None  # pixels
    classes: list[str]  # those tested
    excluded: dict[str, Count]  # class too small for a task -> its test images
    excluded_from_training: dict[str, Count] = {}
    copies_removed: Count
    training_chance: Share | None = None  # accuracy of a guess in training
    trained: Trained | None = None
    train_images: Count | None = None
    mixed_in: dict[str, Count] = {}
    test_images: Count
    unreadable: dict[str, Count] = {}  # data set -> images that were left out
    episodes: dict[str, Below]  # shots -> the file of the stored episodes, from the results folder
    selected: dict[str, dict[str, Count]] = {}  # selection -> readout -> training step
    transductive: list[str] = []  # readouts whose answer to a query depends on the episode's other queries
    target_validation: dict[str, dict[str, float]] = {}  # step -> readout -> its value on the target
    environment: Environment = Environment()
    timings: Timings = Timings()
    peak_memory_mb: dict[str, float] = {}

    @property
    def precision(self) -> str:
        """fp32, bf16, or nothing where an older version did not write it."""
        set_to, found = self.config.precision, self.environment
        if found.trained_in and found.trained_in != found.precision:
            return f"{found.precision} (trained in {found.trained_in})"
        return found.precision or (set_to if set_to in ("fp32", "bf16") else "")


def write_run(folder: Path, record: RunRecord) -> None:
    """Write the record of a run into its folder."""
    write_record(folder / RUN, record)


def commit_of(folder: Path, runs: Iterable[str]) -> str | None:
    """The commit of fer-meta that made a finished run, the first of `runs` (ids) that says it; None if none
    does.
    """
    for run in runs:
        try:
            record = read_record(folder / "runs" / run / RUN, RunRecord)
        except ValueError:
            continue
        if found := (record.environment.model_extra or {}).get("git_commit"):
            return str(found)
    return None
