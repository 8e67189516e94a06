"""Which plots a report has."""

from collections.abc import Callable
from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from fer_meta.report.aggregate.accuracy import PLACE
from fer_meta.report.aggregate.divisions import one_division
from fer_meta.report.aggregate.found import Found
from fer_meta.report.cells import Cell
from fer_meta.report.load import Results
from fer_meta.report.names import training_name
from fer_meta.report.plots import (
    accuracy,
    answer,
    best_of,
    confusion,
    divisions,
    images,
    leakage,
    ranks,
    readouts,
    reproduction,
    search,
    severity,
    training,
    transfer,
)
from fer_meta.report.plots.panels import intervals_in_words

MOST_PANELS = 400
"""Nobody looks at more, and a PNG of more may be too tall; the numbers are in table.csv and confusion.csv."""


def figures(found: Found) -> dict[str, Callable[[], Figure]]:
    """What draws each plot, by its name: confusion (one for each target if there are several), accuracy,
    divisions, severity, transfer, training, images, ranks, leakage, best-of, reproduction, search.

    A plot of more than MOST_PANELS is left out. So is one whose selection (source-val) or log is in no run,
    one of a section that the page does not have, transfer where experiments have protocols of their own, and
    images where a source and a method have trainings of several experiments.
    """
    results, cells = found.results, found.cells
    shown = found.scores[found.scores["selection"] == "source-val"]
    models = {run.model: run for run in results.runs}.values()
    # a network that is not trained has one line of validation, and no curve
    logs = [(run, log) for run in models if len(log := results.logs[run.model]) and log["step"].max() > 0]
    plots: dict[str, Callable[[], Figure]] = {}
    if 0 < len(found.answer.differences) <= answer.MOST_PLACES:
        over = intervals_in_words(shown)
        plots["answer"] = partial(answer.figure, results, found.answer, found.gaps, over)
    places = shown[[*PLACE, "way", "shots"]].drop_duplicates()
    if 0 < len(places) <= MOST_PANELS:
        many = shown["readout"].nunique() > readouts.MOST_BARS
        plots["accuracy"] = partial(
            (readouts if many else accuracy).figure, results, one_division(results, shown), cells
        )
    if len(divided := found.divided[found.divided["selection"] == "source-val"]):
        plots["divisions"] = partial(divisions.figure, results, divided, shown)
    if len(found.gaps):
        plots["severity"] = partial(severity.figure, results, found.gaps, cells)
    pairs = shown[["source", "target"]].drop_duplicates()
    if len(pairs) > 1 and not results.experiments:  # a matrix of one cell shows nothing
        plots["transfer"] = partial(transfer.figure, results, shown)
    if logs:
        plots["training"] = partial(training.figure, results, logs, cells)
        learned = images.curves(logs)
        if learned["method"].nunique() > 1 and images.once_each(logs):
            plots["images"] = partial(images.figure, results, learned, cells)
    if found.ranked:
        plots["ranks"] = partial(
            ranks.figure, results, found.ranked, _failed_trainings(results, found.scores)
        )
    if len(found.leaks):
        plots["leakage"] = partial(leakage.figure, results, found.leaks, cells)
    if len(found.best_of):
        plots["best-of"] = partial(best_of.figure, results, found.best_of)
    if len(found.reproduced):
        plots["reproduction"] = partial(reproduction.figure, results, found.reproduced, cells)
    if found.searched["validation"].notna().any():
        plots["search"] = partial(search.figure, results, found.searched)
    return plots | _confusions(found)


def _confusions(found: Found) -> dict[str, Callable[[], Figure]]:
    """Of the largest number of shots on each target of each experiment; of divisions, of the first."""
    tested: dict[tuple[str, str], list[Cell]] = {}
    for cell in found.cells:
        other = cell.experiment in found.results.plan["divisions"][1:]
        if cell.selection == "source-val" and cell.shots > 0 and not other:
            tested.setdefault((cell.experiment, cell.target), []).append(cell)
    plots: dict[str, Callable[[], Figure]] = {}
    for key, block in tested.items():
        name = "-".join(["confusion", *filter(None, key)]) if len(tested) > 1 else "confusion"
        most = max(cell.shots for cell in block)
        block = [cell for cell in block if cell.shots == most]
        if len(block) <= MOST_PANELS:
            plots[name] = partial(confusion.figure, found.results, block)
    return plots


def _failed_trainings(results: Results, scores: pd.DataFrame) -> list[str]:
    """The names of the trainings that did not learn, each once whatever its readouts."""
    failed = scores[scores["failed_seeds"] != ""]
    return list(
        dict.fromkeys(training_name(results, *row) for row in failed[["method", "readout"]].to_numpy())
    )
