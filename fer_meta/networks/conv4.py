"""Conv4, the network of the first few-shot papers."""

from torch import Tensor, nn

from fer_meta.networks import weights as initial
from fer_meta.networks.base import Backbone


class Conv4(Backbone):
    """Four 3x3 convolution blocks of 64 filters (Vinyals 2016, Snell 2017), flattened.

    Each block is convolution, BatchNorm, ReLU and, in the first `pooled` blocks, 2x2 max-pooling. Relation
    Net compares maps and so pools in the first two blocks only (Sung 2018, figure 3).

    The pooling is done before the ReLU: the same numbers and gradients to the last bit, for a quarter of the
    ReLU's work.
    """

    def __init__(self, weights: str = "none", pooled: int = 4, filters: int = 64):
        super().__init__()
        self.blocks = nn.Sequential(
            *(_conv_block(3 if i == 0 else filters, filters, pool=i < pooled) for i in range(4))
        )
        initial.load(self, "conv4", weights)

    def maps(self, x: Tensor) -> Tensor:
        return self.blocks(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.maps(x).flatten(1)


def _conv_block(inputs: int, outputs: int, pool: bool) -> nn.Sequential:
    layers = [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pool else []), nn.ReLU())
