"""`plan.json`: the runs of a bench, and what the tables are expected to hold."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, model_validator

from fer_meta.errors import ResultsError
from fer_meta.records.base import Count, FolderName, Positive, Share, Stored, read_record, write_record
from fer_meta.records.published import PLAN, without_plan

COLOUR = "#[0-9a-fA-F]{6}"
FIX = "run the bench again, which rewrites it"


class PlannedRun(Stored):
    """One run. A folder of an older version has no experiments, and calls the method `algorithm`."""

    id: FolderName
    experiment: FolderName | Literal[""] = ""  # its key in `experiments`; "" in a suite that crosses domains
    method: FolderName = Field(validation_alias=AliasChoices("method", "algorithm"))
    source: FolderName
    target: FolderName
    fold: Positive | None = None  # of a cross-validation
    seed: Count
    model: FolderName


class PlannedTrial(Stored):
    """A training of a search: one setting of a method on a source. It is tested on nothing."""

    model: FolderName
    of: str  # the same for all trials of which one is picked
    experiments: list[str] = []  # that use what is picked
    method: FolderName
    source: FolderName
    fold: Positive | None = None
    readout: str  # whose validation on the source decides
    validated: str  # the readout's name in the log of the training
    draw: Count  # 0: the suite's own setting
    values: dict[str, bool | int | float | str]  # of the settings that are searched


class PlannedSearch(Stored):
    """How the settings of the runs are picked."""

    seed: Count
    budget: Share  # of a whole training, that each trial takes
    trials: list[PlannedTrial]


class PublishedFigure(Stored):
    """A published figure of an experiment, 0 to 1."""

    method: str
    figure: Share
    reading: str
    note: str = ""


class PlannedExperiment(Stored):
    """An experiment of the suite, in words."""

    title: str
    trained_on: str
    tested_on: str
    published: list[PublishedFigure]
    faults: list[int]
    carries: list[int] = []
    checkpoint: str = "source-val"
    remarks: list[str] = []
    against: str | None


class Place(Stored):
    """Where a rendered domain is on its scale from the easiest (0) to the recipe itself (1)."""

    recipe: str
    severity: Share


class Bayes(Stored):
    """The best accuracy that is possible on a rendered target. In a plan of an older version it holds for all
    experiments ("").
    """

    experiment: FolderName | Literal[""] = ""
    source: str
    target: str
    way: Positive
    accuracy: Share


class Contrast(Stored):
    """The suite's primary contrast: `first` less `second`."""

    first: str
    second: str
    shots: Positive
    over: str
    less: str | None
    margin: Share | None = None  # a difference within it, either way, counts as none


class Label(Stored):
    """How tables and plots show a readout. `order`: the smallest comes first."""

    label: str
    colour: str = Field(pattern=f"^{COLOUR}$")
    order: Annotated[int, Field(ge=-(2**31), lt=2**31)]


class Plan(Stored):
    """The whole file. What an older version did not write is empty."""

    suite: FolderName
    title: str = ""
    preset: str = ""
    command: str  # makes the runs
    suite_hash: str = ""  # both of `bench.identity.bench_hashes`
    settings_hash: str = ""
    rendered: list[str] = []
    severity: dict[str, Place] = {}
    bayes: list[Bayes] = []
    experiments: dict[str, PlannedExperiment] = {}
    # those of `experiments` that divide the same classes, that of the suite file's first line first
    divisions: list[str] = []
    not_run: dict[str, str] = {}
    left_out: list[str] = []
    vocabulary: list[str] = []  # the labels of data sets that bring their own; else they are EXPRESSIONS
    seeds: list[Count] = []  # what the suite file has, of which a bench may take only some
    # experiment ("" where domains are crossed) -> its methods in the suite file
    methods: dict[str, list[str]] = {}
    labels: dict[str, Label] = {}  # readout -> how it is shown
    readings: list[str] = []
    primary: Contrast | None = None
    # images or seconds, where every training has the same
    budget: dict[str, float] = {}
    search: PlannedSearch | None = None
    runs: list[PlannedRun]  # with a search, those whose settings are picked

    def differs(self, other: "Plan") -> list[str]:
        """The fields for which two processes may not work on these plans side by side. One may know what a
        search has picked, and so the runs, before the other.
        """
        alike = {"runs"} if self.search else set[str]()
        return [
            name
            for name in type(self).model_fields
            if name not in alike and getattr(self, name) != getattr(other, name)
        ]

    @model_validator(mode="after")
    def _each_seed_once(self) -> "Plan":
        """A run listed twice counts once; two runs of one seed would count as two trainings."""
        seen: dict[tuple, str] = {}
        for run in self.runs:
            place = run.experiment, run.method, run.source, run.target, run.fold, run.seed
            if seen.setdefault(place, run.id) != run.id:
                raise ValueError(
                    f"{run.id} and {seen[place]} are the same seed of the same method, source and target"
                )
        return self


def read_plan(folder: Path) -> Plan:
    """The plan of a results folder. Raises ResultsError if there is none, or if it is damaged."""
    path = folder / PLAN
    if not path.exists():
        raise ResultsError(without_plan(folder))
    try:
        return read_record(path, Plan)
    except ValueError as error:
        raise ResultsError(f"{path}: {error}; {FIX}") from None


def write_plan(folder: Path, plan: Plan) -> None:
    """Write the plan of a results folder."""
    write_record(folder / PLAN, plan)
