"""What a bench leaves in `plan.json` and in a run's `run.json`: the types of what the report reads. Other
keys are ignored.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from fer_meta.oneline import one_line


def _one_folder(name: str) -> str:
    if "/" in name or "\\" in name or name in ("", ".", "..") or len(name.encode(errors="replace")) > 250:
        raise ValueError("is not the name of one folder")
    return name


FolderName = Annotated[str, AfterValidator(_one_folder)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Positive = Annotated[int, Field(ge=1, le=2**31 - 1)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Stored(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class PlannedRun(_Stored):
    """A run of the plan; a folder of an older version has no experiments."""

    id: FolderName
    experiment: FolderName | Literal[""] = ""
    algorithm: FolderName
    source: FolderName
    target: FolderName
    fold: Positive | None = None  # of a cross-validation
    seed: Count
    model: FolderName


class UnplannedRun(PlannedRun):
    """A finished run that the plan does not name: the command of the bench that made it, and its hashes (of
    `bench.plan.bench_hashes`).
    """

    command: str = ""
    suite_hash: str = ""
    settings_hash: str = ""


class Published(_Stored):
    method: str
    figure: Share
    reading: str
    note: str = ""


class PlannedExperiment(_Stored):
    title: str
    trained_on: str
    tested_on: str
    published: list[Published]
    faults: list[int]
    carries: list[int] = []
    checkpoint: str = "source-val"
    remarks: list[str] = []
    against: str | None


class Place(_Stored):
    recipe: str
    severity: Share


class Bayes(_Stored):
    source: str
    target: str
    way: Positive
    accuracy: Share


class Primary(_Stored):
    first: str
    second: str
    shots: Positive
    over: str
    less: str | None


class Plan(_Stored):
    """`plan.json`. What an older version did not write is empty."""

    suite: FolderName
    command: str
    suite_hash: str = ""
    settings_hash: str = ""
    runs: list[PlannedRun]
    title: str = ""
    preset: str = ""
    rendered: list[str] = []
    severity: dict[str, Place] = {}
    bayes: list[Bayes] = []
    experiments: dict[str, PlannedExperiment] = {}
    not_run: dict[str, str] = {}
    left_out: list[str] = []
    seeds: list[Count] = []  # what the suite file has, of which a bench may take only some
    # experiment ("" where domains are crossed) -> its methods in the suite file
    methods: dict[str, list[str]] = {}
    readings: list[str] = []
    primary: Primary | None = None

    @model_validator(mode="after")
    def _each_seed_once(self):
        """A run listed twice counts once; two runs of one seed would count as two trainings."""
        seen = {}
        for run in self.runs:
            place = run.experiment, run.algorithm, run.source, run.target, run.fold, run.seed
            if seen.setdefault(place, run.id) != run.id:
                raise ValueError(
                    f"{run.id} and {seen[place]} are the same seed of the same method, source and target"
                )
        return self


class _Shape(_Stored):
    model_config = ConfigDict(extra="allow")
    way: Positive = 1


class Protocol(_Stored):
    """Of a run; fields of another version are shown by their names."""

    model_config = ConfigDict(extra="allow")
    way: Positive
    shots: list[Positive] = Field(min_length=1)
    queries: Literal["all"] | Positive
    disjoint: str = ""
    support_clips: str = ""
    tested_classes: str = ""
    batchnorm: str = ""
    split: list[float] | dict[str, Positive] | str = []
    train: _Shape = _Shape()
    validation: _Shape = _Shape()


class Config(_Stored):
    """The method's hyper-parameters, of which the report reads these."""

    backbone: str
    weights: str = "none"
    precision: str = ""


class Environment(_Stored):
    precision: str = ""
    trained_in: str | None = None  # where it is another: the training began on another machine


class RunFile(_Stored):
    """`run.json`."""

    config: Config
    protocol: Protocol
    classes: list[str]
    excluded: dict[str, Count]
    copies_removed: Count
    test_images: Count
    episodes: dict[str, str]
    image_size: Positive | None = None
    unreadable: dict[str, Count] = {}
    selected: dict[str, dict[str, Count]] = {}  # selection -> readout -> step
    training_chance: Share | None = None
    settings_hash: str = ""
    environment: Environment = Environment()

    @property
    def precision(self) -> str:
        """fp32, bf16, or nothing where an older version did not write it."""
        asked, found = self.config.precision, self.environment
        if found.trained_in and found.trained_in != found.precision:
            return f"{found.precision} (trained in {found.trained_in})"
        return found.precision or (asked if asked in ("fp32", "bf16") else "")


def in_words(error: ValidationError) -> str:
    """The first thing that is wrong, in one line: where, and what should be there."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "all of it"
    return f"{one_line(where, 120)}: {one_line(first['msg'].removeprefix('Value error, '), 200)}"
