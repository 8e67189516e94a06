"""Model-agnostic meta-learning (Finn, Abbeel and Levine, ICML 2017), through learn2learn's MAML."""

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from fer_meta import l2l
from fer_meta.methods.base import Episode, accuracy
from fer_meta.methods.inner_loop import FirstOrder, InnerCheckpoint, InnerLoopConfig, WholeNetwork, ZeroHead


class Method(WholeNetwork):
    """A network and a linear head whose initial weights are meta-learned; a task is learned by `inner_steps`
    steps of gradient descent on its support set.

    BatchNorm is `WholeNetwork`'s: by the support (`eval`), or transductive (`batch`). The head has the ways
    of training, and refuses others.
    """

    name = "maml"
    own = {"maml": "MAML", "fomaml": "FOMAML"}
    colours = {"maml": "#009E73", "fomaml": "#56B4E9"}
    order = 400

    class Config(InnerLoopConfig):
        first_order: FirstOrder = False
        zero_head: ZeroHead = False
        inner_checkpoint: InnerCheckpoint = False

    @classmethod
    def answers(cls, config):
        second, first = cls.own
        return (first if config.first_order else second,)

    def __init__(self, config: Config, protocol, classes, image_size):
        super().__init__(config, protocol, classes, image_size)
        self.checkpoint = config.inner_checkpoint
        if not config.first_order:
            # the double backward pass is many times slower in channels_last
            self.memory_format = torch.contiguous_format
        network = self.new_network(config, image_size)
        self.maml = l2l.MAML(network, lr=config.inner_lr, first_order=config.first_order)

    def train(self, mode: bool = True):
        """In test weights are differentiated once only, which is fastest in channels_last."""
        super().train(mode)
        return self.to(memory_format=self.memory_format if mode else torch.channels_last)

    def learn_task(self, support, labels):
        return self.learn(support, labels, first_order=True)

    @torch.enable_grad()
    def learn(self, support: Tensor, labels: Tensor, first_order: bool) -> l2l.MAML:
        """A clone of the meta-model after gradient descent on the support set."""
        learner = self.new_learner(support, labels)
        learner.first_order = first_order
        for _ in range(self.steps):
            if self.checkpoint and not first_order:
                gradients = checkpoint(
                    self._gradients,
                    support,
                    labels,
                    dict(learner.module.named_parameters()),
                    use_reentrant=False,
                    preserve_rng_state=False,
                )
                self.update(learner, gradients)
            else:
                learner.adapt(cross_entropy(learner(support), labels))
        return learner

    def new_learner(self, support: Tensor, labels: Tensor) -> l2l.MAML:
        """What learns a task, before its first step: a clone of the meta-model."""
        return self.maml.clone()

    @staticmethod
    def update(learner: l2l.MAML, gradients: tuple[Tensor, ...]) -> None:
        """The inner step of `learner.adapt`, by gradients that are known."""
        l2l.maml_update(learner.module, learner.lr, gradients)

    def loss(self, batch: Episode) -> tuple[Tensor, Tensor]:
        support = batch.support.contiguous(memory_format=self.memory_format)
        learner = self.learn(support, batch.support_labels, self.maml.first_order)
        logits = self.logits(learner, batch.support, batch.query)
        return cross_entropy(logits, batch.query_labels), accuracy(logits, batch.query_labels)

    def _gradients(self, support: Tensor, labels: Tensor, weights: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """The support loss's gradients at `weights`, as a graph."""
        loss = cross_entropy(functional_call(self.maml.module, weights, support), labels)
        return torch.autograd.grad(loss, list(weights.values()), create_graph=True)
