"""Method against method on the same queries: differences, their tests and, over all cells, mean ranks."""

from collections import defaultdict
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from fer_meta.report.aggregate.accuracy import PLACE, in_one_text
from fer_meta.report.aggregate.trainings import Side, Trained, differs_in, runs_by_training, shared
from fer_meta.report.cells import Cell
from fer_meta.report.load import Results
from fer_meta.report.names import order, readout_name
from fer_meta.statistics.intervals import Outcomes, difference, effect_size
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
    rows, trained = [], runs_by_training(results)
    for place, block in blocks.items():
        found = (_pair(results, *pair) for pair in combinations(_best_first(block), 2))
        pairs = [pair for pair in found if pair]
        for pair in pairs:
            pair["differs"] = _differs(results, trained, place, pair["first"], pair["second"], block)
        unclaimed = [pair for pair in pairs if pair["failed_seeds"]]
        pairs = [pair for pair in pairs if not pair["failed_seeds"]]
        for row in pairs:
            estimate = row.pop("estimate").one_of(len(pairs))
            first, second = (readout_name(results, row[side]) for side in ("first", "second"))
            rows.append(
                dict(zip(BLOCK, place))
                | row
                | {
                    "low": estimate.low,
                    "high": estimate.high,
                    "p_corrected": estimate.p,
                    "episodes_needed": None if block[0].once else episodes_needed(estimate),
                    "statement": statement(first, second, estimate, row["groups"], block[0].once),
                }
            )
        rows += [dict(zip(BLOCK, place)) | pair for pair in unclaimed]
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.sort_values(BLOCK, key=partial(order, results), kind="stable", ignore_index=True)


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


def _pair(results: Results, first: Cell, second: Cell) -> dict | None:
    """None where the two have no seed in common."""
    seeds = tuple(seed for seed in first.seeds if seed in second.seeds)
    if not seeds:
        return None
    ours, theirs = first.outcomes(seeds), second.outcomes(seeds)
    lost = {cell.readout: [seed for seed in cell.failed if seed in seeds] for cell in (first, second)}
    if any(lost.values()):
        return _no_claim(results, first, second, ours, theirs, lost)
    estimate = difference(ours, theirs)
    return {
        "first": first.readout,
        "second": second.readout,
        "accuracy_first": ours.right.mean(),
        "accuracy_second": theirs.right.mean(),
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
    results: Results, first: Cell, second: Cell, ours: Outcomes, theirs: Outcomes, lost: dict[str, list[int]]
) -> dict:
    """The row of a pair of which a training did not learn; `lost` are those seeds of each."""
    which = [
        f"{readout_name(results, name)}, seed{'s' * (len(seeds) > 1)} {' and '.join(map(str, seeds))}"
        for name, seeds in lost.items()
        if seeds
    ]
    names = [readout_name(results, cell.readout) for cell in (first, second)]
    accuracies = ours.right.mean(), theirs.right.mean()
    return {
        "first": first.readout,
        "second": second.readout,
        "accuracy_first": accuracies[0],
        "accuracy_second": accuracies[1],
        "difference": accuracies[0] - accuracies[1],
        "episodes": ours.queries.episodes[1],
        "seeds": len(ours.right),
        "failed_seeds": in_one_text(sorted({seed for seeds in lost.values() for seed in seeds})),
        "groups": first.queries.groups,
        "statement": (
            f"{names[0]} and {names[1]}: no claim, for a training did not learn ({'; '.join(which)})"
        ),
    }
