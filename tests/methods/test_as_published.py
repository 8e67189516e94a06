"""SimpleShot, Baseline and Baseline++: the training of `supervised`, each read as in its paper."""

import numpy as np
import pytest
import torch
from easyfsl.methods import SimpleShot
from helpers.methods import CLASSES, an_episode, build
from torch.nn.functional import cross_entropy

from fer_meta.errors import FerMetaError
from fer_meta.methods import registry
from fer_meta.methods.base import LabelledImages
from fer_meta.methods.readouts import READOUTS, Context
from fer_meta.runner.search import deciding
from fer_meta.training import loop

pytestmark = pytest.mark.numeric

READ = {"simpleshot": "cl2n", "baseline": "finetune-head", "baseline_pp": "cosine"}


def trained(name, **config):
    """The weights after three steps, each on images of its own."""
    method, settings = build(name, **config).train(), registry.load(name).Config(steps=3, **config)
    optimiser = loop.new_optimiser(method, settings)
    for seed in range(3):
        episode = an_episode(seed=seed)
        loop.train_step(method, settings, optimiser, LabelledImages(episode.query, episode.query_labels))
    return method.state_dict()


@pytest.mark.parametrize(
    "name, head", [("simpleshot", "linear"), ("baseline", "linear"), ("baseline_pp", "cosine")]
)
def test_its_weights_are_those_of_the_supervised_network(name, head):
    ours, theirs = trained(name), trained("supervised", head=head)
    assert [*ours] == [*theirs]
    for key in ours:
        assert torch.equal(ours[key], theirs[key]), key


def test_their_settings_are_the_supervised_networks_on_conv4():
    supervised = registry.load("supervised").Config(steps=1, backbone="conv4").model_dump()
    for name, head in (("simpleshot", "linear"), ("baseline", "linear"), ("baseline_pp", "cosine")):
        assert {**registry.load(name).Config(steps=1).model_dump(), "head": head} == {
            **supervised,
            "head": head,
        }
        assert registry.kind(name) == "supervised"


@pytest.mark.parametrize("readouts", [None, ["ncm", "probe", "head-and-probe"]])
@pytest.mark.parametrize("name", READ)
def test_it_is_read_as_in_its_paper_whatever_a_suite_names(name, readouts):
    method = registry.load(name)
    answer = f"{name.replace('_', '-')}-{READ[name]}"
    assert method.read_by(readouts) == (READ[name],)
    assert [*method.labels(readouts)] == [answer]
    assert method.labels(readouts)[answer].label == method.label
    assert deciding(name, method.Config(steps=1)) == answer  # what a search goes by
    assert method.is_calibrated(answer) == READOUTS[READ[name]].calibrated


def test_simpleshot_centres_by_the_source_and_normalises_as_easyfsl_does():
    """easyfsl compares by cosines; the paper, and this, by the distance to the mean of unit features."""
    method, episode = build("simpleshot").double().eval(), an_episode(dtype=torch.float64)
    with torch.no_grad():
        support, query = method.embed(episode.support), method.embed(episode.query)
        centre = query.mean(0) / 2
        theirs = SimpleShot(method.backbone, feature_centering=centre, feature_normalization=2)
        theirs.process_support_set(episode.support, episode.support_labels)
        unit, means = theirs.compute_features(episode.query), theirs.prototypes
        context = Context(centre=lambda: centre)
        [ours] = method.answer(
            support.unflatten(0, (3, 2))[None], query[None], [CLASSES], context=context
        ).values()
    distances = -torch.cdist(unit, means).square()
    difference = ours[0] - distances
    torch.testing.assert_close(difference, difference.mean(1, keepdim=True).expand(-1, 3), rtol=0, atol=1e-9)


def test_simpleshot_without_the_sources_centre_says_what_it_needs():
    method, episode = build("simpleshot").eval(), an_episode()
    with torch.no_grad(), pytest.raises(FerMetaError, match="mean feature"):
        method.answer(
            method.embed(episode.support).unflatten(0, (3, 2))[None],
            method.embed(episode.query)[None],
            [CLASSES],
        )


def test_baselines_head_depends_on_the_scale_of_features():
    support, labels, query = torch.eye(3).repeat(2, 1), torch.arange(3).repeat(2), torch.eye(3)
    sure = []
    for scale in (0.01, 10.0):
        [classify] = build("baseline").adapt(scale * support, labels, CLASSES).values()
        sure.append(classify(scale * query).softmax(1).max().item())
    assert sure[0] == pytest.approx(1 / 3, abs=0.01) and sure[1] > 0.9


def test_baseline_pp_is_trained_by_the_cosine_to_weight_vectors_by_a_scale():
    """A logit is scale * f'w / (|f| |w|) (the paper's section 3.2, with the scale of its code)."""
    method, episode = build("baseline_pp").double().train(), an_episode(dtype=torch.float64)
    batch = LabelledImages(episode.query, episode.query_labels)
    features = method.embed(episode.query).detach().numpy()
    weights = method.head.weight.detach().numpy()
    lengths = np.outer(np.linalg.norm(features, axis=1), np.linalg.norm(weights, axis=1))
    logits = torch.from_numpy(10 * features @ weights.T / lengths)
    loss = method.loss(batch)[0]
    assert loss.item() == pytest.approx(cross_entropy(logits, episode.query_labels).item(), rel=1e-9)
    loss.backward()
    assert method.head.scale.grad.abs() > 0
