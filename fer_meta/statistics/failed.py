"""Trainings that did not learn: the rule, on a training's log alone, and the words for them.

A training has learned where the mean training accuracy of the last tenth of its log exceeds chance by more
than MARGIN, and by more than it could by accident: a one-sided t-test over the log points of that tenth, at
ACCIDENT. A training of fewer log points than FEWEST is not judged. Every table and plot marks a failed
training with MARK, and no claim is made about a method of which one is compared.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd
from scipy import special

from fer_meta.statistics import rounding

MARGIN = 0.02
"""Accuracy above chance that is too little to be of use."""

ACCIDENT = 0.025
"""How often a training that stays at chance may pass for one that learned."""

FEWEST = 21
"""Log points by which a training can be judged. With fewer, the last tenth has one point, which has no
spread, or two, from which the t-test needs 13 standard errors: good trainings would fail.
"""

MARK = "†"


@dataclass(frozen=True)
class Failed:
    """A training that did not learn: its accuracy in the last tenth of its log and the chance
    there, 0 to 1.
    """

    accuracy: float
    chance: float


def last_tenth(log: pd.DataFrame) -> pd.Series:
    """The training accuracies [N] of the last tenth of a log's points, at least one; empty for a log without
    any.
    """
    accuracies = log["train_accuracy"].dropna()
    return accuracies.tail(math.ceil(len(accuracies) / 10))


def is_short(log: pd.DataFrame) -> bool:
    """Whether a log has points, but too few to judge its training."""
    return 0 < log["train_accuracy"].count() < FEWEST


def is_judged(log: pd.DataFrame, chance: float | None) -> bool:
    """Whether a log and the accuracy of a guess say if its training learned."""
    return chance is not None and not last_tenth(log).empty and not is_short(log)


def failure(log: pd.DataFrame, chance: float | None) -> Failed | None:
    """What is wrong with a training by its log; None if it learned, or cannot be judged: its log is short, or
    it or its chance is not known.
    """
    points = last_tenth(log)
    if chance is None or not is_judged(log, chance):
        return None
    found = Failed(float(points.mean()), chance)
    by_accident = special.stdtrit(len(points) - 1, 1 - ACCIDENT) * points.sem()
    learned = rounding.settled(found.accuracy - chance) > max(MARGIN, by_accident)
    return None if learned else found


def in_words(*failed: Failed) -> str:
    """training accuracy 20.3 %, chance 20.0; of several: from the least to the largest."""
    return (
        f"training accuracy {_span([one.accuracy for one in failed])} %, chance"
        f" {_span([one.chance for one in failed])}"
    )


def footnote(failed: Sequence[tuple[str, str, int | None, int, Failed]], trainings: int) -> str:
    """One line on the failed ones (method, source, fold or None, seed, what its log says) of a table's
    `trainings`, in plain text; nothing without any.
    """
    if not failed:
        return ""
    if len(failed) == trainings > 1:
        return f"{MARK} none of the {trainings} trainings learned: {in_words(*(one for *_, one in failed))}."
    by_place = defaultdict(list)
    for method, source, fold, seed, one in failed:
        by_place[method, source].append((seed, fold, one))
    lines = [
        f"{method}, trained on {source}, {_which(own)}: {in_words(*(one for *_, one in own))}"
        for (method, source), own in by_place.items()
    ]
    return f"{MARK} {'; '.join(lines)}: {'it' if len(failed) == 1 else 'they'} did not learn."


def short_note(short: int, trainings: int) -> str:
    """One line on the `short` ones of a table's `trainings`; nothing without any."""
    if not short:
        return ""
    which = (
        "the training"
        if trainings == 1
        else f"{'any' if short == trainings else short} of the {trainings} trainings"
    )
    return f"It is not judged whether {which} learned: a log of fewer than {FEWEST} points says too little."


def _which(trainings: Sequence[tuple[int, int | None, Failed]]) -> str:
    """seeds 0 and 2; fold 3 of seed 1; folds 1 to 4 and 7 of seed 0, fold 2 of seed 1."""
    folds: dict[int, list[int | None]] = defaultdict(list)
    for seed, fold, _ in sorted(trainings, key=lambda one: (one[0], one[1] or 0)):
        folds[seed].append(fold)
    if None in next(iter(folds.values())):
        return f"seed{'s' * (len(folds) > 1)} {_listed(map(str, folds))}"
    numbers = {seed: [fold for fold in own if fold is not None] for seed, own in folds.items()}
    return ", ".join(
        f"fold{'s' * (len(own) > 1)} {_listed(_ranges(own))} of seed {seed}" for seed, own in numbers.items()
    )


def _ranges(numbers: Sequence[int]) -> list[str]:
    """Ascending numbers, three or more in a row as one: 1 to 4, 7."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return [word for run in runs for word in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run))]


def _span(shares: list[float]) -> str:
    """20.3, or 20.3 to 21.0."""
    ends = [rounding.percent(end) for end in (min(shares), max(shares))]
    return " to ".join(dict.fromkeys(ends))


def _listed(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
