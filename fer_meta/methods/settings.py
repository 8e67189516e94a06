"""How methods are trained: the settings that all share, that networks have, and that each kind adds."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from fer_meta.config import Strict
from fer_meta.errors import FerMetaError
from fer_meta.methods.distributions import LogUniform
from fer_meta.networks import backbones
from fer_meta.networks.base import Backbone

Decay = Annotated[float, LogUniform(1e-6, 1e-1)]
MOST_STEPS = 10**8


class TrainingConfig(Strict):
    """How a method is trained; each method's Config adds its own hyper-parameters.

    A setting whose annotation names a distribution (`methods/distributions.py`) is one that a search draws.
    What decides how many images are seen has none: settings are compared at one budget.
    """

    method: str = Field(
        "",
        pattern=r"^[a-z][a-z0-9_]{0,39}$|^$",
        json_schema_extra={"since": "0.2"},
        description="the method, where the suite calls its settings by another name",
    )
    label: str = Field(
        "",
        max_length=60,
        json_schema_extra={"since": "0.2"},
        description="its name in tables, where the suite calls its settings by another name",
    )
    steps: int = Field(ge=1, le=MOST_STEPS, description="optimiser steps")
    optimiser: Literal["adamw", "adam", "sgd"] = Field(
        "adamw",
        description=(
            "adamw: decoupled decay (Loshchilov and Hutter, ICLR 2019); adam: decay as an L2 penalty, as in"
            " older papers; sgd: Nesterov's momentum of 0.9, L2 penalty"
        ),
    )
    lr: Annotated[float, LogUniform(1e-4, 1e-2)] = Field(1e-3, gt=0)
    weight_decay: Decay = Field(
        0.0,
        ge=0,
        description="of the weights of convolutions and linear layers; biases and BatchNorm never decay",
    )
    schedule: Literal["cosine", "halving", "constant"] = "cosine"
    halve_every: int = Field(
        4000, ge=1, le=10**8, description="steps between halvings, for `schedule: halving`"
    )
    warmup: int = Field(
        0,
        ge=0,
        le=10**8,
        description="steps in which the learning rate rises in equal parts to what the schedule says",
    )
    batch: int = Field(1, ge=1, le=10_000, description="tasks in a step; for supervised training images")
    augment: bool = True
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto",
        description=(
            "in training and embedding; auto: bf16 (autocast) where the machine has units for it. No part of"
            " a run's identity"
        ),
    )
    validations: int = Field(
        10, ge=1, le=1000, description="how often the validation episodes are scored and a checkpoint kept"
    )


class NetworkConfig(Strict):
    """Which network is trained, and from which weights: the same fields for every method."""

    backbone: str = Field(
        "conv4",
        description=(
            "conv4, resnet12, efficientnet_lite0, a classification network of torchvision by its name there,"
            " timm/NAME"
        ),
    )
    weights: str = Field(
        "none",
        json_schema_extra={"since": "0.2"},
        description=(
            "none, imagenet (downloaded once), bundled (efficientnet_lite0), or the path of a state dict"
        ),
    )
    stem: backbones.Stem = Field(
        "auto",
        json_schema_extra={"since": "0.2"},
        description=(
            "of a ResNet and efficientnet_lite0: large as published, small without its first stride and"
            " max-pooling; auto: small where the large one would leave maps of 2x2 or less"
        ),
    )

    @field_validator("backbone")
    @classmethod
    def _backbone_known(cls, name):
        try:
            backbones.check_name(name)
        except FerMetaError as error:
            raise ValueError(str(error)) from None
        return name

    def vectors(self, image_size: int) -> Backbone:
        """The backbone for methods that compare vectors. Raises FerMetaError for weights that cannot be had,
        or if images of this size are too small.
        """
        backbone = backbones.vectors(self.backbone, self.weights, self.stem, image_size)
        backbones.feature_size(backbone, image_size)
        return backbone

    def feature_maps(self, image_size: int) -> Backbone:
        """The backbone for methods that compare maps; else as `vectors`."""
        return backbones.feature_maps(self.backbone, self.weights, self.stem, image_size)


class SupervisedConfig(TrainingConfig):
    """How a method without episodes is trained."""

    batch: int = Field(64, ge=1, le=10_000, description="images per step")
    max_epochs: int | None = Field(
        None,
        ge=1,
        le=10**6,
        description=(
            "a small source stops after this many passes, even before `steps`; a pass is as many images as"
            " the source has; null: it does not, and sees as many images as a large one"
        ),
    )
    class_balance: Literal["natural", "balanced", "logit-adjusted"] = Field(
        "balanced",
        description=(
            "natural: every image equally often; balanced: every class equally often in the batches;"
            " logit-adjusted: images as in natural, and the log of each class's share added to its logit in"
            " training (Menon et al., ICLR 2021, equation 10, tau = 1)"
        ),
    )


class TwoStageConfig(SupervisedConfig):
    """How a method is trained first on labelled images, then on episodes. `batch` is of the first stage."""

    share: float = Field(
        0.5, gt=0, lt=1, description="of the images seen that are seen in the first stage, without episodes"
    )
    tasks: int = Field(1, ge=1, le=10_000, description="tasks in a step of the second stage")
