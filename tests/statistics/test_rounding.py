"""Words, digits and orders are the same on every processor: none of them depends on the last bits of a
number.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_meta.report.formats import csv
from fer_meta.report.sections.words import p_value
from fer_meta.statistics import metrics
from fer_meta.statistics.ranks import mean_ranks
from fer_meta.statistics.rounding import percent, points, settled
from fer_meta.statistics.words import Estimate, episodes_needed, p_in_words, statement

pytestmark = pytest.mark.numeric

ULPS = st.floats(-5e-16, 5e-16)  # what a sum of scores differs by on another processor
# every tenth of a percent, and the halves between
SHARES = st.integers(-400, 400).map(lambda right: right / 400)


def estimate(value: float, spread: float = 1e-4) -> Estimate:
    return Estimate(
        value,
        spread**0.5,
        50.0,
        value - 0.02,
        value + 0.02,
        0.3,
        {"groups": spread / 10, "episodes": spread},
        {"seeds": 1, "episodes": 40, "groups": 15},
    )


@given(SHARES, ULPS)
@settings(max_examples=100, deadline=None)
def test_a_percentage_does_not_depend_on_the_last_bits(share, ulps):
    assert percent(share + ulps) == percent(share) and percent(share + ulps, "+") == percent(share, "+")


@pytest.mark.parametrize(
    "score, shown, signed",
    [
        (0.3625, "36.3", "+36.3"),
        (0.0005, "0.1", "+0.1"),
        (-0.0005, "-0.1", "-0.1"),
        (-0.0004, "0.0", "+0.0"),
        (-1e-17, "0.0", "+0.0"),
        (1.0, "100.0", "+100.0"),
        (-0.1, "-10.0", "-10.0"),
    ],
)
def test_halves_are_rounded_away_from_zero_and_zero_has_no_minus(score, shown, signed):
    assert percent(score) == shown and percent(score, "+") == signed


@pytest.mark.parametrize(
    "difference, shown",
    [
        (0.0004, "0.04"),
        (-0.0004, "-0.04"),
        (0.000004, "0.0004"),
        (0.0005, "0.1"),
        (0.196, "19.6"),
        (0.0, "0.0"),
        (-1e-17, "0.0"),
    ],
)
def test_an_end_of_an_interval_that_is_not_0_is_never_written_as_0(difference, shown):
    assert points(difference) == shown


@pytest.mark.parametrize(
    "p, shown",
    [
        (0.0498, "p = 0.0498"),
        (0.0503, "p = 0.0503"),
        (0.04999995, "p = 0.04999995"),
        (0.05, "p = 0.050"),
        (0.0494, "p = 0.049"),
        (0.051, "p = 0.051"),
        (0.0994, "p = 0.099"),
        (0.0012, "p = 0.001"),
        (0.0009, "p < 0.001"),
    ],
)
def test_a_p_is_never_written_as_on_the_other_side_of_005(p, shown):
    assert p_in_words(p) == shown and p_value(p) == shown.removeprefix("p ").removeprefix("= ")


@given(SHARES, ULPS, st.sampled_from([0.0, 1e-6, 1e-4]))
@settings(max_examples=100, deadline=None)
def test_a_statement_does_not_depend_on_the_last_bits(value, ulps, spread):
    exact, other = estimate(value, spread), estimate(value + ulps, spread)
    assert statement("A", "B", other) == statement("A", "B", exact)
    assert episodes_needed(other) == episodes_needed(exact)


@pytest.mark.parametrize("ulps", [0.0, 3e-17, -3e-17])
def test_methods_of_the_same_score_stay_in_order_and_nothing_is_said_of_more_episodes(ulps):
    assert (
        statement("A", "B", replace(estimate(ulps), low=-0.0004, high=0.0004, p=1.0))
        == "A and B are not separable with these 40 episodes (difference 0.0 points, 95 % interval -0.04 to"
        " 0.04, p = 1.00) (one seed each: says nothing about other trainings)"
    )


@given(
    st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=2, max_size=6),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None)
def test_equal_scores_share_a_rank(scores, seed):
    scores = pd.DataFrame(scores, columns=list("ABC")) / 3
    shaken = scores + np.random.default_rng(seed).uniform(-5e-16, 5e-16, scores.shape)
    assert mean_ranks(shaken).mean.tolist() == mean_ranks(scores).mean.tolist()


@given(SHARES, ULPS)
@settings(max_examples=40, deadline=None)
def test_a_csv_does_not_depend_on_the_last_bits(share, ulps):
    exact = pd.DataFrame({"method": ["a", "b", "c"], "score": [share, share / 64, 0.0], "seeds": [1, 2, 3]})
    other = exact.assign(score=exact["score"] + ulps)
    assert (
        csv.render(other) == csv.render(exact)
        and "-0.0\n" not in csv.render(other)
        and "-0.0," not in csv.render(other)
    )


def test_a_clip_of_two_equal_means_goes_to_the_first_class_whatever_the_order_of_its_frames():
    shares = pd.DataFrame(
        {"p_a": [0.1, 0.2, 0.3], "p_b": [0.3, 0.1, 0.2], "p_c": [0.0, 0.0, 0.0]}, dtype="float32"
    )
    frames = shares.assign(clip="one", label="a", predicted=["b", "a", "c"])
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        assert metrics.decide_clips(frames.iloc[order])[["vote", "mean"]].to_numpy().tolist() == [["a", "a"]]


def test_settled_keeps_what_is_unknown():
    assert np.isnan(settled(float("nan"))) and np.signbit(settled(np.array([-1e-17]))).sum() == 0
