"""Intervals and tests: right where the answer is known, level by level, and sane at the edges."""

import math
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from fer_meta.evaluation.statistics import (
    Estimate, Outcomes, difference, effect_size, episode_interval, episodes_needed, hierarchical_interval, holm, mean_ranks, statement)

pytestmark = pytest.mark.numeric

LEVELS = ["seeds", "episodes", "groups"]


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def outcomes(seed=0, seeds=3, episodes=20, groups=12, queries=30, classes="abc") -> Outcomes:
    """Queries with an effect of the seed, the episode and the group (named)."""
    rng = np.random.default_rng(seed)
    n = episodes * queries
    episode, group = np.repeat(np.arange(episodes), queries), rng.integers(0, groups, n)
    group[:groups] = np.arange(groups)
    score = rng.normal(0, 0.4, (seeds, 1)) + rng.normal(0, 0.5, episodes)[episode] + rng.normal(0, 1, groups)[group]
    names = np.array([f"person {i}" for i in range(groups)], dtype=object)
    label = np.array(list(classes), dtype=object)[rng.integers(0, len(classes), n)]
    return Outcomes(rng.random((seeds, n)) < 1 / (1 + np.exp(-score)), episode, names[group], label)


def of_one_level(values: np.ndarray, level: str) -> Outcomes:
    """Values whose only spread is between the members of one level; the other two have one member."""
    n = len(values)
    nobody, together = np.zeros(n, dtype=int), np.repeat("a", n)
    if level == "seeds":
        return Outcomes(values[:, None].repeat(4, 1), np.zeros(4, int), np.zeros(4, int), np.repeat("a", 4))
    return Outcomes(values[None], np.arange(n) if level == "episodes" else nobody, np.arange(n) if level == "groups" else nobody, together)


# --- against what is known -------------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
@given(st.lists(st.floats(0, 1, width=16), min_size=2, max_size=30))
@settings(max_examples=25, deadline=None)
def test_with_one_level_the_interval_is_students(level, values):
    values = np.array(values)
    found = hierarchical_interval(of_one_level(values, level))
    assert found.value == pytest.approx(values.mean(), abs=1e-9)
    assert found.se == pytest.approx(stats.sem(values), abs=1e-7)
    if np.ptp(values) > 1e-3:
        assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values)))
        assert list(found.variance) == [level] and found.df == pytest.approx(len(values) - 1)


@pytest.mark.parametrize("level", LEVELS)
def test_with_one_level_the_test_is_the_paired_t_test(level):
    rng = np.random.default_rng(1)
    a, b = rng.random(9), rng.random(9) * 0.6
    found = difference(of_one_level(a, level), of_one_level(b, level))
    expected = stats.ttest_rel(a, b)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))


def test_over_episodes_the_interval_is_students_of_the_episodes():
    found, data = episode_interval(outcomes()), outcomes()
    accuracies = pd.Series(data.right.mean(0)).groupby(data.episode).mean()
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 19, accuracies.mean(), accuracies.sem()))
    assert found.counts == {"episodes": 20}


@pytest.mark.parametrize("metric", ["accuracy", "uar"])
@pytest.mark.parametrize("level", LEVELS)
def test_a_level_spreads_as_its_bootstrap_does(metric, level):
    """The members of a level drawn again 4,000 times while the others stand, times n / (n - 1)."""
    data = outcomes(seeds=4, episodes=40, groups=30)
    easy = data.right | ((data.label == "a") & (np.random.default_rng(9).random(data.right.shape) < 0.8))
    data = Outcomes(easy, data.episode, data.group, data.label)
    whole = np.zeros(data.right.shape[1], dtype=int)
    # Other levels with a single member: what is left is this level's own variance.
    alone = Outcomes(data.right if level == "seeds" else data.right.mean(0, keepdims=True),
                     data.episode if level == "episodes" else whole, data.group if level == "groups" else whole, data.label)
    rng = np.random.default_rng(0)
    n = {"seeds": 4, "episodes": 40, "groups": 30}[level]
    draws = rng.multinomial(n, np.full(n, 1 / n), size=4000)
    member = {"episodes": data.episode, "groups": pd.factorize(data.group)[0]}.get(level)
    values = []
    for draw in draws:
        score = np.average(data.right, axis=0, weights=draw if level == "seeds" else None)
        weight = draw[member] if level != "seeds" else np.ones(len(score))
        if metric == "accuracy" and level == "episodes":
            values.append(np.average(score, weights=weight))
        else:  # other people, the same classes as often
            shares = [np.mean(data.label == c) for c in "abc"] if metric == "accuracy" else [1 / 3] * 3
            recall = [np.average(score[data.label == c], weights=weight[data.label == c]) for c in "abc"]
            values.append(np.dot(shares, recall))
    expected = np.var(values) * n / (n - 1)
    assert hierarchical_interval(alone, metric).variance[level] == pytest.approx(expected, rel=0.12)


@pytest.mark.parametrize("metric", ["accuracy", "uar"])
def test_the_value_is_that_of_scikit_learn(metric):
    data = outcomes()
    predicted = np.where(data.right, data.label, "wrong")
    score = {"accuracy": accuracy_score, "uar": balanced_accuracy_score}[metric]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "wrong" is no true class
        expected = np.mean([score(data.label, seed) for seed in predicted])
    for found in (hierarchical_interval(data, metric), episode_interval(data, metric)):
        assert found.value == pytest.approx(expected)


def test_levels_that_hold_the_same_queries_are_not_counted_twice():
    """Each query in an episode and a group of its own: two names for the same thing."""
    right = np.random.default_rng(0).random((1, 400)) < 0.7
    found = hierarchical_interval(Outcomes(right, np.arange(400), np.arange(400), np.repeat("a", 400)))
    assert found.se == pytest.approx(stats.sem(right[0]))


def test_few_seeds_that_differ_make_a_wide_interval():
    steady, data = outcomes(seeds=3), outcomes(seeds=3)
    right = data.right.copy().astype(float)
    right += np.array([[-0.2], [0.0], [0.2]]) - right.mean(1, keepdims=True) + right.mean()
    spread = Outcomes(right, data.episode, data.group, data.label)
    found = hierarchical_interval(spread)
    seeds_alone = stats.t.ppf(0.975, 2) * 0.2 / math.sqrt(3)
    assert found.df < 3 and (found.high - found.low) / 2 > 0.8 * seeds_alone
    assert found.high - found.low > 2 * (hierarchical_interval(steady).high - hierarchical_interval(steady).low)


# --- properties ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["accuracy", "uar"])
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 8), st.integers(1, 9))
@settings(max_examples=25, deadline=None)
def test_neither_order_nor_names_nor_sides_matter(metric, seed, seeds, episodes, groups):
    a, b = (outcomes(s, seeds, episodes, groups) for s in (seed, seed + 1))
    b = Outcomes(b.right, a.episode, a.group, a.label)
    order = np.random.default_rng(seed).permutation(len(a.episode))
    moved = [Outcomes(o.right[:, order], 7 + 2 * o.episode[order], o.group[order], o.label[order]) for o in (a, b)]
    there, back, again = difference(a, b, metric), difference(b, a, metric), difference(*moved, metric)
    assert numbers(again) == pytest.approx(numbers(there), abs=1e-9, nan_ok=True)
    mirrored = [-back.value, back.se, -back.high, -back.low, back.p]
    assert mirrored == pytest.approx(numbers(there), abs=1e-9, nan_ok=True)
    total = sum(there.variance.values())
    assert math.isnan(there.se) if not there.variance else there.se == pytest.approx(math.sqrt(total), abs=1e-9)
    assert all(v >= 0 for v in there.variance.values())
    assert there.counts == {"seeds": seeds, "episodes": episodes, "groups": groups}


def numbers(estimate: Estimate) -> list[float]:
    return [estimate.value, estimate.se, estimate.low, estimate.high, estimate.p]


def test_the_same_queries_are_compared_more_sharply_than_others():
    a = outcomes(0)
    worse = Outcomes(a.right & (np.random.default_rng(5).random(a.right.shape) < 0.9), a.episode, a.group, a.label)
    order = np.random.default_rng(0).permutation(len(a.episode))
    other = Outcomes(worse.right[:, order], a.episode, worse.group[order], worse.label[order])  # same people, other episodes
    paired, loose = difference(a, worse), difference(a, other)
    assert paired.value == pytest.approx(loose.value) and paired.variance["episodes"] < loose.variance["episodes"]


def test_groups_are_paired_by_name_where_episodes_are_not():
    both = outcomes(0, episodes=50, groups=12)
    a, b = (Outcomes(both.right[:, half], both.episode[half], both.group[half], both.label[half])
            for half in (both.episode < 20, both.episode >= 20))
    strangers = Outcomes(b.right, b.episode, np.array([f"other {name}" for name in b.group], dtype=object), b.label)
    known, unknown = difference(a, b), difference(a, strangers)
    assert known.counts["groups"] == 12 and unknown.counts["groups"] == 24
    assert known.variance["groups"] < unknown.variance["groups"]
    assert known.counts["episodes"] == 20
    one_less = Outcomes(b.right, b.episode, np.where(b.group == "person 3", "person 4", b.group), b.label)
    assert difference(a, one_less).counts["groups"] == 12


def test_other_numbers_of_seeds_cannot_be_paired():
    with pytest.raises(ValueError, match="3 seeds on one side and 2 on the other"):
        difference(outcomes(seeds=3), outcomes(seeds=2))


def test_an_unknown_metric_is_named():
    with pytest.raises(ValueError, match="'f1'; use 'accuracy' or 'uar'"):
        hierarchical_interval(outcomes(), "f1")


# --- edges -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["accuracy", "uar"])
def test_all_right_has_no_spread(metric):
    data = outcomes()
    perfect = Outcomes(np.ones_like(data.right), data.episode, data.group, data.label)
    for found in (hierarchical_interval(perfect, metric), episode_interval(perfect, metric)):
        assert (found.value, found.se, found.low, found.high, found.p) == pytest.approx((1, 0, 1, 1, 0))


def test_a_method_does_not_differ_from_itself():
    data = outcomes()
    found = difference(data, data)
    assert (found.value, found.se, found.low, found.high, found.p) == (0, 0, 0, 0, 1)
    assert effect_size(data, data) == 0 and episodes_needed(found) is None
    assert statement("A", "B", found, found.p) == (
        "A and B are not separable with these 20 episodes (difference 0.0 points, 95 % interval 0.0 to 0.0, p = 1.00)")


def test_with_one_of_everything_the_spread_is_unknown():
    data = Outcomes(np.array([[1.0, 0.0]]), np.zeros(2, int), np.array(["x", "x"]), np.array(["a", "b"]))
    found = hierarchical_interval(data)
    assert found.value == 0.5 and found.variance == {} and all(map(math.isnan, [found.se, found.low, found.high, found.p]))
    assert math.isnan(episode_interval(data).se) and math.isnan(effect_size(data, data))
    assert episodes_needed(difference(data, data)) is None
    assert "nothing is known of the spread" in statement("A", "B", difference(data, data), math.nan)


def test_effect_size_is_the_mean_by_the_sd_of_the_episodes_differences():
    a, b = outcomes(0), outcomes(1)
    b = Outcomes(b.right, a.episode, a.group, a.label)
    differences = pd.Series(a.right.mean(0) - b.right.mean(0)).groupby(a.episode).mean()
    assert effect_size(a, b) == pytest.approx(differences.mean() / differences.std())
    with pytest.raises(ValueError, match="different queries"):
        effect_size(a, outcomes(1, groups=5))


# --- how many episodes -----------------------------------------------------------------------------------


def estimate(value, low=math.nan, high=math.nan, p=math.nan, counts=(3, 600, 80), **variance) -> Estimate:
    return Estimate(value, math.sqrt(sum(variance.values())), 50.0, low, high, p, variance, dict(zip(LEVELS, counts)))


def test_as_many_episodes_as_needed_give_the_power_asked_for():
    found = episodes_needed(estimate(0.01, seeds=1e-6, groups=1e-6, episodes=1e-4))
    z = 0.01 / math.sqrt(2e-6 + 1e-4 * 600 / found)
    assert stats.norm.sf(1.959964 - z) == pytest.approx(0.8, abs=1e-3)


@pytest.mark.parametrize("value, variance", [
    (0.0, {"seeds": 0.0, "groups": 0.0, "episodes": 1e-4}),
    (0.01, {"seeds": 1e-5, "groups": 1e-5, "episodes": 1e-4}),
    (0.01, {"seeds": 1e-6}),
])
def test_no_number_of_episodes_mends_other_levels(value, variance):
    assert episodes_needed(estimate(value, **variance)) is None


# --- many tests, many blocks -----------------------------------------------------------------------------


def test_holm_on_a_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.02, math.nan, 0.03]) == pytest.approx([0.04, math.nan, 0.04], nan_ok=True)
    assert holm([]).size == 0


# Demsar 2006, table 5 (a): q at 0.05 for 3 to 10 methods.
@pytest.mark.parametrize("methods, q", [
    (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102), (10, 3.164)])
def test_the_critical_difference_is_demsars(methods, q):
    scores = pd.DataFrame(np.random.default_rng(0).random((14, methods)))
    assert mean_ranks(scores).critical_difference == pytest.approx(q * math.sqrt(methods * (methods + 1) / (6 * 14)), rel=5e-4)


def test_ranks_share_ties_and_put_the_best_first():
    scores = pd.DataFrame({"A": [0.9, 0.8, 0.7, 0.9], "B": [0.5, 0.8, 0.6, 0.4], "C": [0.1, 0.2, 0.9, math.nan]})
    ranks = mean_ranks(scores)
    assert ranks.methods == ["A", "B", "C"] and ranks.blocks == 3 and ranks.alpha == 0.05
    assert ranks.mean == pytest.approx([(1 + 1.5 + 2) / 3, (2 + 1.5 + 3) / 3, (3 + 3 + 1) / 3])
    assert ranks.friedman_p == pytest.approx(stats.friedmanchisquare(*scores.dropna().to_numpy().T).pvalue)


@pytest.mark.parametrize("shape", [(5, 2), (1, 4), (0, 3)])
def test_too_little_to_rank_has_no_critical_difference(shape):
    ranks = mean_ranks(pd.DataFrame(np.random.default_rng(0).random(shape)))
    assert math.isnan(ranks.critical_difference) and math.isnan(ranks.friedman_p) and len(ranks.mean) == shape[1]


def test_methods_that_never_differ_all_rank_in_the_middle():
    ranks = mean_ranks(pd.DataFrame(np.ones((4, 3))))
    assert ranks.mean.tolist() == [2, 2, 2] and ranks.friedman_p == 1


# --- in words --------------------------------------------------------------------------------------------


def told(value, low, high, p, kind="people", once=False, **variance) -> str:
    return statement("MAML", "ProtoNet", estimate(value, low, high, p, **variance), p, kind, once)


EASY, HARD = {"seeds": 1e-7, "groups": 1e-7, "episodes": 7.2e-6}, {"seeds": 1e-5, "groups": 1e-5, "episodes": 1e-5}


def test_the_better_one_is_named_first():
    assert told(-0.021, -0.030, -0.012, 0.003, **EASY) == "ProtoNet > MAML by 2.1 points (95 % interval 1.2 to 3.0, p = 0.003)"
    assert told(0.021, 0.012, 0.030, 1e-7, **EASY) == "MAML > ProtoNet by 2.1 points (95 % interval 1.2 to 3.0, p < 0.001)"


def test_what_is_not_separable_says_how_many_episodes_would_do():
    assert told(-0.003, -0.011, 0.005, 0.42, **EASY) == (
        "ProtoNet and MAML are not separable with these 600 episodes (difference 0.3 points, 95 % interval -0.5 to 1.1, p = 0.42); "
        "about 4,600 would do")


def test_what_no_number_of_episodes_separates_says_so():
    assert told(-0.003, -0.011, 0.005, 0.42, **HARD).endswith(
        "; no number of episodes would do: the spread over 3 seeds and 80 people is too large")


def test_one_seed_says_nothing_about_other_trainings():
    assert told(0.021, 0.012, 0.030, 0.003, counts=(1, 600, 80), **EASY).endswith(
        "p = 0.003) (one seed each: says nothing about other trainings)")


def test_without_episodes_the_images_are_counted():
    assert told(0.003, -0.005, 0.011, 0.42, "images", counts=(3, 1, 1200), groups=3e-5) == (
        "MAML and ProtoNet are not separable with these 1,200 images (difference 0.3 points, 95 % interval -0.5 to 1.1, p = 0.42)")


def test_where_each_image_was_a_query_once_no_more_episodes_are_asked_for():
    assert told(0.003, -0.005, 0.011, 0.42, once=True, **EASY) == (
        "MAML and ProtoNet are not separable with these 80 people (difference 0.3 points, 95 % interval -0.5 to 1.1, p = 0.42)")


def test_no_torch_is_needed():
    code = "import sys, fer_meta.evaluation.statistics, fer_meta.evaluation.metrics; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
