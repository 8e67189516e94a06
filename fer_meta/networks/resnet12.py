"""ResNet12, the residual network of few-shot papers."""

import itertools

from torch import Tensor, nn

from fer_meta.networks import weights as initial
from fer_meta.networks.base import Backbone


class ResNet12(Backbone):
    """Four residual blocks of three 3x3 convolutions, 64, 160, 320 and 640 filters, globally averaged.

    As in Lee 2019 (MetaOptNet) without DropBlock.
    """

    def __init__(self, weights: str = "none"):
        super().__init__()
        widths = (3, 64, 160, 320, 640)
        self.blocks = nn.Sequential(*(_ResidualBlock(a, b) for a, b in itertools.pairwise(widths)))
        initial.load(self, "resnet12", weights)

    def maps(self, x: Tensor) -> Tensor:
        return self.blocks(x)


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
