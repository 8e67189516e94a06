"""Nearest class means, by squared Euclidean distance (Snell et al., NeurIPS 2017), with the three ways of
SimpleShot to bring features to one scale (Wang, Chao, Weinberger and van der Maaten, 2019).

The logits are minus the squared distances, up to one constant per query.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from fer_meta.methods.distances import similarities, squared_distances
from fer_meta.methods.readouts.tasks import Classifier, Tasks


def class_means(features: Tensor, labels: Tensor, way: int) -> Tensor:
    """The mean feature of each class: [N, ...], [N] -> [way, ...]."""
    sums = features.new_zeros(way, *features.shape[1:]).index_add(0, labels, features)
    counts = torch.bincount(labels, minlength=way).clamp(min=1)
    return sums / counts.view(-1, *(1,) * (features.dim() - 1)).to(features.dtype)


def nearest_mean(support: Tensor, labels: Tensor, way: int) -> Classifier:
    """One task, to be trained through: the logits are minus the squared distances to the class means."""
    means = class_means(support, labels, way)
    return lambda query: -squared_distances(query, means)


def plain(tasks: Tasks) -> Tensor:
    """Features as they are ("UN")."""
    return _nearest(tasks, tasks.support, tasks.query)


def of_unit_length(tasks: Tasks) -> Tensor:
    """Features of length 1 ("L2N")."""
    return _nearest(tasks, *tasks.unit)


def centred(tasks: Tasks) -> Tensor:
    """The mean feature of the source's training images subtracted, then length 1 ("CL2N")."""
    centre = tasks.centre
    return _nearest(tasks, normalize(tasks.support - centre, dim=2), normalize(tasks.query - centre, dim=2))


def _nearest(tasks: Tasks, support: Tensor, query: Tensor) -> Tensor:
    shares = tasks.targets / tasks.targets.sum(0).clamp(min=1)
    return similarities(query, shares.T @ support)
