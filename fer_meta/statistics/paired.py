"""Differences of accuracies of many methods that answered the same queries.

What one method's answers move (`queries.Moves`) is linear in them. So it is summed once for each method, and
a pair of methods takes a subtraction; only the squares are the pair's own. The numbers are those of
`intervals.difference` up to rounding.
"""

import numpy as np

from fer_meta.statistics.effect_size import d_z
from fer_meta.statistics.intervals import Estimate, Outcomes, Side, estimate_of, same_queries
from fer_meta.statistics.queries import Members, Queries, Sums, numbered

_BITS = np.array([bin(byte).count("1") for byte in range(256)], np.uint8)


class Summed:
    """A method's answers, summed: `outcomes` are right or wrong [S, N] of S seeds."""

    def __init__(self, outcomes: Outcomes):
        self.queries, right = outcomes.queries, outcomes.right.astype(bool)
        side = Side(self.queries, right * 1.0, "accuracy")
        episode, _ = self.queries.episodes
        self.accuracy = float(right.mean())
        self.scores = side.scores
        self.episodes = np.bincount(episode, side.influence)
        self.episode_means = np.bincount(episode, right.mean(0)) / np.bincount(episode)
        fold = self.queries.fold
        self.folds = None if fold is None else np.bincount(numbered(fold)[0], side.influence)
        by_group, by_image = self.queries.by_group, self.queries.by_image
        self.groups = by_group.moves(side.asked, side.by_episode)
        self.images = self.groups if by_image is by_group else by_image.moves(side.asked, side.by_episode)
        self.packed = np.packbits(right, axis=1)
        self.times = right.sum(0, dtype=np.int16)  # [N] seeds that are right


class _Pair:
    """The difference of two methods, with what `intervals.Side` has of one."""

    def __init__(self, a: Summed, b: Summed):
        self.queries: Queries = a.queries
        self.scores = a.scores - b.scores
        self._episodes = a.episodes - b.episodes
        self._folds = None if a.folds is None or b.folds is None else a.folds - b.folds
        self._groups = a.groups - b.groups
        self._images = self._groups if a.images is a.groups else a.images - b.images
        self.between_seeds = _between_seeds(a, b)

    @property
    def spread_of_episodes(self) -> tuple[float, int]:
        return _spread(self._episodes)

    @property
    def spread_of_folds(self) -> tuple[float, int]:
        return (0.0, 1) if self._folds is None else _spread(self._folds)

    def sums(self, members: Members) -> Sums:
        return members.sums(self._groups if members is self.queries.by_group else self._images)


def difference(a: Summed, b: Summed) -> Estimate:
    """`intervals.difference` of their accuracies. Raises ValueError if seeds or queries differ."""
    _check(a, b)
    return estimate_of([_Pair(a, b)])


def effect_size(a: Summed, b: Summed) -> float:
    """`effect_size.effect_size`. Raises ValueError if the queries differ."""
    _check(a, b)
    return d_z(a.episode_means - b.episode_means)


def _check(a: Summed, b: Summed) -> None:
    if len(a.scores) != len(b.scores) or not same_queries(a.queries, b.queries):
        raise ValueError("the two have other seeds or queries; compare the same")


def _spread(sums: np.ndarray) -> tuple[float, int]:
    return float(sums @ sums) * len(sums) / max(len(sums) - 1, 1), len(sums)


def _between_seeds(a: Summed, b: Summed) -> float:
    """The spread between seeds of each query's difference, of its mean over seeds."""
    seeds, queries = len(a.scores), len(a.times)
    if seeds < 2:
        return 0.0
    differ = int(_BITS[a.packed ^ b.packed].sum(dtype=np.int64))
    more = np.subtract(a.times, b.times, dtype=float)
    return (differ - float(more @ more) / seeds) / queries**2 / (seeds - 1) / seeds
