"""Each method against independent implementations (easyfsl, learn2learn) on the same weights and images, and
second-order MAML against finite differences.

In float64: two ways to add the same numbers differ in the last digits, by how much depends on the processor,
and a second derivative makes more of it. In float64 that is a millionth of what a mistake makes.
"""

import weakref

import pytest
import torch
from easyfsl.methods import PrototypicalNetworks, RelationNetworks
from learn2learn.algorithms import MAML
from learn2learn.nn import PrototypicalClassifier
from torch import nn
from torch.nn.functional import batch_norm, cross_entropy, mse_loss, one_hot

from fer_meta.methods import registry
from fer_meta.methods.base import Episode, LabelledImages
from fer_meta.networks import backbones
from fer_meta.networks.batchnorm import SupportBatchNorm2d
from fer_meta.tasks.protocol import EpisodeShape, Protocol
from fer_meta.training import loop

pytestmark = pytest.mark.numeric

CLASSES = ("anger", "happiness", "neutral")
SIZE = 32


def build(name, batchnorm="eval", **config):
    module = registry.load(name)
    protocol = Protocol(way=3, batchnorm=batchnorm, train=EpisodeShape(way=3, shots=2, queries=2))
    return loop.build(
        module, module.Config(steps=1, **config), protocol, CLASSES, SIZE, 0, torch.device("cpu")
    ).double()


def an_episode(seed=0, shots=2):
    generator = torch.Generator().manual_seed(seed)
    support, query = (
        torch.randn(3 * n, 3, SIZE, SIZE, generator=generator, dtype=torch.float64) for n in (shots, 4)
    )
    return Episode(
        support,
        torch.arange(3).repeat_interleave(shots),
        query,
        torch.arange(3).repeat_interleave(4),
        CLASSES,
    )


def answers(method, episode, classifier):
    """Logits as an evaluation makes them."""
    with torch.no_grad():
        support, query = method.embed(episode.support), method.embed(episode.query)
        return method.adapt(support, episode.support_labels, CLASSES)[classifier](query)


def flat(gradients):
    return torch.cat([gradient.flatten() for gradient in gradients])


def settled(method, batch):
    """In evaluation mode, with the running statistics of `batch`, so that features differ as a trained
    network's do.
    """
    for layer in method.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None
    with torch.no_grad():
        method.train().loss(batch)
    return method.eval()


def easyfsl_scores(classifier, support, labels, query):
    with torch.no_grad():
        classifier.eval().process_support_set(support, labels)
        return classifier(query)


def assert_equal(ours, theirs, tolerance=1e-9):
    """Equal within `tolerance` of the largest value."""
    assert ours.dtype == torch.float64
    torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance * theirs.abs().max().item())


# --- metric methods ---------------------------------------------------------------------------------------


def test_protonet_answers_as_easyfsl_and_learn2learn_do():
    """easyfsl's scores are negative distances, the paper's and learn2learn's negative squared ones."""
    episode = an_episode()
    method = settled(build("protonet"), episode)
    ours = answers(method, episode, "protonet")
    assert_equal(
        ours,
        -(
            easyfsl_scores(
                PrototypicalNetworks(method.backbone), episode.support, episode.support_labels, episode.query
            )
            ** 2
        ),
    )
    with torch.no_grad():
        theirs = PrototypicalClassifier(
            method.backbone(episode.support), episode.support_labels, distance="euclidean"
        )
        assert_equal(ours, theirs(method.backbone(episode.query)))


def test_protonet_is_trained_as_by_learn2learn():
    method, episode = build("protonet").train(), an_episode()
    support, query = method.backbone(torch.cat([episode.support, episode.query])).split([6, 12])
    theirs = cross_entropy(
        PrototypicalClassifier(support, episode.support_labels)(query), episode.query_labels
    )
    ours = method.loss(episode)[0]
    assert_equal(ours, theirs)
    weights = list(method.parameters())
    assert_equal(flat(torch.autograd.grad(ours, weights)), flat(torch.autograd.grad(theirs, weights)))


def easyfsl_relation_net(method, backbone=None):
    """With the relation module as it stands in the paper: a convolution of concatenated maps, and ReLU before
    the pooling.
    """
    relation = method.relation
    (first_norm, *_), (second, second_norm, *_) = relation.after_first, relation.second
    rest = nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)
    plain = nn.Sequential(relation.first, first_norm, *rest, second, second_norm, *rest, relation.score)
    return RelationNetworks(backbone, feature_dimension=64, relation_module=plain)


@pytest.mark.parametrize(
    "name, shots", [("relationnet_mean", 2), ("relationnet_mean", 1), ("relationnet", 1)]
)
def test_relation_net_answers_and_is_trained_as_by_easyfsl(name, shots):
    """easyfsl averages the maps of a class."""
    method, episode = build(name), an_episode(shots=shots)
    with torch.no_grad():
        method.relation.score[-2].weight.mul_(100)  # so that scores differ
    settled(method, episode)
    ours = answers(method, episode, name.replace("_", "-"))
    assert ours.std() > 0.05
    theirs = easyfsl_relation_net(method, method.backbone.blocks)
    assert_equal(ours, easyfsl_scores(theirs, episode.support, episode.support_labels, episode.query))

    method.train()
    support, query = method.embed(torch.cat([episode.support, episode.query])).split([3 * shots, 12])
    theirs = easyfsl_relation_net(method).train()
    theirs.process_support_set(support, episode.support_labels)
    loss = mse_loss(theirs(query), one_hot(episode.query_labels).double())
    assert_equal(method.loss(episode)[0], loss)


def test_nearest_mean_of_the_supervised_network_answers_as_easyfsls_protonet_on_normalised_features():
    episode = an_episode()
    method = settled(
        build("supervised", backbone="conv4"), LabelledImages(episode.query, episode.query_labels)
    )
    theirs = PrototypicalNetworks(method.backbone, feature_normalization=2.0)
    ours = answers(method, episode, "supervised-ncm")  # up to one constant per query
    scores = -(easyfsl_scores(theirs, episode.support, episode.support_labels, episode.query) ** 2)
    assert_equal(ours.log_softmax(1), scores.log_softmax(1))


# --- MAML against learn2learn -----------------------------------------------------------------------------


def maml_with_a_head(batchnorm="batch", **config):
    """MAML whose head is not zero, so that the first inner step reaches the backbone."""
    method = build("maml", batchnorm, inner_lr=0.05, **config).train()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in method.maml.module[1].parameters():
            weight.copy_(0.1 * torch.randn(weight.shape, generator=generator, dtype=torch.float64))
    return method


def mean_loss(method, batch):
    return torch.stack([method.loss(one)[0] for one in batch]).mean()


def gradients(method, batch):
    method.zero_grad()
    mean_loss(method, batch).backward()
    return [weight.grad for weight in method.parameters()]


@pytest.mark.parametrize("first_order", [False, True])
def test_maml_answers_and_learns_as_learn2learns_loop(first_order):
    """The loop of learn2learn's examples/vision/maml_miniimagenet.py, on torch's own BatchNorm
    (transductive).
    """
    method = maml_with_a_head(first_order=first_order, inner_steps=2)
    tasks = [an_episode(seed) for seed in (0, 1)]
    backbone = backbones.vectors("conv4")
    network = nn.Sequential(backbone, nn.Linear(backbones.feature_size(backbone, SIZE), 3)).double()
    assert not network.load_state_dict(method.maml.module.state_dict(), strict=False).unexpected_keys
    maml, errors = MAML(network.train(), lr=0.05, first_order=first_order), []
    for task in tasks:
        learner = maml.clone()
        for _ in range(2):
            learner.adapt(cross_entropy(learner(task.support), task.support_labels))
        logits = learner(task.query)
        error = cross_entropy(logits, task.query_labels)
        error.backward()
        errors.append(error.item())
        assert_equal(answers(method, task, method.answer_name), logits.detach())
    assert mean_loss(method, tasks).item() == pytest.approx(sum(errors) / 2, rel=1e-9)
    assert_equal(flat(gradients(method, tasks)), flat(weight.grad / 2 for weight in maml.parameters()))


# --- MAML's gradients -------------------------------------------------------------------------------------


def smooth_maml(batchnorm, first_order=False):
    """A network without kinks: with ReLU the inner gradient jumps, and differences mean nothing."""
    method = build("maml", batchnorm, inner_steps=2, inner_lr=0.05, first_order=first_order)
    layers = (
        nn.Conv2d(3, 4, 3, stride=4),
        SupportBatchNorm2d(4),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 3),
    )
    method.maml.module = nn.Sequential(*layers)
    return method.double().train()


def slope(method, weight, direction, episode, step=1e-5):
    """The outer loss's derivative along `direction` by central differences."""
    ends = []
    for sign in (1, -1):
        with torch.no_grad():
            weight += sign * step * direction
            ends.append(method.loss(episode)[0].item())
            weight -= sign * step * direction
    return (ends[0] - ends[1]) / (2 * step)


@pytest.mark.parametrize("batchnorm", ["eval", "batch"])
def test_second_order_gradients_equal_finite_differences_and_first_order_ones_do_not(batchnorm):
    torch.manual_seed(0)
    exact, approximate, episode = (
        smooth_maml(batchnorm),
        smooth_maml(batchnorm, first_order=True),
        an_episode(),
    )
    approximate.load_state_dict(exact.state_dict())
    second, first = gradients(exact, [episode]), gradients(approximate, [episode])
    generator, off = torch.Generator().manual_seed(0), []
    for (name, weight), g, g1 in zip(exact.named_parameters(), second, first):
        if name == "maml.module.0.bias":  # BatchNorm takes it away again
            continue
        direction = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
        expected = slope(exact, weight, direction, episode)
        assert (g * direction).sum().item() == pytest.approx(expected, rel=1e-5, abs=1e-9), name
        off.append(abs((g1 * direction).sum().item() / expected - 1))
    assert max(off) > 1e-2


def test_batchnorm_and_both_its_derivatives_are_torchs():
    generator = torch.Generator().manual_seed(0)
    layer = SupportBatchNorm2d(3).double()
    x, weight, bias = (
        torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in ((4, 3, 2, 5), (3,), (3,))
    )

    def ours(x, weight, bias):
        return torch.func.functional_call(layer, {"weight": weight, "bias": bias}, x)

    torch.testing.assert_close(ours(x, weight, bias), batch_norm(x, None, None, weight, bias, training=True))
    assert torch.autograd.gradcheck(ours, (x, weight, bias))
    assert torch.autograd.gradgradcheck(ours, (x, weight, bias))


@pytest.mark.parametrize("batchnorm", ["eval", "batch"])
def test_recomputed_inner_steps_give_the_same_gradients(batchnorm):
    batch = [an_episode(seed) for seed in (0, 1)]
    plain, recomputed = (
        flat(gradients(maml_with_a_head(batchnorm, inner_steps=2, inner_checkpoint=checkpoint), batch))
        for checkpoint in (False, True)
    )
    assert_equal(recomputed, plain)


def kept_for_backward(method, episode):
    """How many numbers the graph of an adapted learner holds."""
    kept = weakref.WeakSet()

    class Holder:
        def __init__(self, tensor):
            self.tensor = tensor
            kept.add(self)

    with torch.autograd.graph.saved_tensors_hooks(Holder, lambda holder: holder.tensor):
        learner = method.learn(episode.support, episode.support_labels, first_order=False)
    held = sum({holder.tensor.data_ptr(): holder.tensor.numel() for holder in kept}.values())
    assert learner is not None
    return held


def test_recomputed_inner_steps_keep_weights_alone():
    weights = sum(weight.numel() for weight in build("maml").parameters())
    one, four = (
        kept_for_backward(build("maml", inner_steps=n, inner_checkpoint=True), an_episode()) for n in (1, 4)
    )
    assert four - one <= 3 * weights < kept_for_backward(build("maml", inner_steps=1), an_episode())


def test_recomputing_is_no_part_of_what_a_run_is():
    config = registry.load("maml").Config
    assert config(steps=1, inner_checkpoint=True).model_dump() == config(steps=1).model_dump()


@pytest.mark.parametrize("batchnorm", ["eval", "batch"])
@pytest.mark.parametrize("checkpoint", [False, True])
def test_a_task_leaves_nothing_in_the_meta_model(batchnorm, checkpoint):
    """No buffer, no statistics, no weight: only the optimiser's step changes what the next task meets."""
    method = maml_with_a_head(batchnorm, inner_steps=2, inner_checkpoint=checkpoint)
    before = {key: value.clone() for key, value in method.state_dict().items()}
    expected = method.loss(an_episode(0))[0].item()
    for seed in (1, 2):
        answers(method, an_episode(seed), "maml")
        method.loss(an_episode(seed))[0].backward()
    assert not list(method.buffers())
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())
    assert method.loss(an_episode(0))[0].item() == pytest.approx(expected, rel=1e-9)
    torch.optim.SGD(method.parameters(), 0.1).step()
    assert method.loss(an_episode(0))[0].item() != pytest.approx(expected, rel=1e-6)
