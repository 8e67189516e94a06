"""How many episodes a difference needs, how methods rank, and how both are said."""

import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fer_meta.statistics.intervals import Estimate
from fer_meta.statistics.ranks import mean_ranks
from fer_meta.statistics.words import episodes_needed, statement

pytestmark = pytest.mark.numeric

LEVELS = ["seeds", "episodes", "groups"]


# --- how many episodes -----------------------------------------------------------------------------------


def estimate(value, low=math.nan, high=math.nan, p=math.nan, counts=(3, 600, 80), **variance) -> Estimate:
    return Estimate(
        value, math.sqrt(sum(variance.values())), 50.0, low, high, p, variance, dict(zip(LEVELS, counts))
    )


def test_as_many_episodes_as_needed_give_the_power_asked_for():
    found = episodes_needed(estimate(0.01, seeds=1e-6, groups=1e-6, episodes=1e-4))
    z = 0.01 / math.sqrt(2e-6 + 1e-4 * 600 / found)
    assert z == pytest.approx(stats.t.ppf(0.975, 50) + stats.t.ppf(0.8, 50), rel=1e-3)
    together = episodes_needed(replace(estimate(0.01, seeds=1e-6, groups=1e-6, episodes=1e-4), tests=10))
    assert together > found


def test_a_wide_interval_of_few_seeds_is_never_said_to_need_a_few_more_episodes():
    few = replace(estimate(0.07, seeds=1e-4, groups=1e-6, episodes=1e-4), df=1.2)
    assert episodes_needed(few) is None


@pytest.mark.parametrize(
    "value, variance",
    [
        (0.0, {"seeds": 0.0, "groups": 0.0, "episodes": 1e-4}),
        (0.01, {"seeds": 1e-5, "groups": 1e-5, "episodes": 1e-4}),
        (0.01, {"seeds": 1e-6}),
    ],
)
def test_no_number_of_episodes_mends_other_levels(value, variance):
    assert episodes_needed(estimate(value, **variance)) is None


# --- many blocks -----------------------------------------------------------------------------


# Demsar 2006, table 5 (a): q at 0.05 for 3 to 10 methods.
@pytest.mark.parametrize(
    "methods, q",
    [(3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102), (10, 3.164)],
)
def test_the_critical_difference_is_demsars(methods, q):
    scores = pd.DataFrame(np.random.default_rng(0).random((14, methods)))
    assert mean_ranks(scores).critical_difference == pytest.approx(
        q * math.sqrt(methods * (methods + 1) / (6 * 14)), rel=5e-4
    )


def test_ranks_share_ties_and_put_the_best_first():
    scores = pd.DataFrame(
        {"A": [0.9, 0.8, 0.7, 0.9], "B": [0.5, 0.8, 0.6, 0.4], "C": [0.1, 0.2, 0.9, math.nan]}
    )
    ranks = mean_ranks(scores)
    assert ranks.names == ["A", "B", "C"] and ranks.blocks == 3 and ranks.alpha == 0.05
    assert ranks.mean == pytest.approx([(1 + 1.5 + 2) / 3, (2 + 1.5 + 3) / 3, (3 + 3 + 1) / 3])
    assert ranks.friedman_p == pytest.approx(stats.friedmanchisquare(*scores.dropna().to_numpy().T).pvalue)


@pytest.mark.parametrize("shape", [(5, 2), (1, 4), (0, 3)])
def test_too_little_to_rank_has_no_critical_difference(shape):
    ranks = mean_ranks(pd.DataFrame(np.random.default_rng(0).random(shape)))
    assert (
        math.isnan(ranks.critical_difference) and math.isnan(ranks.friedman_p) and len(ranks.mean) == shape[1]
    )


def test_methods_that_never_differ_all_rank_in_the_middle():
    ranks = mean_ranks(pd.DataFrame(np.ones((4, 3))))
    assert ranks.mean.tolist() == [2, 2, 2] and ranks.friedman_p == 1


# --- in words --------------------------------------------------------------------------------------------


def told(value, low, high, p, kind="people", once=False, **variance) -> str:
    return statement("MAML", "ProtoNet", estimate(value, low, high, p, **variance), kind, once)


EASY, HARD = (
    {"seeds": 1e-7, "groups": 1e-7, "episodes": 7.2e-6},
    {"seeds": 1e-5, "groups": 1e-5, "episodes": 1e-5},
)


def test_the_better_one_is_named_first():
    assert (
        told(-0.021, -0.030, -0.012, 0.003, **EASY)
        == "ProtoNet > MAML by 2.1 points (95 % interval 1.2 to 3.0, p = 0.003)"
    )
    assert (
        told(0.021, 0.012, 0.030, 1e-7, **EASY)
        == "MAML > ProtoNet by 2.1 points (95 % interval 1.2 to 3.0, p < 0.001)"
    )


def test_what_is_not_separable_says_how_many_episodes_would_do():
    assert (
        told(-0.003, -0.011, 0.005, 0.42, **EASY)
        == "ProtoNet and MAML are not separable with these 600 episodes (difference 0.3 points, 95 % interval"
        " -0.5 to 1.1, p = 0.42); about 4,800 would do"
    )


def test_what_no_number_of_episodes_separates_says_so():
    assert told(-0.003, -0.011, 0.005, 0.42, **HARD).endswith(
        "; no number of episodes would do: the spread over 3 seeds and 80 people is too large"
    )


def test_only_levels_that_add_to_the_spread_are_named_as_too_large():
    assert told(-0.003, -0.011, 0.005, 0.42, **HARD | {"seeds": 0.0}).endswith(
        "; no number of episodes would do: the spread over 80 people is too large"
    )
    assert told(-0.003, -0.011, 0.005, 0.42, **HARD | {"groups": 0.0}).endswith(
        "; no number of episodes would do: the spread over 3 seeds is too large"
    )


def test_words_digits_and_the_claim_agree_however_close_it_is():
    assert (
        told(0.098, 0.0004, 0.196, 0.0498, **EASY)
        == "MAML > ProtoNet by 9.8 points (95 % interval 0.04 to 19.6, p = 0.0498)"
    )
    close = told(0.098, -0.00002, 0.196, 0.05002, **EASY)
    assert "not separable" in close and "95 % interval -0.002 to 19.6, p = 0.05002)" in close


def test_an_interval_is_never_said_to_be_wider_than_an_accuracy_can_differ():
    assert "95 % interval -100.0 to 100.0" in told(0.06, -4.6, 4.7, 1.0, **EASY)


def test_several_tests_are_said_to_hold_together():
    one = replace(estimate(0.021, 0.012, 0.030, 0.003, **EASY), tests=6)
    assert (
        statement("A", "B", one) == "A > B by 2.1 points (simultaneous 95 % interval 1.2 to 3.0, p = 0.003)"
    )


def test_one_seed_says_nothing_about_other_trainings():
    assert told(0.021, 0.012, 0.030, 0.003, counts=(1, 600, 80), **EASY).endswith(
        "p = 0.003) (one seed each: says nothing about other trainings)"
    )


def test_without_episodes_the_images_are_counted():
    assert (
        told(0.003, -0.005, 0.011, 0.42, "images", counts=(3, 1, 1200), groups=3e-5)
        == "MAML and ProtoNet are not separable with these 1,200 images (difference 0.3 points, 95 % interval"
        " -0.5 to 1.1, p = 0.42)"
    )


def test_where_each_image_was_a_query_once_no_more_episodes_are_asked_for():
    assert (
        told(0.003, -0.005, 0.011, 0.42, once=True, **EASY)
        == "MAML and ProtoNet are not separable with these 80 people (difference 0.3 points, 95 % interval"
        " -0.5 to 1.1, p = 0.42)"
    )


def test_no_torch_is_needed():
    code = (
        "import sys, fer_meta.statistics.intervals, fer_meta.statistics.words,"
        " fer_meta.statistics.metrics; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
