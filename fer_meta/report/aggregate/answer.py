"""What a suite asks, place by place: the difference of the two readouts of its primary contrast on each
source and target, and how much of its lead over chance each of them keeps on the way to another domain.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from fer_meta.report.cells import Cell
from fer_meta.report.load import Results
from fer_meta.sources import parts_of
from fer_meta.statistics.intervals import contrast, difference

DIFFERENCES = [
    "experiment",
    "source",
    "target",
    "shots",
    "first",
    "second",
    "accuracy_first",
    "accuracy_second",
    "difference",
    "low",
    "high",
    "p",
    "seeds",
    "failed_seeds",
    "by_seed",
]
KEPT = ["source", "target", "shots", "readout", "kept", "low", "high", "seeds", "failed_seeds", "by_seed"]

SURE = 3
"""A lead at home is divided by if it is so many times as large as the half width of its interval: the delta
method takes it for nearly certain.
"""


class Answer(NamedTuple):
    """`differences` (DIFFERENCES) is one row for each place, `kept` (KEPT) one for each readout and other
    domain; scores are -1 to 1, `by_seed` the score of each seed.
    """

    differences: pd.DataFrame
    kept: pd.DataFrame


def answer(results: Results, cells: Sequence[Cell]) -> Answer:
    """Of the primary contrast, `first` less `second`: the meta-learned less the supervised readout where one
    of the two is supervised, else as the suite names them. No rows where the suite names none.

    Intervals are 95 %, over seeds, people and episodes, of each place by itself; there is none, and no p,
    where a training did not learn. `kept` is (accuracy -
    chance) on the target by the same at home, its interval by the delta method; nothing where the lead at
    home is not clearly above chance, or where experiments have protocols of their own.
    """
    named = results.plan.get("primary")
    found = _by_place(cells, named["shots"]) if named else {}
    first, second = _in_order(results, named, found) if named else ("", "")
    both = {place: (own[first], own[second]) for place, own in found.items() if {first, second} <= own.keys()}
    rows = [_difference(place, *pair) for place, pair in both.items() if pair[0].seeds_with(pair[1])]
    kept = [
        row
        for readout in (first, second)
        for place, own in found.items()
        if (readout in own and (home := _home(results, found, place, readout)))
        for row in _kept(own[readout], home)
    ]
    return Answer(pd.DataFrame(rows, columns=DIFFERENCES), pd.DataFrame(kept, columns=KEPT))


def _by_place(cells: Sequence[Cell], shots: int) -> dict[tuple[str, str, str], dict[str, Cell]]:
    found: dict[tuple[str, str, str], dict[str, Cell]] = {}
    for cell in cells:
        if cell.selection == "source-val" and cell.shots == shots:
            found.setdefault((cell.experiment, cell.source, cell.target), {})[cell.readout] = cell
    return found


def _in_order(results: Results, named: dict, found: dict) -> tuple[str, str]:
    """The two readouts, a supervised one last."""
    first, second = named["first"], named["second"]
    methods = {cell.readout: cell.method for own in found.values() for cell in own.values()}
    turned = _is_supervised(results, methods.get(first)) and not _is_supervised(results, methods.get(second))
    return (second, first) if turned else (first, second)


def _is_supervised(results: Results, method: str | None) -> bool:
    kinds = {run.config.get("method") or run.method for run in results.runs if run.method == method}
    return kinds == {"supervised"}


def _difference(place: tuple[str, str, str], one: Cell, other: Cell) -> dict:
    seeds, failed = one.seeds_with(other), one.failed_with(other)
    a, b = one.outcomes(seeds), other.outcomes(seeds)
    apart = a.right.mean(1) - b.right.mean(1)
    found = difference(a, b)
    return dict(zip(("experiment", "source", "target"), place)) | {
        "shots": one.shots,
        "first": one.readout,
        "second": other.readout,
        "accuracy_first": a.right.mean(),
        "accuracy_second": b.right.mean(),
        "difference": found.value,
        "low": math.nan if failed else found.low,
        "high": math.nan if failed else found.high,
        "p": math.nan if failed else found.p,
        "seeds": len(seeds),
        "failed_seeds": " ".join(map(str, failed)),
        "by_seed": dict(zip(seeds, apart)),
    }


def _home(results: Results, found: dict, place: tuple[str, str, str], readout: str) -> Cell | None:
    """The same readout on the domain that it was trained on, if the place is another domain."""
    experiment, source, target = place
    if results.experiments or target in parts_of(source) or len(parts_of(source)) > 1:
        return None
    return found.get((experiment, source, source), {}).get(readout)


def _kept(there: Cell, home: Cell) -> list[dict]:
    """One row, or none where the lead at home is too small to be divided by."""
    seeds, failed = there.seeds_with(home), there.failed_with(home)
    if not seeds:
        return []
    at, by = there.outcomes(seeds), home.outcomes(seeds)
    chance = 1 / there.way
    lead_home, lead_there = by.right.mean() - chance, at.right.mean() - chance
    spread = contrast([(1, by)])
    if not lead_home > SURE * (spread.high - spread.low) / 2:
        return []
    share = lead_there / lead_home
    # the first terms of the ratio's series about the two means
    half = contrast([(1 / lead_home, at), (-share / lead_home, by)])
    width = math.nan if failed else (half.high - half.low) / 2
    each = (at.right.mean(1) - chance) / (by.right.mean(1) - chance)
    return [
        {
            "source": there.source,
            "target": there.target,
            "shots": there.shots,
            "readout": there.readout,
            "kept": share,
            "low": share - width,
            "high": share + width,
            "seeds": len(seeds),
            "failed_seeds": " ".join(map(str, failed)),
            "by_seed": dict(zip(seeds, each)),
        }
    ]
