"""Backbones that others wrote: torchvision's other networks, timm's, and a user's own class."""

import functools
from collections.abc import Callable

import torchvision
from torch import Tensor, nn

from fer_meta import plugins
from fer_meta.commands import with_extra
from fer_meta.errors import FerMetaError
from fer_meta.networks import weights as initial
from fer_meta.networks.base import Backbone
from fer_meta.networks.resnets import outside_weights
from fer_meta.oneline import one_line
from fer_meta.preprocessing import Normalisation


class TorchvisionNetwork(Backbone):
    """A classification network of torchvision whose last linear layer is left out: its input is the vector.
    Networks with `features` (DenseNet, EfficientNet, MobileNet, VGG, ConvNeXt, ...) have maps too.
    """

    def __init__(self, name: str, weights: str = "none"):
        super().__init__()
        self.name = name
        # GoogLeNet's and Inception's second heads are for training on ImageNet, and their weights for values
        # that they make themselves of those that are normalised as for all others.
        google = name in ("googlenet", "inception_v3")
        options = {"aux_logits": False, "transform_input": True} if google else {}
        self.network = torchvision.models.get_model(name, weights=None, **options)
        _without_head(self.network)
        _without_chance(self.network)
        wanted = torchvision.models.get_model_weights(name).DEFAULT.transforms()
        self.normalisation = Normalisation(tuple(wanted.mean), tuple(wanted.std))
        initial.load(self.network, name, weights, {"imagenet": lambda: outside_weights(name)})

    def maps(self, x: Tensor) -> Tensor:
        if not hasattr(self.network, "features"):
            raise FerMetaError(f"{self.name} has no feature maps here; take another backbone for this method")
        found = self.network.features(x)
        if isinstance(self.network, torchvision.models.SwinTransformer):  # [B, h, w, C] up to here
            found = self.network.permute(self.network.norm(found))
        return found

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x).flatten(1)


class TimmNetwork(Backbone):
    """A network of timm (the extra `timm`) without its head; timm/resnet10t is its resnet10t. `weights`
    imagenet are those that timm calls pretrained, from its hub.
    """

    def __init__(self, name: str, weights: str = "none"):
        super().__init__()
        timm, known = _timm(), check_timm(name)
        self.network = _created(timm, known, weights == "imagenet")
        _without_chance(self.network)
        config = self.network.pretrained_cfg
        self.normalisation = Normalisation(tuple(config["mean"]), tuple(config["std"]))
        if weights != "imagenet":
            initial.load(self.network, name, weights)

    def maps(self, x: Tensor) -> Tensor:
        found = self.network.forward_features(x)
        if found.dim() != 4:
            raise FerMetaError("this network of timm has no feature maps; take another one for this method")
        return found.permute(0, 3, 1, 2) if getattr(self.network, "output_fmt", "") == "NHWC" else found

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)


class OwnNetwork(Backbone):
    """FILE.py:CLASS, a network of the user's: `CLASS()` turns normalised images [B, 3, H, W] into vectors
    [B, D]. It may have `maps(x)`, and a `normalisation` (mean, std) of RGB values from 0 to 1, by default
    ImageNet's.
    """

    def __init__(self, name: str, weights: str = "none"):
        super().__init__()
        self.name = name
        kind = plugins.from_file(name, nn.Module)
        if not (isinstance(kind, type) and issubclass(kind, nn.Module)):
            raise FerMetaError(f"{one_line(name, 300)}: is not a class of torch.nn.Module; make it one")
        try:
            self.network = kind()
        except TypeError as error:
            raise FerMetaError(
                f"{one_line(name, 300)}: cannot be made without arguments ({one_line(str(error), 120)}); give"
                " each a default"
            ) from error
        if own := getattr(self.network, "normalisation", None):
            self.normalisation = Normalisation(*map(tuple, own))
        initial.load(self.network, name, weights)

    def maps(self, x: Tensor) -> Tensor:
        if not hasattr(self.network, "maps"):
            raise FerMetaError(f"{self.name}: has no `maps`, which this method compares; write it")
        return self.network.maps(x)  # type: ignore[operator]

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)


@functools.cache
def torchvision_names() -> frozenset[str]:
    """torchvision's names of its classification networks."""
    return frozenset(torchvision.models.list_models(module=torchvision.models))


def _without_head(network: nn.Module) -> None:
    """Replace the last linear layer (SqueezeNet: the last convolution) by nothing, in place."""
    kinds: Callable = lambda one: isinstance(one, (nn.Linear, nn.Conv2d))  # noqa: E731
    [*_, last] = [name for name, one in network.named_modules() if kinds(one)]
    *path, own = last.split(".")
    parent = network.get_submodule(".".join(path))
    setattr(parent, own, nn.Identity())


def _without_chance(network: nn.Module) -> None:
    """Turn off, in place, what drops units or paths: it would draw from torch's global generator, and a
    training that goes on would not end with the same numbers.
    """
    for one in network.modules():
        if isinstance(one, (nn.Dropout, torchvision.ops.StochasticDepth)):
            one.p = 0.0
        elif hasattr(one, "drop_prob"):  # timm's DropPath
            one.drop_prob = 0.0  # type: ignore[assignment]


def check_timm(name: str) -> str:
    """timm's own name of the backbone timm/NAME. Raises FerMetaError if it has no such network, or is not
    installed.
    """
    timm, known = _timm(), name.removeprefix("timm/")
    if not timm.is_model(known):
        near = ", ".join(timm.list_models(f"*{known[:8]}*")[:5]) or "see timm.list_models()"
        raise FerMetaError(f"timm has no model {one_line(known, 60)!r}; near: {near}")
    return known


def _created(timm, known: str, pretrained: bool):
    try:
        return timm.create_model(known, pretrained=pretrained, num_classes=0)
    except OSError as error:
        raise FerMetaError(
            f"https://huggingface.co/timm/{known} could not be fetched ({one_line(str(error), 120)}); give a"
            f" file of it by {initial.said('FILE')}, or start from random weights: {initial.said('none')}"
        ) from error


def _timm():
    try:
        import timm
    except ImportError as error:
        raise FerMetaError(f"backbones timm/NAME need the package timm; run: {with_extra('timm')}") from error
    return timm
