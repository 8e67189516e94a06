"""`origin.json`: where a model that left its results folder comes from, and how it was tested there."""

from pathlib import Path

from fer_meta.errors import ResultsError
from fer_meta.records.base import Count, Positive, Seconds, Share, Stored, read_record, write_record

ORIGIN = "origin.json"


class Tested(Stored):
    """What one readout of the model scored on one data set: 0 to 1. `shots`: 0 for the model's own head.
    `ci95`: the half width of the 95 % interval over people and episodes; None where it is not known.
    """

    experiment: str = ""
    target: str
    readout: str
    way: Positive
    shots: Count
    selection: str
    accuracy: Share
    ci95: Share | None = None
    chance: Share


class Origin(Stored):
    """The whole file. What is not known is empty."""

    source: str = ""  # the data set that it was trained on
    rendered: list[str] = []  # those of the data sets whose faces are rendered
    suite: str = ""
    preset: str = ""
    command: str = ""  # makes it again
    commit: str | None = None  # of fer-meta
    version: str = ""  # of fer-meta
    steps: Count | None = None
    images: Count | None = None  # shown in training, each time that one is in a batch
    seconds: Seconds | None = None  # of training
    learned: bool | None = None  # whether its training did; None: not judged
    tests: list[Tested] = []


def read_origin(folder: Path) -> Origin:
    """The origin of a model by its folder. Raises ResultsError if it is missing or damaged."""
    try:
        return read_record(folder / ORIGIN, Origin)
    except ValueError as error:
        raise ResultsError(f"{folder / ORIGIN}: {error}; download the model again") from None


def write_origin(folder: Path, origin: Origin) -> None:
    """Write the origin of a model into its folder."""
    write_record(folder / ORIGIN, origin)
