"""Plain supervised training on the source's classes: the baseline that every few-shot method has to beat."""

from typing import Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fer_meta.methods.base import (
    Decay,
    FewShotMethod,
    LabelledImages,
    NetworkConfig,
    SupervisedConfig,
    accuracy,
    at_least_float32,
)
from fer_meta.networks import backbones
from fer_meta.networks.heads import CosineHead


class Method(FewShotMethod):
    """A backbone and a head, trained by cross-entropy: a linear one, or one that compares directions
    (`networks/heads.py`). In an episode it is read by `readouts` and by

    - `supervised-head`: its own head, the logits of the episode's classes only. Needs no support, and is left
      out when the source lacks one of the classes.
    """

    name = "supervised"
    label = "Supervised"
    episodic = False
    own = {"supervised-head": "Supervised (own head)"}
    head_name = "supervised-head"
    colours = {"supervised-head": "#999999", "supervised-ncm": "#D55E00", "supervised-probe": "#CC79A7"}
    order = 500

    class Config(NetworkConfig, SupervisedConfig):
        backbone: str = "resnet50"
        weights: str = "none"  # as in NetworkConfig, but older
        weight_decay: Decay = Field(5e-4, ge=0)
        head: Literal["linear", "cosine"] = Field(
            "linear",
            json_schema_extra={"since": "0.2"},
            description="cosine: logits are scaled cosines (Gidaris and Komodakis, CVPR 2018; Baseline++)",
        )

    def __init__(self, config: Config, protocol, classes, image_size):
        super().__init__()
        self.backbone = config.vectors(image_size)
        self.normalisation = self.backbone.normalisation
        kind = CosineHead if config.head == "cosine" else nn.Linear
        self.head = kind(backbones.feature_size(self.backbone, image_size), len(classes))
        self.classes = tuple(classes)

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)

    def own_head(self, classes):
        if not set(classes) <= set(self.classes):
            return None
        columns = [self.classes.index(name) for name in classes]
        return lambda features: self.head(features)[:, columns]

    def loss(self, batch: LabelledImages) -> tuple[Tensor, Tensor]:
        logits = at_least_float32(self.head(self.embed(batch.images))) + batch.added
        return cross_entropy(logits, batch.labels), accuracy(logits, batch.labels)
