"""Scores as they are shown and compared: the same on every processor.

Processors add in different orders, so the last bits of a sum differ. A printed digit, a word or an order is therefore decided by the score rounded
to DECIMALS: far coarser than those bits, and finer than any true difference of scores.
"""

import math
from typing import TypeVar

import numpy as np
import pandas as pd

DECIMALS = 12

Numbers = TypeVar("Numbers", float, np.ndarray, pd.Series, pd.DataFrame)


def settled(scores: Numbers) -> Numbers:
    """`scores` (1 = 100 %) without the bits in which processors differ; zero has no sign, NaN stays."""
    return np.round(scores, DECIMALS) + 0.0


def percent(score: float, sign: str = "") -> str:
    """A score or a difference of scores in percent with one decimal, halves away from zero, never -0.0; `sign` "+" shows a plus too."""
    number = 100 * float(settled(score))
    return f"{round(number + math.copysign(1e-9, number), 1) + 0.0:{sign}.1f}"
