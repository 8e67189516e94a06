"""Backbones by name: networks that turn a face into features.

Each has two outputs: `maps(x)`, feature maps [B, C, h, w], and `forward(x)`, one vector [B, D]. Input is
float32 [B, 3, H, W], normalised by the backbone's own `normalisation`.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from fer_meta import plugins
from fer_meta.errors import FerMetaError
from fer_meta.networks import conv4, dlib_face, efficientnet_lite, outside, resnet12, resnets
from fer_meta.networks.base import Backbone
from fer_meta.oneline import one_line
from fer_meta.spelling import offered

Stem = Literal["auto", "small", "large"]

FROM_SCRATCH = ("conv4", "resnet12")
"""Backbones that nobody publishes weights of."""


def vectors(name: str, weights: str = "none", stem: Stem = "large", image_size: int = 224) -> Backbone:
    """The backbone for methods that compare vectors: conv4, resnet12, efficientnet_lite0, dlib_face, a
    classification network of torchvision by its name there (resnet18, densenet121, ...), one of timm as
    timm/NAME, or FILE.py:CLASS, a network of the user's.

    `weights`: as in `weights.load`. `stem`: of ResNets and efficientnet_lite0, as in `stem_for`.

    Raises FerMetaError for an unknown name, or for weights that cannot be had.
    """
    check_name(name, own_files=True)
    small = stem_for(name, stem, image_size) == "small"
    if name == "conv4":
        return conv4.Conv4(weights)
    if name == "resnet12":
        return resnet12.ResNet12(weights)
    if name == "efficientnet_lite0":
        return efficientnet_lite.EfficientNetLite0(weights, small)
    if name == "dlib_face":
        return dlib_face.DlibFace(weights)
    if resnets.is_one(name):
        return resnets.TorchvisionResNet(name, weights, small)
    if plugins.is_file(name):
        return outside.OwnNetwork(name, weights)
    if name.startswith("timm/"):
        return outside.TimmNetwork(name, weights)
    return outside.TorchvisionNetwork(name, weights)


def check_name(name: str, own_files: bool = False) -> None:
    """Raises FerMetaError for a name that no backbone has; FILE.py:CLASS is one only with `own_files`."""
    if plugins.is_file(name) and not own_files:
        raise FerMetaError("a suite file names no Python file; give --backbone FILE.py:CLASS")
    own = (*FROM_SCRATCH, "efficientnet_lite0", "dlib_face")
    if not (
        name in own
        or name in outside.torchvision_names()
        or name.startswith("timm/")
        or plugins.is_file(name)
    ):
        raise FerMetaError(
            f"no backbone is called {one_line(name, 60)!r}"
            + offered(
                name,
                [*own, *sorted(outside.torchvision_names())],
                f"there are {', '.join(own)}, those of torchvision (resnet18, resnet50, densenet121, ...),"
                " timm/NAME, and FILE.py:CLASS by --backbone",
            )
        )


def feature_maps(name: str, weights: str = "none", stem: Stem = "large", image_size: int = 224) -> Backbone:
    """The backbone for methods that compare maps: as `vectors`, but Conv4 lacks its last two poolings."""
    return conv4.Conv4(weights, pooled=2) if name == "conv4" else vectors(name, weights, stem, image_size)


def stem_for(name: str, stem: Stem, image_size: int) -> Literal["small", "large"]:
    """How a network begins. "large": as published, for images of 224 px; a ResNet's first layers divide the
    side by 4. "small": without that stride and max-pooling, as for CIFAR (He et al., CVPR 2016, section 4.2).
    "auto": small where the last maps of the large one would be of 2x2 or less.
    """
    if not (resnets.is_one(name) or name == "efficientnet_lite0"):
        return "large"
    return stem if stem != "auto" else "small" if image_size <= 2 * resnets.STRIDE else "large"


def feature_size(backbone: Backbone, image_size: int) -> int:
    """The length D of the vector that a new `backbone` makes of a square image."""
    return _of_blank_image(backbone, backbone.forward, image_size).numel()


def map_shape(backbone: Backbone, image_size: int) -> torch.Size:
    """The shape [C, h, w] of the maps that a new `backbone` makes of a square image."""
    return _of_blank_image(backbone, backbone.maps, image_size).shape


@torch.no_grad()
def _of_blank_image(backbone: nn.Module, output, image_size: int) -> Tensor:
    backbone.eval()
    try:
        return output(torch.zeros(1, 3, image_size, image_size))[0]
    except (RuntimeError, AssertionError, ValueError) as error:  # a ViT takes images of one size only
        raise FerMetaError(
            f"images of {image_size} px are too small for this backbone, or it takes another size alone"
            f" ({one_line(str(error), 100)}); give a larger --image-size"
        ) from error
    finally:
        backbone.train()


def source_hash(name: str) -> str | None:
    """A hash of the user's file of a backbone FILE.py:CLASS, which is part of its models' identity; None for
    all others. Read anew each time: in a notebook the file may be edited between two benches.
    """
    return plugins.file_hash(plugins.path_of(name)) if plugins.is_file(name) else None
