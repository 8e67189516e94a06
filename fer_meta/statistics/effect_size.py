"""Cohen's d_z: how large a difference is beside its spread between episodes (Lakens 2013, Front. Psychol. 4,
863).
"""

import math

import numpy as np

from fer_meta.statistics.intervals import Outcomes, same_queries


def effect_size(a: Outcomes, b: Outcomes) -> float:
    """Cohen's d_z: mean over episodes of the accuracy difference (seeds averaged) by its standard deviation.

    NaN for one episode; 0 or infinite where every episode has the same difference. Raises ValueError where
    the queries differ.

    >>> from fer_meta.statistics.queries import Queries
    >>> images = np.arange(40)
    >>> asked = Queries(episode=images // 10, label=images % 2, group=images, image=images)
    >>> ours, theirs = (Outcomes(images[None] % every > 0, asked) for every in (8, 3))
    >>> round(effect_size(ours, theirs), 2)
    4.5
    """
    if not same_queries(a.queries, b.queries):
        raise ValueError(
            "d_z is defined over shared episodes; these two methods were tested on different queries"
        )
    episode, _ = a.queries.episodes
    return d_z(np.bincount(episode, a.right.mean(0) - b.right.mean(0)) / np.bincount(episode))


def d_z(differences: np.ndarray) -> float:
    """Mean over standard deviation of differences [E]; NaN for a single one."""
    if len(differences) < 2:
        return math.nan
    mean, sd = differences.mean(), differences.std(ddof=1)
    if sd < 1e-12:  # rounding
        return 0.0 if abs(mean) < 1e-12 else math.copysign(math.inf, mean)
    return float(mean / sd)
