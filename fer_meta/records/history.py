"""`history.jsonl`: the log of a training, one line per log point."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import ConfigDict, Field, ValidationError

from fer_meta.errors import ResultsError
from fer_meta.fileio import write_text
from fer_meta.records.base import Count, Stored, in_words
from fer_meta.records.seals import DONE, broken_seal

HISTORY = "history.jsonl"
FIX = "delete it, and the report leaves this training out of its curves"

METRICS = ("val_uar", "val_accuracy")
"""A validation by recall averaged over classes (own heads), and one by accuracy in episodes."""

LOGGED = ["step", "images", "loss", "train_accuracy", *METRICS]

# Readout -> its value, 0 to 1. An older version wrote one number.
Validation = Annotated[dict[str, float], Field(min_length=1)] | float


class LogPoint(Stored):
    """One line: the mean loss and accuracy (0 to 1) since the one before, and a validation if there was
    one.
    """

    model_config = ConfigDict(allow_inf_nan=True)

    step: Count | None = None
    loss: float | None = None
    train_accuracy: float | None = None
    val_uar: Validation | None = None
    val_accuracy: Validation | None = None
    images: Count | None = None  # shown since the training began, each time that one is in a batch
    seconds: float | None = None  # since the training began
    train_seconds: float | None = None  # the same without validation

    def as_row(self) -> dict[str, Any]:
        """What the line holds."""
        return self.model_dump(exclude_none=True)


def write_history(folder: Path, rows: Iterable[Mapping]) -> None:
    """Write the log of a model into its folder."""
    points = map(LogPoint.model_validate, rows)
    write_text(folder / HISTORY, "".join(json.dumps(point.as_row()) + "\n" for point in points))


def read_history(folder: Path) -> list[dict[str, Any]]:
    """The log points of a model, none if there is no log. Raises ValueError for a line that is none."""
    path = folder / HISTORY
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [_point(line).as_row() for line in lines]


def validation_of(row: Mapping[str, Any]) -> dict[str, float]:
    """What a log point says of each readout, the own head first; nothing of one without validation."""
    found = (row.get(metric) for metric in METRICS)
    return {readout: value for one in found if isinstance(one, dict) for readout, value in one.items()}


def history(path: Path) -> pd.DataFrame:
    """One row per log point of a `history.jsonl`: step, images, loss, train_accuracy, and in a validation
    val_uar (own head) and val_accuracy (first of the other readouts); NaN where not logged.

    The last line may be torn, for a killed training leaves it so. Raises ResultsError for any other torn line
    and for a log that was changed after its training was finished.
    """
    if not path.is_file():
        return pd.DataFrame(columns=LOGGED, dtype=float)
    if (path.parent / DONE).is_file() and (broken := broken_seal(path.parent, only=path.name)):
        raise ResultsError(f"{path.parent}: {broken}; {FIX}")
    rows = []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            rows.append({name: _first(value) for name, value in _point(line).as_row().items()})
        except (ValueError, OverflowError):
            if number < len(lines):
                raise ResultsError(f"{path}: no log point in line {number}; {FIX}") from None
    return pd.DataFrame(rows, columns=LOGGED, dtype=float)


def _point(line: str) -> LogPoint:
    try:
        return LogPoint.model_validate(json.loads(line))
    except ValidationError as error:
        raise ValueError(in_words(error)) from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _first(value: dict[str, float] | float) -> float:
    """A logged value; a validation has one for each readout, of which the first counts."""
    return float(next(iter(value.values())) if isinstance(value, dict) else value)
