"""How the trials of a search ended, and which of them is picked. Nothing here imports torch."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from fer_meta.errors import ResultsError
from fer_meta.records.base import read_record
from fer_meta.records.history import HISTORY, read_history, validation_of
from fer_meta.records.plan import PlannedTrial
from fer_meta.records.seals import DONE, FAILED, Failure, broken_seal


class Outcome(NamedTuple):
    """The best value, 0 to 1, that a trial's checkpoints had on the source's validation images; None, and
    why, if its training failed: it has lost.
    """

    value: float | None
    why: str = ""

    @property
    def in_words(self) -> str:
        return f"lost: {self.why}" if self.value is None else f"validation {100 * self.value:.1f} %"


def outcome(folder: Path, readout: str) -> Outcome | None:
    """How the trial in the folder of its model ended for `readout`, or for the first that was validated if
    `readout` was not; None if it has not ended. Raises ResultsError if its files are damaged.
    """
    if not (folder / DONE).is_file():
        return None
    try:
        if (folder / FAILED).is_file():
            return Outcome(None, read_record(folder / FAILED, Failure).error)
        if broken := broken_seal(folder, only=HISTORY):
            raise ValueError(broken)
        found = [one for row in read_history(folder) if (one := validation_of(row))]
        return Outcome(max(one.get(readout, next(iter(one.values()))) for one in found))
    except (OSError, ValueError) as error:
        raise ResultsError(f"{folder}: {error}; delete {folder} and run the bench again") from None


def outcomes(folder: Path, trials: Iterable[PlannedTrial]) -> dict[str, Outcome]:
    """Those of the trials of a results folder that have ended, by model."""
    found = {one.model: outcome(folder / "models" / one.model, one.validated) for one in trials}
    return {model: one for model, one in found.items() if one is not None}


def picked(trials: Iterable[PlannedTrial], ended: Mapping[str, Outcome]) -> dict[str, PlannedTrial]:
    """The best trial of each search whose trials have all `ended`, by its `of`. Ties go to the earlier draw;
    if all have lost, the suite's own setting is picked.
    """
    searches: dict[str, list[PlannedTrial]] = {}
    for trial in sorted(trials, key=lambda one: one.draw):
        searches.setdefault(trial.of, []).append(trial)
    return {
        of: max(own, key=lambda one: _value(ended[one.model]))
        for of, own in searches.items()
        if all(one.model in ended for one in own)
    }


def _value(ended: Outcome) -> float:
    return -1.0 if ended.value is None else ended.value
