"""How methods rank over many blocks."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_meta.statistics.intervals import ALPHA
from fer_meta.statistics.rounding import settled


@dataclass(frozen=True)
class Ranks:
    """Methods ranked in each of `blocks` blocks: `mean` ranks [names] (1 = best, ties share the mean of
    their ranks).

    Two methods differ at level `alpha` where their mean ranks are `critical_difference` or more apart
    (Nemenyi; Demsar 2006, J. Mach. Learn. Res. 7, 1-30, section 3.2.2), which is worth asking if `friedman_p`
    is small. Both are NaN with fewer than 3 methods or 2 blocks.
    """

    names: list[str]
    mean: np.ndarray
    critical_difference: float
    friedman_p: float
    blocks: int
    alpha: float


def mean_ranks(scores: pd.DataFrame) -> Ranks:
    """Ranks of methods (columns) over blocks (rows: source, target, shots); a larger score is better. Blocks
    with a NaN are left out.

    >>> scores = pd.DataFrame({"a": [0.5, 0.6, 0.4], "b": [0.4, 0.5, 0.3], "c": [0.1, 0.2, 0.35]})
    >>> mean_ranks(scores).mean.tolist()
    [1.0, 2.3333333333333335, 2.6666666666666665]
    """
    scores = settled(scores.dropna())
    blocks, k = scores.shape
    ranks = scores.rank(axis=1, ascending=False).to_numpy()
    critical = friedman = math.nan
    if k >= 3 and blocks >= 2:
        from scipy import stats  # takes half a second to import

        critical = (
            stats.studentized_range.ppf(1 - ALPHA, k, np.inf)
            / math.sqrt(2)
            * math.sqrt(k * (k + 1) / (6 * blocks))
        )
        all_tied = (ranks == ranks[:, :1]).all()
        friedman = 1.0 if all_tied else stats.friedmanchisquare(*ranks.T).pvalue
    mean = ranks.mean(0) if blocks else np.full(k, math.nan)
    return Ranks(list(scores.columns), mean, float(critical), float(friedman), blocks, ALPHA)
