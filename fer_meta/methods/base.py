"""What every method offers to training and to evaluation."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from fer_meta.config import Strict

# query features [Q, ...] -> logits [Q, way]
Classifier = Callable[[Tensor], Tensor]


class TrainingConfig(Strict):
    """How a method is trained; each method's Config adds its own hyper-parameters."""

    steps: int = Field(ge=1, le=10**8, description="optimiser steps")
    optimiser: Literal["adamw", "adam", "sgd"] = Field(
        "adamw",
        description=(
            "adamw: decoupled decay (Loshchilov and Hutter, ICLR 2019); adam: decay as an L2 penalty, as in"
            " older papers; sgd: Nesterov's momentum of 0.9, L2 penalty"
        ),
    )
    lr: float = Field(1e-3, gt=0)
    weight_decay: float = Field(
        0.0,
        ge=0,
        description="of the weights of convolutions and linear layers; biases and BatchNorm never decay",
    )
    schedule: Literal["cosine", "halving", "constant"] = "cosine"
    halve_every: int = Field(
        4000, ge=1, le=10**8, description="steps between halvings, for `schedule: halving`"
    )
    warmup: int = Field(
        0,
        ge=0,
        le=10**8,
        description="steps in which the learning rate rises in equal parts to what the schedule says",
    )
    batch: int = Field(1, ge=1, le=10_000, description="tasks a step; images a step for supervised training")
    augment: bool = True
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto",
        description=(
            "in training and embedding; auto: bf16 (autocast) where the machine has units for it. No part of"
            " a run's identity"
        ),
    )
    validations: int = Field(
        10, ge=1, le=1000, description="how often the validation episodes are scored and a checkpoint kept"
    )


class LabelledImages(NamedTuple):
    """A batch of a training without episodes: images [B, 3, H, W], normalised, and their labels [B] (int64);
    `added` [classes], if it is not 0, is added to the logits in training only.
    """

    images: Tensor
    labels: Tensor
    added: Tensor | float = 0.0


@dataclass(frozen=True)
class Episode:
    """One task's pixels, normalised: support [way * shots, 3, H, W] and query [way * queries, 3, H, W], both
    in the order of their labels 0 .. way - 1 (int64); `classes` names each label.
    """

    support: Tensor
    support_labels: Tensor
    query: Tensor
    query_labels: Tensor
    classes: Sequence[str]


class FewShotMethod(nn.Module):
    """A method: how features are made, how a support set becomes a classifier, and what training minimises.

    Built as `Method(config, protocol, classes, image_size)`, where `classes` names the source's classes in
    the order of their labels.

    `shared_embedding`: a query's embedding does not depend on the episode, so an image may be embedded once
    for all episodes. `episodic`: trained on episodes (`loss` gets a list of Episode), else on labelled images
    (`loss` gets LabelledImages). `memory_format`: which layout its convolutions are fastest in.
    `uncalibrated`: those of its classifiers whose outputs were never trained as probabilities; no confidence
    is recorded of them. `head_name`: what its own head, if it has one, is called in tables. `readouts`: what
    its classifiers may be called in tables; none where they are called after its file.
    """

    shared_embedding = True
    episodic = True
    memory_format = torch.channels_last
    uncalibrated: frozenset[str] = frozenset()
    head_name = ""
    readouts: tuple[str, ...] = ()

    def embed(self, images: Tensor) -> Tensor:
        """Normalised images [B, 3, H, W] -> features [B, ...], given to `adapt` and to its classifiers."""
        raise NotImplementedError

    def adapt(self, support: Tensor, labels: Tensor, classes: Sequence[str]) -> dict[str, Classifier]:
        """Features [way * shots, ...] and labels 0 .. way - 1 of a support set -> its classifiers, by the
        name they have in tables (one for most methods). `classes` names the labels. What is costly is left to
        the classifier: not all of them are always called.
        """
        raise NotImplementedError

    def answer(
        self,
        support: Tensor,
        query: Tensor,
        classes: Sequence[Sequence[str]],
        readouts: Collection[str] | None = None,
    ) -> dict[str, Tensor]:
        """Features of E episodes, support [E, way, shots, ...] and query [E, Q, ...], and the names of each
        one's classes -> logits [E, Q, way] of each classifier, or only of those in `readouts`: here one
        episode after the other by `adapt`; a method that can do many at once says how.
        """
        way, shots = support.shape[1:3]
        labels = torch.arange(way, device=support.device).repeat_interleave(shots)
        answers = [
            {
                name: classify(asked)
                for name, classify in self.adapt(shown.flatten(0, 1), labels, names).items()
                if readouts is None or name in readouts
            }
            for shown, asked, names in zip(support, query, classes)
        ]
        return {name: torch.stack([one[name] for one in answers]) for name in answers[0]}

    def own_head(self, classes: Sequence[str]) -> Classifier | None:
        """A classifier of `classes` that needs no support, if training made one and knows them all."""
        return None

    def probabilities(self, classifier: str, logits: Tensor) -> Tensor:
        """Logits [..., way] of one of its classifiers -> float32 shares that sum to 1, by softmax unless a
        method knows better.
        """
        return logits.float().softmax(-1)

    def loss(self, batch) -> tuple[Tensor, Tensor]:
        """The training loss and the training accuracy (both scalars) of one step's batch."""
        raise NotImplementedError


def class_means(features: Tensor, labels: Tensor, way: int) -> Tensor:
    """The mean feature of each class: [N, ...], [N] -> [way, ...]."""
    sums = features.new_zeros(way, *features.shape[1:]).index_add(0, labels, features)
    counts = torch.bincount(labels, minlength=way).clamp(min=1)
    return sums / counts.view(-1, *(1,) * (features.dim() - 1)).to(features.dtype)


def embed_episode(method: FewShotMethod, episode: Episode) -> tuple[Tensor, Tensor]:
    """Support and query features from one pass, so that BatchNorm in training sees the whole task."""
    features = method.embed(torch.cat([episode.support, episode.query]))
    return features.split([len(episode.support), len(episode.query)])


def at_least_float32(x: Tensor) -> Tensor:
    """`x` in float32 where it is of half precision (autocast), else as it is: losses are added up
    in no less.
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """The share of rows whose largest logit is the label's (a scalar)."""
    return (logits.argmax(1) == labels).float().mean()
