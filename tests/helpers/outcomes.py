"""Made-up outcomes of methods, with an effect of the seed, the episode and the group."""

import numpy as np

from fer_meta.statistics.intervals import Estimate, Outcomes
from fer_meta.statistics.queries import Queries


def made(right, episode, group, label) -> Outcomes:
    """Outcomes without a support, each query of an image of its own."""
    return Outcomes(np.asarray(right), Queries(episode, label, group, np.arange(len(label))))


def outcomes(seed=0, seeds=3, episodes=20, groups=12, queries=30, classes=3) -> Outcomes:
    """Queries with an effect of the seed, the episode and the group."""
    rng = np.random.default_rng(seed)
    n = episodes * queries
    episode, group = np.repeat(np.arange(episodes), queries), rng.integers(0, groups, n)
    group[:groups] = np.arange(groups)
    score = (
        rng.normal(0, 0.4, (seeds, 1))
        + rng.normal(0, 0.5, episodes)[episode]
        + rng.normal(0, 1, groups)[group]
    )
    return made(
        rng.random((seeds, n)) < 1 / (1 + np.exp(-score)), episode, group, rng.integers(0, classes, n)
    )


def with_right(right, like: Outcomes) -> Outcomes:
    return Outcomes(right, like.queries)


def numbers(estimate: Estimate) -> list[float]:
    return [estimate.value, estimate.se, estimate.low, estimate.high, estimate.p]
