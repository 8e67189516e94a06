"""The one contrast that a suite named before anything was run; all other comparisons of its page are
exploratory.
"""

from collections.abc import Sequence

import pandas as pd

from fer_meta.report.aggregate.planned import Pair, Planned, planned
from fer_meta.report.cells import Cell
from fer_meta.report.load import Results
from fer_meta.report.names import readout_name
from fer_meta.statistics.intervals import Outcomes, contrast

COLUMNS = [
    "first",
    "second",
    "shots",
    "over",
    "less",
    "advantage_over",
    "low_over",
    "high_over",
    "advantage_less",
    "low_less",
    "high_less",
    "value",
    "low",
    "high",
    "p",
    "pairs",
    "seeds",
]


def primary_table(results: Results, cells: list[Cell]) -> pd.DataFrame:
    """One row, or none where the suite names no primary contrast, one of its pairs and seeds by the plan is
    missing, or one of its trainings did not learn.

    `advantage_over` is accuracy of `first` less that of `second` (-1 to 1), mean over the `pairs` of source
    and target of `over`, its 95 % interval `low_over` to `high_over`; `advantage_less` the same of `less`;
    `value` is their difference, with its interval `low` to `high` and its p over seeds, people and episodes.
    Nothing is corrected for many tests: `value` is a single one.
    """
    named = results.plan.get("primary")
    if not named or why_not(results, found := planned(results, cells)):
        return pd.DataFrame(columns=COLUMNS)
    over, less, seeds = found.over, found.less, found.seeds
    advantages = {
        part: contrast(_terms(pairs, seeds)) for part, pairs in (("over", over), ("less", less)) if pairs
    }
    whole = contrast(_terms(over, seeds) + [(-weight, outcomes) for weight, outcomes in _terms(less, seeds)])
    return pd.DataFrame(
        [
            {name: named[name] for name in ("first", "second", "shots", "over", "less")}
            | {
                name: number
                for part, one in advantages.items()
                for name, number in (
                    (f"advantage_{part}", one.value),
                    (f"low_{part}", one.low),
                    (f"high_{part}", one.high),
                )
            }
            | {
                "value": whole.value,
                "low": whole.low,
                "high": whole.high,
                "p": whole.p,
                "pairs": len(over),
                "seeds": len(seeds),
            }
        ],
        columns=COLUMNS,
    )


def why_not(results: Results, found: Planned) -> str:
    """Why there is no number, in words; nothing where there is one."""
    if found.unasked:
        return f"no number, because {found.unasked}"
    failed = [
        f"{readout_name(results, cell.readout)} on {cell.source}, seed {seed}"
        for pair in found.over + found.less
        for cell in pair
        for seed in cell.failed
    ]
    if failed:
        return f"no claim, for a training did not learn: {', '.join(dict.fromkeys(failed))}"
    return found.missing and f"no number yet: {found.missing}"


def _terms(pairs: Sequence[Pair], seeds: tuple[int, ...]) -> list[tuple[float, Outcomes]]:
    """The mean over pairs of first less second, as terms of a contrast."""
    return [(sign / len(pairs), cell.outcomes(seeds)) for pair in pairs for sign, cell in zip((1, -1), pair)]
