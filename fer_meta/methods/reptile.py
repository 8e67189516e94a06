"""Reptile (Nichol, Achiam and Schulman, On First-Order Meta-Learning Algorithms, 2018)."""

import copy
from collections.abc import Iterable
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fer_meta.methods.base import Episode, accuracy, at_least_float32
from fer_meta.methods.distributions import LogUniform
from fer_meta.methods.inner_loop import InnerLoopConfig, WholeNetwork, ZeroHead


class Method(WholeNetwork):
    """A copy of the network takes `inner_steps` plain optimiser steps on a task; the outer gradient is how
    far it went, theta - theta' (algorithm 2: theta' is W of the paper, and a step has `batch` tasks). The
    outer optimiser may be any; plain SGD at a rate of 1 goes the whole way.

    The one training loop wants a loss to differentiate: `loss` is a number whose gradient is theta - theta'.

    In training the inner steps see all images of the task, support and queries, each step another part of
    them with every class in it. Without different images in different steps there is nothing of what makes
    Reptile generalise within a task (section 5). In test all `test_steps` steps are on the whole support:
    the paper's take parts of it, in random order.

    Adam's second moments go on from task to task, and into the tests (`running-adam`), as in the authors'
    code and in learn2learn's example. `adam` begins every task with none: its first step in a task then moves
    every weight by the whole rate, whatever the gradient.

    BatchNorm is that of `WholeNetwork`: in the inner steps by the statistics of their own images; queries by
    those of their support (`eval`), or by their own (`batch`, transductive, as the paper's better figures
    are). The head has the ways of training, and refuses others. There is no second order: memory holds one
    inner step.
    """

    name = "reptile"
    label = "Reptile"
    own = {"reptile": "Reptile"}
    colours = {"reptile": "#5F6B00"}
    order = 440

    class Config(InnerLoopConfig):
        inner_lr: Annotated[float, LogUniform(1e-4, 1e-1)] = Field(1e-3, gt=0)
        inner_optimiser: Literal["running-adam", "adam", "sgd"] = Field(
            "running-adam",
            description=(
                "running-adam: beta_1 = 0, with second moments that go on from task to task, as the authors';"
                " adam: anew in each task; sgd: plain"
            ),
        )
        test_steps: int = Field(10, ge=1, le=1000, description="gradient steps on a support set in test")
        zero_head: ZeroHead = False

    def __init__(self, config: Config, protocol, classes, image_size):
        super().__init__(config, protocol, classes, image_size)
        self.network = self.new_network(config, image_size)
        self.inner_optimiser, self.inner_lr = config.inner_optimiser, config.inner_lr
        self.test_steps = config.test_steps
        if self.inner_optimiser == "running-adam":  # what Adam remembers is stored with the weights
            self.register_buffer("adam_steps", torch.zeros(()))
            for number, weight in enumerate(self.network.parameters()):
                self.register_buffer(f"square_{number}", torch.zeros_like(weight))

    def learn_task(self, support, labels):
        return self.learn([(support, labels)] * self.test_steps)[0]

    @torch.enable_grad()
    def learn(self, parts: Iterable[tuple[Tensor, Tensor]]) -> tuple[nn.Module, Tensor, Tensor]:
        """A copy of the network after one step on each of `parts`, images [B, 3, H, W] and labels [B]; the
        loss and the accuracy of the last of them, before its step.
        """
        learner = copy.deepcopy(self.network)
        optimiser = self.new_inner_optimiser(list(learner.parameters()))
        for images, labels in parts:
            logits = at_least_float32(learner(images))
            loss = cross_entropy(logits, labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            # Else autocast goes on with the weights in half precision that it made of the old ones.
            torch.clear_autocast_cache()
        if self.training and self.inner_optimiser == "running-adam":
            self.remember(optimiser)
        return learner, loss.detach(), accuracy(logits, labels)

    def new_inner_optimiser(self, weights: list[nn.Parameter]) -> torch.optim.Optimizer:
        """What takes the inner steps, as the last task of training left it."""
        if self.inner_optimiser == "sgd":
            return torch.optim.SGD(weights, self.inner_lr)
        adam = torch.optim.Adam(weights, self.inner_lr, betas=(0.0, 0.999))
        if self.inner_optimiser == "running-adam" and self.get_buffer("adam_steps") > 0:
            for number, weight in enumerate(weights):
                adam.state[weight] = {
                    "step": self.get_buffer("adam_steps").float().cpu().clone(),
                    "exp_avg": torch.zeros_like(weight),
                    "exp_avg_sq": self.get_buffer(f"square_{number}").clone(),
                }
        return adam

    def remember(self, adam: torch.optim.Optimizer) -> None:
        """Keep the second moments and the number of steps for the next task."""
        states = [adam.state[weight] for weight in adam.param_groups[0]["params"]]
        for number, state in enumerate(states):
            self.get_buffer(f"square_{number}").copy_(state["exp_avg_sq"])
        self.get_buffer("adam_steps").fill_(states[0]["step"].item())

    def loss(self, batch: Episode) -> tuple[Tensor, Tensor]:
        """The loss and the accuracy of the last inner step's images, before that step: as MAML's, they are
        those of new images after what came before has been learned. The gradient of the loss is theta -
        theta'.
        """
        learner, value, right = self.learn(parts_of(batch, self.steps))
        moved = [(old - new).detach() for old, new in zip(self.network.parameters(), learner.parameters())]
        terms = [(old * by).sum() for old, by in zip(self.network.parameters(), moved)]
        surrogate = torch.stack(terms).sum()
        return value + (surrogate - surrogate.detach()), right


def parts_of(task: Episode, number: int) -> list[tuple[Tensor, Tensor]]:
    """All images of a task and their labels in `number` parts of one size, with each class in each of them.
    Together they are every image once, or a few twice where that does not come out even.
    """
    way = len(task.classes)
    images = torch.cat([one.unflatten(0, (way, -1)) for one in (task.support, task.query)], dim=1)
    images = images.transpose(0, 1).flatten(0, 1)  # class after class
    labels = torch.arange(way, device=images.device).repeat(len(images) // way)
    size = max(way, -(-len(images) // number))
    places = torch.arange(number * size, device=images.device) % len(images)
    return [(images[some], labels[some]) for some in places.split(size)]
