"""dlib's network for face recognition, with weights from the file that face-api.js ships: another start than
ImageNet's, for its features know faces.

The network is dlib's `face_recognition_resnet_model_v1` (King, 2017, CC0). face-api.js (npm:
@vladmandic/face-api, MIT) keeps it as `model/face_recognition_model.bin`, most numbers in 8 bits, and a
manifest in JSON that says what they are.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d, pad, relu

from fer_meta.errors import FerMetaError
from fer_meta.networks import weights as initial
from fer_meta.networks.base import Backbone
from fer_meta.oneline import one_line
from fer_meta.preprocessing import Normalisation

SIDE = 150
"""Pixels of the faces that it was trained on."""

MANIFEST = "face_recognition_model-weights_manifest.json"

# (name, channels, whether its first convolution halves the maps)
BLOCKS = (
    *((f"conv32_{i}", 32, False) for i in (1, 2, 3)),
    ("conv64_down", 64, True),
    *((f"conv64_{i}", 64, False) for i in (1, 2, 3)),
    ("conv128_down", 128, True),
    *((f"conv128_{i}", 128, False) for i in (1, 2)),
    ("conv256_down", 256, True),
    *((f"conv256_{i}", 256, False) for i in (1, 2)),
    ("conv256_down_out", 256, True),
)


class DlibFace(Backbone):
    """256 features (the inputs of dlib's last layer), 5.6 million weights; made for faces of 150 px, to which
    smaller ones are enlarged.

    `weights`: none, or the path of face-api.js's manifest, beside its .bin file, or of a state dict.
    """

    normalisation = Normalisation(mean=(122.782 / 255, 117.001 / 255, 104.298 / 255), std=(1.0,) * 3)

    def __init__(self, weights: str = "none"):
        super().__init__()
        self.conv32_down = Convolution(3, 32, 7, stride=2, padding=0)
        self.names = [name for name, *_ in BLOCKS]
        inputs = 32
        for name, channels, down in BLOCKS:
            self.add_module(name, Residual(inputs, channels, down))
            inputs = channels
        if weights.endswith(".json"):
            if wrong := initial.fit(self, read_face_api(Path(weights))):
                raise FerMetaError(f"{weights}: not weights of dlib_face ({wrong})")
        else:
            initial.load(self, "dlib_face", weights)

    def maps(self, x: Tensor) -> Tensor:
        if min(x.shape[2:]) < SIDE:
            x = interpolate(x, (SIDE, SIDE), mode="bilinear", antialias=True)
        x = max_pool2d(relu(self.conv32_down(x)), 3, 2)
        for name in self.names:
            x = self.get_submodule(name)(x)
        return x


class Convolution(nn.Module):
    """A convolution, and dlib's affine layer: a scale and a shift of each channel."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1, padding: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, padding)
        self.scale = nn.Parameter(torch.ones(outputs, 1, 1))
        self.shift = nn.Parameter(torch.zeros(outputs, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * self.scale + self.shift


class Residual(nn.Module):
    """Two convolutions and a shortcut; where these halve the maps, the shortcut is averaged over 2x2 pixels.
    Missing channels and rows are zeros.
    """

    def __init__(self, inputs: int, outputs: int, down: bool):
        super().__init__()
        self.down = down
        self.conv1 = Convolution(inputs, outputs, 3, 2 if down else 1, 0 if down else 1)
        self.conv2 = Convolution(outputs, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(relu(self.conv1(x)))
        if self.down:
            x = avg_pool2d(x, 2)
        height, width = max(x.shape[2], y.shape[2]), max(x.shape[3], y.shape[3])
        return relu(_filled(x, y.shape[1], height, width) + _filled(y, y.shape[1], height, width))


def _filled(x: Tensor, channels: int, height: int, width: int) -> Tensor:
    """Maps [B, C, h, w] with zeros behind their last channel, row and column."""
    return pad(x, (0, width - x.shape[3], 0, height - x.shape[2], 0, channels - x.shape[1]))


def read_face_api(manifest: Path) -> dict[str, Tensor]:
    """The weights of face-api.js's face recognition, by DlibFace's names, from its manifest and the .bin file
    beside it: a number is min + scale x its 8 bits, or, of some layers, a float32.

    Raises FerMetaError: one of the two is missing or is something else.
    """
    try:
        entries, numbers = _parts(manifest)
        return dict(_tensors(entries, np.frombuffer(numbers.read_bytes(), np.uint8)))
    except FileNotFoundError as error:
        raise FerMetaError(
            f"{error.filename}: no such file; take {MANIFEST} and the .bin file beside it from `npm pack"
            " @vladmandic/face-api`, folder package/model"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise FerMetaError(
            f"{manifest}: is no manifest of face-api.js ({one_line(str(error), 100)}); take {MANIFEST}"
        ) from error


def files_beside(weights: Path) -> list[Path]:
    """The files that hold the numbers of a manifest of face-api.js; none for other weights."""
    if weights.suffix != ".json":
        return []
    try:
        _, numbers = _parts(weights)
    except (OSError, ValueError, KeyError, TypeError, IndexError):  # loading it says so
        return []
    return [numbers] if numbers.is_file() else []


def _parts(manifest: Path) -> tuple[list[Mapping[str, Any]], Path]:
    """What a manifest says of each tensor, and the file of its numbers."""
    [group] = json.loads(manifest.read_text(encoding="utf-8"))
    return group["weights"], manifest.parent / Path(group["paths"][0]).name


def _tensors(entries: list[Mapping[str, Any]], data: np.ndarray):
    start = 0
    for entry in entries:
        shape, code = tuple(entry["shape"]), entry.get("quantization")
        end = start + int(np.prod(shape)) * (1 if code else 4)
        if end > len(data) or (code and code["dtype"] != "uint8"):
            raise ValueError(f"the .bin file ends before {entry['name']}, or has other numbers")
        values = torch.from_numpy(_numbers(data[start:end], code))
        start = end
        if name := _name(entry["name"]):
            # TensorFlow has [h, w, in, out]
            yield name, values.view(shape).permute(3, 2, 0, 1) if len(shape) == 4 else _like(name, values)


def _numbers(data: np.ndarray, code: Mapping[str, Any] | None) -> np.ndarray:
    """float32 [N], of bytes that are coded or are floats themselves."""
    if code is None:
        return data.view("<f4").astype(np.float32)
    return data * np.float32(code["scale"]) + np.float32(code["min"])


def _name(theirs: str) -> str:
    """conv32_1/conv1/scale/biases -> conv32_1.conv1.shift; "" for the last layer, dlib's 128 numbers."""
    names = {"filters": "conv.weight", "bias": "conv.bias", "weights": "scale", "biases": "shift"}
    *path, kind, last = theirs.split("/") if "/" in theirs else ("", "", theirs)
    return ".".join([*path, names[last]]) if kind in ("conv", "scale") else ""


def _like(name: str, values: Tensor) -> Tensor:
    return values if name.endswith("bias") else values.view(-1, 1, 1)
