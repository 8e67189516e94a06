"""Processes that train one model together do what one process does."""

import pytest
import torch
from helpers.methods import an_episode, build
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fer_meta.datasets.units import UNITS
from fer_meta.methods import registry
from fer_meta.methods.base import LabelledImages
from fer_meta.training.shares import share

pytestmark = pytest.mark.numeric

TRAINED = [name for name in registry.built_in() if registry.load(name).trained]
# FEAT compares all images of a task with each other too, and Reptile goes from task to task: their
# shares are other steps than the whole.
EPISODIC = [name for name in TRAINED if registry.load(name).episodic and name not in ("feat", "reptile")]


def gradients(method, parts):
    """Of the sum of the weighted losses of `parts`, and that sum."""
    loss = sum(method.loss(part)[0] * weight for part, weight in parts)
    loss.backward()
    none = torch.zeros(())
    return [loss.detach(), *(none if one.grad is None else one.grad for one in method.parameters())]


def without_batch_statistics(name):
    """In float64, its BatchNorm with fixed statistics: those of a batch are of a share of it."""
    method = build(name).double().train()
    for module in method.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm | nn.Dropout):
            module.eval()
    return method


def assert_shares_sum_to(name, parts, of=2):
    expected = gradients(without_batch_statistics(name), share(parts, 0, 1))
    found = [gradients(without_batch_statistics(name), share(parts, number, of)) for number in range(of)]
    for a, *b in zip(expected, *found):
        torch.testing.assert_close(a, sum(b), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("tasks", [1, 3])
@pytest.mark.parametrize("name", EPISODIC)
def test_the_shares_of_tasks_sum_to_the_gradient_of_their_step(name, tasks):
    assert_shares_sum_to(name, [an_episode(seed=seed, dtype=torch.float64) for seed in range(tasks)])


@pytest.mark.parametrize("name", ["supervised", "units"])
def test_the_shares_of_images_sum_to_the_gradient_of_their_step(name):
    episode = an_episode(dtype=torch.float64)
    units = torch.rand(len(episode.query), len(UNITS), dtype=torch.float64) if name == "units" else None
    assert_shares_sum_to(name, [LabelledImages(episode.query, episode.query_labels, units=units)])


@given(tasks=st.integers(1, 5), of=st.integers(1, 6), queries=st.integers(1, 7))
def test_shares_have_each_query_once_are_tasks_themselves_and_weigh_one(tasks, of, queries):
    parts = [an_episode(queries=queries, seed=seed) for seed in range(tasks)]
    weights, seen = 0.0, []
    for number in range(of):
        for part, weight in share(parts, number, of):
            weights += weight
            if weight:
                seen += part.query.flatten(1)[:, 0].tolist()
                way = len(part.classes)
                per_class = part.query_labels.bincount(minlength=way)
                assert (per_class == per_class[0]).all() and (part.query_labels.diff() >= 0).all()
    assert weights == pytest.approx(1)
    assert sorted(seen) == sorted(value for part in parts for value in part.query.flatten(1)[:, 0].tolist())
