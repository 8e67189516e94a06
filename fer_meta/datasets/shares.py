"""Soft labels: how the annotators of each image shared their votes among the expressions.

An index that knows them has a column for each expression that could be chosen: `share_fear` (float32, 0 to
1). NaN is unknown. The shares of an image add to less than 1 if some annotators chose none of them.
"""

from collections.abc import Sequence

import numpy as np

from fer_meta.expressions import EXPRESSIONS

COLUMNS = tuple(f"share_{name}" for name in EXPRESSIONS)
"""What an index calls them."""


def share_columns(labels: Sequence[str], shares: Sequence[Sequence[float]]) -> dict[str, np.ndarray]:
    """The columns of images with these shares of these labels."""
    table = np.array(shares, dtype=np.float32).reshape(-1, len(labels))
    return {f"share_{label}": column for label, column in zip(labels, table.T)}


def majority(votes: Sequence[float]) -> int | None:
    """The place of the choice with more than half of the votes; None if there is none."""
    most = max(votes)
    return list(votes).index(most) if most > sum(votes) / 2 else None
