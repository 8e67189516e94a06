"""Trainings that did not learn: the rule, on a training's log alone, and the words for them.

A training has learned where the mean training accuracy of the last tenth of its log exceeds chance by more than MARGIN, and by more than it
could by accident: a one-sided t-test over the log points of that tenth, at ACCIDENT. One log point has no spread, so a training of so few steps has
not been seen to learn. Every table and plot marks a failed training with MARK, and no claim is made about a method of which one is compared.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
from scipy import special

from fer_meta.evaluation import rounding

MARGIN = 0.02
"""Accuracy above chance that is too little to be of use."""

ACCIDENT = 0.025
"""How often a training that stays at chance may pass for one that learned."""

MARK = "†"


@dataclass(frozen=True)
class Failed:
    """A training that did not learn: its accuracy in the last tenth of its log and the chance there, 0 to 1."""

    accuracy: float
    chance: float


def last_tenth(log: pd.DataFrame) -> pd.Series:
    """The training accuracies [N] of the last tenth of a log's points, at least one; empty for a log without any."""
    accuracies = log["train_accuracy"].dropna()
    return accuracies.tail(math.ceil(len(accuracies) / 10))


def failure(log: pd.DataFrame, chance: float | None) -> Failed | None:
    """What is wrong with a training by its log; None if it learned, or where its log or its chance is not known."""
    points = last_tenth(log)
    if chance is None or points.empty:
        return None
    found = Failed(float(points.mean()), chance)
    by_accident = special.stdtrit(len(points) - 1, 1 - ACCIDENT) * points.sem() if len(points) > 1 else math.inf
    learned = rounding.settled(found.accuracy - chance) > max(MARGIN, by_accident)
    return None if learned else found


def in_words(*failed: Failed) -> str:
    """training accuracy 20.3 %, chance 20.0; of several: from the least to the largest."""
    return f"training accuracy {_span([one.accuracy for one in failed])} %, chance {_span([one.chance for one in failed])}"


def footnote(failed: Iterable[tuple[str, str, int, Failed]], trainings: int) -> str:
    """One line on the failed ones (method, source, seed, what its log says) of a table's `trainings`, in plain text; nothing without any."""
    by_place = defaultdict(dict)
    for method, source, seed, one in failed:
        by_place[method, source][seed] = one
    count = sum(map(len, by_place.values()))
    if not count:
        return ""
    if count == trainings > 1:
        return f"{MARK} none of the {count} trainings learned: {in_words(*(one for seeds in by_place.values() for one in seeds.values()))}."
    told = [f"{method}, trained on {source}, seed{'s' * (len(seeds) > 1)} {_listed(map(str, sorted(seeds)))}: {in_words(*seeds.values())}"
            for (method, source), seeds in by_place.items()]
    return f"{MARK} {'; '.join(told)}: {'it' if count == 1 else 'they'} did not learn."


def _span(shares: list[float]) -> str:
    """20.3, or 20.3 to 21.0."""
    ends = [rounding.percent(end) for end in (min(shares), max(shares))]
    return " to ".join(dict.fromkeys(ends))


def _listed(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
