"""Matching networks (Vinyals, Blundell, Lillicrap, Kavukcuoglu and Wierstra, NeurIPS 2016)."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from fer_meta.methods.base import (
    Episode,
    FewShotMethod,
    NetworkConfig,
    TrainingConfig,
    accuracy,
    at_least_float32,
    embed_episode,
)
from fer_meta.methods.distances import cosines
from fer_meta.networks import backbones
from fer_meta.networks.heads import FIRST_SCALE


class Method(FewShotMethod):
    """A query attends to each support image, by the softmax of the cosines to all of them; a class's
    probability is the sum of the attention on its images (equation 1). The logits are the logs of these
    probabilities.

    `context: full` first changes each feature by the whole support (see `FullContext`). The network's own
    features do not depend on the episode all the same.

    The paper's cosines have no temperature. They differ by 2 at most, so that no class of five gets more than
    65 % of a query. With `temperature: learned` they are divided by a number that starts at 1/10, as those of
    other cosine methods. It is the default because a re-run without one falls short: oscarknagg's has 92.0 %
    on Omniglot (5-way 1-shot; the paper 98.1), and Chen et al. (ICLR 2019) multiply by 100.

    With one shot a temperature changes no answer of given features. With more it does: a high one averages
    over a class's images, a low one takes the nearest.
    """

    name = "matchingnet"
    label = "MatchingNet"
    own = {"matchingnet": "MatchingNet"}
    colours = {"matchingnet": "#882255"}
    order = 150
    readouts = ()

    class Config(NetworkConfig, TrainingConfig):
        context: Literal["none", "full"] = Field(
            "none", description="full: features in the context of the support (the paper's appendix A)"
        )
        reads: int = Field(
            5,
            ge=1,
            le=1000,
            description="with `context: full`: how often a query reads the support (the paper's K)",
        )
        temperature: Literal["none", "learned"] = Field(
            "learned", description="what cosines are divided by; none, as in the paper, is 1"
        )

    def __init__(self, config: Config, protocol, classes, image_size):
        super().__init__()
        self.backbone = config.vectors(image_size)
        self.normalisation = self.backbone.normalisation
        scale = torch.tensor(FIRST_SCALE if config.temperature == "learned" else 1.0)
        self.scale = nn.Parameter(scale) if config.temperature == "learned" else scale
        size = backbones.feature_size(self.backbone, image_size)
        self.context = FullContext(size, config.reads) if config.context == "full" else None

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)

    def own_classifiers(self, support, labels, classes):
        targets = one_hot(labels, len(classes)).bool()
        return {"matchingnet": lambda query: self.logits(support[None], targets, query[None])[0]}

    def own_answers(self, support, query, classes, answers=None):
        if answers is not None and "matchingnet" not in answers:
            return {}
        way, shots = support.shape[1:3]
        targets = torch.eye(way, dtype=torch.bool, device=support.device).repeat_interleave(shots, 0)
        return {"matchingnet": self.logits(support.flatten(1, 2), targets, query)}

    def logits(self, support: Tensor, targets: Tensor, query: Tensor) -> Tensor:
        """Features [E, N, D] and [E, Q, D] of E episodes, and which class each support image is of, [N, way]
        (bool) -> the logs of the classes' probabilities [E, Q, way].
        """
        if self.context is not None:
            support, query = self.context(support, query)
        attention = (self.scale * cosines(query, support)).log_softmax(2)
        others = torch.zeros_like(targets, dtype=attention.dtype).masked_fill(~targets, -torch.inf)
        return (attention.unsqueeze(3) + others).logsumexp(2)

    def loss(self, batch: Episode) -> tuple[Tensor, Tensor]:
        support, query = map(at_least_float32, embed_episode(self, batch))
        logits = self.own_classifiers(support, batch.support_labels, batch.classes)["matchingnet"](query)
        return cross_entropy(logits, batch.query_labels), accuracy(logits, batch.query_labels)


class FullContext(nn.Module):
    """Full context embeddings (the paper's appendix A): a bidirectional LSTM over the support, and an LSTM
    that reads from the result, `reads` times for each query.

    The paper's answers depend on the order in which the LSTM meets the support, which it leaves open; a
    support is a set. Here the images come in the order of their features' projections on one direction, which
    is random and fixed before training. So the order is a function of the set: however the images and the
    classes are numbered, the answers are the same. The price: where two projections are nearly equal, a small
    change of an image can swap them.

    The LSTMs have 28 D^2 weights: 72 million for the 1,600 features of Conv4 at 84 px, whose own are 0.1
    million.
    """

    direction: Tensor

    def __init__(self, size: int, reads: int):
        super().__init__()
        self.reads = reads
        self.support = nn.LSTM(size, size, batch_first=True, bidirectional=True)
        self.query = nn.LSTMCell(2 * size, size)
        self.register_buffer("direction", torch.randn(size))

    def forward(self, support: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        """Features [E, N, D] and [E, Q, D] of E episodes -> the same in context, in the same order."""
        # In full precision: a processor without units for bfloat16 may have no LSTM in it.
        with torch.autocast(query.device.type, enabled=False):
            support, query = at_least_float32(support), at_least_float32(query)
            support = self.of_support(support)
            return support, self.of_query(query, support)

    def of_support(self, support: Tensor) -> Tensor:
        """Each feature plus the LSTM's two states at its place, forwards and backwards (A.2)."""
        order = (support * self.direction).sum(2).argsort(1)
        states, _ = self.support(_in_order(support, order))
        return support + _in_order(states.unflatten(2, (2, -1)).sum(2), order.argsort(1))

    def of_query(self, query: Tensor, support: Tensor) -> Tensor:
        """Equations 3 to 6. The LSTM's state before the first read is 0, so that h is the feature itself."""
        h, cell = query, torch.zeros_like(query).flatten(0, 1)
        for _ in range(self.reads):
            read = (h @ support.transpose(1, 2)).softmax(2) @ support
            state, cell = self.query(torch.cat([query, read], 2).flatten(0, 1), (h.flatten(0, 1), cell))
            h = state.view_as(query) + query
        return h


def _in_order(features: Tensor, order: Tensor) -> Tensor:
    """[E, N, D], places [E, N] -> the features in the order of these places."""
    return features.gather(1, order.unsqueeze(2).expand_as(features))
