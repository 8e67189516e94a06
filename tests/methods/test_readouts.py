"""Each readout against a reference, in float64: easyfsl, scikit-learn, torch's own optimisers, or the paper's
equation by hand.
"""

import copy

import numpy as np
import pytest
import torch
from easyfsl.methods import SimpleShot
from helpers.methods import CLASSES, an_episode, build
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import normalize as of_unit_length
from torch import nn
from torch.nn.functional import cross_entropy, normalize

from fer_meta.errors import FerMetaError
from fer_meta.methods.readouts import READOUTS, Context, Pixels, Tasks, heads
from fer_meta.testing import check_method

EPISODES, WAY, SHOTS, QUERIES, SIZE = 3, 4, 3, 5, 12
CENTRE = torch.linspace(0, 1, SIZE, dtype=torch.float64)


def made_up(way=WAY, shots=SHOTS, scale=1.0, seed=0) -> Tasks:
    """Tasks with separate classes, and features that are not centred, as those of a ReLU."""
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape):
        return torch.randn(*shape, SIZE, generator=generator, dtype=torch.float64)

    labels = torch.arange(way).repeat_interleave(shots)
    means = 2 + noise(EPISODES, way)
    support = means[:, labels] + noise(EPISODES, way * shots)
    query = means[:, torch.arange(QUERIES) % way] + noise(EPISODES, QUERIES)
    logits = noise(EPISODES, QUERIES)[..., :way]
    return Tasks(
        scale * support.relu(),
        labels,
        scale * query.relu(),
        way,
        Context(centre=lambda: CENTRE),
        own_head=lambda: logits,
    )


def answers(name: str, tasks: Tasks) -> np.ndarray:
    return READOUTS[name].answer(tasks).numpy()


def each(tasks: Tasks):
    """Support and queries of each task, and the labels, in numpy."""
    return [
        (support.numpy(), query.numpy(), tasks.labels.numpy())
        for support, query in zip(tasks.support, tasks.query)
    ]


def assert_same_differences(ours, theirs, **tolerance):
    """Logits are the same up to one constant per query."""
    centred = [one - one.mean(-1, keepdims=True) for one in (ours, theirs)]
    np.testing.assert_allclose(*centred, **{"rtol": 0, "atol": 1e-9, **tolerance})


# --- class means ------------------------------------------------------------------------------------------


def test_plain_nearest_mean_has_the_distances_of_a_worked_example():
    support = torch.tensor([[[0.0, 0], [2, 0], [0, 4], [0, 6]]])
    tasks = Tasks(support, torch.tensor([0, 0, 1, 1]), torch.tensor([[[1.0, 2]]]), 2)
    # Means (1, 0) and (0, 5): squared distances 4 and 1 + 9.
    assert_same_differences(answers("nearest-mean", tasks), np.array([[[-4.0, -10.0]]]))


def test_plain_nearest_mean_decides_as_scikit_learn():
    tasks = made_up()
    theirs = [NearestCentroid().fit(x, y).predict(q) for x, q, y in each(tasks)]
    assert answers("nearest-mean", tasks).argmax(2).tolist() == np.stack(theirs).tolist()


@pytest.mark.parametrize("name, centre", [("ncm", None), ("cl2n", CENTRE)])
def test_nearest_means_on_unit_length_decide_as_easyfsl_and_have_its_distances(name, centre):
    tasks = made_up()
    ours = torch.from_numpy(answers(name, tasks))
    for task in range(EPISODES):
        x, q = (
            normalize(one if centre is None else one - centre, dim=1)
            for one in (tasks.support[task], tasks.query[task])
        )
        prototypes = torch.stack([x[tasks.labels == label].mean(0) for label in range(WAY)])
        assert_same_differences(ours[task].numpy(), -(torch.cdist(q, prototypes) ** 2).numpy())
        theirs = SimpleShot(nn.Identity(), feature_centering=centre, feature_normalization=2)
        theirs.process_support_set(tasks.support[task], tasks.labels)
        close = torch.nn.functional.cosine_similarity(theirs.prototypes.double(), prototypes, dim=1)
        torch.testing.assert_close(close, torch.ones(WAY, dtype=torch.float64), atol=1e-9, rtol=0)


def test_a_centre_at_zero_makes_cl2n_the_nearest_mean_on_unit_length():
    tasks = made_up()
    at_zero = Tasks(tasks.support, tasks.labels, tasks.query, WAY, Context(centre=lambda: torch.zeros(SIZE)))
    np.testing.assert_array_equal(answers("cl2n", at_zero), answers("ncm", tasks))
    assert np.abs(answers("cl2n", tasks) - answers("ncm", tasks)).max() > 0.01


# --- regressions ------------------------------------------------------------------------------------------


def test_ridge_is_scikit_learns_on_features_of_length_one():
    tasks = made_up()
    ours = answers("ridge", tasks)
    for task, (x, q, y) in enumerate(each(tasks)):
        model = Ridge(alpha=1.0).fit(of_unit_length(x), np.eye(WAY)[y])
        np.testing.assert_allclose(ours[task], model.predict(of_unit_length(q)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("way, shots", [(2, 1), (2, 5), (3, 1), (7, 6)])
def test_the_probe_is_scikit_learns_logistic_regression(way, shots):
    tasks = made_up(way, shots)
    ours = READOUTS["probe"].answer(tasks).softmax(2).numpy()
    for task, (x, q, y) in enumerate(each(tasks)):
        model = LogisticRegression(tol=1e-12, max_iter=10_000).fit(of_unit_length(x), y)
        np.testing.assert_allclose(ours[task], model.predict_proba(of_unit_length(q)), rtol=0, atol=1e-6)


def test_a_probe_of_images_that_are_all_alike_knows_nothing():
    support, query = torch.ones(1, 6, 4), torch.ones(1, 2, 4)
    tasks = Tasks(support, torch.arange(3).repeat_interleave(2), query, 3)
    torch.testing.assert_close(READOUTS["probe"].answer(tasks).softmax(2), torch.full((1, 2, 3), 1 / 3))


def test_the_own_head_and_the_probe_are_pooled_by_their_log_probabilities():
    tasks = made_up()
    ours = READOUTS["head-and-probe"].answer(tasks).softmax(2)
    product = tasks.own_head().softmax(2) * READOUTS["probe"].answer(tasks).softmax(2)
    expected = product.sqrt() / product.sqrt().sum(2, keepdim=True)
    torch.testing.assert_close(ours, expected, atol=1e-12, rtol=0)


# --- heads trained by gradients ---------------------------------------------------------------------------


def trained(parameters, logits, support, labels, steps):
    """By torch's SGD with the settings of Chen et al.'s code."""
    optimiser = torch.optim.SGD(parameters, lr=0.01, momentum=0.9, dampening=0.9, weight_decay=0.001)
    for _ in range(steps):
        optimiser.zero_grad()
        cross_entropy(logits(support), labels).backward()
        optimiser.step()


def test_the_fine_tuned_head_is_a_linear_layer_trained_by_torchs_sgd():
    tasks = made_up()
    ours = READOUTS["finetune-head"].answer(tasks)
    assert heads.steps(WAY * SHOTS) == 300  # 100 passes of three batches of four
    for task in range(EPISODES):
        head = nn.Linear(SIZE, WAY).double()
        for weight in head.parameters():
            nn.init.zeros_(weight)
        trained(head.parameters(), head, tasks.support[task], tasks.labels, 300)
        torch.testing.assert_close(ours[task], head(tasks.query[task]).detach(), atol=1e-9, rtol=0)


def test_the_cosine_head_is_trained_by_torchs_sgd_from_the_class_means():
    tasks = made_up()
    ours = READOUTS["cosine"].answer(tasks)
    for task in range(EPISODES):
        support = normalize(tasks.support[task], dim=1)
        means = torch.stack([support[tasks.labels == label].mean(0) for label in range(WAY)])
        weight = nn.Parameter(means)

        def logits(features, weight=weight):
            return 10 * normalize(features, dim=1) @ normalize(weight, dim=1).T

        trained([weight], logits, tasks.support[task], tasks.labels, 300)
        torch.testing.assert_close(ours[task], logits(tasks.query[task]).detach(), atol=1e-9, rtol=0)


# --- the whole network ------------------------------------------------------------------------------------


def on_pixels(method, episode):
    """`finetune` of one episode, as an evaluation asks for it."""
    method.readouts = ("finetune",)
    support, query = (method.embed(one).detach() for one in (episode.support, episode.query))
    context = Context(pixels=lambda _: Pixels(episode.support, iter(episode.query.split(4))))
    found = method.answer(support.unflatten(0, (3, 2))[None], query[None], [CLASSES[:3]], context=context)
    return found[f"{method.name}-finetune"][0]


def test_fine_tuning_trains_a_copy_by_adam_from_the_class_means_and_leaves_the_network_as_it_was():
    method, episode = build("supervised").double().eval(), an_episode(dtype=torch.float64)
    before = copy.deepcopy(method)
    ours = on_pixels(method, episode)
    for (name, now), then in zip(method.state_dict().items(), before.state_dict().values()):
        assert torch.equal(now, then), name
    with torch.no_grad():
        features = normalize(before.embed(episode.support), dim=1)
        means = torch.stack([features[episode.support_labels == label].mean(0) for label in range(3)])
    head = nn.Parameter(normalize(means, dim=1))

    def logits(images):
        return 10 * normalize(before.embed(images), dim=1) @ normalize(head, dim=1).T

    optimiser = torch.optim.Adam([*before.parameters(), head], lr=5e-5)
    for _ in range(25):
        optimiser.zero_grad()
        cross_entropy(logits(episode.support), episode.support_labels).backward()
        optimiser.step()
    torch.testing.assert_close(ours, logits(episode.query).detach(), atol=1e-9, rtol=0)
    assert torch.equal(ours, on_pixels(method, episode))


def test_a_readout_says_what_it_lacks():
    tasks = Tasks(torch.ones(1, 2, 4), torch.arange(2), torch.ones(1, 1, 4), 2)
    for name in ("cl2n", "finetune"):
        with pytest.raises(FerMetaError, match=f"`{name}` needs"):
            READOUTS[name].answer(tasks)


# --- all of them ------------------------------------------------------------------------------------------

ON_FEATURES = [name for name, one in READOUTS.items() if not one.on_pixels]


@pytest.mark.parametrize("name", ON_FEATURES)
def test_many_tasks_at_once_are_answered_as_one_and_in_float32_nearly_as_in_float64(name):
    tasks = made_up()
    together = READOUTS[name].answer(tasks)
    for task in range(EPISODES):
        own = None if tasks.own_head is None else tasks.own_head()[task : task + 1]
        alone = Tasks(
            tasks.support[task : task + 1],
            tasks.labels,
            tasks.query[task : task + 1],
            WAY,
            tasks.context,
            own_head=lambda own=own: own,
        )
        torch.testing.assert_close(READOUTS[name].answer(alone)[0], together[task], atol=1e-8, rtol=0)
    single = Tasks(
        tasks.support.float(),
        tasks.labels,
        tasks.query.float(),
        WAY,
        Context(centre=lambda: CENTRE.float()),
        own_head=lambda: tasks.own_head().float(),
    )
    found = READOUTS[name].answer(single)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), together, atol=1e-3, rtol=1e-3)


def test_a_method_that_names_all_readouts_passes_the_checks_of_methods():
    class Read(type(build("supervised"))):
        name, label, readouts = "read", "Read", tuple(ON_FEATURES)
        own, head_name, colours = {"read-head": "Read (own head)"}, "read-head", {}

    check_method(Read, backbone="conv4")
