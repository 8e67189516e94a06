"""Proto-MAML (Triantafillou et al., Meta-Dataset: A Dataset of Datasets for Learning to Learn from Few
Examples, ICLR 2020, section 3), on learn2learn's MAML.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from fer_meta.methods import maml
from fer_meta.methods.base import at_least_float32
from fer_meta.methods.inner_loop import FirstOrder, InnerCheckpoint, InnerLoopConfig
from fer_meta.methods.readouts import class_means


class PrototypeHead(nn.Module):
    """A linear head [B, D] -> [B, way] without weights of its own: each task gives it some."""

    weight: Tensor
    bias: Tensor

    def __init__(self):
        super().__init__()
        self.register_parameter("weight", None)
        self.register_parameter("bias", None)

    def start_at(self, means: Tensor) -> None:
        """Begin at prototypes [way, D]: w_k = 2 c_k and b_k = -|c_k|^2, so that the logits are minus squared
        distances, up to one constant per query.
        """
        # As learn2learn does it: no Parameters, but tensors with a past, which gradients flow into.
        tensors: Any = {"weight": 2 * means, "bias": -means.square().sum(1)}
        self._parameters.update(tensors)

    def forward(self, features: Tensor) -> Tensor:
        # In full precision: these logits are small differences of large numbers.
        with torch.autocast(features.device.type, enabled=False):
            return linear(at_least_float32(features), self.weight, self.bias)


class Method(maml.Method):
    """MAML whose head starts each task as ProtoNet's classifier of its support (section 3, "Proto-MAML").
    Then all weights take MAML's inner steps. Outer gradients flow through the prototypes too, in first order
    as well.

    The head is no part of what is meta-learned, so that any number of classes is served, also in test. The
    prototypes are made by the initial weights, which costs one more pass over the support than MAML.
    BatchNorm and the memory of a second-order step are MAML's.
    """

    name = "proto_maml"
    label = "Proto-MAML"
    own = {"proto-maml": "Proto-MAML", "proto-maml-fo": "FO-Proto-MAML"}
    colours = {"proto-maml": "#B22222", "proto-maml-fo": "#E08080"}
    order = 430
    any_way = True

    class Config(InnerLoopConfig):
        first_order: FirstOrder = False
        inner_checkpoint: InnerCheckpoint = False

    def new_head(self, config, features):
        return PrototypeHead()

    def new_learner(self, support, labels):
        learner = super().new_learner(support, labels)
        # By the meta-model's weights, not the clone's: an inner step differentiates by head and backbone as
        # if they were independent.
        features = at_least_float32(self.maml.module[0](support))
        learner.module[1].start_at(class_means(features, labels, int(labels.max()) + 1))
        return learner
