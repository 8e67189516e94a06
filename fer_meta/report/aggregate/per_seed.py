"""What each training scored by itself: the numbers whose means over seeds stand in the other tables, and the
counts that recall is made of.
"""

from collections import defaultdict
from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd

from fer_meta.report.aggregate.accuracy import CELL
from fer_meta.report.cells import Cell
from fer_meta.report.load import Results, Run
from fer_meta.report.names import order
from fer_meta.statistics.failed import last_tenth

CELLS = 1000  # whose counts are in one table
SORTED_BY = ["experiment", "target", "source", "readout", "shots", "selection"]


def seed_table(results: Results, cells: list[Cell]) -> pd.DataFrame:
    """One row per cell and seed, sorted; scores are 0 to 1 and shots 0 for an own head, as in
    `numbers.head_table`.

    `failed`: its training, of a cross-validation that of any fold, did not learn. `accuracy`, `uar`,
    `macro_f1` and `ece` are over all queries. `train_accuracy` is that at the end of the training
    (`training_accuracy`; over the folds of a cross-validation, the mean), `step` the training step of the
    checkpoint that was tested; empty where they are not known, or are those of several folds.
    """
    runs = defaultdict(list)
    for run in results.runs:
        runs[run.experiment, run.source, run.target, run.method, run.seed].append(run)
    learned = {model: training_accuracy(results, model) for model in {run.model for run in results.runs}}
    rows = []
    for cell in in_order(results, cells):
        for seed, scores, ece in zip(cell.seeds, cell.scores, cell.ece):
            own = runs[cell.experiment, cell.source, cell.target, cell.method, seed]
            rows.append(
                {name: getattr(cell, name) for name in CELL}
                | {
                    "seed": seed,
                    "failed": seed in cell.failed,
                    "accuracy": scores.accuracy,
                    "uar": scores.uar,
                    "macro_f1": scores.macro_f1,
                    "ece": ece,
                    "train_accuracy": np.mean([learned[run.model] for run in own]),
                    "step": _step(own[0], cell) if len(own) == 1 else None,
                }
            )
    return pd.DataFrame(rows).astype({"step": "Int64"})


def confusion_table(results: Results, cells: list[Cell]) -> pd.DataFrame:
    """One row per cell, seed, true `class` and `predicted` class, sorted: `count` queries, which are `share`
    (0 to 1) of that class's.

    `failed`: the training of that seed, of a cross-validation that of any of its folds, did not learn. All
    classes that a cell was tested on, and those it answered: a pair that never occurs has the count 0. Where
    `predicted` is `class`, the share is the recall of that seed; its mean over seeds is that of
    `numbers.recall_table`.
    """
    names, parts = np.array(results.vocabulary), []
    for cell in in_order(results, cells):
        asked = np.flatnonzero(cell.confusion.any(axis=(0, 2)))
        answered = np.union1d(asked, np.flatnonzero(cell.confusion.any(axis=(0, 1))))
        counts = cell.confusion[:, asked][:, :, answered]
        seed, true, predicted = (place.ravel() for place in np.indices(counts.shape))
        parts.append(
            pd.DataFrame(
                {name: getattr(cell, name) for name in CELL}
                | {
                    "seed": np.array(cell.seeds)[seed],
                    "failed": np.isin(cell.seeds, cell.failed)[seed],
                    "class": names[asked][true],
                    "predicted": names[answered][predicted],
                    "count": counts.ravel(),
                    "share": (counts / counts.sum(axis=2, keepdims=True)).ravel(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def training_accuracy(results: Results, model: str) -> float:
    """The mean over the last tenth of a training's log, 0 to 1, in its own episodes or batches; NaN without a
    log.
    """
    return float(last_tenth(results.logs[model]).mean())


def in_parts(results: Results, cells: list[Cell]) -> Iterator[list[Cell]]:
    """The cells in the order of the tables, a few together: all tables of counts at once may not fit into
    memory.
    """
    ordered = in_order(results, cells)
    for start in range(0, len(ordered), CELLS):
        yield ordered[start : start + CELLS]


def in_order(results: Results, cells: list[Cell]) -> list[Cell]:
    """The cells in the order of the tables."""
    keys = pd.DataFrame([{name: getattr(cell, name) for name in SORTED_BY} for cell in cells])
    return [
        cells[place]
        for place in keys.sort_values(SORTED_BY, key=partial(order, results), kind="stable").index
    ]


def _step(run: Run, cell: Cell) -> int | None:
    """Of the checkpoint that a run was tested with, which may be another one for each of its readouts."""
    return run.selected.get(cell.selection, {}).get(cell.readout)
