"""Accuracy over the divisions of a suite's classes into those trained on and those tested."""

from collections import defaultdict
from functools import partial

import numpy as np
import pandas as pd

from fer_meta.report.aggregate.accuracy import half_width
from fer_meta.report.cells import Cell
from fer_meta.report.load import Results
from fer_meta.report.names import order
from fer_meta.statistics.intervals import contrast

BLOCK = ["source", "target", "method", "readout", "way", "shots", "selection"]
COLUMNS = [
    *BLOCK,
    "divisions",
    "first",
    "accuracy_first",
    "ci95_first",
    "place_first",
    "accuracy",
    "ci95",
    "sd",
    "low",
    "lowest",
    "high",
    "highest",
    "chance",
    "seeds",
    "failed",
]


def division_table(results: Results, cells: list[Cell], scores: pd.DataFrame) -> pd.DataFrame:
    """One row per source, target, readout, shots and selection with two divisions or more; accuracies are 0
    to 1. From the rows of `accuracy_table`.

    `accuracy_first` and `ci95_first` are those of the division that the plan names `first`, and `place_first`
    its place among all, 1 for the highest accuracy; NaN where it is not among them. `accuracy` is the mean
    over the `divisions`, and `ci95` the half width of its 95 % interval over seeds, people and episodes, with
    the divisions as they are; NaN where they do not all have the same seeds. `sd` is the sample standard
    deviation of the accuracies, `low` and `high` are the smallest and the largest, of the divisions `lowest`
    and `highest`. `failed`: the divisions of which a training did not learn.
    """
    divisions = results.plan["divisions"]
    own = defaultdict(list)
    for cell in cells:
        if cell.experiment in divisions:
            own[tuple(getattr(cell, name) for name in BLOCK)].append(cell)
    shown = scores[scores["experiment"].isin(divisions)]
    rows = [
        dict(zip(BLOCK, key)) | _row(divisions[0], block.set_index("experiment"), own[key])
        for key, block in shown.groupby(BLOCK, sort=False)
        if len(block) > 1
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    keys = ["source", "target", "way", "shots", "readout", "selection"]
    return table.sort_values(keys, key=partial(order, results), kind="stable", ignore_index=True)


def one_division(results: Results, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table that are of the first division of the plan that it has; all where there are no
    divisions.
    """
    here = [key for key in results.plan["divisions"] if (rows["experiment"] == key).any()]
    return rows[rows["experiment"] == here[0]] if here else rows


def _row(first: str, block: pd.DataFrame, cells: list[Cell]) -> dict:
    """From the accuracies of one readout by division, and its cells."""
    accuracy = block["accuracy"]
    there = first in block.index
    return {
        "divisions": len(block),
        "first": first,
        "accuracy_first": accuracy[first] if there else np.nan,
        "ci95_first": block["ci95"][first] if there else np.nan,
        "place_first": 1 + (accuracy > accuracy[first]).sum() if there else np.nan,
        "accuracy": accuracy.mean(),
        "ci95": _half_width(cells),
        "sd": accuracy.std(),
        "low": accuracy.min(),
        "lowest": accuracy.idxmin(),
        "high": accuracy.max(),
        "highest": accuracy.idxmax(),
        "chance": block["chance"].iloc[0],
        "seeds": block["seeds"].min(),
        "failed": " ".join(cell.experiment for cell in cells if cell.failed),
    }


def _half_width(cells: list[Cell]) -> float:
    """Of the mean over divisions, with people paired: one may be asked, or support, in many divisions."""
    if any(cell.seeds != cells[0].seeds for cell in cells):
        return np.nan
    return half_width(contrast([(1 / len(cells), cell.outcomes()) for cell in cells]))
