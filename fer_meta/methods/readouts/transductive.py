"""Readouts that use all queries of an episode together, without their labels: an answer to one query depends
on the others.

The queries of an episode are equally many of each class, which no test outside of few-shot learning has. All
that counts queries gains from it: refined means, the shift between the means of support and queries, and most
of all a reward for equally many answers of each class, as TIM's (Veilleux, Boudiaf, Piantanida and Ben Ayed,
Realistic Evaluation of Transductive Few-Shot Learning, NeurIPS 2021). So these are compared with each other
alone.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from fer_meta.methods.distances import similarities
from fer_meta.methods.readouts.heads import SCALE
from fer_meta.methods.readouts.tasks import Tasks

NEIGHBOURS, LAMBDA, BOUND_UPDATES = 3, 0.7, 20
"""Of LaplacianShot. The neighbours count the query itself, as in the authors' code."""

TIM_STEPS, TIM_LR, TEMPERATURE = 50, 1e-4, 10.0
OF_SUPPORT, OF_MARGINAL, OF_CONDITIONAL = 1.0, 1.0, 0.1
"""Adam's steps and learning rate, the scale of cosines, and the weights of the three terms: easyfsl's."""


def soft_kmeans(tasks: Tasks) -> Tensor:
    """The nearest class mean after one step of soft k-means in which the queries are the unlabelled images
    (Ren et al., Meta-Learning for Semi-Supervised Few-Shot Classification, ICLR 2018, equation 4).

    On features of length 1. Their squared distances are at most 4, and a softmax of them would give each
    query to all classes alike; as SCALE / 2 of them, it is that of SCALE times the cosine.
    """
    support, query = tasks.unit
    means = _means(tasks.targets, support)
    shares = (SCALE / 2 * similarities(query, means)).softmax(2)
    return SCALE / 2 * similarities(query, refined(tasks.targets, support, shares, query))


def refined(targets: Tensor, support: Tensor, shares: Tensor, query: Tensor) -> Tensor:
    """Equation 4: class means [E, way, D] in which each query counts in part.

    `targets` [N, way] are the labels of the support [E, N, D] as rows of zeros and a one, `shares` [E, Q,
    way] to what part each of the queries [E, Q, D] is of a class.
    """
    counts = targets.sum(0) + shares.sum(1)
    return (targets.T @ support + shares.mT @ query) / counts.unsqueeze(2)


def _means(targets: Tensor, support: Tensor) -> Tensor:
    """The mean feature of each class: [N, way], [E, N, D] -> [E, way, D]."""
    return (targets / targets.sum(0).clamp(min=1)).T @ support


def laplacianshot(tasks: Tasks) -> Tensor:
    """Nearest rectified means, with a reward for queries that are answered as their nearest neighbours among
    the queries (Ziko, Dolz, Granger and Ben Ayed, Laplacian Regularized Few-Shot Learning, ICML 2020,
    equation 12), on features of length 1. The logits are the log-probabilities of the last bound update.
    """
    support, query = tasks.unit
    near, neighbours = similarities(query, _rectified(tasks, support, query)), _neighbours(query)
    logits = near.log_softmax(2)
    for _ in range(BOUND_UPDATES):
        logits = (near + LAMBDA * neighbours @ logits.exp()).log_softmax(2)
    return logits


def _neighbours(query: Tensor) -> Tensor:
    """[E, Q, Q]: 1 where the second query is among the nearest others of the first, of length 1."""
    cosines = query @ query.mT
    cosines.diagonal(dim1=1, dim2=2).fill_(-torch.inf)
    nearest = cosines.topk(min(NEIGHBOURS, query.shape[1]) - 1).indices
    return torch.zeros_like(cosines).scatter_(2, nearest, 1)


def _rectified(tasks: Tasks, support: Tensor, query: Tensor) -> Tensor:
    """Class means [E, way, D] of the support and of the queries, those moved by the difference of the means
    of both, each image with a weight by its cosine (Liu, Song and Qin, Prototype Rectification for Few-Shot
    Learning, ECCV 2020, as LaplacianShot has it).
    """
    query = query + support.mean(1, keepdim=True) - query.mean(1, keepdim=True)
    means = _means(tasks.targets, support)
    to_support, to_query = (_cosines(one, means) for one in (support, query))
    of_support = to_support.exp() * tasks.targets
    of_query = to_query.exp() * one_hot(to_query.argmax(2), tasks.way)
    weighted = of_support.mT @ support + of_query.mT @ query
    return weighted / (of_support.sum(1) + of_query.sum(1)).unsqueeze(2)


def tim(tasks: Tasks) -> Tensor:
    """Class means that are moved by Adam towards right answers of the support, and towards answers of the
    queries that are sure and equally often of each class (Boudiaf et al., Transductive Information
    Maximization for Few-Shot Learning, NeurIPS 2020: TIM-GD, equation 4), by cosine as in easyfsl.
    """
    support, query = tasks.unit
    # Features in the columns: of two products of the same matrices, the fast one.
    both = torch.cat((support, query), 1).mT
    with torch.enable_grad():
        means = _means(tasks.targets, support).detach().requires_grad_()
        optimiser = torch.optim.Adam([means], TIM_LR)
        for _ in range(TIM_STEPS):
            optimiser.zero_grad()
            logits = TEMPERATURE * normalize(means, dim=2) @ both
            _information(logits, tasks.targets).sum().backward()
            optimiser.step()
    return TEMPERATURE * _cosines(query, means.detach())


def _information(logits: Tensor, targets: Tensor) -> Tensor:
    """TIM's loss [E] of the logits [E, way, N + Q] of support and queries; `targets` are [N, way]."""
    logs = logits.log_softmax(1)
    of_support, of_query = logs.split([len(targets), logs.shape[2] - len(targets)], 2)
    wrong = -(targets.T * of_support).sum(1).mean(1)
    shares = of_query.exp()
    unsure = -(shares * of_query).sum(1).mean(1)
    marginal = shares.mean(2)
    spread = -(marginal * marginal.log()).sum(1)
    return OF_SUPPORT * wrong - OF_MARGINAL * spread + OF_CONDITIONAL * unsure


def _cosines(features: Tensor, means: Tensor) -> Tensor:
    """[E, N, D], [E, way, D] -> [E, N, way]."""
    return normalize(features, dim=2) @ normalize(means, dim=2).mT
