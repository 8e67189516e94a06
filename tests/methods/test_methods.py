"""Each method against its paper's equations on a worked example, and all of them against the contract."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.methods import CLASSES, PROTOCOL, an_episode, build
from torch import nn

from fer_meta.errors import ProtocolError, SuiteError
from fer_meta.evaluation.answers import batch_statistics
from fer_meta.methods import registry
from fer_meta.methods.base import Episode
from fer_meta.methods.readouts import class_means
from fer_meta.networks import backbones
from fer_meta.networks.batchnorm import SupportBatchNorm2d, normalise_by_first
from fer_meta.networks.heads import CosineHead
from fer_meta.records.history import read_history
from fer_meta.tasks.protocol import EpisodeShape, Protocol
from fer_meta.testing import METHOD_CHECKS, METHOD_CHECKS_UNTRAINED
from fer_meta.training import batches, loop

pytestmark = pytest.mark.numeric

METHODS = [(name, {}) for name in registry.built_in()] + [
    ("maml", {"first_order": True}),
    ("protonet", {"backbone": "resnet12"}),
    ("protonet", {"temperature": "learned"}),
    ("supervised", {"head": "cosine"}),
    ("meta_baseline", {"metric": "euclidean"}),
]


# --- every method -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", METHOD_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name, config", METHODS)
def test_every_method_keeps_the_contract(name, config, check):
    if registry.load(name).trained or check in METHOD_CHECKS_UNTRAINED:
        check(lambda: build(name, **config))


@pytest.mark.parametrize("name", registry.built_in())
def test_a_method_of_the_package_is_called_after_its_file_and_shares_no_answer_with_another(name):
    assert registry.load(name).name == name
    others = {answer for other in registry.built_in() if other != name for answer in registry.answers(other)}
    assert not others & set(registry.answers(name))


@pytest.mark.parametrize(
    "name",
    [name for name in registry.built_in() if registry.load(name).episodic and registry.load(name).trained],
)
def test_tasks_of_a_step_one_after_the_other_give_the_gradient_of_their_mean_loss(name):
    together, apart = (build(name).double().train() for _ in range(2))
    batch = [an_episode(seed=seed, dtype=torch.float64) for seed in (0, 1)]
    mean = torch.stack([together.loss(one)[0] for one in batch]).mean()  # once: a task may change the next
    mean.backward()
    config = registry.load(name).Config(steps=1, lr=1e-9)
    told = loop.train_step(apart, config, loop.new_optimiser(apart, config), batch)
    assert told[0].item() == pytest.approx(mean.item(), rel=1e-6)
    for a, b in zip(together.parameters(), apart.parameters()):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-6, atol=1e-10)


def test_an_unknown_method_is_answered_with_those_there_are():
    with pytest.raises(SuiteError, match="protonet"):
        registry.load("protonets")


# --- ProtoNet ---------------------------------------------------------------------------------------------


def test_protonet_on_a_worked_example():
    """Prototypes (1, 0) and (0, 4); a query at (1, 1) is 1 and 10 away: p = 1 / (1 + e^-9)."""
    method = build("protonet")
    support = torch.tensor([[0.0, 0], [2, 0], [0, 3], [0, 5]])
    classify = method.adapt(support, torch.tensor([0, 0, 1, 1]), CLASSES[:2])["protonet"]
    logits = classify(torch.tensor([[1.0, 1]]))
    assert logits.tolist() == [[-1.0, -10.0]]
    assert logits.softmax(1)[0, 0].item() == pytest.approx(1 / (1 + np.exp(-9)))


def test_a_temperature_divides_the_distances_and_changes_no_answer():
    """Between (0, 0) and (2, 0), a query at (0.5, 0) is 0.25 and 2.25 away; divided by the 2 dimensions of a
    feature, 0.125 and 1.125.
    """
    support, labels, query = torch.tensor([[0.0, 0], [2, 0]]), torch.tensor([0, 1]), torch.tensor([[0.5, 0]])
    plain, scaled = build("protonet"), build("protonet", temperature="learned")
    size = backbones.feature_size(scaled.backbone, 32)
    assert scaled.log_temperature.exp().item() == pytest.approx(size)
    logits = {
        method: method.adapt(support, labels, CLASSES[:2])["protonet"](query) for method in (plain, scaled)
    }
    assert logits[plain].tolist() == [[-0.25, -2.25]]
    torch.testing.assert_close(logits[scaled] * size, logits[plain])


# --- supervised, then episodes ----------------------------------------------------------------------------


def test_meta_baseline_compares_directions_by_a_learned_scale():
    """Means (1, 0) and (0, 1); a query at (3, 4) has the cosines 0.6 and 0.8."""
    method = build("meta_baseline")
    support = torch.tensor([[2.0, 0], [0, 5]])
    classify = method.adapt(support, torch.tensor([0, 1]), CLASSES[:2])["meta-baseline"]
    torch.testing.assert_close(classify(torch.tensor([[3.0, 4]])), torch.tensor([[6.0, 8.0]]))


def test_two_stages_see_their_shares_of_the_images():
    config = registry.load("meta_baseline").Config(steps=1000, batch=64, tasks=2, share=0.25)
    protocol = Protocol(train=EpisodeShape(way=5, shots=5, queries=10))
    first = batches.first_stage(config, protocol)
    images = first * 64, (1000 - first) * 2 * 75
    assert images[0] / sum(images) == pytest.approx(0.25, abs=0.001)


# --- heads ------------------------------------------------------------------------------------------------


def test_a_cosine_head_compares_directions_whatever_the_lengths():
    head = CosineHead(2, 2)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[5.0, 0], [0, 0.1]]))
    torch.testing.assert_close(head(torch.tensor([[3.0, 4], [30, 40]])), torch.tensor([[6.0, 8.0]] * 2))


def test_class_means_of_uneven_classes():
    means = class_means(torch.tensor([[1.0], [2], [4], [9]]), torch.tensor([0, 1, 1, 1]), 2)
    assert means.tolist() == [[1.0], [5.0]]


# --- Relation Net -----------------------------------------------------------------------------------------


def test_relation_net_sums_the_maps_of_a_class():
    method = build("relationnet").eval()
    maps = torch.randn(4, 64, 8, 8)
    labels = torch.tensor([0, 0, 1, 1])
    query = torch.randn(2, 64, 8, 8)
    with torch.no_grad():
        ours = method.adapt(maps, labels, CLASSES[:2])["relationnet"](query)
        by_hand = method.relation(torch.stack([maps[0] + maps[1], maps[2] + maps[3]]), query)
    torch.testing.assert_close(ours, by_hand)


@pytest.mark.parametrize("name, shots", [("relationnet", 5), ("relationnet_mean", 5), ("relationnet", 1)])
def test_relation_net_starts_at_the_score_of_a_guess_with_class_and_query_alike(name, shots):
    method = build(name, Protocol(way=3, train=EpisodeShape(way=3, shots=shots, queries=2)))
    episode = an_episode(shots=shots, queries=4)
    labels, support, query = (
        episode.support_labels,
        method.embed(episode.support),
        method.embed(episode.query),
    )
    [scores] = (classify(query) for classify in method.adapt(support, labels, CLASSES).values())
    torch.testing.assert_close(scores, torch.full_like(scores, 1 / 3), atol=0.05, rtol=0)
    of_class, of_query = method.relation.first.weight.chunk(2, dim=1)
    weigh = method.class_maps(support, labels, 3).mean() * of_class.std() / (query.mean() * of_query.std())
    assert weigh.item() == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_relation_net_leaves_chance_from_every_seed(seed):
    """Five patterns, faint in noise and on a common ground, as expressions are on faces. From torch's initial
    weights all stay at chance.
    """
    patterns, [ground] = (
        torch.randn(n, 3, 16, 16, generator=torch.Generator().manual_seed(100 - n)) for n in (5, 1)
    )
    module, protocol = (
        registry.load("relationnet"),
        Protocol(way=3, train=EpisodeShape(way=3, shots=5, queries=5)),
    )
    config = module.Config(steps=80, warmup=30, schedule="constant", precision="fp32")
    method = loop.build(module, config, protocol, CLASSES, 16, seed, torch.device("cpu")).train()

    def batch_at(step: int) -> list[Episode]:
        generator = torch.Generator().manual_seed(1000 * seed + step)
        shown = patterns[torch.randperm(5, generator=generator)[:3]].repeat_interleave(5, dim=0)
        support, query = (
            3 * ground + 0.7 * shown + 0.7 * torch.randn(shown.shape, generator=generator) for _ in range(2)
        )
        labels = torch.arange(3).repeat_interleave(5)
        return [Episode(support, labels, query, labels, CLASSES)]

    with tempfile.TemporaryDirectory() as folder:
        loop.fit(method, config, config.steps, batch_at, dict, Path(folder))
        log = read_history(Path(folder))
    assert np.mean([row["train_accuracy"] for row in log[-15:]]) > 0.8  # chance is 0.33


def test_the_learning_rate_rises_over_the_warmup_to_what_the_schedule_says(tmp_path, monkeypatch):
    rates, config = (
        [],
        registry.load("protonet").Config(steps=8, lr=0.4, schedule="halving", halve_every=6, warmup=4),
    )
    monkeypatch.setattr(
        loop,
        "train_step",
        lambda m, c, optimiser, *_: rates.append(optimiser.param_groups[0]["lr"]) or torch.zeros(2),
    )
    loop.fit(build("protonet"), config, 8, lambda step: [], dict, tmp_path)
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4, 0.2, 0.2])


# --- MAML -------------------------------------------------------------------------------------------------


def test_maml_normalises_queries_by_the_support_alone_or_by_themselves():
    layer = SupportBatchNorm2d(2)
    support, query = torch.randn(4, 2, 3, 3) * 3 + 5, torch.randn(6, 2, 3, 3)
    assert layer(support).mean().item() == pytest.approx(0, abs=1e-5)
    mean, std = (
        support.mean((0, 2, 3), keepdim=True),
        support.var((0, 2, 3), correction=0, keepdim=True).add(1e-5).sqrt(),
    )
    normalise_by_first(layer, 4)
    torch.testing.assert_close(
        layer(torch.cat([support, query]))[4:], (query - mean) / std, rtol=1e-4, atol=1e-4
    )

    transductive = build("maml", Protocol(way=3, batchnorm="batch", train=PROTOCOL.train)).eval()
    episode = an_episode()
    classify = transductive.adapt(episode.support, episode.support_labels, CLASSES)["maml"]
    assert not torch.allclose(classify(episode.query)[:1], classify(episode.query[:1]), atol=1e-3)


def test_maml_refuses_another_number_of_ways():
    episode = an_episode(way=2)
    with pytest.raises(ProtocolError, match="3-way"):
        build("maml").adapt(episode.support, episode.support_labels, CLASSES[:2])


def test_second_order_maml_keeps_its_weights_in_the_layout_that_is_fastest_in_training_and_in_test():
    method = build("maml")
    for mode, layout in [
        (True, torch.contiguous_format),
        (False, torch.channels_last),
        (True, torch.contiguous_format),
    ]:
        method.train(mode)
        maps = [one for one in method.parameters() if one.dim() == 4 and one.shape[2] > 1]
        assert maps and all(one.is_contiguous(memory_format=layout) for one in maps)


def test_first_order_maml_is_called_so_in_tables():
    episode = an_episode()
    method = build("maml", first_order=True)
    assert list(method.adapt(episode.support, episode.support_labels, CLASSES)) == ["fomaml"]


@pytest.mark.parametrize("config", [{"first_order": True}, {}, {"inner_checkpoint": True}])
def test_with_zero_head_each_task_starts_from_a_head_of_zeros_and_learns_its_own(config):
    module, method = registry.load("maml"), build("maml", zero_head=True, **config)
    settings, episode = module.Config(steps=1, zero_head=True, **config), an_episode()
    head, trunk = method.maml.module[1], next(method.parameters()).detach().clone()
    optimiser = loop.new_optimiser(method, settings)
    for _ in range(3):
        loop.train_step(method, settings, optimiser, [episode])
    assert not head.weight.any() and not head.bias.any()
    assert not torch.equal(next(method.parameters()), trunk)
    learner = method.learn(episode.support, episode.support_labels, first_order=True)
    assert learner.module[1].weight.any()


def test_zero_head_is_named_in_an_identity_only_where_it_is_on():
    config = registry.load("maml").Config
    assert "zero_head" not in config(steps=1).model_dump()
    assert config(steps=1, zero_head=True).model_dump()["zero_head"] is True


# --- supervised -------------------------------------------------------------------------------------------


def test_the_supervised_head_serves_the_episodes_classes_in_the_episodes_order():
    method = build("supervised").eval()
    features = method.embed(an_episode().query)
    whole = method.head(features)
    torch.testing.assert_close(method.own_head(("neutral", "anger"))(features), whole[:, [2, 0]])


def test_without_one_of_the_classes_the_own_head_is_left_out():
    method, episode = build("supervised").eval(), an_episode()
    features = method.embed(episode.support).detach()
    classifiers = method.adapt(features, episode.support_labels, ("anger", "happiness", "contempt"))
    assert set(classifiers) == {"supervised-ncm", "supervised-probe"}
    assert method.own_head(("contempt",)) is None


def test_nearest_mean_is_blind_to_the_length_of_features():
    """Cosine, by normalising: SimpleShot's L2N."""
    method = build("supervised")
    support = torch.tensor([[10.0, 0], [0, 0.1]])
    classify = method.adapt(support, torch.tensor([0, 1]), CLASSES[:2])["supervised-ncm"]
    assert classify(torch.tensor([[0.2, 0.1], [1.0, 5.0]])).argmax(1).tolist() == [0, 1]


# --- BatchNorm ------------------------------------------------------------------------------------------


def test_batch_statistics_leave_the_running_ones_untouched():
    layer = nn.BatchNorm2d(2).eval()
    x = torch.randn(4, 2, 3, 3) + 7
    with batch_statistics(layer):
        assert layer(x).mean().item() == pytest.approx(0, abs=1e-5)
    assert layer.running_mean.tolist() == [0, 0] and layer.num_batches_tracked == 0 and not layer.training
    assert layer(x).mean().item() == pytest.approx(7, abs=1)


def test_averaged_maps_are_summed_maps_by_the_number_of_shots():
    generator = torch.Generator().manual_seed(3)
    support, labels = torch.randn(6, 4, 5, 5, generator=generator), torch.arange(3).repeat_interleave(2)
    summed, averaged = (
        build(name).class_maps(support, labels, 3) for name in ("relationnet", "relationnet_mean")
    )
    torch.testing.assert_close(averaged * 2, summed)
    torch.testing.assert_close(averaged[1], support[2:4].mean(0))
    one = [
        build(name).class_maps(support[::2], labels[::2], 3) for name in ("relationnet", "relationnet_mean")
    ]
    torch.testing.assert_close(*one)
