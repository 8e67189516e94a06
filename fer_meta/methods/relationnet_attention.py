"""Relation networks with spatial attention on the maps that are compared: CBAM's (Woo, Park, Lee and Kweon,
ECCV 2018).
"""

import torch
from torch import Tensor, nn

from fer_meta.methods import relationnet


class Method(relationnet.Method):
    """`relationnet.Method` whose maps, of support and queries, are first multiplied by a weight in (0, 1) at
    each place: the sigmoid of a 7x7 convolution of the maps' mean and maximum over the channels (CBAM's
    equations 2 and 5, without its attention to channels).

    The weights of an image depend on that image alone, and so do its features.

    The 2022 note has a tag "Attention", and its code no attention: that it was CBAM's is our reading.
    """

    name = "relationnet_attention"
    own = {"relationnet-attention": "Relation Net (spatial attention)"}
    uncalibrated = frozenset(own)
    colours = {"relationnet-attention": "#999933"}
    order = 250

    def __init__(self, config: relationnet.Method.Config, protocol, classes, image_size):
        super().__init__(config, protocol, classes, image_size)
        self.attention = nn.Conv2d(2, 1, 7, padding=3)

    def embed(self, images: Tensor) -> Tensor:
        maps = self.backbone.maps(images)
        pooled = torch.cat([maps.mean(1, keepdim=True), maps.amax(1, keepdim=True)], 1)
        return maps * self.attention(pooled).sigmoid()
