"""Differences of methods whose answers were summed before are those of the answers themselves."""

import dataclasses
import math

import numpy as np
import pytest

from fer_meta.statistics import effect_size, intervals, paired
from fer_meta.statistics.intervals import Outcomes
from fer_meta.statistics.paired import Summed
from fer_meta.statistics.queries import Queries, Support

WAY, SHOTS, ASKED = 3, 2, 4


def drawn(episodes: int, people: int, folds: bool = False, clips: bool = False, seed: int = 0) -> Queries:
    """Episodes over the images of `people`, ten each; with `clips` nobody is in both support and queries."""
    rng = np.random.default_rng(seed)
    sides: list[list[np.ndarray]] = [[], []]
    for episode in range(episodes):
        for label in range(WAY):
            images = rng.permutation(10 * people)[: SHOTS + ASKED] * WAY + label
            if clips:
                images = rng.permutation(10 * people) * WAY + label
                shown = images // 10 % 2 == 0
                images = np.concatenate([images[shown][:SHOTS], images[~shown][:ASKED]])
            for side, part in zip(sides, (images[:SHOTS], images[SHOTS:])):
                side.append(
                    np.array([np.full(len(part), episode), part // 10, part, np.full(len(part), label)])
                )
    support, asked = (np.concatenate(side, axis=1) for side in sides)
    episode, group, image, label = asked
    fold = episode * 3 // episodes if folds else None
    return Queries(episode, label, group, image, Support(*support), "people", fold)


def same(one: intervals.Estimate, other: intervals.Estimate) -> bool:
    ours, theirs = (dataclasses.asdict(estimate) for estimate in (one, other))
    assert ours.pop("counts") == theirs.pop("counts")
    assert ours.pop("variance") == pytest.approx(theirs.pop("variance"), rel=1e-9, abs=1e-15)
    return ours == pytest.approx(theirs, rel=1e-9, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize(
    "queries",
    [
        drawn(60, 8),
        drawn(60, 8, folds=True),
        drawn(60, 8, clips=True),
        drawn(1, 8),
        dataclasses.replace(drawn(60, 8), support=None),
        dataclasses.replace(drawn(60, 8), group=drawn(60, 8).image),
    ],
    ids=["people", "folds", "apart", "one episode", "no support", "images"],
)
def test_intervals_and_effect_sizes_are_those_of_the_answers(queries, seeds):
    rng = np.random.default_rng(1)
    answers = [rng.random((seeds, len(queries.image))) < skill for skill in (0.5, 0.6, 0.95)]
    for one in answers:
        for other in answers:
            a, b = (Outcomes(right, queries) for right in (one, other))
            found = Summed(a), Summed(b)
            assert same(paired.difference(*found), intervals.difference(a, b))
            size = effect_size.effect_size(a, b)
            assert paired.effect_size(*found) == pytest.approx(size, rel=1e-9, nan_ok=True)


def test_equal_answers_show_no_spread():
    queries = drawn(30, 8)
    answers = Outcomes(np.random.default_rng(0).random((2, len(queries.image))) < 0.5, queries)
    found = paired.difference(Summed(answers), Summed(answers))
    assert (
        found.value == 0
        and math.isnan(found.se)
        and paired.effect_size(Summed(answers), Summed(answers)) == 0
    )


def test_other_queries_or_seeds_cannot_be_paired():
    queries = drawn(30, 8)
    right = np.random.default_rng(0).random((2, len(queries.image))) < 0.5
    ours = Summed(Outcomes(right, queries))
    for other in (Outcomes(right[:1], queries), Outcomes(right, drawn(30, 8, seed=1))):
        with pytest.raises(ValueError, match="other seeds or queries"):
            paired.difference(ours, Summed(other))


def test_a_method_is_summed_once_whatever_the_pairs(monkeypatch):
    queries, sums = drawn(30, 8), []
    found = [
        Summed(Outcomes(np.random.default_rng(n).random((2, len(queries.image))) < 0.5, queries))
        for n in range(5)
    ]
    monkeypatch.setattr(np, "bincount", lambda *given, **options: sums.append(given))
    for one in found:
        for other in found:
            paired.difference(one, other)
    assert not sums
