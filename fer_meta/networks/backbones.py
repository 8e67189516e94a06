"""Networks that turn a face into features: Conv4, ResNet12, ResNet18 and ResNet50.

Each has two outputs: `maps(x)`, feature maps [B, C, h, w], and `forward(x)`, one vector [B, D]. Input is
float32 [B, 3, H, W], normalised by `fer_meta.preprocessing.normalise`.
"""

import itertools
from pathlib import Path
from typing import Literal

import torch
import torchvision
from torch import Tensor, nn

from fer_meta.errors import FerMetaError

Name = Literal["conv4", "resnet12", "resnet18", "resnet50"]


class Conv4(nn.Module):
    """Four 3x3 convolution blocks of 64 filters (Vinyals 2016, Snell 2017), flattened.

    Each block is convolution, BatchNorm, ReLU and, in the first `pooled` blocks, 2x2 max-pooling. Relation
    Net compares maps and so pools in the first two blocks only (Sung 2018, figure 3).
    """

    def __init__(self, pooled: int = 4, filters: int = 64):
        super().__init__()
        self.blocks = nn.Sequential(
            *(_conv_block(3 if i == 0 else filters, filters, pool=i < pooled) for i in range(4))
        )

    def maps(self, x: Tensor) -> Tensor:
        return self.blocks(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.maps(x).flatten(1)


def _conv_block(inputs: int, outputs: int, pool: bool) -> nn.Sequential:
    layers = [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pool else []))


class ResNet12(nn.Module):
    """Four residual blocks of three 3x3 convolutions, 64, 160, 320 and 640 filters, globally averaged.

    As in Lee 2019 (MetaOptNet) without DropBlock.
    """

    def __init__(self):
        super().__init__()
        widths = (3, 64, 160, 320, 640)
        self.blocks = nn.Sequential(*(_ResidualBlock(a, b) for a, b in itertools.pairwise(widths)))

    def maps(self, x: Tensor) -> Tensor:
        return self.blocks(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.maps(x).mean((2, 3))


class _ResidualBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        layers: list[nn.Module] = []
        for i in range(3):
            layers += [nn.Conv2d(inputs if i == 0 else outputs, outputs, 3, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(outputs), nn.LeakyReLU(0.1)]
        self.convolutions = nn.Sequential(*layers[:-1])
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.leaky_relu(self.convolutions(x) + self.shortcut(x), 0.1)
        return nn.functional.max_pool2d(y, 2)


class TorchvisionResNet(nn.Module):
    """torchvision's ResNet18 or ResNet50 up to the global average (512 or 2048 features)."""

    def __init__(self, name: Literal["resnet18", "resnet50"], weights: str = "none"):
        super().__init__()
        network = getattr(torchvision.models, name)(weights=None)
        load_weights(network, name, weights)
        stages = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
        self.stages = nn.Sequential(*(getattr(network, stage) for stage in stages))

    def maps(self, x: Tensor) -> Tensor:
        return self.stages(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.maps(x).mean((2, 3))


Backbone = Conv4 | ResNet12 | TorchvisionResNet


def load_weights(network: nn.Module, name: str, weights: str) -> None:
    """Load `weights` into a torchvision network: `none`, `imagenet` (torchvision's default, downloaded once
    by torch.hub), or the path of a state dict in torchvision's own naming (.pth, .pt or .safetensors), whose
    `fc` may be absent or of another size.

    Raises FerMetaError if the weights cannot be had or are not a state dict of this network.
    """
    if weights == "none":
        return
    if weights == "imagenet":
        try:
            state = torchvision.models.get_model_weights(name).DEFAULT.get_state_dict(
                progress=True, check_hash=True
            )
        except OSError as error:
            raise FerMetaError(
                f"ImageNet weights of {name} could not be downloaded ({error}); use --weights none, "
                "or fetch them elsewhere and give --weights FILE"
            ) from error
    else:
        state = _read_state(Path(weights))
    state = {key: value for key, value in state.items() if not key.startswith("fc.")}
    try:
        missing, unexpected = network.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise FerMetaError(
            f"{weights}: not weights of {name} ({str(error).splitlines()[-1].strip()})"
        ) from error
    missing = [key for key in missing if not key.startswith("fc.")]
    if missing or unexpected:
        raise FerMetaError(
            f"{weights}: not a torchvision state dict of {name}: {len(missing)} entries missing,"
            f" {len(unexpected)} unknown (first: {(missing + unexpected)[0]})"
        )


def _read_state(path: Path) -> dict[str, Tensor]:
    if path.exists() and not path.is_file():  # a pipe would keep its reader waiting
        raise FerMetaError(f"{path}: is not a file; --weights is imagenet, none or the path of a state dict")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise FerMetaError(
            f"{path}: no such file; --weights is imagenet, none or the path of a state dict"
        ) from error
    except Exception as error:  # a damaged file fails in the reader's own ways; the user needs one line
        raise FerMetaError(
            f"{path}: cannot be read as a state dict ({str(error).splitlines()[0]})"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise FerMetaError(f"{path}: is not a flat state dict; save `model.state_dict()`")
    return state


def vectors(name: Name, weights: str = "none") -> Backbone:
    """The backbone for methods that compare vectors. Raises FerMetaError for weights that cannot be had."""
    if name in ("resnet18", "resnet50"):
        return TorchvisionResNet(name, weights)
    if weights != "none":
        raise FerMetaError(f"{name} has no pretrained weights; use resnet18 or resnet50, or weights: none")
    return Conv4() if name == "conv4" else ResNet12()


def feature_maps(name: Name) -> Backbone:
    """The backbone for methods that compare maps: as `vectors`, but Conv4 lacks its last two poolings."""
    return Conv4(pooled=2) if name == "conv4" else vectors(name)


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
    except RuntimeError as error:
        raise FerMetaError(
            f"images of {image_size} px are too small for this backbone; give a larger --image-size"
        ) from error
    finally:
        backbone.train()
