"""What reporting the best of several noisy scores adds, if what is scored is equally good each time.

A score is the mean accuracy in some episodes that are drawn anew. The largest of N scores lies above what
they all have in common, by noise alone. Where the scored differ in truth, the best score is higher still, and
that part is real; the noise in it is never more, on average, than the largest of N noises: the one that was
picked has one of them, and none is larger than the largest.
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy import fft, special

# The normal distribution beyond is 0 in float64, also for the largest of a million.
EDGE, STEPS = 12.0, 24_000


@cache  # a report asks for the same few numbers for every answer
def expected_maximum(number: int) -> float:
    """The mean of the largest of `number` independent values of the standard normal distribution.

    The mean of a variable with the distribution function F is b less the integral of F from -b to b, if it
    never lies outside; the largest of N has F^N.

    >>> [round(expected_maximum(number), 4) for number in (1, 2, 3, 1000)]
    [0.0, 0.5642, 0.8463, 3.2414]
    """
    places, step = np.linspace(-EDGE, EDGE, STEPS + 1, retstep=True)
    below = np.exp(number * special.log_ndtr(places))
    return float(EDGE - step * (below.sum() - (below[0] + below[-1]) / 2)) + 0.0


def normal_gain(right: np.ndarray, queries: int, episodes: int, number: int) -> float:
    """What the best of `number` scores in `episodes` episodes adds (1 = 100 %), if scores are normal.

    `right` [M] are the right answers, of `queries`, in each of M measured episodes: an episode's standard
    deviation is theirs.
    """
    return expected_maximum(number) * right.std() / queries / math.sqrt(episodes)


def resampled_gains(right: np.ndarray, queries: int, episodes: int, numbers: Sequence[int]) -> list[float]:
    """The same for each of `numbers`, for scores in `episodes` of the measured episodes, drawn with
    replacement: the bootstrap, and not by simulation.

    The right answers in so many draws have the distribution of one draw, convolved with itself.

    >>> resampled_gains(np.array([0, 1]), 1, 1, [1, 2])  # the best of two coins is 3/4
    [0.0, 0.25]
    """
    most = episodes * queries
    one = np.bincount(right, minlength=queries + 1) / len(right)
    length = fft.next_fast_len(most + 1, real=True)
    chance = fft.irfft(fft.rfft(one, length) ** episodes, length)[: most + 1]
    below = np.clip(np.cumsum(chance), 0, 1)
    common = episodes * right.mean()
    gains = ((most - (below[:-1] ** number).sum() - common) / most for number in numbers)
    return [round(float(gain), 9) + 0.0 for gain in gains]  # the transform has more digits, but not all
