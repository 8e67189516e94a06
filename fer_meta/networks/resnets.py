"""torchvision's ResNets (and ResNeXts, wide ResNets) without their head, with a stem for small images."""

import torchvision
from torch import Tensor, nn

from fer_meta.networks import weights as initial
from fer_meta.networks.base import Backbone

STRIDE = 32
"""Pixels of a side to one of the last maps' with the large stem."""

STAGES = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")


class TorchvisionResNet(Backbone):
    """A ResNet up to its global average (512 features of ResNet18 and 34, 2048 of larger ones).

    With `small_stem` its first convolution has no stride, and there is no max-pooling: weights fit both.
    `weights` imagenet are torchvision's default ones, downloaded once by torch.hub.
    """

    def __init__(self, name: str, weights: str = "none", small_stem: bool = False):
        super().__init__()
        network = torchvision.models.get_model(name, weights=None)
        network.fc = nn.Identity()
        published = {"imagenet": lambda: outside_weights(name)}
        initial.load(network, name, weights, published)
        if small_stem:
            network.conv1.stride = (1, 1)
            network.maxpool = nn.Identity()
        self.stages = nn.Sequential(*(getattr(network, stage) for stage in STAGES))

    def maps(self, x: Tensor) -> Tensor:
        return self.stages(x)


def is_one(name: str) -> bool:
    """Whether `name` is torchvision's for a ResNet or one of its kin."""
    return name.startswith(("resnet", "resnext", "wide_resnet")) and name in torchvision.models.list_models(
        module=torchvision.models
    )


def outside_weights(name: str) -> initial.State:
    """torchvision's default ImageNet weights of a network. Raises as `weights.fetched`."""
    return initial.fetched(torchvision.models.get_model_weights(name).DEFAULT.url)
