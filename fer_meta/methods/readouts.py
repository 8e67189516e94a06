"""Readouts: how the features of a support set become a classifier, whatever network made them.

To add one, write a function of the support's features [N, D], their labels [N] (0 .. way - 1) and `way` that
returns a Classifier, and give it a line in READOUTS.
"""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn.functional import normalize

from fer_meta.methods.distances import squared_distances

# query features [Q, ...] -> logits [Q, way]
Classifier = Callable[[Tensor], Tensor]
Fit = Callable[[Tensor, Tensor, int], Classifier]


class Readout(NamedTuple):
    """`label` is its name in tables; `calibrated`: the softmax of its logits are probabilities."""

    fit: Fit
    label: str
    calibrated: bool = True


def class_means(features: Tensor, labels: Tensor, way: int) -> Tensor:
    """The mean feature of each class: [N, ...], [N] -> [way, ...]."""
    sums = features.new_zeros(way, *features.shape[1:]).index_add(0, labels, features)
    counts = torch.bincount(labels, minlength=way).clamp(min=1)
    return sums / counts.view(-1, *(1,) * (features.dim() - 1)).to(features.dtype)


def nearest_mean(support: Tensor, labels: Tensor, way: int) -> Classifier:
    """The logits are minus the squared distances to the class means (Snell et al., NeurIPS 2017)."""
    means = class_means(support, labels, way)
    return lambda query: -squared_distances(query, means)


def probe(support: Tensor, labels: Tensor, way: int) -> Classifier:
    """Logistic regression on the support (Tian et al., ECCV 2020), fitted when it is first used."""
    return lambda query: fit_probe(support, labels)(query)


def normalised(fit: Fit) -> Fit:
    """`fit` on features that are brought to length 1 (SimpleShot's L2N, Wang et al. 2019)."""

    def of_unit_length(support: Tensor, labels: Tensor, way: int) -> Classifier:
        classify = fit(normalize(support, dim=1), labels, way)
        return lambda query: classify(normalize(query, dim=1))

    return of_unit_length


def fit_probe(support: Tensor, labels: Tensor) -> Classifier:
    """Multinomial logistic regression with scikit-learn's defaults (L2, C = 1) on [N, D] features."""
    model = LogisticRegression(max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(support.cpu().numpy(), labels.cpu().numpy())
    weight = torch.from_numpy(model.coef_).to(support)
    bias = torch.from_numpy(model.intercept_).to(support)
    if len(weight) == 1:  # two classes: scikit-learn keeps the second's logit only
        weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
    return lambda query: query @ weight.T + bias


# The end of an answer's name on disk ("supervised-ncm") -> the readout.
READOUTS = {
    "ncm": Readout(normalised(nearest_mean), "nearest mean", calibrated=False),
    "probe": Readout(normalised(probe), "linear probe"),
}
