"""Prototypical networks (Snell, Swersky and Zemel, NeurIPS 2017)."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from fer_meta.methods.base import (
    Episode,
    FewShotMethod,
    NetworkConfig,
    TrainingConfig,
    accuracy,
    at_least_float32,
    embed_episode,
)
from fer_meta.methods.distances import similarities
from fer_meta.methods.readouts import nearest_mean


class Method(FewShotMethod):
    """A class is the mean of its support embeddings; a query belongs to the nearest by squared Euclidean
    distance (equations 1 and 2).
    """

    name = "protonet"
    own = {"protonet": "ProtoNet"}
    colours = {"protonet": "#0072B2"}
    order = 100
    readouts = ()

    class Config(NetworkConfig, TrainingConfig):
        weights: str = "none"  # as in NetworkConfig, but older

    def __init__(self, config: Config, protocol, classes, image_size):
        super().__init__()
        self.backbone = config.vectors(image_size)
        self.normalisation = self.backbone.normalisation

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)

    def own_classifiers(self, support, labels, classes):
        return {"protonet": nearest_mean(support, labels, len(classes))}

    def answer(self, support, query, classes, answers=None):
        return {"protonet": similarities(query, support.mean(2))}

    def loss(self, batch: Episode) -> tuple[Tensor, Tensor]:
        support, query = map(at_least_float32, embed_episode(self, batch))
        logits = nearest_mean(support, batch.support_labels, len(batch.classes))(query)
        return cross_entropy(logits, batch.query_labels), accuracy(logits, batch.query_labels)
