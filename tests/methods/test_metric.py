"""Matching networks, FEAT and Relation Net's spatial attention: against easyfsl or the papers' equations,
written out, and what is particular to each. In float64, as test_agreement.py.
"""

import math

import pytest
import torch
from easyfsl.methods import FEAT, MatchingNetworks
from easyfsl.modules import MultiHeadAttention
from helpers.methods import CLASSES, an_episode, build
from torch import nn
from torch.nn.functional import conv2d, cross_entropy, normalize

from fer_meta.methods.distances import cosines
from fer_meta.methods.feat import SetToSet, chance_of, dropped
from fer_meta.methods.matchingnet import FullContext
from fer_meta.testing import METHOD_CHECKS

pytestmark = pytest.mark.numeric

D = 5
LABELS = torch.tensor([0, 0, 1, 1, 2, 2])


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def assert_equal(ours, theirs):
    assert ours.dtype == torch.float64
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def answer(method, support, query, labels=LABELS):
    """The logits of the method's only answer, to features."""
    with torch.no_grad():
        [classify] = method.own_classifiers(support, labels, CLASSES[: int(labels.max()) + 1]).values()
        return classify(query)


@pytest.mark.parametrize("check", METHOD_CHECKS, ids=lambda check: check.__name__)
def test_full_context_keeps_the_contract(check):
    check(lambda: build("matchingnet", context="full", reads=2))


# --- MatchingNet ------------------------------------------------------------------------------------------


@pytest.fixture
def matchingnet():
    return build("matchingnet", temperature="none").double().eval()


def test_matchingnet_on_a_worked_example(matchingnet):
    """Cosines 0.6, 1 and 0.8; the first class has two images."""
    support = torch.tensor([[5.0, 0], [3, 4], [0, 2]])
    logits = answer(matchingnet, support, torch.tensor([[6.0, 8]]), torch.tensor([0, 0, 1]))
    attention = [math.exp(cosine) for cosine in (0.6, 1, 0.8)]
    shares = torch.tensor([[attention[0] + attention[1], attention[2]]]) / sum(attention)
    torch.testing.assert_close(logits.exp(), shares)


class NoContext(nn.Module):
    """In place of easyfsl's encoders: changes nothing."""

    def forward(self, support):
        return torch.zeros(*support.shape[:2], 2 * D, dtype=support.dtype), None


class NoReads(nn.Module):
    def forward(self, _, state):
        return torch.zeros_like(state[0]), state[1]


def test_matchingnet_answers_as_easyfsl(matchingnet):
    """easyfsl leaves a query its length, and adds 1e-6 to the probabilities."""
    support, query = numbers(6, D), numbers(4, D, seed=1)
    theirs = MatchingNetworks(feature_dimension=D, support_encoder=NoContext(), query_encoder=NoReads())
    theirs.process_support_set(support, LABELS)
    theirs.one_hot_support_labels = theirs.one_hot_support_labels.double()
    assert_equal(answer(matchingnet, support, query).exp(), theirs(normalize(query)).exp() - 1e-6)


def test_features_in_context_are_easyfsls():
    """easyfsl reads as often as the support has images, which come as they are given: here in our order."""
    context, support, query = FullContext(D, reads=6).double(), numbers(6, D), numbers(4, D, seed=1)
    support = support[(support @ context.direction).argsort()]
    theirs = MatchingNetworks(
        feature_dimension=D, support_encoder=context.support, query_encoder=context.query
    )
    with torch.no_grad():
        theirs.contextualized_support_features = theirs.encode_support_features(support)
        ours = context(support[None], query[None])
        assert_equal(ours[0][0], theirs.contextualized_support_features)
        assert_equal(ours[1][0], theirs.encode_query_features(query))


def test_a_query_reads_as_the_papers_equations_say():
    """Equations 3 to 6, one query and one read after the other."""
    context, support, query = FullContext(D, reads=2).double(), numbers(6, D), numbers(4, D, seed=1)
    cell = context.query
    expected = []
    for feature in query:
        h, c = feature, torch.zeros(D, dtype=torch.float64)
        for _ in range(2):
            attention = torch.exp(support @ h) / torch.exp(support @ h).sum()
            read = attention @ support
            gates = (
                cell.weight_ih @ torch.cat([feature, read]) + cell.bias_ih + cell.weight_hh @ h + cell.bias_hh
            )
            enter, forget, new, out = gates.chunk(4)
            c = forget.sigmoid() * c + enter.sigmoid() * new.tanh()
            h = out.sigmoid() * c.tanh() + feature
        expected.append(h)
    assert_equal(context.of_query(query[None], support[None])[0], torch.stack(expected))


def test_in_full_context_neither_images_nor_classes_have_an_order():
    method = build("matchingnet", context="full").double().eval()
    support, query = (
        method.embed(one) for one in (an_episode(dtype=torch.float64).support, numbers(4, 3, 32, 32))
    )
    logits = answer(method, support, query)
    order, renumbered = torch.tensor([4, 2, 0, 5, 1, 3]), torch.tensor([2, 0, 1])
    assert_equal(answer(method, support[order], query, LABELS[order]), logits)
    assert_equal(answer(method, support, query, renumbered[LABELS])[:, renumbered], logits)
    without = support[:4], query, LABELS[:4]
    assert not torch.allclose(
        answer(method, *without).log_softmax(1), logits[:, :2].log_softmax(1), atol=1e-3
    )


def test_a_temperature_averages_over_a_class_or_takes_its_nearest_image(matchingnet):
    """Cosines 1 and 0.5 to the first class, 0.8 and 0.8 to the second."""
    angles = torch.tensor([1.0, 0.5, 0.8, 0.8]).acos()
    support = torch.stack([angles.cos(), angles.sin()], 1)
    winners = []
    for scale in (1.0, 100.0):
        matchingnet.scale = torch.tensor(scale)
        winners.append(answer(matchingnet, support, torch.tensor([[1.0, 0]]), LABELS[:4]).argmax().item())
    assert winners == [1, 0]


def test_a_sharp_attention_leaves_every_logit_and_gradient_finite():
    """The sum of an attention that is all on one image would be 0 for the others, and its log infinite."""
    method = build("matchingnet")
    with torch.no_grad():
        method.scale.fill_(1000)
    loss, _ = method.loss(an_episode())
    loss.backward()
    assert loss.isfinite() and all(weight.grad.isfinite().all() for weight in method.parameters())


def test_cosines_keep_their_digits_under_autocast():
    a, b = numbers(1, 4, 50).float(), numbers(1, 3, 50, seed=1).float()
    exact = cosines(a, b)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(cosines(a, b), exact)


@pytest.mark.parametrize("name, config", [("matchingnet", {"context": "full"}), ("feat", {})])
def test_a_loss_under_autocast_is_that_without_it(name, config):
    method, episode = build(name, **config).eval(), an_episode()
    exact = method.loss(episode)[0]
    with torch.autocast("cpu", torch.bfloat16):
        rounded = method.loss(episode)[0]
    assert rounded.dtype == torch.float32
    assert rounded.item() == pytest.approx(exact.item(), rel=0.05)


# --- FEAT -------------------------------------------------------------------------------------------------


def awake(attention):
    """With a last layer that is not zero, as it is in the beginning."""
    with torch.no_grad():
        attention.out.weight.copy_(numbers(*attention.out.weight.shape) / 10)
        attention.out.bias.copy_(numbers(len(attention.out.bias), seed=1))
    return attention


@pytest.fixture
def feat():
    method = build("feat", balance=0.3).double().eval()
    awake(method.set_to_set)
    return method


def easyfsls(ours):
    """easyfsl's attention with the same weights, in evaluation mode."""
    size = ours.norm.normalized_shape[0]
    theirs = MultiHeadAttention(1, size, size, size).double()
    layers = {
        "w_qs": ours.query,
        "w_ks": ours.key,
        "w_vs": ours.value,
        "fc": ours.out,
        "layer_norm": ours.norm,
    }
    for name, layer in layers.items():
        getattr(theirs, name).load_state_dict(layer.state_dict())
    return theirs.eval()


def test_feat_answers_as_easyfsl(feat):
    """easyfsl's scores are negative distances, without a temperature."""
    episode = an_episode(dtype=torch.float64)
    theirs = FEAT(feat.backbone, attention_module=easyfsls(feat.set_to_set)).eval()
    with torch.no_grad():
        theirs.process_support_set(episode.support, episode.support_labels)
        scores = -(theirs(episode.query) ** 2) / 64
        assert_equal(answer(feat, feat.embed(episode.support), feat.embed(episode.query)), scores)


class Dropped(nn.Module):
    """In place of easyfsl's dropout: ours, with a chance of its own."""

    def __init__(self, share, chance):
        super().__init__()
        self.share, self.chance = share, chance

    def forward(self, x):
        return dropped(x, self.share, self.chance)


def test_attention_drops_out_where_easyfsls_does():
    ours, sets = awake(SetToSet(D).double()), numbers(2, 3, D)
    theirs, (one, other) = easyfsls(ours), (torch.Generator().manual_seed(0) for _ in range(2))
    theirs.attention.dropout = Dropped(theirs.attention.dropout.p, other)
    theirs.dropout = Dropped(0.5, other)
    with torch.no_grad():
        found = ours(sets, one)
        assert_equal(found, theirs(sets, sets, sets)[0])
        assert not torch.allclose(found, ours(sets), atol=1e-2)


def test_dropout_keeps_the_mean_and_depends_on_the_episode_alone():
    ones = torch.ones(10_000)
    kept = dropped(ones, 0.3, torch.Generator().manual_seed(0))
    assert kept.mean().item() == pytest.approx(1, abs=0.03) and (kept == 0).float().mean() > 0.25
    method, episode = build("feat").train(), an_episode()
    awake(method.set_to_set)
    torch.manual_seed(1)
    first = method.loss(episode)[0]
    torch.manual_seed(2)
    assert torch.equal(method.loss(episode)[0], first)
    assert chance_of(episode).initial_seed() != chance_of(an_episode(seed=1)).initial_seed()


def test_feat_is_trained_by_two_terms(feat):
    """The second, written out image by image: to the means of each class's own set after attention."""
    episode = an_episode(dtype=torch.float64)
    features = feat.embed(torch.cat([episode.support, episode.query]))
    support, query = features.unflatten(0, (2, 3, 2))
    attention = easyfsls(feat.set_to_set)
    sets = [torch.cat([support[label], query[label]]) for label in range(3)]
    centres = [attention(one[None], one[None], one[None])[0][0].mean(0) for one in sets]
    terms = [
        -torch.log_softmax(torch.stack([-((image - centre) ** 2).sum() / 32 for centre in centres]), 0)[label]
        for label, one in enumerate(sets)
        for image in one
    ]
    means = support.mean(1)[None]
    adapted = attention(means, means, means)[0][0]
    logits = -((query.flatten(0, 1)[:, None] - adapted) ** 2).sum(2) / 64
    expected = cross_entropy(logits, episode.query_labels) + 0.3 * torch.stack(terms).mean()
    assert_equal(feat.loss(episode)[0], expected)


def test_feat_starts_at_the_means_themselves():
    """Else dropout hides what classes differ by."""
    attention, sets = SetToSet(D).double(), numbers(2, 3, D)
    for chance in (None, torch.Generator().manual_seed(0)):
        assert_equal(attention(sets, chance), torch.nn.functional.layer_norm(sets, [D]))


def test_with_other_ways_feat_sees_another_set(feat):
    size = feat.set_to_set.norm.normalized_shape[0]
    support, query = numbers(6, size), numbers(4, size, seed=1)
    three, two = answer(feat, support, query), answer(feat, support[:4], query, LABELS[:4])
    assert two.shape == (4, 2)
    assert (three[:, :2].log_softmax(1) - two.log_softmax(1)).abs().max() > 1e-3


# --- Relation Net with spatial attention ------------------------------------------------------------------


def test_spatial_attention_is_cbams_equation_5():
    method = build("relationnet_attention").double().eval()
    images = an_episode(dtype=torch.float64).query
    with torch.no_grad():
        maps = method.backbone.maps(images)
        pooled = torch.stack([maps.mean(1), maps.max(1).values], 1)
        weights = torch.sigmoid(conv2d(pooled, method.attention.weight, method.attention.bias, padding=3))
        assert_equal(method.embed(images), maps * weights)
    assert weights.shape == (6, 1, *maps.shape[2:])


def test_with_and_without_attention_a_relation_net_starts_from_the_same_weights():
    plain, attentive = (build(name).state_dict() for name in ("relationnet", "relationnet_attention"))
    assert {*attentive} - {*plain} == {"attention.weight", "attention.bias"}
    assert all(torch.equal(weight, attentive[name]) for name, weight in plain.items())
