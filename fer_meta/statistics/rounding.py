"""Scores as they are shown and compared: the same on every processor.

Processors add in different orders, so the last bits of a sum differ. A printed digit, a word or an order is
therefore decided by the score rounded to DECIMALS: far coarser than those bits, and finer than any true
difference of scores.
"""

from typing import TypeVar

import numpy as np
import pandas as pd

DECIMALS = 12

Numbers = TypeVar("Numbers", float, np.ndarray, pd.Series, pd.DataFrame)


def settled(scores: Numbers) -> Numbers:
    """`scores` (1 = 100 %) without the bits in which processors differ; zero has no sign, NaN stays."""
    return np.round(scores, DECIMALS) + 0.0


def in_percent(scores: Numbers) -> Numbers:
    """Scores or differences of scores in percent, rounded to one decimal, halves away from zero;
    NaN stays.
    """
    numbers = 100 * settled(scores)
    return np.round(numbers + np.copysign(1e-9, numbers), 1) + 0.0


def percent(score: float, sign: str = "") -> str:
    """A score or a difference of scores as `in_percent`, never -0.0; `sign` "+" shows a plus too.

    >>> percent(0.12345), percent(-0.00001), percent(0.02, "+")
    ('12.3', '0.0', '+2.0')
    """
    return f"{in_percent(score):{sign}.1f}"


def interval(low: float, high: float) -> str:
    """That of a difference of scores.

    >>> interval(-0.0123, 0.02)
    '-1.2 to +2.0'
    """
    return f"{points(low, '+')} to {points(high, '+')}"


def points(difference: float, sign: str = "") -> str:
    """A difference of scores or an end of its interval as `percent`, with as many more digits as it takes to
    tell it from 0.
    """
    exact = 100 * settled(difference)
    digits = next((digits for digits in range(2, DECIMALS) if round(exact, digits)), 1)
    return f"{exact:{sign}.{digits}f}" if exact and not in_percent(difference) else percent(difference, sign)
