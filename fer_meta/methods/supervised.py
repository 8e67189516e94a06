"""Plain supervised training on the source's classes: the baseline that every few-shot method has to beat."""

import warnings
from typing import Literal

import torch
from pydantic import Field
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from fer_meta.methods.base import (
    FewShotMethod,
    LabelledImages,
    TrainingConfig,
    accuracy,
    at_least_float32,
    class_means,
)
from fer_meta.methods.protonet import squared_distances
from fer_meta.networks import backbones


class Config(TrainingConfig):
    backbone: backbones.Name = "resnet50"
    weights: str = Field("none", description="imagenet, none, or the path of a torchvision state dict")
    batch: int = Field(64, ge=1, le=10_000, description="images a step")
    weight_decay: float = Field(5e-4, ge=0)
    max_epochs: int = Field(
        60,
        ge=1,
        le=10**6,
        description=(
            "a small source stops after this many passes, even before `steps`; a pass is as many images as"
            " the source has"
        ),
    )
    class_balance: Literal["natural", "balanced", "logit-adjusted"] = Field(
        "balanced",
        description=(
            "natural: every image equally often; balanced: every class equally often in the batches;"
            " logit-adjusted: images as in natural, and the log of each class's share added to its logit in"
            " training (Menon et al., ICLR 2021, equation 10, tau = 1)"
        ),
    )


class Method(FewShotMethod):
    """A backbone and a linear head, trained by cross-entropy; in an episode it is read in three ways:

    - `supervised-head`: its own head, the logits of the episode's classes only. Needs no support, and is left
      out when the source lacks one of the classes.
    - `supervised-ncm`: nearest class mean of the L2-normalised features (Wang et al. 2019, SimpleShot).
    - `supervised-probe`: logistic regression on the L2-normalised support features (Tian et al. 2020).
    """

    episodic = False
    uncalibrated = frozenset(("supervised-ncm",))
    head_name = "supervised-head"
    readouts = ("supervised-head", "supervised-ncm", "supervised-probe")

    def __init__(self, config: Config, protocol, classes, image_size):
        super().__init__()
        self.backbone = backbones.vectors(config.backbone, config.weights)
        self.head = nn.Linear(backbones.feature_size(self.backbone, image_size), len(classes))
        self.classes = tuple(classes)

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)

    def adapt(self, support, labels, classes):
        support = normalize(support, dim=1)
        means = class_means(support, labels, len(classes))
        classifiers = {
            "supervised-ncm": lambda query: -squared_distances(normalize(query, dim=1), means),
            "supervised-probe": lambda query: fit_probe(support, labels)(normalize(query, dim=1)),
        }
        own = self.own_head(classes)
        return {self.head_name: own, **classifiers} if own else classifiers

    def own_head(self, classes):
        if not set(classes) <= set(self.classes):
            return None
        columns = [self.classes.index(name) for name in classes]
        return lambda features: self.head(features)[:, columns]

    def loss(self, batch: LabelledImages):
        images, labels, added = batch
        logits = at_least_float32(self.head(self.embed(images))) + added
        return cross_entropy(logits, labels), accuracy(logits, labels)


def fit_probe(support: Tensor, labels: Tensor):
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
