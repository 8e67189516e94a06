"""Prototypical networks (Snell, Swersky and Zemel, NeurIPS 2017)."""

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fer_meta.methods.base import (
    Episode,
    FewShotMethod,
    NetworkConfig,
    TrainingConfig,
    accuracy,
    at_least_float32,
    embed_episode,
)
from fer_meta.methods.distances import similarities
from fer_meta.methods.readouts import Classifier, nearest_mean
from fer_meta.networks import backbones


class Method(FewShotMethod):
    """A class is the mean of its support embeddings; a query belongs to the nearest by squared Euclidean
    distance (equations 1 and 2).

    The paper's loss takes these distances as they are. Over hundreds of dimensions they are large, so that
    the first softmax is nearly one-hot, the loss starts at tens, and a short training is spent on that.
    `temperature` divides them: by the dimension, or by a learned number that starts there (TADAM, Oreshkin et
    al., NeurIPS 2018, equation 4). It changes training and probabilities, and no answer of given features.
    """

    name = "protonet"
    label = "ProtoNet"
    own = {"protonet": "ProtoNet"}
    colours = {"protonet": "#0072B2", "protonet-ncm": "#4A9CCB", "protonet-probe": "#8FC3E0"}
    order = 100
    readouts = ()

    class Config(NetworkConfig, TrainingConfig):
        weights: str = "none"  # as in NetworkConfig, but older
        temperature: Literal["none", "dimension", "learned"] = Field(
            "none",
            json_schema_extra={"since": "0.2"},
            description="what distances are divided by; none, as in the paper, is 1",
        )

    def __init__(self, config: Config, protocol, classes, image_size):
        super().__init__()
        self.backbone = config.vectors(image_size)
        self.normalisation = self.backbone.normalisation
        size = 1 if config.temperature == "none" else backbones.feature_size(self.backbone, image_size)
        log = torch.tensor(math.log(size))
        self.log_temperature = nn.Parameter(log) if config.temperature == "learned" else log

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)

    def own_classifiers(self, support, labels, classes):
        return {"protonet": self.scaled(nearest_mean(support, labels, len(classes)))}

    def own_answers(self, support, query, classes, answers=None):
        if answers is not None and "protonet" not in answers:
            return {}
        return {"protonet": similarities(query, support.mean(2)) * self.scale}

    @property
    def scale(self) -> Tensor:
        return (-self.log_temperature).exp()

    def scaled(self, classify: Classifier) -> Classifier:
        return lambda query: classify(query) * self.scale

    def loss(self, batch: Episode) -> tuple[Tensor, Tensor]:
        support, query = map(at_least_float32, embed_episode(self, batch))
        logits = self.scaled(nearest_mean(support, batch.support_labels, len(batch.classes)))(query)
        return cross_entropy(logits, batch.query_labels), accuracy(logits, batch.query_labels)
