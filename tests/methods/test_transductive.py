"""Readouts that use all queries of an episode: against easyfsl in float64, or the paper's equation."""

import pytest
import torch
from easyfsl.methods import TIM, LaplacianShot
from helpers.methods import CLASSES, an_episode, build
from torch import nn
from torch.nn.functional import normalize

from fer_meta.methods.readouts import READOUTS, Tasks
from fer_meta.testing import a_query_is_classified_alike_whatever_the_other_queries_are

pytestmark = pytest.mark.numeric
WAY, SHOTS, QUERIES, SIZE = 3, 2, 12, 10
TRANSDUCTIVE = ["soft-kmeans", "laplacianshot", "tim"]


def made_up(queries=QUERIES) -> Tasks:
    generator = torch.Generator().manual_seed(0)

    def noise(*shape):
        return torch.randn(2, *shape, SIZE, generator=generator, dtype=torch.float64)

    labels, means = torch.arange(WAY).repeat_interleave(SHOTS), noise(WAY)
    support = 1 + means[:, labels] + noise(WAY * SHOTS)
    query = 2 + means[:, torch.arange(queries) % WAY] + noise(queries)
    return Tasks(support, labels, query, WAY)


def easyfsl(kind, tasks: Tasks, task: int, **options) -> torch.Tensor:
    classifier = kind(nn.Identity(), feature_normalization=2, **options)
    classifier.process_support_set(tasks.support[task], tasks.labels)
    return classifier(tasks.query[task])


@pytest.fixture
def in_float64():
    """easyfsl makes tensors of torch's default type."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_laplacianshot_is_easyfsls(monkeypatch, in_float64):
    # Without its early end, so that both make as many updates.
    monkeypatch.setattr(LaplacianShot, "compute_upper_bound", lambda *_: float("inf"))
    tasks = made_up()
    ours = READOUTS["laplacianshot"].answer(tasks).softmax(2)
    for task in range(2):
        torch.testing.assert_close(ours[task], easyfsl(LaplacianShot, tasks, task), rtol=0, atol=1e-10)


def test_tim_is_easyfsls(in_float64):
    tasks = made_up()
    ours = READOUTS["tim"].answer(tasks).softmax(2)
    for task in range(2):
        theirs = easyfsl(TIM, tasks, task, use_softmax=True)
        torch.testing.assert_close(ours[task], theirs, rtol=0, atol=1e-8)


def test_soft_kmeans_is_the_papers_equation_image_by_image():
    tasks = made_up()
    ours = READOUTS["soft-kmeans"].answer(tasks)
    for task in range(2):
        support, query = (normalize(one[task], dim=1) for one in (tasks.support, tasks.query))
        means = [support[tasks.labels == label].mean(0) for label in range(WAY)]
        sums = [support[tasks.labels == label].sum(0) for label in range(WAY)]
        counts = [float(SHOTS)] * WAY
        for image in query:
            near = torch.stack([(-5 * (image - mean).square().sum()).exp() for mean in means])
            for label in range(WAY):
                part = near[label] / near.sum()
                sums[label], counts[label] = sums[label] + part * image, counts[label] + part
        refined = torch.stack([total / count for total, count in zip(sums, counts)])
        expected = (-5 * torch.cdist(query, refined).square()).softmax(1)
        torch.testing.assert_close(ours[task].softmax(1), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", TRANSDUCTIVE)
def test_one_query_alone_and_two_copies_are_answered(name):
    """A copy is a neighbour like any other, and a query is never its own."""
    assert READOUTS[name].answer(made_up(queries=1)).isfinite().all()
    tasks = made_up(queries=2)
    copies = Tasks(tasks.support, tasks.labels, tasks.query[:, :1].expand(-1, 4, -1), WAY)
    found = READOUTS[name].answer(copies)
    torch.testing.assert_close(found, found[:, :1].expand(-1, 4, -1))


@pytest.mark.parametrize("name", TRANSDUCTIVE)
def test_the_trap_a_query_set_of_one_class_is_answered_otherwise_than_a_balanced_one(name):
    """What looks at the query set is not the classifier of one image: the same query, among queries of its
    class alone, gets other logits. The label says so.
    """
    assert READOUTS[name].transductive and "transductive" in READOUTS[name].label
    tasks = made_up()
    own = Tasks(tasks.support, tasks.labels, tasks.query[:, ::WAY], WAY)  # the first class's
    balanced, alone = (READOUTS[name].answer(one).softmax(2) for one in (tasks, own))
    assert (balanced[:, ::WAY] - alone).abs().max() > 1e-4


def test_a_method_says_which_of_its_answers_are_transductive_and_the_check_leaves_these_out():
    def read():
        method = build("frozen")
        method.readouts = ("ncm", *TRANSDUCTIVE)
        return method

    kinds = {name: read().is_transductive(f"frozen-{name}") for name in ("ncm", *TRANSDUCTIVE)}
    assert kinds == {"ncm": False, "soft-kmeans": True, "laplacianshot": True, "tim": True}
    a_query_is_classified_alike_whatever_the_other_queries_are(read)

    class Hidden(type(read())):
        def is_transductive(self, answer):
            return False

    def hidden():
        method = read()
        method.__class__ = Hidden
        return method

    with pytest.raises(AssertionError, match="name it in `transductive_answers`"):
        a_query_is_classified_alike_whatever_the_other_queries_are(hidden)
    assert set(read().adapt(*_support(read()), CLASSES)) == {f"frozen-{name}" for name in kinds}


def _support(method):
    episode = an_episode()
    with torch.no_grad():
        return method.embed(episode.support), episode.support_labels
