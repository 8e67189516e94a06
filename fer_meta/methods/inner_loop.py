"""What methods share that learn a task by gradient descent on its support set."""

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from fer_meta.errors import ProtocolError
from fer_meta.methods.base import FewShotMethod, NetworkConfig, TrainingConfig
from fer_meta.methods.distributions import Choice, LogUniform
from fer_meta.networks import backbones
from fer_meta.networks.batchnorm import normalise_by_first, support_batchnorm

InnerLr = Annotated[float, LogUniform(1e-3, 0.3)]
FirstOrder = Annotated[bool, Field(description="drop the second derivatives (FOMAML)")]
# Part of a run's identity if it is on: the field is younger than the first results.
ZeroHead = Annotated[
    bool,
    Field(
        exclude_if=lambda on: not on,
        description="start every task from a head of zeros, which is not meta-learned",
    ),
]
# No part of a run's identity: the gradients are the same.
InnerCheckpoint = Annotated[
    bool,
    Field(
        exclude=True,
        description=(
            "second order: make each inner step anew in the backward pass; the memory of one, whatever"
            " `inner_steps`"
        ),
    ),
]


class InnerLoopConfig(NetworkConfig, TrainingConfig):
    """How a task is learned."""

    batch: int = Field(4, ge=1, le=10_000, description="tasks per step")
    inner_steps: Annotated[int, Choice((1, 3, 5))] = Field(
        5, ge=1, le=1000, description="gradient steps on a support set, in training and in test"
    )
    inner_lr: InnerLr = Field(0.01, gt=0)


def new_head(features: int, way: int, zero: bool) -> nn.Linear:
    """A linear head that starts at zero; with `zero` no outer step ever moves it."""
    head = nn.Linear(features, way)
    # Labels are assigned anew in each task, so a random head is only noise that the first inner steps
    # must undo (Kao et al., MAML is a noisy contrastive learner, ICLR 2022).
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    if zero:
        # Their zeroing trick. First order needs it where ways are many: what the outer gradients say of
        # the head is noise, which Adam turns into steps as large as any.
        for weight in head.parameters():
            weight.register_hook(torch.zeros_like)
    return head


def check_way(name: str, way: int, classes: Sequence[str]) -> None:
    """Raises ProtocolError for an episode that a head of `way` classes cannot serve."""
    if len(classes) != way:
        raise ProtocolError(
            f"{name}'s head was trained {way}-way and cannot serve {len(classes)}-way episodes; test"
            f" with `way: {way}`"
        )


class WholeNetwork(FewShotMethod):
    """A method that learns a task with its whole network: its subclasses say how (`learn_task`).

    BatchNorm keeps no running statistics. Queries are normalised by the statistics of their support set
    (`eval`, inductive: "MetaBN" in Bronskill et al., TaskNorm, ICML 2020) or by their own (`batch`,
    transductive, as Finn et al. did).
    """

    kind = "inner-loop"
    readouts = ()
    vectors = False
    shared_embedding = False
    any_way = False

    def __init__(self, config: InnerLoopConfig, protocol, classes, image_size):
        super().__init__()
        self.way = protocol.train.way
        self.transductive = protocol.batchnorm == "batch"
        self.steps = config.inner_steps
        [self.answer_name] = self.answers(config)

    def new_network(self, config, image_size: int) -> nn.Sequential:
        """Backbone and head."""
        backbone = config.vectors(image_size)
        self.normalisation = backbone.normalisation
        head = self.new_head(config, backbones.feature_size(backbone, image_size))
        return nn.Sequential(support_batchnorm(backbone), head)

    def new_head(self, config, features: int) -> nn.Module:
        return new_head(features, self.way, config.zero_head)

    def embed(self, images: Tensor) -> Tensor:
        return images

    def learn_task(self, support: Tensor, labels: Tensor) -> nn.Module:
        """A network that has learned a support set (images and labels), to be tested."""
        raise NotImplementedError

    def own_classifiers(self, support, labels, classes):
        if not self.any_way:
            check_way(self.own[self.answer_name], self.way, classes)
        learner = self.learn_task(support, labels)
        return {self.answer_name: torch.no_grad()(lambda query: self.logits(learner, support, query))}

    def logits(self, learner: nn.Module, support: Tensor, query: Tensor) -> Tensor:
        """What `learner`, adapted to `support`, answers to queries: [Q, 3, H, W] -> [Q, way]."""
        # Whatever is differentiated once only is fastest so.
        query = query.contiguous(memory_format=torch.channels_last)
        if self.transductive:
            return learner(query)
        normalise_by_first(learner, len(support))
        return learner(torch.cat([support, query]))[len(support) :]
