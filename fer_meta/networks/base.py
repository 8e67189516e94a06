"""What every backbone offers to methods."""

from torch import Tensor, nn

from fer_meta.preprocessing import IMAGENET, Normalisation


class Backbone(nn.Module):
    """A network without a head. `normalisation`: what its input is normalised by."""

    normalisation: Normalisation = IMAGENET

    def maps(self, x: Tensor) -> Tensor:
        """Normalised images [B, 3, H, W] -> feature maps [B, C, h, w]."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images [B, 3, H, W] -> one vector each [B, D]: the maps' global average."""
        return self.maps(x).mean((2, 3))
