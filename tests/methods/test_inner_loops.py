"""ANIL, Meta-SGD, Proto-MAML and Reptile against learn2learn's own loops, against loops written out with
torch alone, and, where there is a second order, against finite differences. In float64, as in
test_agreement.py.
"""

import copy
import weakref

import pytest
import torch
from helpers.methods import CLASSES, PROTOCOL, SIZE, an_episode, build
from learn2learn.algorithms import MAML, MetaSGD
from torch import nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy, linear

from fer_meta.errors import ProtocolError
from fer_meta.evaluation.answers import batch_statistics
from fer_meta.methods import registry
from fer_meta.methods.reptile import parts_of
from fer_meta.networks import backbones
from fer_meta.networks.batchnorm import SupportBatchNorm2d, support_batchnorm
from fer_meta.training import loop

pytestmark = pytest.mark.numeric

TRANSDUCTIVE = PROTOCOL.model_copy(update={"batchnorm": "batch"})


def task(seed=0, **shape):
    return an_episode(seed=seed, dtype=torch.float64, **shape)


def flat(tensors):
    return torch.cat([one.flatten() for one in tensors])


def assert_equal(ours, theirs, tolerance=1e-9):
    """Equal within `tolerance` of the largest value."""
    assert ours.dtype == torch.float64
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance * theirs.abs().max().item())


def shake(parameters):
    """Weights that are not zero, so that the first inner step reaches all of the network."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for one in parameters:
            one.copy_(0.1 * torch.randn(one.shape, generator=generator, dtype=one.dtype))


def gradients(method, episode):
    method.zero_grad()
    method.loss(episode)[0].backward()
    return flat(weight.grad for weight in method.parameters())


def answers(method, episode):
    """Logits of an evaluation in which BatchNorm takes the statistics of its batch."""
    with torch.no_grad(), batch_statistics(method.eval()):
        features = method.embed(torch.cat([episode.support, episode.query]))
        support, query = features.split([len(episode.support), len(episode.query)])
        [classify] = method.adapt(support, episode.support_labels, CLASSES).values()
        logits = classify(query)
    method.train()
    return logits


def conv4_and_head():
    """With torch's own BatchNorm."""
    backbone = backbones.vectors("conv4")
    return nn.Sequential(backbone, nn.Linear(backbones.feature_size(backbone, SIZE), 3)).double().train()


def smooth_backbone(norm=SupportBatchNorm2d):
    """A network without kinks: with ReLU the inner gradient jumps, and differences mean nothing."""
    pooled = nn.AvgPool2d(2), nn.Flatten()
    return nn.Sequential(nn.Conv2d(3, 4, 3, stride=4, bias=False), norm(4), nn.Tanh(), *pooled)


def smooth(name, protocol=PROTOCOL, **config):
    """A method with a head of 64 features."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        method, body = build(name, protocol, inner_steps=2, inner_lr=0.05, **config), smooth_backbone()
        if name == "anil":
            method.backbone, method.maml.module = body, nn.Linear(64, 3)
        elif name == "proto_maml":
            method.maml.module[0] = body
        else:
            method.maml = MetaSGD(nn.Sequential(body, nn.Linear(64, 3)), lr=0.05)
    return method.double().train()


# --- ANIL -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first_order", [False, True])
def test_anil_answers_and_learns_as_learn2learns_loop(first_order):
    """The loop of learn2learn's examples/vision/anil_fc100.py: the features of support and queries in one
    pass, MAML on the head.
    """
    method, episode = build("anil", first_order=first_order, inner_steps=2).double().train(), task()
    shake(method.maml.parameters())
    features, head = conv4_and_head()
    features.load_state_dict(method.backbone.state_dict())
    head.load_state_dict(method.maml.module.state_dict())
    learner = MAML(head, lr=0.01, first_order=first_order).clone()
    support, query = features(torch.cat([episode.support, episode.query])).split([6, 6])
    for _ in range(2):
        learner.adapt(cross_entropy(learner(support), episode.support_labels))
    logits = learner(query)
    loss = cross_entropy(logits, episode.query_labels)
    loss.backward()
    theirs = flat(weight.grad for network in (features, head) for weight in network.parameters())
    assert method.loss(episode)[0].item() == pytest.approx(loss.item(), rel=1e-9)
    assert_equal(gradients(method, episode), theirs)
    assert_equal(answers(method, episode), logits.detach())


def test_an_inner_step_of_anil_keeps_no_maps():
    """Its second order is that of the head: memory hardly grows with the steps."""

    def kept(steps):
        held = weakref.WeakSet()

        class Holder:
            def __init__(self, tensor):
                self.tensor = tensor
                held.add(self)

        method = build("anil", inner_steps=steps).train()
        with torch.autograd.graph.saved_tensors_hooks(Holder, lambda holder: holder.tensor):
            loss = method.loss(an_episode())[0]
        assert loss.grad_fn
        return sum({one.tensor.data_ptr(): one.tensor.numel() for one in held}.values())

    one, six = kept(1), kept(6)
    assert six - one < one / 20


def test_anil_normalises_by_running_statistics_in_test():
    """So that an image has one embedding whatever the episode."""
    method, episode = build("anil").train(), an_episode()
    method.loss(episode)
    with torch.no_grad():
        alone, together = method.eval().embed(episode.query[:1]), method.embed(episode.query)
    assert method.shared_embedding
    torch.testing.assert_close(alone, together[:1])


# --- Meta-SGD ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first_order", [False, True])
def test_meta_sgd_answers_and_learns_as_learn2learns_loop(first_order):
    method = build("meta_sgd", TRANSDUCTIVE, first_order=first_order, inner_steps=2).double().train()
    episode = task()
    shake(method.maml.module[1].parameters())
    with torch.no_grad():
        for rate in method.maml.lrs:
            rate.mul_(torch.linspace(-0.5, 4, rate.numel(), dtype=torch.float64).view_as(rate))
    network = conv4_and_head()
    theirs = MetaSGD(network, first_order=first_order)
    assert not theirs.load_state_dict(method.maml.state_dict(), strict=False).unexpected_keys
    learner = theirs.clone()
    for _ in range(2):
        learner.adapt(cross_entropy(learner(episode.support), episode.support_labels))
    logits = learner(episode.query)
    loss = cross_entropy(logits, episode.query_labels)
    loss.backward()
    assert method.loss(episode)[0].item() == pytest.approx(loss.item(), rel=1e-9)
    assert_equal(gradients(method, episode), flat(weight.grad for weight in theirs.parameters()))
    assert_equal(answers(method, episode), logits.detach())


# --- Proto-MAML -------------------------------------------------------------------------------------------


def test_proto_maml_starts_as_protonet():
    """Logits before the first inner step, up to one constant per query."""
    method, protonet, episode = build("proto_maml").double(), build("protonet").double(), task()
    support_batchnorm(protonet.backbone).double().load_state_dict(method.maml.module[0].state_dict())
    with torch.no_grad():
        learner = method.new_learner(episode.support, episode.support_labels)
        features = protonet.embed(episode.support)
        theirs = protonet.adapt(features, episode.support_labels, CLASSES)["protonet"](
            protonet.embed(episode.query)
        )
        assert_equal(learner(episode.query).log_softmax(1), theirs.log_softmax(1))


@pytest.mark.parametrize("checkpoint", [False, True])
@pytest.mark.parametrize("first_order", [False, True])
def test_proto_maml_learns_as_a_loop_that_is_written_out(first_order, checkpoint):
    """Gradients flow through the prototypes, also where the inner steps are of first order."""
    config = {"first_order": first_order, "inner_checkpoint": checkpoint}
    method = smooth("proto_maml", TRANSDUCTIVE, **config)
    episode = task()
    backbone = smooth_backbone(nn.BatchNorm2d).double()
    start = dict(method.maml.module[0].named_parameters())

    def features(weights, images):
        return functional_call(backbone, weights, images)

    means = features(start, episode.support).unflatten(0, (3, 2)).mean(1)
    weights, head = dict(start), [2 * means, -(means**2).sum(1)]
    weights = {name: weight.clone() for name, weight in weights.items()}
    for _ in range(2):
        loss = cross_entropy(linear(features(weights, episode.support), *head), episode.support_labels)
        steps = torch.autograd.grad(
            loss, [*weights.values(), *head], create_graph=not first_order, retain_graph=True
        )
        weights = {name: weight - 0.05 * step for (name, weight), step in zip(weights.items(), steps)}
        head = [weight - 0.05 * step for weight, step in zip(head, steps[-2:])]
    logits = linear(features(weights, episode.query), *head)
    loss = cross_entropy(logits, episode.query_labels)
    theirs = flat(torch.autograd.grad(loss, list(start.values())))
    assert method.loss(episode)[0].item() == pytest.approx(loss.item(), rel=1e-9)
    assert_equal(gradients(method, episode), theirs)
    assert_equal(answers(method, episode), logits.detach())


def test_proto_maml_serves_any_number_of_ways():
    method, episode = build("proto_maml"), an_episode(way=2)
    [classify] = method.adapt(episode.support, episode.support_labels, CLASSES[:2]).values()
    assert classify(episode.query).shape == (4, 2)


def test_a_head_of_prototypes_computes_in_full_precision():
    """Its logits are small differences of large numbers."""
    head = registry.load("proto_maml")(
        registry.load("proto_maml").Config(steps=1), PROTOCOL, CLASSES, SIZE
    ).maml.module[1]
    features = 10 + torch.randn(3, 500, generator=torch.Generator().manual_seed(0))
    head.start_at(features + 0.1)
    plain = head(features)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(head(features), plain)


# --- second order -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["anil", "meta_sgd", "proto_maml"])
def test_second_order_gradients_equal_finite_differences(name):
    method, episode, step = smooth(name), task(), 1e-5
    gradients(method, episode)
    generator = torch.Generator().manual_seed(0)
    for of, weight in method.named_parameters():
        direction = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                weight += sign * step * direction
                ends.append(method.loss(episode)[0].item())
                weight -= sign * step * direction
        slope = (ends[0] - ends[1]) / (2 * step)
        assert (weight.grad * direction).sum().item() == pytest.approx(slope, rel=1e-5, abs=1e-9), of


def test_recomputed_inner_steps_of_meta_sgd_give_the_same_gradients():
    plain, recomputed = (gradients(smooth("meta_sgd", inner_checkpoint=one), task()) for one in (False, True))
    assert_equal(recomputed, plain)


# --- Reptile ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimiser", ["sgd", "adam", "running-adam"])
def test_an_outer_step_of_reptile_goes_towards_where_the_inner_steps_end(optimiser):
    """theta + rate (theta' - theta), with theta' from a plain loop of torch."""
    method = build("reptile", inner_steps=3, inner_lr=0.01, inner_optimiser=optimiser).double().train()
    episode, network = task(), conv4_and_head()
    network.load_state_dict(method.network.state_dict(), strict=False)
    before = flat(method.parameters()).detach().clone()
    steps = (
        torch.optim.SGD(network.parameters(), 0.01)
        if optimiser == "sgd"
        else torch.optim.Adam(network.parameters(), 0.01, betas=(0.0, 0.999))
    )
    for images, labels in parts_of(episode, 3):
        steps.zero_grad()
        loss = cross_entropy(network(images), labels)
        loss.backward()
        steps.step()
    outer = torch.optim.SGD(method.parameters(), lr=0.3)
    config = registry.load("reptile").Config(steps=1, precision="fp32")
    value = loop.train_step(method, config, outer, [episode])[0]
    after = flat(network.parameters()).detach()
    assert value.item() == pytest.approx(loss.item(), rel=1e-9)
    assert_equal(flat(method.parameters()).detach(), before + 0.3 * (after - before))


def test_the_second_moments_of_reptiles_adam_go_on_from_task_to_task_and_into_tests():
    """As in learn2learn's example, where each task's optimiser loads the state that the last one left."""
    method = build("reptile", inner_steps=2, inner_lr=0.01).double().train()
    tasks, state = [task(), task(shots=2, queries=2)], None
    for one in tasks:
        network = copy.deepcopy(method.network)
        adam = torch.optim.Adam(network.parameters(), 0.01, betas=(0.0, 0.999))
        if state:
            adam.load_state_dict(state)
        for images, labels in parts_of(one, 2):
            adam.zero_grad()
            cross_entropy(network(images), labels).backward()
            adam.step()
        state = adam.state_dict()
        learner, *_ = method.learn(parts_of(one, 2))
        assert_equal(flat(learner.parameters()), flat(network.parameters()))
    assert method.adam_steps == 4
    kept = {name: value.clone() for name, value in method.state_dict().items()}
    method.eval().learn_task(tasks[0].support, tasks[0].support_labels)
    assert all(torch.equal(value, kept[name]) for name, value in method.state_dict().items())


def test_the_parts_of_a_task_are_all_its_images_with_every_class_in_each():
    episode = task(shots=2, queries=3)
    parts = parts_of(episode, 3)
    images = torch.cat([images for images, _ in parts])
    labels = torch.cat([labels for _, labels in parts])
    given = torch.cat([episode.support, episode.query])
    label_of = dict(zip(given[:, 0, 0, 0].tolist(), [*episode.support_labels, *episode.query_labels]))
    assert sorted(images[:, 0, 0, 0].tolist()) == sorted(label_of)
    assert labels.tolist() == [label_of[value] for value in images[:, 0, 0, 0].tolist()]
    assert all(set(labels.tolist()) == {0, 1, 2} for _, labels in parts)
    # more steps than images of a class: some come again
    assert [len(images) for images, _ in parts_of(episode, 9)] == [3] * 9


def test_inner_steps_in_half_precision_see_the_weights_that_the_last_one_left():
    """Autocast keeps its copies of weights, also of those that an optimiser has changed since."""
    method, episode = build("reptile", inner_lr=0.02, inner_optimiser="sgd").train(), an_episode()
    with torch.autocast("cpu", torch.bfloat16):
        first, last = (method.learn([(episode.support, episode.support_labels)] * n)[1] for n in (1, 6))
    assert last < 0.9 * first


# --- heads ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["anil", "meta_sgd", "reptile"])
def test_a_learned_head_refuses_another_number_of_ways(name):
    method, episode = build(name).eval(), an_episode(way=2)
    with pytest.raises(ProtocolError, match="3-way"):
        method.adapt(method.embed(episode.support), episode.support_labels, CLASSES[:2])


@pytest.mark.parametrize("name", ["anil", "meta_sgd", "reptile"])
def test_with_zero_head_no_outer_step_moves_the_head(name):
    module, method, episode = registry.load(name), build(name, zero_head=True), an_episode()
    config = module.Config(steps=1, zero_head=True)
    optimiser, before = loop.new_optimiser(method, config), flat(method.parameters()).detach().clone()
    for _ in range(3):
        loop.train_step(method, config, optimiser, [episode])
    [head] = [layer for layer in method.modules() if isinstance(layer, nn.Linear)]
    assert not head.weight.any() and not head.bias.any()
    assert not torch.equal(flat(method.parameters()), before)


@pytest.mark.parametrize("name", ["anil", "meta_sgd", "proto_maml"])
def test_first_and_second_order_have_different_names(name):
    module = registry.load(name)
    assert [module.answers(module.Config(steps=1, first_order=one)) for one in (False, True)] == [
        (answer,) for answer in module.own
    ]
