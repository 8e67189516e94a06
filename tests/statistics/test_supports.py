"""What the support does to an interval: a lucky image is lucky in each of its episodes."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.outcomes import numbers, with_right
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_meta.statistics.intervals import Outcomes, difference, hierarchical_interval
from fer_meta.statistics.queries import Queries, Support

pytestmark = pytest.mark.numeric


def benchmark(
    seed: int, groups: int | None, episodes: int, shots: int = 5, apart: bool = False, luck: float = 1.0
) -> Outcomes:
    """Two classes of 60 images; whether a query is right depends on its image, its group and, by `luck`, on
    the support images of its class.
    """
    rng = np.random.default_rng(seed)
    label = np.repeat([0, 1], 60)
    who = rng.permutation(np.arange(120) % groups) if groups else np.arange(120)
    if apart:  # clips: of one class each
        who = np.arange(120) // (120 // groups)
    easy, lucky = (
        rng.normal(0, 1, 120) + rng.normal(0, 0.5, 120)[who],
        luck * (rng.normal(0, 1, 120) + rng.normal(0, 0.5, 120)[who]),
    )
    support, queries = [], []
    for _ in range(episodes):
        shown = np.concatenate([rng.choice(np.flatnonzero(label == c), shots, replace=False) for c in (0, 1)])
        taken = np.isin(who, who[shown]) if apart else np.isin(np.arange(120), shown)
        support.append(shown)
        queries.append(
            np.concatenate(
                [rng.choice(np.flatnonzero((label == c) & ~taken), 10, replace=False) for c in (0, 1)]
            )
        )
    support, queries = np.array(support), np.array(queries)
    helped = lucky[support].reshape(episodes, 2, shots).mean(2)
    chance = 1 / (1 + np.exp(-(easy[queries] + np.repeat(helped, 10, axis=1))))
    right, rows, shown = rng.random(chance.shape) < chance, queries.ravel(), support.ravel()
    episode = np.arange(episodes)
    return Outcomes(
        right.reshape(1, -1),
        Queries(
            episode.repeat(20),
            label[rows],
            who[rows],
            rows,
            Support(episode.repeat(2 * shots), who[shown], shown, label[shown]),
        ),
    )


def without_support(outcomes: Outcomes) -> Outcomes:
    asked = outcomes.queries
    return Outcomes(outcomes.right, Queries(asked.episode, asked.label, asked.group, asked.image))


@pytest.mark.parametrize("groups, apart", [(None, False), (30, False), (24, True)])
def test_what_a_lucky_support_does_in_all_its_episodes_is_in_the_interval(groups, apart):
    """The variance over 150 benchmarks is the mean of what the intervals say; without the support they say
    too little.
    """
    made = [benchmark(seed, groups, 300, 1 if not apart else 2, apart, 1.5) for seed in range(150)]
    true = np.var([one.right.mean() for one in made], ddof=1)
    said, blind = (
        np.mean([hierarchical_interval(of(one)).se ** 2 for one in made])
        for of in (lambda one: one, without_support)
    )
    assert 0.75 < said / true < 1.6
    assert blind / true < 0.75 * said / true


def test_a_support_that_does_nothing_hardly_widens_the_interval():
    made = [benchmark(seed, 30, 300, 1, luck=0) for seed in range(60)]
    said, blind = (
        np.mean([hierarchical_interval(of(one)).se ** 2 for one in made])
        for of in (lambda one: one, without_support)
    )
    assert 1 <= said / blind < 1.15


def test_more_episodes_do_not_lessen_what_the_support_does():
    """The episodes' part falls with their number, the groups' part stays."""
    few, many = (
        [hierarchical_interval(benchmark(seed, 30, episodes, 1)).variance for seed in range(20)]
        for episodes in (150, 1200)
    )
    mean = lambda found, level: np.mean([one[level] for one in found])  # noqa: E731
    assert mean(many, "episodes") < mean(few, "episodes") / 6
    assert mean(many, "groups") == pytest.approx(mean(few, "groups"), rel=0.25)


@given(st.integers(0, 2**32 - 1), st.sampled_from([None, 5, 30]), st.integers(2, 12), st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_neither_the_order_of_the_support_nor_names_matter_and_it_never_narrows_an_interval_of_one_method(
    seed, groups, episodes, shots
):
    one = benchmark(seed, groups, episodes, shots)
    asked, shown = one.queries, one.queries.support
    order, others = (
        np.random.default_rng(seed).permutation(len(shown.episode)),
        np.random.default_rng(seed).permutation(len(asked.episode)),
    )
    names = {name: np.random.default_rng(seed + 1).permutation(1000) for name in ("group", "image")}
    if groups is None:
        names["image"] = names["group"]
    moved = Queries(
        5 + 3 * asked.episode[others],
        asked.label[others],
        *(names[name][getattr(asked, name)[others]] for name in ("group", "image")),
        Support(
            5 + 3 * shown.episode[order],
            *(names[name][getattr(shown, name)[order]] for name in ("group", "image")),
            shown.label[order],
        ),
    )
    there, again = hierarchical_interval(one), hierarchical_interval(Outcomes(one.right[:, others], moved))
    assert numbers(again) == pytest.approx(numbers(there), abs=1e-9)
    assert there.se >= hierarchical_interval(without_support(one)).se - 1e-12


def test_a_support_that_is_the_same_in_every_episode_shows_nothing_of_its_luck():
    one = benchmark(0, None, 30, 5)
    asked = one.queries
    always = Support(
        np.repeat(np.arange(30), 10),
        *(np.tile(np.arange(200, 210), 30) for _ in range(2)),
        np.tile(np.repeat([0, 1], 5), 30),
    )
    found = hierarchical_interval(
        Outcomes(one.right, Queries(asked.episode, asked.label, asked.group, asked.image, always))
    )
    assert found.se == pytest.approx(hierarchical_interval(without_support(one)).se)


def test_of_two_methods_the_one_without_a_support_takes_nothing_from_the_others():
    one = benchmark(0, None, 100, 1)
    head = with_right(np.random.default_rng(1).random(one.right.shape) < 0.7, without_support(one))
    there, back = difference(one, head), difference(head, one)
    assert there.se == pytest.approx(back.se) and there.se == pytest.approx(
        difference(one, with_right(head.right, one)).se
    )


def test_people_who_are_only_in_supports_are_not_counted_as_asked():
    """As where the support is of the source's images: the degrees of freedom and the words are of the people
    tested.
    """
    one = benchmark(0, 30, 20, 1)
    asked, shown = one.queries, one.queries.support
    others = Support(shown.episode, 1000 + shown.group, 1000 + shown.image, shown.label)
    found = hierarchical_interval(
        Outcomes(one.right, Queries(asked.episode, asked.label, asked.group, asked.image, others))
    )
    assert found.counts["groups"] == len(set(asked.group)) == 30


def test_the_share_of_a_support_that_an_episode_takes_is_known():
    episode, label = np.repeat(np.arange(4), 6), np.tile(np.repeat([0, 1], 3), 4)
    # class 0: three of three; class 1: three of twelve
    image = np.where(label == 0, np.tile(np.arange(3), 8), 10 + np.arange(24))
    asked = Queries(
        np.arange(4),
        np.zeros(4, int),
        np.arange(4),
        np.arange(100, 104),
        Support(episode, image, image, label),
    )
    assert asked.support_share == 1 and replace(asked, support=None).support_share == 0
