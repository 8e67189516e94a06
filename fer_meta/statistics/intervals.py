"""How far a score can be trusted: intervals over trainings, people and episodes, supports included.

Three things are random when a method is tested: the seed of its training, the episodes, and who is in the
test images, as a query *and as a support*. They are crossed: every seed meets every episode, and a person
comes up in many supports and many queries. Scores here are means of queries' scores (accuracy) or means of
class means (UAR). A query moves such a mean by its influence

    u_q = w_q (score_q - mean_q),   accuracy: w_q = 1/N, mean_q the accuracy;
                                    UAR: w_q = 1/(classes x queries of q's class), mean_q its recall.

**Episodes.** Given the test images, episodes are independent draws: their variance is E/(E-1) sum_e (sum of u
over episode e)^2, and falls with their number.

**Groups** (people, else clips, else images). A group moves the mean by its queries and by the episodes that
it supports. With R_e the sum of u over episode e (mean_q the recall of q's class, for other people would show
the same classes), episode e gives group g

    z_eg = sum of k_gc u over g's queries in e
           + R_e sum_c k_gc f_c (N_egc - mean of N_gc over the episodes with class c),

where N_egc counts g's images among the support of class c, and f_c = (n_c - 1)/(n_c - shots) corrects for
drawing without replacement from n_c images. k_gc = 1/sqrt(1 - g's share of class c's queries, or support)
corrects for means that g itself is part of, as n/(n-1) does for equal shares (HC2 of MacKinnon & White 1985,
J. Econometrics 29, 305-325): a class may have a few clips only. A class that one group alone shows has no
spread that could be seen; there the distance of its recall from the score stands in, which is that spread and
the classes' together. That is the first-order (Hajek) projection of a U-statistic on its groups (Hoeffding
1948, Ann. Math. Stat. 19, 293-325); what one lucky support image does, it does again in each of its episodes,
however many there are. What pairs of *different* episodes that share a group add to the variance of the mean
is

    sum_g [ (sum_e z_eg)^2 - sum_e z_eg^2 ].

The second sum takes away what an episode's own noise puts there: each is counted with the episodes already
(the rule of Cameron, Gelbach & Miller 2011, J. Bus. Econ. Stat. 29, 238-249, for crossed clusters). With few
episodes and many shots the support's part of it is a small difference of large sums. So it is estimated three
times, with the group as a person in queries and supports; as a person in queries and an image in supports,
which is far less noisy; and in queries alone; and the largest counts.

**Folds** of a cross-validation. Each has its own training and its own support images, perhaps so few that its
episodes cannot tell what others would change; the spread between folds can: F/(F-1) sum_f (sum of u over fold
f)^2. It holds the folds' episodes and queries too, and counts where it is larger than what these add up to.

**Seeds.** S/(S-1) sum_s (score_s - mean)^2 / S^2, less the queries' spread between seeds, which the other
levels hold already.

The interval is Student's. Its degrees of freedom are the harmonic mean of the levels' n-1, weighted by their
variances: fewer than Satterthwaite's (1946, Biometrics Bull. 2, 110-114), with which 3 seeds that agree by
chance make the interval too short. Test sets with people of their own are averaged in the same way, so that
ten people count as ten beside thousands. benchmarks/coverage.py measures how often the interval holds the
truth.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import special

from fer_meta.statistics.queries import Members, Queries, Sums, Support, numbered

ALPHA = 0.05


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What one method scored: `right` [S, N], 0/1 or any score from 0 to 1, of S seeds on N queries."""

    right: np.ndarray
    queries: Queries


@dataclass(frozen=True)
class Estimate:
    """A score or a difference of scores (1 = 100 %) with its interval, by default of 95 %.

    - `value`, `low`, `high`: the score and its interval. `se` is its standard error, and `df` the degrees of
      freedom of the t-distribution.
    - `p`: two-sided, against 0; meant for differences.
    - `variance`: what each level with more than one member ("seeds", "episodes", "groups", "folds") adds to
      se^2. What more episodes would lessen is with the episodes.
    - `counts`: the number of members of each level.
    - `tests`: how many intervals and p-values hold together.

    With one member of each level, or equal scores everywhere, the spread is not known: `se`, `df`, `low`,
    `high` and `p` are NaN.
    """

    value: float
    se: float
    df: float
    low: float
    high: float
    p: float
    variance: dict[str, float]
    counts: dict[str, int]
    tests: int = 1

    def one_of(self, tests: int) -> "Estimate":
        """The interval and p as one of `tests` that are read together, with Bonferroni's correction. All
        intervals at once then hold the truth in 95 % of benchmarks, and p < 0.05 exactly if the interval
        excludes 0.
        """
        half = self.se * float(special.stdtrit(self.df, 1 - ALPHA / 2 / tests))
        return replace(
            self,
            low=self.value - half,
            high=self.value + half,
            p=float(np.minimum(1.0, self.p * tests)),
            tests=tests,
        )


def episode_interval(outcomes: Outcomes, metric: str = "accuracy") -> Estimate:
    """`metric` ("accuracy" or "uar", mean over seeds) with its interval over other episodes of the same
    images and trainings.

    With equally large episodes that is the mean of the episodes' accuracies +- t sd / sqrt(E).
    """
    return of_episodes(hierarchical_interval(outcomes, metric))


def of_episodes(whole: Estimate) -> Estimate:
    """The same score with its interval over other episodes alone, of the same images and trainings."""
    kept = "episodes"
    return _interval(
        whole.value,
        {kept: whole.variance[kept]} if kept in whole.variance else {},
        {kept: whole.counts[kept]},
    )


def hierarchical_interval(outcomes: Outcomes, metric: str = "accuracy") -> Estimate:
    """`metric` ("accuracy" or "uar", mean over seeds) with its interval over seeds, episodes and groups
    together.

    >>> images = np.arange(40)
    >>> asked = Queries(episode=images // 10, label=images % 2, group=images, image=images)
    >>> found = hierarchical_interval(Outcomes(images[None] % 4 > 0, asked))
    >>> round(found.value, 3), bool(found.low < 0.75 < found.high), found.counts
    (0.75, True, {'seeds': 1, 'episodes': 4, 'groups': 40})
    """
    return contrast([(1, outcomes)], metric)


def difference(a: Outcomes, b: Outcomes, metric: str = "accuracy") -> Estimate:
    """`metric` of `a` less that of `b`, its interval over seeds, episodes and groups: a `contrast` of two.

    >>> images = np.arange(40)
    >>> asked = Queries(episode=images // 10, label=images % 2, group=images, image=images)
    >>> ours, theirs = (Outcomes(images[None] % every > 0, asked) for every in (8, 4))
    >>> difference(ours, theirs).value
    0.125
    """
    return contrast([(1, a), (-1, b)], metric)


def contrast(terms: Sequence[tuple[float, Outcomes]], metric: str = "accuracy") -> Estimate:
    """The sum of `metric`s, each times its weight, with its interval over seeds, episodes and groups.

    Seeds are paired by position and groups by number (one may be absent in a term). Terms with the same
    queries are paired query by query; the episodes of others are independent draws. Raises ValueError if two
    terms have different numbers of seeds.
    """
    seeds = {len(outcomes.right) for _, outcomes in terms}
    if len(seeds) > 1:
        raise ValueError(
            f"{max(seeds)} seeds on one side and {min(seeds)} on the other cannot be paired; compare the same"
            " seeds"
        )
    return estimate_of([Side(queries, scores, metric) for queries, scores in _together(terms)])


# --- the estimate ----------------------------------------------------------------------------------------


def same_queries(one: Queries, other: Queries) -> bool:
    if one is other:
        return True
    sides: list[tuple[Queries | Support, Queries | Support, tuple[str, ...]]] = [
        (one, other, ("episode", "group", "label"))
    ]
    if one.support and other.support:
        sides.append((one.support, other.support, ("episode", "image")))
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for a, b, names in sides for name in names)


def _together(terms: Sequence[tuple[float, Outcomes]]) -> list[tuple[Queries, np.ndarray]]:
    """The weighted scores [S, N] of the terms, those of the same queries added."""
    found: list[tuple[Queries, np.ndarray]] = []
    for weight, outcomes in terms:
        scores = outcomes.right * float(weight)
        place = next(
            (place for place, (queries, _) in enumerate(found) if same_queries(queries, outcomes.queries)),
            None,
        )
        if place is None:
            found.append((outcomes.queries, scores))
        else:  # a method without a support takes nothing from the other's
            known, before = found[place]
            found[place] = known if known.support else outcomes.queries, before + scores
    return found


class Side:
    """Queries that are paired: their weighted scores [S, N] and what these move."""

    def __init__(self, queries: Queries, scores: np.ndarray, metric: str):
        self.queries = queries
        weights = queries.weights(metric)
        mean = scores.mean(0)
        labels, _ = queries.labels
        recall = (np.bincount(labels, mean) / queries.of_each_class)[labels]
        self.scores = scores @ weights  # [S]
        self.influence = weights * (mean - (recall if metric == "uar" else mean.mean()))
        self.within = weights * (mean - recall)
        lone = queries.lone
        self.asked = (
            np.where(lone, weights * (mean - mean @ weights), self.within) if lone.any() else self.within
        )
        # The queries' own spread between seeds, of their mean over seeds.
        squares = sum((seed - mean) ** 2 for seed in scores)
        self.between_seeds = (
            float(weights**2 @ squares) / (len(scores) - 1) / len(scores) if len(scores) > 1 else 0.0
        )

    @property
    def spread_of_episodes(self) -> tuple[float, int]:
        episode, count = self.queries.episodes
        sums = np.bincount(episode, self.influence)
        return float(sums @ sums) * count / max(count - 1, 1), count

    @cached_property
    def by_episode(self) -> np.ndarray:
        """R_e [E]. Where the support's groups are never asked, queries are held against the recall of the
        groups that could be: a support of hard clips would else look good, for it keeps them from being
        asked.
        """
        (episode, episodes), (label, classes) = self.queries.episodes, self.queries.labels
        found = np.bincount(episode, self.within)
        if self.queries.barred:
            barred_episode, group = self.queries.barred
            asked, size = self.queries.by_group.asked, len(self.queries.by_group.names)
            sums, counts = (
                np.bincount(asked * classes + label, values, size * classes).reshape(size, classes)
                for values in (self.within, None)
            )
            here = np.bincount(episode * classes + label, minlength=episodes * classes).reshape(
                episodes, classes
            )
            for c in range(classes):
                without = [np.bincount(barred_episode, one[group, c], episodes) for one in (sums, counts)]
                found -= (
                    here[:, c]
                    * (sums[:, c].sum() - without[0])
                    / np.maximum(counts[:, c].sum() - without[1], 1)
                )
        return found

    @property
    def spread_of_folds(self) -> tuple[float, int]:
        if self.queries.fold is None:
            return 0.0, 1
        fold, count = numbered(self.queries.fold)
        sums = np.bincount(fold, self.influence)
        return float(sums @ sums) * count / max(count - 1, 1), count

    def sums(self, members: Members) -> Sums:
        return members.sums(members.moves(self.asked, self.by_episode))


def estimate_of(sides: Sequence[Any]) -> Estimate:
    """From sides whose episodes and queries are independent draws."""
    by_seed = sum(side.scores for side in sides)
    spreads = [side.spread_of_episodes for side in sides]
    seeds, episodes = len(by_seed), min(count for _, count in spreads)
    own = [side.sums(side.queries.by_group) for side in sides]
    groups = _join(own)
    counts = {"seeds": seeds, "episodes": episodes, "groups": int(np.count_nonzero(groups.queries))}
    variance, degrees = {}, {}
    if episodes > 1:
        variance["episodes"] = sum(spread for spread, _ in spreads)
    if counts["groups"] > 1:
        one_kind = all(side.queries.by_image is side.queries.by_group for side in sides)
        images = groups if one_kind else _join([side.sums(side.queries.by_image) for side in sides])
        variance["groups"] = _spread_of_groups(groups, images, variance.get("episodes"))
        degrees["groups"] = _degrees_of_groups(own, counts["groups"])
    found = dict(variance)
    folds = [side.spread_of_folds for side in sides]
    if (fewest := min(count for _, count in folds)) > 1:
        counts["folds"], found["folds"] = fewest, sum(spread for spread, _ in folds)
        variance["folds"] = max(0.0, found["folds"] - sum(variance.values()))
    if seeds > 1:
        found["seeds"] = float(((by_seed - by_seed.mean()) ** 2).sum()) / (seeds * (seeds - 1))
        variance["seeds"] = max(
            0.0, found["seeds"] - (sum(side.between_seeds for side in sides) if variance else 0.0)
        )
    return _interval(float(by_seed.mean()), variance, counts, found, degrees)


def _join(sides: list[Sums]) -> Sums:
    """Members' sums added by name, sums of squares added."""
    if len(sides) == 1:
        return sides[0]
    names, place = np.unique(np.concatenate([side.names for side in sides]), return_inverse=True)
    queries, asked, whole = (
        np.bincount(place, np.concatenate([getattr(side, name) for side in sides]), len(names))
        for name in ("queries", "asked", "whole")
    )
    return Sums(
        names,
        queries,
        asked,
        whole,
        sum(side.asked_squares for side in sides),
        sum(side.whole_squares for side in sides),
    )


def _spread_of_groups(groups: Sums, images: Sums, episodes: float | None) -> float:
    """The largest of three estimates of what groups add to the variance; `episodes` is that of the episodes,
    None for a single one.
    """
    if episodes is None:
        return float(groups.asked @ groups.asked)
    # An episode holds its queries' own spread, and no more than that can be counted twice.
    asked = float(groups.asked @ groups.asked) - min(groups.asked_squares, episodes)
    whole = float(groups.whole @ groups.whole) - groups.whole_squares
    supported_by_images = (
        float(images.whole @ images.whole - images.asked @ images.asked)
        - images.whole_squares
        + images.asked_squares
    )
    return max(0.0, asked, whole, asked + supported_by_images)


def _degrees_of_groups(sides: list[Sums], together: int) -> float:
    """The harmonic mean of the sides' n - 1, weighted by what their queries vary: ten people of one test set
    may make most of the variance, whatever the number of people in another. `together`: the groups of all.
    """
    spreads = np.array([side.asked @ side.asked for side in sides])
    fewer = np.array([np.count_nonzero(side.queries) - 1 for side in sides])
    known = (fewer > 0) & (spreads > 1e-24)
    if len(sides) == 1 or not known.any():
        return together - 1
    return float(spreads[known].sum() / (spreads[known] / fewer[known]).sum())


def _interval(
    value: float,
    variance: dict[str, float],
    counts: dict[str, int],
    found: dict[str, float] | None = None,
    degrees: dict[str, float] | None = None,
) -> Estimate:
    """`found`: the variances before what two levels hold was taken from one of them; they weigh the degrees
    of freedom. `degrees`: those of levels where they are not the members less one.
    """
    found = found or variance
    degrees = {level: count - 1 for level, count in counts.items()} | (degrees or {})
    total = sum(variance.values())
    # one member of each level, or none that differ by more than rounding: the spread is unknown, not 0
    if total < 1e-24:
        nan = math.nan
        return Estimate(value, nan, nan, nan, nan, nan, variance, counts)
    se = math.sqrt(total)
    df = sum(found.values()) / sum(spread / degrees[level] for level, spread in found.items())
    half = se * float(special.stdtrit(df, 1 - ALPHA / 2))
    return Estimate(
        value,
        se,
        df,
        value - half,
        value + half,
        float(2 * special.stdtr(df, -abs(value) / se)),
        variance,
        counts,
    )
