"""Prototypical networks (Snell, Swersky and Zemel, NeurIPS 2017)."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fer_meta.methods.base import (
    Episode,
    FewShotMethod,
    TrainingConfig,
    accuracy,
    at_least_float32,
    class_means,
    embed_episode,
)
from fer_meta.networks import backbones


class Config(TrainingConfig):
    backbone: backbones.Name = "conv4"
    weights: str = "none"


class Method(FewShotMethod):
    """A class is the mean of its support embeddings; a query belongs to the nearest by squared Euclidean
    distance (equations 1 and 2).
    """

    def __init__(self, config: Config, protocol, classes, image_size):
        super().__init__()
        self.backbone = backbones.vectors(config.backbone, config.weights)
        backbones.feature_size(self.backbone, image_size)  # refuses an image that is too small

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)

    def adapt(self, support, labels, classes):
        prototypes = class_means(support, labels, len(classes))
        return {"protonet": lambda query: -squared_distances(query, prototypes)}

    def answer(self, support, query, classes, readouts=None):
        return {"protonet": similarities(query, support.mean(2))}

    def loss(self, batch: list[Episode]):
        losses, accuracies = [], []
        for episode in batch:
            support, query = map(at_least_float32, embed_episode(self, episode))
            logits = self.adapt(support, episode.support_labels, episode.classes)["protonet"](query)
            losses.append(cross_entropy(logits, episode.query_labels))
            accuracies.append(accuracy(logits, episode.query_labels))
        return torch.stack(losses).mean(), torch.stack(accuracies).mean()


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances: [A, D], [B, D] -> [A, B]."""
    return (a.unsqueeze(1) - b.unsqueeze(0)).square().sum(2)


def similarities(query: Tensor, prototypes: Tensor) -> Tensor:
    """For many episodes at once: [E, Q, D], [E, way, D] -> [E, Q, way], minus the squared distances but for a
    constant a query.

    By a product of matrices, 2qp - |p|^2 = |q|^2 - |q - p|^2, which reads a query once and not once a class.
    From the prototypes' mean, so that little is lost in differences of large numbers.
    """
    centre = prototypes.mean(1, keepdim=True)
    offset = prototypes - centre
    lengths = ((2 * centre + offset) * offset).sum(2).unsqueeze(1)
    return torch.baddbmm(-lengths, query, offset.transpose(1, 2), alpha=2)
