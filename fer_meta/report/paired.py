"""Two results folders, or two methods of one, on the same episodes: how far apart are they?"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fer_meta.errors import ResultsError
from fer_meta.oneline import one_line
from fer_meta.report.aggregate.folds import pooled
from fer_meta.report.aggregate.means import ACROSS, WITHIN
from fer_meta.report.aggregate.trainings import Side, differs_in, runs_by_training, shared
from fer_meta.report.cells import Cell, Names, read_cells
from fer_meta.report.load import Results, read_results
from fer_meta.sources import parts_of
from fer_meta.spelling import did_you_mean
from fer_meta.statistics.intervals import Estimate, contrast, same_queries

COLUMNS = [
    *("experiment", "source", "target", "shots", "first", "second", "accuracy_first", "accuracy_second"),
    *("difference", "low", "high", "p", "p_corrected", "seeds", "failed_seeds"),
]
MEANS = ["place", "shots", "first", "second", "pairs", "difference", "low", "high", "p"]


@dataclass(frozen=True)
class Compared:
    """`table`: one row per pair of cells, COLUMNS; scores and differences from 0 to 1. `means`: one row per
    pair of readouts, shots and place (within a domain, across domains) that has two pairs of source and
    target or more, MEANS. `differs`: in what the trainings differ. `left_out`: what was not compared, and
    why.
    """

    one: Results
    other: Results
    table: pd.DataFrame
    means: pd.DataFrame
    differs: list[str]
    left_out: list[str]


def compare(one: Path, other: Path, methods: tuple[str, str] | None = None) -> Compared:
    """Accuracies of `one` less those of `other`, in the episodes and for the seeds that both have, the
    checkpoint picked on the source's validation split; of the readouts that both have, or of the two
    `methods`, a readout of each as results name it (protonet-ncm).

    Intervals are of 95 %; `low` to `high` of the table and `p_corrected` hold together for all its rows
    (Bonferroni), `p` and those of `means` each for itself. A pair of which a training did not learn has no
    interval. Raises ResultsError if a folder has no finished runs, or if the two share no episodes.
    """
    names = Names()
    first = read_results(one)
    second = first if one.samefile(other) else read_results(other)
    cells = _cells(first, names)
    theirs = cells if second is first else _cells(second, names)
    pairs, left_out = _matched(cells, theirs, methods)
    if not pairs:
        raise ResultsError(f"{one} and {other}: {'; '.join(left_out) or 'have no readout in common'}")
    table = _table(pairs)
    return Compared(first, second, table, _means(pairs), _differs(first, second, pairs), left_out)


Pair = tuple[Cell, Cell, tuple[int, ...]]


def _cells(results: Results, names: Names) -> dict[tuple, Cell]:
    cells = pooled(results, read_cells(results, names))
    return {
        (cell.experiment, cell.source, cell.target, cell.way, cell.shots, cell.readout): cell
        for cell in cells
        if cell.selection == "source-val"
    }


def _matched(
    ours: dict[tuple, Cell], theirs: dict[tuple, Cell], methods: tuple[str, str] | None
) -> tuple[list[Pair], list[str]]:
    """The cells of both on the same queries, with the seeds of both; and why others are not compared."""
    pairs, left_out = [], []
    for (*place, readout), cell in ours.items():
        if methods and readout != methods[0]:
            continue
        other = theirs.get((*place, methods[1] if methods else readout))
        if other is None:
            continue
        seeds = cell.seeds_with(other)
        where = f"{cell.source} -> {cell.target}, {cell.shots}-shot, {readout}"
        if not same_queries(cell.queries, other.queries):
            left_out.append(f"{where}: was tested in other episodes; take the same suite, preset and data")
        elif not seeds:
            left_out.append(f"{where}: has no seed in common")
        else:
            pairs.append((cell, other, seeds))
    if methods and not pairs and not left_out:
        there = sorted({key[-1] for key in [*ours, *theirs]})
        for name in [name for name in methods if name not in there]:
            left_out.append(
                f"have no readout {one_line(name, 60)!r}{did_you_mean(name, there)} (there are"
                f" {', '.join(there)})"
            )
        if not left_out:
            left_out.append(f"have not both of {' and '.join(methods)} for any source and target")
    return pairs, left_out


def _estimate(pairs: Sequence[Pair]) -> Estimate:
    """The mean difference of some pairs."""
    terms = []
    for cell, other, seeds in pairs:
        terms += [(1 / len(pairs), cell.outcomes(seeds)), (-1 / len(pairs), other.outcomes(seeds))]
    return contrast(terms)


def _lost(pair: Pair) -> list[int]:
    """Seeds of which a training did not learn."""
    cell, other, seeds = pair
    return sorted({*cell.failed, *other.failed} & {*seeds})


def _table(pairs: Sequence[Pair]) -> pd.DataFrame:
    tests = sum(not _lost(pair) for pair in pairs)
    rows = []
    for cell, other, seeds in pairs:
        means = [
            float(np.mean([side.scores[side.seeds.index(seed)].accuracy for seed in seeds]))
            for side in (cell, other)
        ]
        row = {
            **{name: getattr(cell, name) for name in ("experiment", "source", "target", "shots")},
            "first": cell.readout,
            "second": other.readout,
            "accuracy_first": means[0],
            "accuracy_second": means[1],
            "difference": means[0] - means[1],
            "seeds": len(seeds),
            "failed_seeds": " ".join(map(str, _lost((cell, other, seeds)))),
        }
        if not row["failed_seeds"]:
            alone = _estimate([(cell, other, seeds)])
            together = alone.one_of(tests)
            row |= {"low": together.low, "high": together.high, "p": alone.p, "p_corrected": together.p}
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def _means(pairs: Sequence[Pair]) -> pd.DataFrame:
    """Nothing for a suite of experiments, whose rows are not of one kind."""
    groups: dict[tuple, list[Pair]] = defaultdict(list)
    for pair in pairs:
        cell, other, _ = pair
        if not cell.experiment:
            place = WITHIN if cell.target in parts_of(cell.source) else ACROSS
            groups[place, cell.shots, cell.readout, other.readout].append(pair)
    rows = []
    for key, own in groups.items():
        if len(own) > 1 and not any(map(_lost, own)) and len({seeds for _, _, seeds in own}) == 1:
            estimate = _estimate(own)
            rows.append((*key, len(own), estimate.value, estimate.low, estimate.high, estimate.p))
    return pd.DataFrame(rows, columns=MEANS)


def _differs(one: Results, other: Results, pairs: Sequence[Pair]) -> list[str]:
    """In what the trainings of each pair of readouts differ, each said once."""
    ours, theirs, said = runs_by_training(one), runs_by_training(other), dict[str, None]()
    for first, second, _ in pairs:
        sides = [
            Side(cell.readout, trained[cell.experiment, cell.source, cell.method])
            for cell, trained in ((first, ours), (second, theirs))
        ]
        if differs := differs_in(shared(one, [(sides[0], sides[1])])):
            both = dict.fromkeys((first.readout, second.readout))
            said[f"{' and '.join(both)}: {differs}"] = None
    return list(said)
