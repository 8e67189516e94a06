"""Model-agnostic meta-learning (Finn, Abbeel and Levine, ICML 2017), through learn2learn's MAML."""

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fer_meta import backbones, l2l
from fer_meta.algorithms.base import Episode, FewShotMethod, TrainingConfig, accuracy
from fer_meta.errors import ProtocolError


class Config(TrainingConfig):
    backbone: backbones.Name = "conv4"
    batch: int = Field(4, ge=1, description="tasks a step")
    inner_steps: int = Field(5, ge=1, description="gradient steps on a support set, in training and in test")
    inner_lr: float = Field(0.01, gt=0)
    first_order: bool = Field(False, description="drop the second derivatives (FOMAML)")


class Method(FewShotMethod):
    """A network and a linear head whose initial weights are meta-learned; a task is learned by `inner_steps` steps of gradient
    descent on its support set.

    BatchNorm keeps no running statistics. Queries are normalised by the statistics of their support set (`eval`, inductive:
    "MetaBN" in Bronskill et al., TaskNorm, ICML 2020) or by their own (`batch`, transductive, as Finn et al. did).
    """

    shared_embedding = False

    def __init__(self, config: Config, protocol, classes, image_size):
        super().__init__()
        self.way = protocol.train.way
        self.transductive = protocol.batchnorm == "batch"
        self.steps = config.inner_steps
        self.name = "fomaml" if config.first_order else "maml"
        if not config.first_order:
            self.memory_format = torch.contiguous_format  # the double backward pass is many times slower in channels_last
        backbone = backbones.vectors(config.backbone)
        head = nn.Linear(backbones.feature_size(backbone, image_size), self.way)
        # Labels are dealt anew in each task, so a random head is only noise that the first inner steps must undo (Kao et al.,
        # MAML is a noisy contrastive learner, ICLR 2022).
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        network = nn.Sequential(support_batchnorm(backbone), head)
        self.maml = l2l.MAML(network, lr=config.inner_lr, first_order=config.first_order)

    def embed(self, images: Tensor) -> Tensor:
        return images

    def adapt(self, support, labels, classes):
        if len(classes) != self.way:
            raise ProtocolError(f"MAML's head was trained {self.way}-way and cannot serve {len(classes)}-way episodes")
        learner = self.learn(support, labels, first_order=True)
        return {self.name: lambda query: _no_grad(learner, query)}

    @torch.enable_grad()
    def learn(self, support: Tensor, labels: Tensor, first_order: bool) -> nn.Module:
        """A clone of the meta-model after gradient descent on the support set, ready for queries."""
        learner = self.maml.clone(first_order=first_order)
        learner.train()
        for _ in range(self.steps):
            learner.adapt(cross_entropy(learner(support), labels))
        if not self.transductive:
            learner(support)  # the adapted network's statistics of the support, kept for the queries
            learner.eval()
        return learner

    def loss(self, batch: list[Episode]):
        losses, accuracies = [], []
        for episode in batch:
            support, query = (x.contiguous(memory_format=self.memory_format) for x in (episode.support, episode.query))
            learner = self.learn(support, episode.support_labels, self.maml.first_order)
            logits = learner(query)
            losses.append(cross_entropy(logits, episode.query_labels))
            accuracies.append(accuracy(logits, episode.query_labels))
        return torch.stack(losses).mean(), torch.stack(accuracies).mean().detach()


class SupportBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm whose statistics are those of the support set, and part of the graph.

    In training mode it normalises a batch by its own statistics and remembers the batch; in evaluation mode it normalises by the
    statistics of the batch last remembered. There are no running averages, so nothing leaks from a clone to the meta-model or
    from one task to the next.
    """

    def __init__(self, features: int):
        super().__init__(features, track_running_stats=False)
        self.support = None

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.support = x
            return super().forward(x)
        var, mean = torch.var_mean(self.support, (0, 2, 3), correction=0)
        scale = self.weight * torch.rsqrt(var + self.eps)
        return x * scale.view(1, -1, 1, 1) + (self.bias - mean * scale).view(1, -1, 1, 1)


def support_batchnorm(network: nn.Module) -> nn.Module:
    """Replace each BatchNorm2d of `network` (in place) by a SupportBatchNorm2d."""
    for name, child in network.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(network, name, SupportBatchNorm2d(child.num_features))
        else:
            support_batchnorm(child)
    return network


@torch.no_grad()
def _no_grad(learner: nn.Module, query: Tensor) -> Tensor:
    return learner(query)
