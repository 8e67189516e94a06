"""Words and numbers that several sections share."""

from collections import defaultdict
from dataclasses import replace
from typing import Any

import pandas as pd

from fer_meta.report.document import Code, Measured, Text
from fer_meta.report.load import Results, Run
from fer_meta.report.names import domain_name, training_name
from fer_meta.statistics import rounding
from fer_meta.statistics.failed import footnote, is_short, short_note
from fer_meta.statistics.words import p_digits

# By source and shots: the best accuracy as shown.
Best = dict[tuple[str, int], str]

BAYES_NOTE = (
    "exact (computed, not measured) accuracy of a perfect reader of the action units (AUs) drawn in a "
    "rendered face; no method that sees only an image's drawn units can beat it on average."
)

BUNDLED_NOTE = "weights from ImageNet that come with the package, without a download."

TRANSDUCTIVE = "Transductive: each answer may use the other queries of its episode"

# People (clips, images) below which the interval is too short where the support is of several shots, and the
# part of a class's images for support, taken by one episode, above which the episodes do not show what others
# would do (results/benchmarks/coverage.md, coverage_folds.md).
FEW, SHARE = 20, 0.5


def interval_note(table: pd.DataFrame) -> str:
    """What the ± beside an accuracy is, with how many seeds."""
    groups = " or ".join(kind for kind in ("people", "clips", "images") if (table["groups"] == kind).any())
    what, test = (
        "± is the half width of the 95 % interval over",
        f"the test's episodes and {groups}, as queries and in supports",
    )
    few = ""
    if table["members"].min() == 1:
        few += f" Where only one of the {groups} is tested, it says nothing about others."
    if (table["members"].between(2, FEW - 1)).any():
        few += (
            f" Fewer than {FEW} {groups}: a little too short, by simulations (it holds the truth in 92 to 94"
            " of 100 benchmarks)."
        )
    if table["support_share"].max() > SHARE:
        few += (
            f" An episode takes up to {100 * table['support_share'].max():.0f} % of a class's images for"
            " support: the interval knows only in part what other images would change (by simulations with"
            " ten images or fewer, it holds the truth in 83 to 88 of 100 benchmarks)."
        )
    few += (
        " Two seeds say little of their spread: where it is large, one test in ten finds what is not there."
        if (table["seeds"] == 2).any()
        else ""
    )
    if table["seeds"].max() == 1:
        return f"{what} {test}; with one seed it says nothing about other trainings.{few}"
    return f"{what} trainings ({count(table['seeds'], 'seed')}) and {test}.{few}"


def unlabelled_note(results: Results, table: pd.DataFrame) -> str:
    """What the answers of a table may use of the target's images beside the support and the query; nothing
    where it is nothing.
    """
    said = [f"{TRANSDUCTIVE}."] if len(table) and table["transductive"].all() else []
    places = set(zip(*(table[name] for name in ("experiment", "source", "target"))))
    runs = [run for run in results.runs if (run.experiment, run.source, run.target) in places]
    adapted = [run for run in runs if run.protocol.get("batchnorm") == "target"]
    if adapted:
        keys = dict.fromkeys(run.experiment for run in adapted)
        where = f" in {', '.join(keys)}" if len(adapted) < len(runs) else ""
        said.append(
            f"AdaBN{where}: BatchNorm has the statistics of the target's test images, without their labels;"
            " the checkpoint was picked with those of the source."
        )
    return " ".join(said)


def measured(cell: Any, best: bool = False, lacking: bool = False) -> Measured:
    """Accuracy of a row of a table and the half width of its interval over seeds, people and episodes.

    It has the mark of a training that did not learn and, with `lacking`, that of missing seeds.
    """
    return replace(
        with_half(cell.accuracy, cell.ci95),
        best=best,
        failed=bool(cell.failed_seeds),
        lacking=lacking and bool(cell.seeds < cell.planned_seeds),
    )


def with_half(mean: float, half: float) -> Measured:
    """A mean and the half width of its interval, which may be unknown (NaN)."""
    return Measured(rounding.percent(mean), "" if pd.isna(half) else rounding.percent(half))


def exact(accuracy: float) -> str:
    """A percentage without an interval, such as chance or Bayes; empty where there is none."""
    return "" if pd.isna(accuracy) else rounding.percent(accuracy)


def best_of(block: pd.DataFrame) -> Best:
    """By source and shots: the best accuracy as shown, where a method has rivals; one of which a training
    failed is none.
    """
    rivals = defaultdict(list)
    for source, shots, selection, accuracy, failed in zip(
        *(block[name] for name in ("source", "shots", "selection", "accuracy", "failed_seeds"))
    ):
        if selection == "source-val" and not failed:
            rivals[source, shots].append(accuracy)
    return {
        key: rounding.percent(max(accuracies)) for key, accuracies in rivals.items() if len(accuracies) > 1
    }


def is_best(cell: Any, best: Best) -> bool:
    """Best as shown in `best_of` its block: two cells that read the same are both best."""
    return (
        cell.selection == "source-val"
        and not cell.failed_seeds
        and rounding.percent(cell.accuracy) == best.get((cell.source, cell.shots))
    )


def seeds_lacking(row: pd.DataFrame) -> str:
    """(1 of 3 seeds), or nothing."""
    least, planned = row["seeds"].min(), row["planned_seeds"].max()
    return f" ({least} of {planned} seeds)" if least < planned else ""


def failed_note(results: Results, rows: pd.DataFrame) -> str:
    """The footnote of a table's `rows`, one line: which trainings did not learn; nothing if all did."""
    failed, trainings = [], _trainings(results, rows)
    for run, name, experiments in trainings:
        where = f" ({', '.join(dict.fromkeys(experiments))})" if run.experiment else ""
        if run.failed:
            failed.append((name, domain_name(results, run.source) + where, run.fold, run.seed, run.failed))
    return footnote(failed, len(trainings))


def unjudged_note(results: Results, rows: pd.DataFrame) -> str:
    """How many of the trainings of `rows` have logs too short to say whether they learned, one line; nothing
    where all can be judged.
    """
    shown = [run for run, *_ in _trainings(results, rows)]
    return short_note(
        sum(run.training_chance is not None and is_short(results.logs[run.model]) for run in shown),
        len(shown),
    )


def _trainings(results: Results, rows: pd.DataFrame) -> list[tuple[Run, str, list[str]]]:
    """Each training of a table's `rows`: a run of it, what it is called, and the experiments that
    it is in.
    """
    names = {
        (row.experiment, row.source, row.target, row.method): training_name(results, row.method, row.readout)
        for row in rows.itertuples()
    }
    shown: dict[str, tuple[Run, str, list[str]]] = {}
    for run in results.runs:
        name = names.get((run.experiment, run.source, run.target, run.method))
        if name:
            shown.setdefault(run.model, (run, name, []))[-1].append(run.experiment)
    return list(shown.values())


def domain(results: Results, name: str) -> Text:
    """A domain, its name as code."""
    return Code(name), domain_name(results, name).removeprefix(name)


def missing_lines(results: Results) -> list[str]:
    """A line a missing run, with the reason."""
    return [
        f"{run['experiment']}{': ' if run['experiment'] else ''}{run['method']}, "
        f"{domain_name(results, run['source'])} -> {domain_name(results, run['target'])}, "
        f"{'' if run['fold'] is None else 'fold {}, '.format(run['fold'])}seed {run['seed']}: {why}"
        for run, why in results.missing
    ]


def span(numbers: pd.Series) -> str:
    """The number, or the least to the largest."""
    low, high = numbers.min(), numbers.max()
    return str(low) if low == high else f"{low} to {high}"


def count(numbers: pd.Series, noun: str) -> str:
    """3 seeds, 1 seed, 1 to 3 seeds."""
    return f"{span(numbers)} {noun}{'' if numbers.max() == 1 else 's'}"


def p_value(p: float) -> str:
    """0.012, or < 0.001; empty where it is unknown. A p near 0.05 has the digits that say on which side it
    is.
    """
    return "" if pd.isna(p) else "< 0.001" if p < 0.001 else p_digits(p)
