"""Supervision by action units: what the muscles of a face do, and not what its expression is called."""

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from fer_meta.datasets.units import SHOWN, UNITS
from fer_meta.methods.base import (
    Decay,
    FewShotMethod,
    LabelledImages,
    NetworkConfig,
    SupervisedConfig,
    at_least_float32,
)
from fer_meta.networks import backbones


class Method(FewShotMethod):
    """A backbone and a linear head with one logit for each action unit, trained by the binary cross-entropy
    between its sigmoid and the unit's intensity y (0 to 1): -y log p - (1 - y) log(1 - p), the mean over all
    units that are known. Its least value is at p = y, so that a face at half strength counts as half, and not
    as a whole one. With `expressions`, a linear head on the classes beside it, whose cross-entropy is added.

    In an episode it is read by `readouts`. With `expressions` also by

    - `units-head`: the head on the classes, the logits of the episode's classes only. Needs no support, and
      is left out when the source lacks one of the classes.

    What to beware of:

    - Its source must know the units of its images: rendered faces do.
    - Units are rare. A head that says "not shown" of all is right in most cases; that is the chance which its
      training accuracy is compared with. A unit that the source never shows (14 without contempt) teaches
      nothing.
    - Intensities of rendered faces are exact and continuous, also where hair, a hand or darkness hides the
      unit. People code five levels of what they see.
    - Augmentation mirrors faces. So a unit has one intensity, that before the two sides differ; which side
      shows more is not learned.
    - The units of rendered faces define their classes: a network that reads all units well knows the
      expression. The targets differ from those of supervision by classes, but no class is hidden.
    """

    name = "units"
    label = "Action units"
    episodic = False
    needs_units = True
    own = {"units-head": "Action units (own head)"}
    head_name = "units-head"
    colours = {"units-head": "#6B8E23", "units-ncm": "#3F5B0B", "units-probe": "#A6BF5A"}
    order = 570

    class Config(NetworkConfig, SupervisedConfig):
        weight_decay: Decay = Field(5e-4, ge=0)
        expressions: bool = Field(False, description="a head on the classes beside that on the units")

    @classmethod
    def answers(cls, config):
        read = [answer for answer in cls.labels() if answer != cls.head_name]
        return (cls.head_name, *read) if config.expressions else tuple(read)

    def __init__(self, config: Config, protocol, classes, image_size):
        super().__init__()
        self.backbone = config.vectors(image_size)
        self.normalisation = self.backbone.normalisation
        features = backbones.feature_size(self.backbone, image_size)
        self.unit_head = nn.Linear(features, len(UNITS))
        self.head = nn.Linear(features, len(classes)) if config.expressions else None
        self.classes = tuple(classes)

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)

    def own_head(self, classes):
        head = self.head
        if head is None or not set(classes) <= set(self.classes):
            return None
        columns = [self.classes.index(name) for name in classes]
        return lambda features: head(features)[:, columns]

    def loss(self, batch: LabelledImages) -> tuple[Tensor, Tensor]:
        assert batch.units is not None  # `needs_units`
        features = self.embed(batch.images)
        loss, accuracy = unit_loss(at_least_float32(self.unit_head(features)), batch.units)
        if self.head is not None:
            logits = at_least_float32(self.head(features)) + batch.added
            loss = loss + cross_entropy(logits, batch.labels)
        return loss, accuracy


def unit_loss(logits: Tensor, units: Tensor) -> tuple[Tensor, Tensor]:
    """Logits [B, K] of units and their intensities [B, K], 0 to 1, NaN where unknown -> the mean binary
    cross-entropy over those known, and the share of these that are rightly said to be shown or not.
    """
    known = ~units.isnan()
    logits, units = logits[known], units[known].to(logits.dtype)
    right = (logits.sigmoid() >= SHOWN) == (units >= SHOWN)
    return binary_cross_entropy_with_logits(logits, units), right.to(torch.float32).mean()
