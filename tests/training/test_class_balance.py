"""Supervised training on classes of unequal size: balanced batches, logit adjustment, and what a training
that learns nothing reaches.
"""

import math

import numpy as np
import pytest
import torch
from helpers.methods import CLASSES, PROTOCOL, SIZE, build
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_meta.methods import protonet, supervised
from fer_meta.methods.base import LabelledImages
from fer_meta.tasks.pools import Domain, Pool
from fer_meta.training import loop
from fer_meta.training.batches import balanced_batches, steps_and_batches, training_chance

pytestmark = pytest.mark.numeric

CPU = torch.device("cpu")


def domain_of(*counts: int) -> Domain:
    """A source with so many images of each class, each of its own grey."""
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.broadcast_to(
        np.arange(len(labels), dtype=np.uint8)[:, None, None, None], (len(labels), SIZE, SIZE, 3)
    )
    pool = Pool("made-up", np.arange(len(labels)), labels, CLASSES[: len(counts)], None, None, {}, 0, "")
    return Domain("made-up", images, None, pool, pool, None, None)


def config(**changes) -> supervised.Method.Config:
    return supervised.Method.Config(**{"steps": 100, "backbone": "conv4", "augment": False} | changes)


@settings(deadline=None)
@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=7),
    batch=st.integers(1, 40),
    steps=st.integers(1, 12),
    seed=st.integers(0, 2**32 - 1),
)
def test_balanced_batches_have_every_class_and_every_image_of_a_class_equally_often(
    counts, batch, steps, seed
):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    chosen_at = balanced_batches(labels, batch, seed)
    whole = [chosen_at(step) for step in range(steps)]
    assert all(len(one) == max(batch, 2) for one in whole)
    for part in (*whole, np.concatenate(whole)):
        of_class = np.bincount(labels[part], minlength=len(counts))
        assert of_class.max() - of_class.min() <= 2
    so_far = np.bincount(np.concatenate(whole), minlength=len(labels))
    for label in range(len(counts)):
        assert np.ptp(so_far[labels == label]) <= 1
    # A function of the seed and the step alone: what a resumed training relies on.
    assert np.array_equal(balanced_batches(labels, batch, seed)(steps - 1), whole[-1])


def test_another_seed_gives_other_batches():
    labels = np.repeat([0, 1], [100, 10])
    assert not np.array_equal(balanced_batches(labels, 20, 0)(0), balanced_batches(labels, 20, 1)(0))


@pytest.mark.parametrize("balance, share", [("natural", 0.9), ("balanced", 0.5), ("logit-adjusted", 0.9)])
def test_the_batches_of_a_training_hold_the_classes_as_the_field_says(balance, share):
    domain = domain_of(90, 10)
    settings = config(batch=20, class_balance=balance)
    steps, batch_at = steps_and_batches(build("supervised"), settings, domain, PROTOCOL, 0, CPU)
    seen = [batch_at(step) for step in range(5)]
    assert torch.cat([one.labels for one in seen]).eq(0).float().mean().item() == pytest.approx(share)
    assert steps == 100


def test_the_default_corrects_for_unequal_classes():
    """Episodic training sees all classes equally often: so does its rival."""
    assert supervised.Method.Config(steps=1).class_balance in ("balanced", "logit-adjusted")


@pytest.mark.parametrize("balance", ["natural", "balanced", "logit-adjusted"])
def test_a_small_source_sees_as_many_images_as_a_large_one(balance):
    settings = config(batch=20, steps=1000, class_balance=balance)
    assert steps_and_batches(build("supervised"), settings, domain_of(90, 20), PROTOCOL, 0, CPU)[0] == 1000


@pytest.mark.parametrize("balance", ["natural", "balanced", "logit-adjusted"])
def test_a_small_source_stops_after_so_many_images_as_its_passes_hold(balance):
    settings = config(batch=20, max_epochs=3, class_balance=balance)
    assert steps_and_batches(build("supervised"), settings, domain_of(90, 20), PROTOCOL, 0, CPU)[0] == 3 * 6


def test_logit_adjustment_is_the_papers_equation_on_a_worked_example():
    """Menon et al. 2021, equation 10, tau = 1: -log(pi_y e^f_y / sum of pi_c e^f_c). Shares 0.6, 0.3, 0.1;
    logits 1, 0, -1; the class is the last.
    """
    domain = domain_of(60, 30, 10)
    _, batch_at = steps_and_batches(
        build("supervised"), config(batch=4, class_balance="logit-adjusted"), domain, PROTOCOL, 0, CPU
    )
    method = build("supervised")
    with torch.no_grad():
        method.head.weight.zero_()
        method.head.bias.copy_(torch.tensor([1.0, 0, -1]))
    images = torch.zeros(2, 3, SIZE, SIZE)
    loss, accuracy = method.loss(LabelledImages(images, torch.tensor([2, 2]), batch_at(0).added))
    assert loss.item() == pytest.approx(
        -math.log(0.1 * math.exp(-1) / (0.6 * math.e + 0.3 + 0.1 * math.exp(-1))), rel=1e-5
    )
    assert accuracy.item() == 0
    # The head answers without it.
    assert method.own_head(CLASSES)(method.embed(images))[0].tolist() == [1.0, 0.0, -1.0]


@pytest.mark.parametrize("balance, chance", [("natural", 0.6), ("balanced", 1 / 3), ("logit-adjusted", 0.6)])
def test_a_head_that_learned_nothing_reaches_chance_in_training(balance, chance):
    domain, method = domain_of(60, 30, 10), build("supervised")
    assert training_chance(method, config(class_balance=balance), domain.train, PROTOCOL) == pytest.approx(
        chance
    )
    with torch.no_grad():
        method.head.weight.zero_()
        method.head.bias.zero_()
    _, batch_at = steps_and_batches(method, config(batch=10, class_balance=balance), domain, PROTOCOL, 0, CPU)
    right = [method.loss(batch_at(step))[1].item() for step in range(9 if balance == "balanced" else 10)]
    assert np.mean(right) == pytest.approx(chance, abs=0.01)


def test_chance_in_training_episodes_is_that_of_their_ways():
    assert training_chance(
        build("protonet"), protonet.Method.Config(steps=1), domain_of(60, 30, 10).train, PROTOCOL
    ) == pytest.approx(1 / 3)


# --- the optimiser ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimiser", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("backbone", ["conv4", "resnet12", "resnet18", "resnet50", "dlib_face"])
def test_weights_of_convolutions_and_linear_layers_decay_and_nothing_else(backbone, optimiser):
    method = build("supervised", backbone=backbone)
    settings = config(weight_decay=0.1, optimiser=optimiser)
    decays = {
        id(one): group["weight_decay"]
        for group in loop.new_optimiser(method, settings).param_groups
        for one in group["params"]
    }
    weights = {
        id(layer.weight)
        for layer in method.modules()
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear))
    }
    assert {one for one, decay in decays.items() if decay == 0.1} == weights
    assert {one for one, decay in decays.items() if decay == 0} == {
        id(one) for one in method.parameters()
    } - weights


@pytest.mark.parametrize(
    "optimiser, left", [("adamw", 1 - 0.01 * 0.5), ("adam", 1 - 0.01), ("sgd", 1 - 0.01 * 0.5 * 1.9)]
)
def test_adamw_decays_by_rate_times_decay_and_adam_and_sgd_by_a_penalty(optimiser, left):
    """One step without a gradient, lr 0.01, decay 0.5, a weight of 1. Adam divides the penalty's gradient by
    its own size; Nesterov's first step is 1 + 0.9 times the gradient.
    """
    method = torch.nn.Linear(1, 1)
    torch.nn.init.ones_(method.weight)
    torch.nn.init.ones_(method.bias)
    updater = loop.new_optimiser(method, config(weight_decay=0.5, lr=0.01, optimiser=optimiser))
    for one in method.parameters():
        one.grad = torch.zeros_like(one)
    updater.step()
    assert method.weight.item() == pytest.approx(left, abs=1e-5) and method.bias.item() == 1
