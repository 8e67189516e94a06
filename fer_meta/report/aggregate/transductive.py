"""Which answers are set apart, for each may use the other queries of its episode: they have a table of their
own, and no rank, no comparison and no place beside inductive ones.
"""

from collections.abc import Sequence

import pandas as pd

from fer_meta.report.cells import Cell


def rivals(cells: Sequence[Cell]) -> list[Cell]:
    """The cells that are compared with each other: those of inductive answers, or all where no answer in
    episodes is inductive, as with `batchnorm: batch`.
    """
    inductive = [cell for cell in cells if not cell.transductive]
    return inductive if any(cell.shots for cell in inductive) else list(cells)


def divided(scores: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of `accuracy_table` that are of `rivals`, and those that are set apart."""
    apart = scores["transductive"]
    if apart.all():
        return scores, scores.iloc[:0]
    return scores[~apart].reset_index(drop=True), scores[apart].reset_index(drop=True)
