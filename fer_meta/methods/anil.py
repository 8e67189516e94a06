"""ANIL, almost no inner loop (Raghu, Raghu, Bengio and Vinyals, Rapid Learning or Feature Reuse? Towards
Understanding the Effectiveness of MAML, ICLR 2020), through learn2learn's MAML.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fer_meta import l2l
from fer_meta.methods.base import Episode, FewShotMethod, accuracy, at_least_float32, embed_episode
from fer_meta.methods.inner_loop import FirstOrder, InnerLoopConfig, ZeroHead, check_way, new_head
from fer_meta.networks import backbones


class Method(FewShotMethod):
    """MAML whose inner loop moves the head alone (section 4): a task is learned by gradient steps on features
    that stay as they are, and only the outer step trains the backbone.

    BatchNorm is that of ProtoNet, not MAML's: in training one pass over support and queries, by their
    statistics; in test by running ones (`eval`, so that an image is embedded once for all episodes), or by
    those of the episode (`batch`, transductive, as in learn2learn's example).

    The second order goes through the head's few weights alone and costs next to nothing. The head has the
    ways of training, and refuses others; the features can be read by any readout.
    """

    name = "anil"
    label = "ANIL"
    kind = "inner-loop"
    any_way = False
    own = {"anil": "ANIL", "anil-fo": "FO-ANIL"}
    colours = {"anil": "#4B5EAA", "anil-fo": "#98A4D4"}
    order = 410
    readouts = ()

    class Config(InnerLoopConfig):
        first_order: FirstOrder = False
        zero_head: ZeroHead = False

    @classmethod
    def answers(cls, config):
        second, first = cls.own
        return (first if config.first_order else second,)

    def __init__(self, config: Config, protocol, classes, image_size):
        super().__init__()
        self.way = protocol.train.way
        self.steps = config.inner_steps
        [self.answer_name] = self.answers(config)
        self.backbone = config.vectors(image_size)
        self.normalisation = self.backbone.normalisation
        head = new_head(backbones.feature_size(self.backbone, image_size), self.way, config.zero_head)
        self.maml = l2l.MAML(head, lr=config.inner_lr, first_order=config.first_order)

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)

    def own_classifiers(self, support, labels, classes):
        check_way(self.own[self.answer_name], self.way, classes)
        return {self.answer_name: torch.no_grad()(self.learn(support, labels, first_order=True))}

    @torch.enable_grad()
    def learn(self, support: Tensor, labels: Tensor, first_order: bool) -> l2l.MAML:
        """A clone of the head after gradient descent on a support set's features [N, D]."""
        learner = self.maml.clone(first_order=first_order)
        for _ in range(self.steps):
            learner.adapt(cross_entropy(at_least_float32(learner(support)), labels))
        return learner

    def loss(self, batch: Episode) -> tuple[Tensor, Tensor]:
        support, query = embed_episode(self, batch)
        learner = self.learn(support, batch.support_labels, self.maml.first_order)
        logits = at_least_float32(learner(query))
        return cross_entropy(logits, batch.query_labels), accuracy(logits, batch.query_labels)
