"""The best of N noisy scores: against closed forms, scipy, every outcome, and simulation."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import integrate, stats

from fer_meta.statistics.best_of import expected_maximum, normal_gain, resampled_gains

RIGHT = np.array([0, 1, 1, 2, 3, 3, 3, 0, 1, 2])  # of 3 queries in 10 episodes


# The means of the largest of 4 and 5 are closed forms of the order statistics of a normal sample.
@pytest.mark.parametrize("number, mean", [
    (1, 0.0),
    (2, 1 / math.sqrt(math.pi)),
    (3, 1.5 / math.sqrt(math.pi)),
    (4, 6 / math.pi**1.5 * math.atan(math.sqrt(2))),
    (5, 5 / (4 * math.sqrt(math.pi)) + 15 / (2 * math.pi**1.5) * math.asin(1 / 3)),
])  # fmt: skip
def test_the_largest_of_few_normal_values_has_its_closed_form(number, mean):
    assert expected_maximum(number) == pytest.approx(mean, abs=1e-9)


@pytest.mark.parametrize("number", [10, 1000, 10_000])
def test_the_largest_of_many_is_the_integral_of_its_density(number):
    def moment(value):
        return value * number * stats.norm.pdf(value) * stats.norm.cdf(value) ** (number - 1)

    mean, _ = integrate.quad(moment, -8, 9, points=[2, 3, 4, 5], limit=200)
    assert expected_maximum(number) == pytest.approx(mean, abs=1e-8)


def test_resampling_counts_every_outcome_with_its_chance():
    """Three scores of two episodes each: all 10^6 ways to draw the six episodes."""
    scores = np.array([sum(pair) for pair in product(RIGHT, repeat=2)]) / 6
    best = np.maximum.reduce(np.meshgrid(scores, scores, scores)).mean()
    one, three = resampled_gains(RIGHT, 3, 2, [1, 3])
    assert one == 0 and three == pytest.approx(best - RIGHT.mean() / 3, abs=1e-9)


def test_resampling_is_what_simulation_finds():
    rng = np.random.default_rng(0)
    best = [rng.choice(RIGHT, (500, 15)).mean(axis=1).max() / 3 for _ in range(400)]
    (gain,) = resampled_gains(RIGHT, 3, 15, [500])
    error = np.std(best) / math.sqrt(len(best))
    assert gain == pytest.approx(np.mean(best) - RIGHT.mean() / 3, abs=4 * error) and error < 0.002


def test_with_many_episodes_scores_are_normal_and_with_few_they_are_not():
    far = [
        abs(resampled_gains(RIGHT, 3, episodes, [10_000])[0] / normal_gain(RIGHT, 3, episodes, 10_000) - 1)
        for episodes in (2, 100, 10_000)
    ]
    assert far[0] > 0.1 > far[1] > 0.001 > far[2]


def test_equal_episodes_have_no_noise_to_gain_from():
    assert resampled_gains(np.array([2, 2, 2]), 3, 10_000, [10_000]) == [0.0]
    assert normal_gain(np.array([2, 2, 2]), 3, 15, 10) == 0


def test_the_noise_of_the_best_is_never_more_than_the_best_noise():
    """Checkpoints that differ: the best score is higher, and the part of it that is noise is smaller."""
    rng = np.random.default_rng(1)
    true, noise = rng.normal(0, 0.02, (2000, 50)), rng.normal(0, 0.02, (2000, 50))
    picked = (true + noise).argmax(axis=1)
    in_the_best = noise[np.arange(2000), picked].mean()
    assert 0 < in_the_best < 0.02 * expected_maximum(50) < (true + noise).max(axis=1).mean()
