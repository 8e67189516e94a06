"""Model-agnostic meta-learning (Finn, Abbeel and Levine, ICML 2017), through learn2learn's MAML."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from fer_meta import l2l
from fer_meta.errors import ProtocolError
from fer_meta.methods.base import Episode, FewShotMethod, NetworkConfig, TrainingConfig, accuracy
from fer_meta.methods.distributions import Choice, LogUniform
from fer_meta.networks import backbones
from fer_meta.networks.batchnorm import normalise_by_first, support_batchnorm


class Method(FewShotMethod):
    """A network and a linear head whose initial weights are meta-learned; a task is learned by `inner_steps`
    steps of gradient descent on its support set.

    BatchNorm keeps no running statistics. Queries are normalised by the statistics of their support set
    (`eval`, inductive: "MetaBN" in Bronskill et al., TaskNorm, ICML 2020) or by their own (`batch`,
    transductive, as Finn et al. did).
    """

    name = "maml"
    kind = "inner-loop"
    own = {"maml": "MAML", "fomaml": "FOMAML"}
    colours = {"maml": "#009E73", "fomaml": "#56B4E9"}
    order = 400
    readouts = ()
    vectors = False
    shared_embedding = False

    class Config(NetworkConfig, TrainingConfig):
        batch: int = Field(4, ge=1, le=10_000, description="tasks per step")
        inner_steps: Annotated[int, Choice((1, 3, 5))] = Field(
            5, ge=1, le=1000, description="gradient steps on a support set, in training and in test"
        )
        inner_lr: Annotated[float, LogUniform(1e-3, 0.3)] = Field(0.01, gt=0)
        first_order: bool = Field(False, description="drop the second derivatives (FOMAML)")
        # Part of a run's identity if it is on: the field is younger than the first results.
        zero_head: bool = Field(
            False,
            exclude_if=lambda on: not on,
            description="start every task from a head of zeros, which is not meta-learned",
        )
        # No part of a run's identity: the gradients are the same.
        inner_checkpoint: bool = Field(
            False,
            exclude=True,
            description=(
                "second order: make each inner step anew in the backward pass; the memory of one, whatever"
                " `inner_steps`"
            ),
        )

    @classmethod
    def answers(cls, config):
        return ("fomaml" if config.first_order else "maml",)

    def __init__(self, config: Config, protocol, classes, image_size):
        super().__init__()
        self.way = protocol.train.way
        self.transductive = protocol.batchnorm == "batch"
        self.steps = config.inner_steps
        self.checkpoint = config.inner_checkpoint
        [self.answer_name] = self.answers(config)
        if not config.first_order:
            # the double backward pass is many times slower in channels_last
            self.memory_format = torch.contiguous_format
        backbone = config.vectors(image_size)
        self.normalisation = backbone.normalisation
        head = nn.Linear(backbones.feature_size(backbone, image_size), self.way)
        # Labels are assigned anew in each task, so a random head is only noise that the first inner steps
        # must undo (Kao et al., MAML is a noisy contrastive learner, ICLR 2022).
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        if config.zero_head:
            # Their zeroing trick. First order needs it where ways are many: what the outer gradients say of
            # the head is noise, which Adam turns into steps as large as any.
            for weight in head.parameters():
                weight.register_hook(torch.zeros_like)
        network = nn.Sequential(support_batchnorm(backbone), head)
        self.maml = l2l.MAML(network, lr=config.inner_lr, first_order=config.first_order)

    def embed(self, images: Tensor) -> Tensor:
        return images

    def own_classifiers(self, support, labels, classes):
        if len(classes) != self.way:
            raise ProtocolError(
                f"MAML's head was trained {self.way}-way and cannot serve {len(classes)}-way episodes; test"
                f" with `way: {self.way}`"
            )
        learner = self.learn(support, labels, first_order=True)
        return {self.answer_name: torch.no_grad()(lambda query: self.logits(learner, support, query))}

    @torch.enable_grad()
    def learn(self, support: Tensor, labels: Tensor, first_order: bool) -> l2l.MAML:
        """A clone of the meta-model after gradient descent on the support set."""
        learner = self.maml.clone(first_order=first_order)
        for _ in range(self.steps):
            if self.checkpoint and not first_order:
                gradients = checkpoint(
                    self._gradients,
                    support,
                    labels,
                    *learner.parameters(),
                    use_reentrant=False,
                    preserve_rng_state=False,
                )
                l2l.maml_update(learner.module, learner.lr, gradients)
            else:
                learner.adapt(cross_entropy(learner(support), labels))
        return learner

    def logits(self, learner: l2l.MAML, support: Tensor, query: Tensor) -> Tensor:
        """What `learner`, adapted to `support`, answers to queries: [Q, 3, H, W] -> [Q, way]."""
        # Whatever is differentiated once only is fastest so.
        query = query.contiguous(memory_format=torch.channels_last)
        if self.transductive:
            return learner(query)
        normalise_by_first(learner, len(support))
        return learner(torch.cat([support, query]))[len(support) :]

    def loss(self, batch: Episode) -> tuple[Tensor, Tensor]:
        support = batch.support.contiguous(memory_format=self.memory_format)
        learner = self.learn(support, batch.support_labels, self.maml.first_order)
        logits = self.logits(learner, batch.support, batch.query)
        return cross_entropy(logits, batch.query_labels), accuracy(logits, batch.query_labels)

    def _gradients(self, support: Tensor, labels: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        """The support loss's gradients at `weights`, as a graph."""
        network = self.maml.module
        names = (name for name, _ in network.named_parameters())
        loss = cross_entropy(functional_call(network, dict(zip(names, weights)), support), labels)
        return torch.autograd.grad(loss, weights, create_graph=True)
