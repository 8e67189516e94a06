"""R2-D2 and MetaOptNet against scikit-learn, learn2learn and finite differences, in float64; and what becomes
of their solvers in less.
"""

import math
import warnings

import numpy as np
import pytest
import torch
from helpers.methods import CLASSES, an_episode, build
from sklearn.linear_model import Ridge
from sklearn.svm import LinearSVC
from torch.nn.functional import cross_entropy, one_hot

from fer_meta.methods.metaoptnet import crammer_singer
from fer_meta.methods.readouts.regression import ridge_weights

pytestmark = pytest.mark.numeric

NAMES = ["r2d2", "metaoptnet"]
WAY, SHOTS, SIZE = 3, 2, 8
LABELS = torch.arange(WAY).repeat_interleave(SHOTS)


def features(scale=1.0, way=WAY, shots=SHOTS, seed=0):
    """Of the supports [2, way * shots, SIZE] and queries [2, 4, SIZE] of two tasks, as after a ReLU."""
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape):
        return torch.randn(2, *shape, SIZE, generator=generator, dtype=torch.float64)

    support = noise(way).repeat_interleave(shots, dim=1) + noise(way * shots)
    return scale * support.relu(), scale * noise(4).relu()


def double(name, **config):
    return build(name, **config).double().eval()


def answered(method, support, query, labels=LABELS, way=WAY):
    with torch.no_grad():
        return method.logits(support, labels, query, way)


def assert_derivatives(method, *parameters):
    """Those of the logits are finite differences'."""
    inputs = [one.requires_grad_() for one in features()]
    assert torch.autograd.gradcheck(
        lambda support, query, *_: method.logits(support, LABELS, query, WAY),
        (*inputs, *parameters),
        fast_mode=True,  # along random directions
    )


# --- R2-D2 ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [0.01, 50.0])
def test_r2d2_is_scikit_learns_ridge_without_an_intercept_by_the_scale(penalty):
    support, query = features()
    ours = answered(double("r2d2", penalty=penalty, scale=3.0), support, query)
    for task in range(2):
        model = Ridge(alpha=penalty, fit_intercept=False).fit(support[task], np.eye(WAY)[LABELS])
        np.testing.assert_allclose(ours[task], 3 * model.predict(query[task]), rtol=0, atol=1e-6)


def test_r2d2_is_trained_by_the_cross_entropy_of_the_equation_that_woodbury_turns():
    """W = (X'X + lambda)^-1 X'Y, in as many unknowns as there are features."""
    method, episode = double("r2d2").train(), an_episode(dtype=torch.float64)
    x, query = method.embed(torch.cat([episode.support, episode.query])).split([6, 6])
    targets = one_hot(episode.support_labels, 3).double()
    weights = torch.linalg.solve(x.T @ x + 50 * torch.eye(x.shape[1]), x.T @ targets)
    written_out = cross_entropy(10 * query @ weights, episode.query_labels)
    assert method.loss(episode)[0].item() == pytest.approx(written_out.item(), rel=1e-6)


def test_r2d2s_derivatives_are_finite_differences_those_of_penalty_and_scale_too():
    method = double("r2d2", penalty=0.3)
    assert_derivatives(method, method.log_penalty, method.log_scale)


def test_a_small_penalty_counts_where_float32_has_lost_it():
    """Two images of different classes that are nearly alike, with features of length 3000."""
    support, query = features(1000.0)
    support[:, 2] = support[:, 1] * (1 + 1e-6)
    support, query = support.float(), query.float()
    exact = answered(double("r2d2", penalty=0.1, scale=1.0), support.double(), query.double()).float()
    ours = answered(build("r2d2", penalty=0.1, scale=1.0), support, query)
    torch.testing.assert_close(ours, exact, rtol=1e-5, atol=1e-5)
    single = query @ ridge_weights(support, one_hot(LABELS, WAY).float(), 0.1)
    assert (single - exact).abs().max() > 0.1


def test_images_that_are_alike_have_finite_answers_whatever_the_penalty():
    support, query = features()
    support[:, 1] = support[:, 0]
    method = double("r2d2")
    with torch.no_grad():
        method.log_penalty.fill_(-800)  # exp is 0
    logits = method.logits(support.requires_grad_(), LABELS, query, WAY)
    [gradient] = torch.autograd.grad(logits.sum(), support)
    assert logits.isfinite().all() and gradient.isfinite().all()


# --- MetaOptNet -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("c, scale", [(0.1, 1.0), (2.0, 1.0), (0.1, 10.0)])
def test_the_support_vector_machine_is_scikit_learns(c, scale):
    support, query = features(scale, shots=1)  # fewer images than features, so that there is one solution
    kernel, labels = support @ support.mT, torch.arange(WAY)
    ours = query @ support.mT @ crammer_singer(kernel, torch.eye(WAY, dtype=torch.float64), c)
    model = LinearSVC(multi_class="crammer_singer", fit_intercept=False, C=c, tol=1e-12, max_iter=10**6)
    for task in range(2):
        with warnings.catch_warnings(action="ignore"):  # that `multi_class` will go
            model.fit(support[task], labels)
        np.testing.assert_allclose(ours[task], model.decision_function(query[task]), rtol=0, atol=1e-6)


def test_metaoptnet_is_learn2learns_classifier_and_has_its_gradient():
    """Made with qpth 0.0.18 (installed by --no-deps, an empty module for its cvxpy), learn2learn's one-hot
    labels turned to float64, by

        logits = SVClassifier(support, labels, 3, max_iters=50)(query)
        torch.autograd.grad(cross_entropy(logits, torch.arange(3)), support)[0][0]
    """
    support = torch.sin(torch.arange(48.0, dtype=torch.float64).view(6, 8) ** 1.3).requires_grad_()
    query = torch.sin(7 + torch.arange(24.0, dtype=torch.float64).view(3, 8) ** 1.4)
    logits = double("metaoptnet", scale=1.0).logits(support[None], LABELS, query[None], 3)[0]
    theirs = [
        [0.018148498734559922, 0.11349583341682076, -0.13164433215138074],
        [0.3559440467962771, 0.031831918569348486, -0.3877759653656257],
        [0.06460334729120305, -0.0374881553440569, -0.027115191947146157],
    ]
    np.testing.assert_allclose(logits.detach(), theirs, rtol=0, atol=1e-9)
    [gradient] = torch.autograd.grad(cross_entropy(logits, torch.arange(3)), support)
    theirs = [
        *(-0.003899043703984969, -0.051000078677456935, 0.03602100395170942, 0.003996929378461966),
        *(-0.029369847627977334, 0.023492022016145697, -0.0052204727022419056, 0.010406716897604553),
    ]
    np.testing.assert_allclose(gradient[0], theirs, rtol=0, atol=1e-6)


def test_metaoptnets_derivatives_are_finite_differences():
    method = double("metaoptnet")
    assert_derivatives(method, method.log_scale)


def test_every_image_has_coefficients_of_sum_0_of_which_only_its_classs_is_above_0():
    support, _ = features()
    targets = one_hot(LABELS, WAY).double()
    found = crammer_singer(support @ support.mT + torch.eye(len(LABELS)), targets, 0.1)
    assert found.sum(2).abs().max() < 1e-12
    assert (found <= 0.1 * targets + 1e-12).all()


def test_supports_of_any_scale_are_solved_together_as_each_alone_and_float32_is_not_enough():
    support, _ = features(shots=3)
    support = torch.cat([support[:1] * scale for scale in (0.001, 1.0, 5000.0)])
    kernel, targets = support @ support.mT + torch.eye(9), torch.eye(3).double().repeat_interleave(3, 0)
    together = crammer_singer(kernel, targets, 0.1)
    for place, found in enumerate(together):
        [alone] = crammer_singer(kernel[[place]], targets, 0.1)
        torch.testing.assert_close(found, alone, rtol=0, atol=1e-6 * alone.abs().max().item())
    single = crammer_singer(kernel[2:].float(), targets.float(), 0.1)
    assert (single - together[2]).abs().max() > 0.1 * together[2].abs().max()


# --- both -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 300.0])
@pytest.mark.parametrize("name", NAMES)
def test_the_solver_loses_nothing_in_autocast_or_float32(name, scale):
    support, query = (one.float() for one in features(scale))
    exact = answered(double(name), support.double(), query.double())
    with torch.autocast("cpu", torch.bfloat16):
        ours = answered(build(name), support, query)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours.double(), exact, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_training_that_diverges_says_so_by_its_loss(name):
    support, query = features()
    assert answered(double(name), support * math.nan, query).isnan().all()


@pytest.mark.parametrize("way, shots", [(2, 1), (3, 5)])
@pytest.mark.parametrize("name", NAMES)
def test_another_way_and_other_shots_than_in_training_are_answered(name, way, shots):
    support, query = features(way=way, shots=shots)
    labels = torch.arange(way).repeat_interleave(shots)
    logits = answered(double(name), support, query, labels, way)
    assert logits.shape == (2, 4, way)
    [own] = double(name).answer(support.unflatten(1, (way, shots)), query, [CLASSES[:way]] * 2).values()
    torch.testing.assert_close(own, logits)
