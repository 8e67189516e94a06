"""How far a score can be trusted, and whether two methods differ.

Three things are drawn at random when a method is tested: the seed of its training, the episodes (each with its support), and who is
in the images. They are crossed: every seed meets every episode, and a person comes up in many. A query is no independent draw, so
what varies is found level by level. Scores here are means of queries' scores (accuracy) or means of class means (UAR), and a member
of a level (a seed, an episode, a group of images) moves such a mean by the sum of its queries' influences

    u_q = w_q (score_q - mean_q),   w_q = 1/N, mean_q the accuracy;   UAR: w_q = 1/(classes x queries of q's class), mean_q its recall.

Which classes an episode asks for is drawn, too. Other people, though, would show the same classes as often: for groups mean_q is the
recall of q's class with either metric.

The variance of the mean over a level of n members is n/(n-1) sum_m (sum of u over member m)^2: what a bootstrap that draws the members
of this level again, and lets the others stand, comes to with ever more draws, times n/(n-1) because n members, drawn again, spread too
little (with 3 seeds a standard error too small by a fifth; Davison & Hinkley 1997, *Bootstrap Methods and their Application*, ch. 2-3).
No bootstrap that draws all levels at once is right for crossed factors (McCullagh 2000, Bernoulli 6, 285-301). So the levels'
variances are added, less the queries' own spread where a second level holds it too (Cameron, Gelbach & Miller 2011, J. Bus. Econ. Stat.
29, 238-249); no level counts for less than nothing.

The interval is Student's. Its degrees of freedom are the harmonic mean of the levels' n-1, weighted by their variances: fewer than
Satterthwaite's (1946, Biometrics Bull. 2, 110-114), with which 3 seeds that agree by chance make the interval too short.
benchmarks/coverage.py measures how often the interval holds the truth.

A group is a person with all of the images, where people are known: images drawn again within people drawn again would count
their spread twice (Davison & Hinkley 1997, section 3.8).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import special

from fer_meta.evaluation.rounding import percent, settled

ALPHA = 0.05
# Standard errors from 0 at which a true difference is found in 80 of 100 tests at 5 %: 1.96 + 0.84.
POWERED = special.ndtri(1 - ALPHA / 2) + special.ndtri(0.8)


@dataclass(frozen=True)
class Outcomes:
    """What one method's N queries scored in S seeds.

    `right` [S, N]: 0/1, or any score in 0..1; the same queries for every seed. For each query: `episode` [N] (int), `group` [N] (its
    person where known for all, else its clip, else the image itself; anything hashable) and `label` [N].
    """

    right: np.ndarray
    episode: np.ndarray
    group: np.ndarray
    label: np.ndarray


@dataclass(frozen=True)
class Estimate:
    """A score or a difference of scores (1 = 100 %) with its 95 % interval.

    `se` is its standard error, `df` the degrees of freedom of the t-distribution behind `low`, `high` and `p`; `p` is two-sided,
    against 0, and meant for differences. `variance` tells what each level with more than one member ("seeds", "episodes", "groups") adds
    to se^2; what more episodes would lessen is with the episodes. `counts` holds the members of each level, also where there is one.
    With one member of each level nothing is known of the spread: `se`, `df`, `low`, `high` and `p` are NaN.
    """

    value: float
    se: float
    df: float
    low: float
    high: float
    p: float
    variance: dict[str, float]
    counts: dict[str, int]


def episode_interval(outcomes: Outcomes, metric: str = "accuracy") -> Estimate:
    """`metric` ("accuracy" or "uar", mean over seeds) with its interval over other episodes of the same images and trainings.

    With equally large episodes that is the mean of the episodes' accuracies +- t sd / sqrt(E).
    """
    spread, episodes = _spread(_sums(_influence(outcomes, metric).mean(0), outcomes.episode))
    return _interval(_value(outcomes, metric), {"episodes": spread} if episodes > 1 else {}, {}, {"episodes": episodes})


def hierarchical_interval(outcomes: Outcomes, metric: str = "accuracy") -> Estimate:
    """`metric` ("accuracy" or "uar", mean over seeds) with its interval over seeds, episodes and groups of images together."""
    groups, count = _numbered(outcomes.group)
    side = Side(_influence(outcomes, metric), _within(outcomes, metric), outcomes.episode, groups)
    return _estimate(_value(outcomes, metric), [side], count)


def difference(a: Outcomes, b: Outcomes, metric: str = "accuracy") -> Estimate:
    """`metric` of `a` less that of `b`, its interval over seeds, episodes and groups.

    Seeds are paired by position and groups by name (one may be absent on a side). Where both have the same queries (`episode`, `group`
    and `label` agree) the queries are paired, else the episodes of the two sides are independent draws. Raises ValueError if the
    two have different numbers of seeds.
    """
    if len(a.right) != len(b.right):
        raise ValueError(f"{len(a.right)} seeds on one side and {len(b.right)} on the other cannot be paired; compare the same seeds")
    value = _value(a, metric) - _value(b, metric)
    if _same_queries(a, b):
        groups, count = _numbered(a.group)
        influence, within = (of(a, metric) - of(b, metric) for of in (_influence, _within))
        return _estimate(value, [Side(influence, within, a.episode, groups)], count)
    groups, count = _numbered(np.concatenate([a.group, b.group]))
    sides = [Side(sign * _influence(side, metric), sign * _within(side, metric), side.episode, numbers)
             for sign, side, numbers in zip((1, -1), (a, b), np.split(groups, [len(a.group)]))]
    return _estimate(value, sides, count)


def effect_size(a: Outcomes, b: Outcomes) -> float:
    """Cohen's d_z: mean over episodes of the accuracy difference (seeds averaged) by its standard deviation.

    NaN for one episode; 0 or infinite where every episode has the same difference. Raises ValueError where the queries differ.
    """
    if not _same_queries(a, b):
        raise ValueError("d_z is defined over shared episodes; these two methods were tested on different queries")
    episode, _ = _numbered(a.episode)
    differences = np.bincount(episode, a.right.mean(0) - b.right.mean(0)) / np.bincount(episode)
    if len(differences) < 2:
        return math.nan
    mean, sd = differences.mean(), differences.std(ddof=1)
    if sd < 1e-12:  # rounding
        return 0.0 if abs(mean) < 1e-12 else math.copysign(math.inf, mean)
    return float(mean / sd)


def episodes_needed(difference: Estimate) -> int | None:
    """Episodes with which a true difference of this size is found at 5 % in 80 of 100 benchmarks; None: no number would do.

    Only the episodes' variance falls with their number; that of seeds and groups stands. For queries drawn anew in each episode: it does
    not hold where every image is a query once, because there is no more of them.
    """
    variance = dict(difference.variance)
    of_one = variance.pop("episodes", math.nan) * difference.counts["episodes"]
    allowed = (settled(difference.value) / POWERED) ** 2
    room = allowed - sum(variance.values())
    if math.isnan(of_one) or room <= 1e-9 * allowed:  # rounding
        return None
    return max(2, math.ceil(of_one / room * (1 - 1e-9)))


def holm(p: Sequence[float]) -> np.ndarray:
    """P-values corrected for their number (Holm 1979, Scand. J. Stat. 6, 65-70), in the order given; NaN stays and is not counted."""
    corrected = np.array(p, dtype=float)
    order = np.argsort(corrected, kind="stable")[: np.count_nonzero(~np.isnan(corrected))]  # NaN is last
    corrected[order] = np.minimum(np.maximum.accumulate(corrected[order] * np.arange(len(order), 0, -1)), 1)
    return corrected


@dataclass(frozen=True)
class Ranks:
    """Methods ranked in each of `blocks` blocks: `mean` ranks [methods] (1 = best, ties share the mean of their ranks).

    Two methods differ at level `alpha` where their mean ranks are `critical_difference` or more apart (Nemenyi; Demsar 2006, J. Mach.
    Learn. Res. 7, 1-30, section 3.2.2), which is worth asking if `friedman_p` is small. Both are NaN with fewer than 3 methods or 2 blocks.
    """

    methods: list[str]
    mean: np.ndarray
    critical_difference: float
    friedman_p: float
    blocks: int
    alpha: float


def mean_ranks(scores: pd.DataFrame) -> Ranks:
    """Ranks of methods (columns) over blocks (rows: source, target, shots); a larger score is better. Blocks with a NaN are left out."""
    scores = settled(scores.dropna())
    blocks, k = scores.shape
    ranks = scores.rank(axis=1, ascending=False).to_numpy()
    critical = friedman = math.nan
    if k >= 3 and blocks >= 2:
        from scipy import stats  # takes half a second to import

        critical = stats.studentized_range.ppf(1 - ALPHA, k, np.inf) / math.sqrt(2) * math.sqrt(k * (k + 1) / (6 * blocks))
        all_tied = (ranks == ranks[:, :1]).all()
        friedman = 1.0 if all_tied else stats.friedmanchisquare(*ranks.T).pvalue
    mean = ranks.mean(0) if blocks else np.full(k, math.nan)
    return Ranks(list(scores.columns), mean, float(critical), float(friedman), blocks, ALPHA)


def statement(first: str, second: str, difference: Estimate, p: float, groups: str = "groups", once: bool = False) -> str:
    """`difference` (first - second) in words, the better method first.

    `p` is that after Holm's correction, `groups` says what a group is ("people"), `once` that each image was a query once: then
    there are no more episodes to be had.
    """
    difference = replace(difference, value=settled(difference.value))
    if difference.value < 0:
        first, second = second, first
        difference = replace(difference, value=-difference.value, low=-difference.high, high=-difference.low)
    points, low, high = (percent(x) for x in (difference.value, difference.low, difference.high))
    if math.isnan(difference.se):
        return f"{first} and {second} differ by {points} points; with one member of each level nothing is known of the spread"
    p = settled(p)
    told = f"95 % interval {low} to {high}, {_p(p)}"
    one_seed = " (one seed each: says nothing about other trainings)" if difference.counts["seeds"] == 1 else ""
    if p < ALPHA:
        return f"{first} > {second} by {points} points ({told}){one_seed}"
    drawn = difference.counts["episodes"] > 1 and not once
    tested = f"{difference.counts['episodes']:,} episodes" if drawn else f"{difference.counts['groups']:,} {groups}"
    mend = _mend(difference, groups) if drawn else ""
    return f"{first} and {second} are not separable with these {tested} (difference {points} points, {told}){mend}{one_seed}"


# --- pieces ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Side:
    """Queries as they move a score. `influence` [S, N], `within` [N] the same but with the seeds averaged and held against the class's
    recall, `episode` [N], `group` [N] (numbers)."""

    influence: np.ndarray
    within: np.ndarray
    episode: np.ndarray
    group: np.ndarray


def _value(outcomes: Outcomes, metric: str) -> float:
    return float(outcomes.right.mean(0) @ _weights(outcomes, metric))


def _weights(outcomes: Outcomes, metric: str) -> np.ndarray:
    """Each query's weight [N] in the metric; they add to 1."""
    if metric == "accuracy":
        n = outcomes.right.shape[1]
        return np.full(n, 1 / n)
    if metric == "uar":
        labels, classes = _numbered(outcomes.label)
        return 1 / (classes * np.bincount(labels)[labels])
    raise ValueError(f"unknown metric {metric!r}; use 'accuracy' or 'uar'")


def _influence(outcomes: Outcomes, metric: str) -> np.ndarray:
    """How far each query of each seed [S, N] moves the seeds' mean; a seed's sum is its score less the mean of the seeds."""
    mean = _recall(outcomes) if metric == "uar" else outcomes.right.mean()
    return _weights(outcomes, metric) * (outcomes.right - mean)


def _within(outcomes: Outcomes, metric: str) -> np.ndarray:
    return _weights(outcomes, metric) * (outcomes.right.mean(0) - _recall(outcomes))


def _recall(outcomes: Outcomes) -> np.ndarray:
    """The recall of each query's class [N], mean over seeds."""
    labels, _ = _numbered(outcomes.label)
    return (np.bincount(labels, outcomes.right.mean(0)) / np.bincount(labels))[labels]


def _same_queries(a: Outcomes, b: Outcomes) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("episode", "group", "label"))


def _sums(influence: np.ndarray, member: np.ndarray) -> np.ndarray:
    return np.bincount(_numbered(member)[0], influence)


def _numbered(names: np.ndarray) -> tuple[np.ndarray, int]:
    """A number from 0 for each name [N], and how many there are."""
    if np.issubdtype(names.dtype, np.integer) and len(names) and 0 <= names.min() and names.max() <= len(names):
        there = np.bincount(names) > 0  # no need to sort or hash
        return (names if there.all() else (there.cumsum() - 1)[names]), int(there.sum())
    numbers, distinct = pd.factorize(names)
    return numbers, len(distinct)


def _spread(sums: np.ndarray) -> tuple[float, int]:
    """Variance of the mean over a level from its members' sums of influences, and how many they are."""
    n = len(sums)
    return float(sums @ sums) * n / max(n - 1, 1), n


def _estimate(value: float, sides: list[Side], groups: int) -> Estimate:
    """From sides whose episodes and queries are independent draws."""
    by_group = sum(np.bincount(side.group, side.within, minlength=groups) for side in sides)
    by_seed = sum(side.influence.sum(1) for side in sides)
    found, counts = {}, {"seeds": len(by_seed), "episodes": 0, "groups": groups}
    queries = queries_by_seed = 0.0  # the queries' own spread: of their mean over seeds, and between seeds
    for side in sides:
        mean = side.influence.mean(0)
        spread, episodes = _spread(_sums(mean, side.episode))
        found["episodes"] = found.get("episodes", 0.0) + spread
        counts["episodes"] = min(counts["episodes"] or episodes, episodes)
        queries += _spread(side.within)[0]
        queries_by_seed += float(((side.influence - mean) ** 2).sum()) / (len(by_seed) * max(len(by_seed) - 1, 1))
    found["groups"], found["seeds"] = _spread(by_group)[0], _spread(by_seed / len(by_seed))[0]
    found = {level: spread for level, spread in found.items() if counts[level] > 1}
    # Left with the episodes, because more of them lessen it.
    twice = {"groups": min(queries, found.get("episodes", 0.0)), "seeds": queries_by_seed if len(found) > 1 else 0.0}
    return _interval(value, found, {level: min(twice.get(level, 0.0), found[level]) for level in found}, counts)


def _interval(value: float, found: dict[str, float], twice: dict[str, float], counts: dict[str, int]) -> Estimate:
    """From the levels' variances as found and what of each is counted in another."""
    variance = {level: found[level] - twice.get(level, 0.0) for level in found}
    if not found:
        return Estimate(value, *[math.nan] * 5, variance, counts)
    total = sum(variance.values())
    if total < 1e-24:  # rounding
        fewest = min(counts[level] - 1 for level in found)
        return Estimate(value, 0.0, float(fewest), value, value, float(abs(value) < 1e-12), variance, counts)
    se = math.sqrt(total)
    df = sum(found.values()) / sum(spread / (counts[level] - 1) for level, spread in found.items())
    half = se * special.stdtrit(df, 1 - ALPHA / 2)
    return Estimate(value, se, df, value - half, value + half, float(2 * special.stdtr(df, -abs(value) / se)), variance, counts)


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.0995 else f"p = {p:.2f}"


def _mend(difference: Estimate, groups: str) -> str:
    """What would make it separable; nothing where that is not known or more episodes are not what is lacking."""
    needed = episodes_needed(difference)
    if needed is None:
        words = {"seeds": "seeds", "groups": groups}
        spread = " and ".join(f"{difference.counts[level]:,} {words[level]}" for level in words if level in difference.variance)
        return f"; no number of episodes would do: the spread over {spread} is too large" if spread and difference.value else ""
    if needed <= difference.counts["episodes"]:
        return ""
    step = 10 ** max(len(str(needed)) - 2, 0)
    return f"; about {-(-needed // step) * step:,} would do"
