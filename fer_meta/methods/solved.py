"""Methods whose classifier of an episode solves a convex problem, and that are trained through it."""

import math
from typing import Annotated

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
from fer_meta.methods.distributions import LogUniform
from fer_meta.methods.readouts import Tasks
from fer_meta.methods.readouts.regression import precise


class SolvedMethod(FewShotMethod):
    """A backbone, and for each support the best linear classifier of its features in the sense of `solve`.
    The logits are what `solve` says, times a learned scale above 0. A subclass has one answer in `own`.

    The solver works in float64, also where the network computes in bfloat16: products of features lose there,
    or in float32, what a small penalty adds to them.
    """

    readouts = ()

    class Config(NetworkConfig, TrainingConfig):
        scale: Annotated[float, LogUniform(1.0, 100.0)] = Field(
            10.0, gt=0, description="of the logits; learned, and this is where it begins"
        )

    def __init__(self, config: Config, protocol, classes, image_size):
        super().__init__()
        self.backbone = config.vectors(image_size)
        self.normalisation = self.backbone.normalisation
        self.log_scale = nn.Parameter(torch.tensor(math.log(config.scale)))

    def solve(self, tasks: Tasks) -> Tensor:
        """Features in float64 -> logits [E, Q, way], before they are scaled; with gradients."""
        raise NotImplementedError

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)

    def logits(self, support: Tensor, labels: Tensor, query: Tensor, way: int) -> Tensor:
        """Features [E, N, D] of supports that all have these labels [N] (int64, 0 .. way - 1), and of queries
        [E, Q, D] -> logits [E, Q, way], in float32 or more.
        """
        with torch.autocast(query.device.type, enabled=False):
            features = precise(support)
            tasks = Tasks(features, labels.to(features.device), precise(query), way)
            return self.log_scale.exp() * self.solve(tasks).to(at_least_float32(query))

    def own_classifiers(self, support, labels, classes):
        def classify(query: Tensor) -> Tensor:
            return self.logits(support[None], labels, query[None], len(classes))[0]

        return dict.fromkeys(self.own, classify)

    def own_answers(self, support, query, classes, answers=None):
        if answers is not None and not set(self.own) & set(answers):
            return {}
        way, shots = support.shape[1:3]
        labels = torch.arange(way, device=support.device).repeat_interleave(shots)
        return dict.fromkeys(self.own, self.logits(support.flatten(1, 2), labels, query, way))

    def loss(self, batch: Episode) -> tuple[Tensor, Tensor]:
        support, query = embed_episode(self, batch)
        [logits] = self.logits(support[None], batch.support_labels, query[None], len(batch.classes))
        return cross_entropy(logits, batch.query_labels), accuracy(logits, batch.query_labels)
