"""Meta-Baseline (Chen, Liu, Xu, Darrell and Wang, ICCV 2021): supervised training first, then episodes."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fer_meta.methods.base import (
    Decay,
    Episode,
    FewShotMethod,
    LabelledImages,
    NetworkConfig,
    TwoStageConfig,
    accuracy,
    at_least_float32,
    embed_episode,
)
from fer_meta.methods.distances import cosines, similarities
from fer_meta.methods.readouts import Classifier, class_means, nearest_mean
from fer_meta.networks import backbones


class Method(FewShotMethod):
    """The first stage is cross-entropy of a linear head. In the second the head is left out, and a query
    belongs to the nearest mean of the support: by the cosine to it, times a learned scale that starts at 10
    (the paper's equations 1 and 2), or by ProtoNet's squared Euclidean distance.

    Unlike the paper's, the two are one training: the schedule of the learning rate goes on from one to the
    other.
    """

    name = "meta_baseline"
    label = "Supervised, then episodes"
    own = {"meta-baseline": "Supervised, then episodes"}
    colours = {"meta-baseline": "#B15928"}
    order = 550
    readouts = ()

    class Config(NetworkConfig, TwoStageConfig):
        weight_decay: Decay = Field(5e-4, ge=0)
        metric: Literal["cosine", "euclidean"] = Field(
            "cosine", description="of the second stage; euclidean: ProtoNet's"
        )

    def __init__(self, config: Config, protocol, classes, image_size):
        super().__init__()
        self.backbone = config.vectors(image_size)
        self.normalisation = self.backbone.normalisation
        self.head = nn.Linear(backbones.feature_size(self.backbone, image_size), len(classes))
        self.metric = config.metric
        if self.metric == "cosine":
            self.scale = nn.Parameter(torch.tensor(10.0))

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)

    def own_classifiers(self, support, labels, classes):
        return {"meta-baseline": self.nearest(support, labels, len(classes))}

    def nearest(self, support: Tensor, labels: Tensor, way: int) -> Classifier:
        """Features [N, D] and labels [N] of a support set -> the logits of queries."""
        if self.metric == "euclidean":
            return nearest_mean(support, labels, way)
        means = class_means(support, labels, way)
        return lambda query: self.scale * cosines(query[None], means[None])[0]

    def own_answers(self, support, query, classes, answers=None):
        if answers is not None and "meta-baseline" not in answers:
            return {}
        means = support.mean(2)
        if self.metric == "euclidean":
            return {"meta-baseline": similarities(query, means)}
        return {"meta-baseline": self.scale * cosines(query, means)}

    def loss(self, batch: Episode | LabelledImages) -> tuple[Tensor, Tensor]:
        if isinstance(batch, LabelledImages):
            logits = at_least_float32(self.head(self.embed(batch.images))) + batch.added
            return cross_entropy(logits, batch.labels), accuracy(logits, batch.labels)
        support, query = map(at_least_float32, embed_episode(self, batch))
        logits = self.nearest(support, batch.support_labels, len(batch.classes))(query)
        return cross_entropy(logits, batch.query_labels), accuracy(logits, batch.query_labels)
