"""A classifier's last layer that compares directions."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize

FIRST_SCALE = 10.0


class CosineHead(nn.Module):
    """Features [B, D] -> logits [B, classes]: the cosine of a feature and each class's weight vector, times a
    learned scale that starts at 10 (Gidaris and Komodakis, CVPR 2018, equation 4).
    """

    def __init__(self, features: int, classes: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, features))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)  # as nn.Linear
        self.scale = nn.Parameter(torch.tensor(FIRST_SCALE))

    def forward(self, features: Tensor) -> Tensor:
        return self.scale * linear(normalize(features, dim=1), normalize(self.weight, dim=1))
