"""Relation networks (Sung, Yang, Zhang, Xiang, Torr and Hospedales, CVPR 2018)."""

import math

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import conv2d, mse_loss, one_hot

from fer_meta.methods.base import (
    Episode,
    FewShotMethod,
    NetworkConfig,
    TrainingConfig,
    accuracy,
    at_least_float32,
    embed_episode,
)
from fer_meta.methods.readouts import Classifier, class_means
from fer_meta.networks import backbones


class Method(FewShotMethod):
    """A learned comparison: the feature maps of a class, summed over its shots, are concatenated with a
    query's; two convolution blocks and two linear layers give a relation score in (0, 1), trained by squared
    error to 1 for the right class and 0 for the others (equations 1 and 2). The logits are those scores,
    which are no probabilities of classes: they need not sum to 1.

    `summed`: whether a class's maps are added up, and so grow with its shots.
    """

    name = "relationnet"
    own = {"relationnet": "Relation Net"}
    uncalibrated = frozenset(own)
    colours = {"relationnet": "#E69F00"}
    order = 200
    readouts = ()
    vectors = False
    summed = True

    class Config(NetworkConfig, TrainingConfig):
        warmup: int = Field(
            100, ge=0, le=10**8, description="as for every method; the paper has none (see `start`)"
        )

    def __init__(self, config: Config, protocol, classes, image_size):
        super().__init__()
        self.backbone = config.feature_maps(image_size)
        self.normalisation = self.backbone.normalisation
        self.relation = Relation(*backbones.map_shape(self.backbone, image_size))
        start(self.relation, protocol.train.shots if self.summed else 1, protocol.train.way)

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone.maps(images)

    def own_classifiers(self, support, labels, classes):
        return dict.fromkeys(self.own, self.scores(support, labels, len(classes)))

    def scores(self, support: Tensor, labels: Tensor, way: int) -> Classifier:
        """Maps [way * shots, C, h, w] and labels of a support set -> the scores of queries."""
        maps = self.class_maps(support, labels, way)
        return lambda query: self.relation(maps, query)

    def class_maps(self, support: Tensor, labels: Tensor, way: int) -> Tensor:
        """The maps of each class's shots, summed: [way * shots, C, h, w] -> [way, C, h, w]."""
        return class_means(support, labels, way) * torch.bincount(labels, minlength=way).view(-1, 1, 1, 1)

    def probabilities(self, answer, logits):
        """Each query's scores as shares of their sum, for clips that are decided by the mean over their
        frames.
        """
        scores = logits.float()
        return scores / scores.sum(-1, keepdim=True).clamp(min=torch.finfo(scores.dtype).tiny)

    def loss(self, batch: Episode) -> tuple[Tensor, Tensor]:
        support, query = embed_episode(self, batch)
        scores = at_least_float32(self.scores(support, batch.support_labels, len(batch.classes))(query))
        right = one_hot(batch.query_labels, scores.shape[1]).to(scores)
        return mse_loss(scores, right), accuracy(scores, batch.query_labels)


def start(relation: "Relation", summed: int, way: int) -> None:
    """The weights that training starts from, in place: torch's, with changes that keep it from staying at
    chance.

    All scores at 1 / way is a plateau of the squared error. From torch's weights the first steps push all
    scores there at full speed, for Adam moves each of the hidden layer's hundreds of weights alike: hidden
    units die, maps turn flat, and many a seed does not leave the plateau within hundreds of steps. Therefore

    - as in the paper's code (LearningToCompare_FSL): the biases of the hidden layer are 1, so that its units
      begin alive, and the weights of the last layer are from N(0, 0.01^2);
    - ours: the bias of the last layer is that of the score 1 / way (`way`: of the training episodes; the
      paper's is 1), so that nothing is pushed;
    - ours: the weights on class maps are divided by `summed`, the shots that a class's map is the sum of (1
      for a mean). Class and query then weigh alike, as with one shot; five summed shots would hide the query;
    - ours: the learning rate rises over the first steps (`warmup`), until Adam has seen enough to tell a
      slope from noise.

    Only where and how training starts is changed, not the equations. The rest of the paper's start is left
    out: with its convolutions of larger weights (He's) Adam's steps do less, and training takes longer to
    leave the plateau; its clipping of gradients changes little under Adam.
    """
    _, hidden, _, last, _ = relation.score
    assert isinstance(hidden, nn.Linear) and isinstance(last, nn.Linear)
    nn.init.ones_(hidden.bias)
    nn.init.normal_(last.weight, std=0.01)
    nn.init.constant_(last.bias, -math.log(way - 1))
    with torch.no_grad():
        own, _ = relation.first.weight.chunk(2, dim=1)
        own /= summed


class Relation(nn.Module):
    """The relation module: class maps [way, C, h, w] and query maps [Q, C, h, w] -> scores [Q, way] in (0,
    1).
    """

    def __init__(self, channels: int, height: int, width: int, hidden: int = 8):
        super().__init__()
        self.first = nn.Conv2d(2 * channels, channels, 3, padding=1)
        pool = nn.MaxPool2d(2, ceil_mode=True)  # ceil: maps of one pixel stay one pixel
        # ReLU after pooling: the same numbers, a quarter of the work.
        self.after_first = nn.Sequential(nn.BatchNorm2d(channels), pool, nn.ReLU())
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), pool, nn.ReLU()
        )
        quarter = -(-height // 4) * -(-width // 4)
        self.score = nn.Sequential(
            nn.Flatten(), nn.Linear(channels * quarter, hidden), nn.ReLU(), nn.Linear(hidden, 1), nn.Sigmoid()
        )

    def forward(self, classes: Tensor, query: Tensor) -> Tensor:
        # A convolution of concatenated maps is the sum of a convolution of each, so the Q * way pairs need
        # not be convolved: Q + way maps are, and the pairs are sums. The same numbers up to rounding,
        # several times cheaper.
        own, other = self.first.weight.split(classes.shape[1], dim=1)
        pairs = (
            conv2d(query, other, padding=1).unsqueeze(1)
            + conv2d(classes, own, self.first.bias, padding=1).unsqueeze(0)
        ).flatten(0, 1)
        return self.score(self.second(self.after_first(pairs))).view(len(query), len(classes))
