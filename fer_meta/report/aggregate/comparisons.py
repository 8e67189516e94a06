"""Method against method on the same queries: differences, their tests and, over all cells, mean ranks."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from fer_meta.report.aggregate.accuracy import PLACE, in_one_text
from fer_meta.report.aggregate.trainings import Side, Trained, differs_in, runs_by_training, shared
from fer_meta.report.cells import Cell
from fer_meta.report.load import Results
from fer_meta.report.names import order, readout_name
from fer_meta.statistics.paired import Summed, difference, effect_size
from fer_meta.statistics.queries import Queries
from fer_meta.statistics.ranks import Ranks, mean_ranks
from fer_meta.statistics.rounding import settled
from fer_meta.statistics.words import episodes_needed, statement

BLOCK = [*PLACE, "way", "shots"]
# of source and target, those of each experiment counted apart: fewer are too few for mean ranks
FEWEST_PAIRS = 3
COLUMNS = [
    *BLOCK,
    "first",
    "second",
    "accuracy_first",
    "accuracy_second",
    "difference",
    "low",
    "high",
    "p",
    "p_corrected",
    "effect_size",
    "episodes_needed",
    "episodes",
    "seeds",
    "failed_seeds",
    "groups",
    "differs",
    "statement",
]


def comparisons(results: Results, cells: list[Cell]) -> pd.DataFrame:
    """One row for each pair of methods tested on the same episodes, the checkpoint picked on the source's
    validation split.

    `difference` is accuracy of `first` less that of `second` (-1 to 1), over the seeds that both have. `low`
    to `high` and `p_corrected` are simultaneous for all pairs of this experiment, source, target and shots
    (Bonferroni): p_corrected < 0.05 exactly where 0 is outside. `p` is not corrected. `effect_size` is
    Cohen's d_z over episodes; `episodes_needed` is NaN where no number would do, or where each test image is
    a query already. `statement` says it in words.

    `differs` names what the two do not share of backbone, initial weights, images seen and readout, each with
    that of both.

    Where one of the two has a seed whose training did not learn (`failed_seeds`) nothing is claimed: there is
    no interval and no p, and the pair does not count among those that are corrected for.
    """
    blocks = defaultdict(list)
    for cell in cells:
        if cell.shots > 0 and cell.selection == "source-val":
            blocks[cell.place].append(cell)
    trained, differs = runs_by_training(results), dict[tuple, str]()
    tables = []
    for place, block in blocks.items():
        pairs = _pairs(results, _best_first(block))
        for pair in pairs:
            # whatever the target and the shots, the trainings are the same
            key = *place[:2], pair["first"], pair["second"]
            if key not in differs:
                differs[key] = _differs(results, trained, place, pair["first"], pair["second"], block)
            pair["differs"] = differs[key]
        if pairs:
            tables.append(
                pd.DataFrame(_corrected(results, pairs, block[0].once)).assign(**dict(zip(BLOCK, place)))
            )
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    table = table.reindex(columns=COLUMNS)
    return table.sort_values(BLOCK, key=partial(order, results), kind="stable", ignore_index=True)


def _pairs(results: Results, block: list[Cell]) -> list[dict]:
    """Each two of a block that have a seed in common."""
    known: dict[tuple, Summed] = {}

    def summed(cell: Cell, seeds: tuple[int, ...], queries: Queries) -> Summed:
        key = cell.readout, seeds, queries
        if key not in known:
            known[key] = Summed(replace(cell.outcomes(seeds), queries=queries))
        return known[key]

    found = (_pair(results, *pair, summed) for pair in combinations(block, 2))
    return [pair for pair in found if pair]


def _corrected(results: Results, pairs: list[dict], once: bool) -> list[dict]:
    """The rows of a block: the pairs with intervals that hold together, then those of which nothing is
    claimed.
    """
    claimed = [pair for pair in pairs if not pair["failed_seeds"]]
    rows = []
    for pair in claimed:
        estimate = pair.pop("estimate").one_of(len(claimed))
        first, second = (readout_name(results, pair[side]) for side in ("first", "second"))
        rows.append(
            pair
            | {
                "low": estimate.low,
                "high": estimate.high,
                "p_corrected": estimate.p,
                "episodes_needed": None if once else episodes_needed(estimate),
                "statement": statement(first, second, estimate, pair["groups"], once),
            }
        )
    return rows + [pair for pair in pairs if pair["failed_seeds"]]


def ranks(table: pd.DataFrame) -> Ranks | None:
    """Mean ranks over experiments, sources, targets and shots; None where there are too few to rank, or
    FEWEST_PAIRS are not reached.

    Ranked are the methods that stand in most of them, over those that have them all, by the accuracy of the
    checkpoint picked on the source's validation. A method of which a training did not learn is left out.
    """
    scores, pairs = to_rank(table)
    return mean_ranks(scores) if pairs >= FEWEST_PAIRS and scores.shape[1] >= 3 else None


def to_rank(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Accuracies of the methods that may be ranked (columns) in the blocks that have them all, and of how
    many pairs of PLACE these are.
    """
    shown = table[(table["selection"] == "source-val") & ~table["readout"].isin(failed_readouts(table))]
    scores = shown.pivot_table("accuracy", BLOCK, "readout")
    scores = scores.dropna(axis="columns", thresh=len(scores) // 2 + 1).dropna()
    return scores, len(scores.reset_index()[PLACE].drop_duplicates())


def failed_readouts(table: pd.DataFrame) -> list[str]:
    """Those of which a training did not learn, each once."""
    return list(table.loc[table["failed_seeds"] != "", "readout"].drop_duplicates())


def _best_first(block: list[Cell]) -> list[Cell]:
    return sorted(block, key=lambda cell: -settled(np.mean([scores.accuracy for scores in cell.scores])))


def _differs(
    results: Results, trained: Trained, place: tuple, first: str, second: str, block: list[Cell]
) -> str:
    methods = {cell.readout: cell.method for cell in block}
    sides = [Side(name, trained[place[0], place[1], methods[name]]) for name in (first, second)]
    return differs_in(shared(results, [(sides[0], sides[1])]))


def _pair(
    results: Results, first: Cell, second: Cell, summed: Callable[[Cell, tuple[int, ...], Queries], Summed]
) -> dict | None:
    """None where the two have no seed in common."""
    seeds = tuple(seed for seed in first.seeds if seed in second.seeds)
    if not seeds:
        return None
    lost = {cell.readout: [seed for seed in cell.failed if seed in seeds] for cell in (first, second)}
    # a method without a support takes nothing from the other's
    queries = first.queries if first.queries.support else second.queries
    ours, theirs = summed(first, seeds, queries), summed(second, seeds, queries)
    if any(lost.values()):
        return _no_claim(results, first, second, ours, theirs, lost)
    estimate = difference(ours, theirs)
    return {
        "first": first.readout,
        "second": second.readout,
        "accuracy_first": ours.accuracy,
        "accuracy_second": theirs.accuracy,
        "difference": estimate.value,
        "p": estimate.p,
        "effect_size": effect_size(ours, theirs),
        "episodes": estimate.counts["episodes"],
        "seeds": len(seeds),
        "failed_seeds": "",
        "groups": first.queries.groups,
        "estimate": estimate,
    }


def _no_claim(
    results: Results, first: Cell, second: Cell, ours: Summed, theirs: Summed, lost: dict[str, list[int]]
) -> dict:
    """The row of a pair of which a training did not learn; `lost` are those seeds of each."""
    which = [
        f"{readout_name(results, name)}, seed{'s' * (len(seeds) > 1)} {' and '.join(map(str, seeds))}"
        for name, seeds in lost.items()
        if seeds
    ]
    names = [readout_name(results, cell.readout) for cell in (first, second)]
    accuracies = ours.accuracy, theirs.accuracy
    return {
        "first": first.readout,
        "second": second.readout,
        "accuracy_first": accuracies[0],
        "accuracy_second": accuracies[1],
        "difference": accuracies[0] - accuracies[1],
        "episodes": ours.queries.episodes[1],
        "seeds": len(ours.scores),
        "failed_seeds": in_one_text(sorted({seed for seeds in lost.values() for seed in seeds})),
        "groups": first.queries.groups,
        "statement": (
            f"{names[0]} and {names[1]}: no claim, for a training did not learn ({'; '.join(which)})"
        ),
    }
