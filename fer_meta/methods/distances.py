"""Distances between embeddings."""

import torch
from torch import Tensor


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances: [A, D], [B, D] -> [A, B]."""
    return (a.unsqueeze(1) - b.unsqueeze(0)).square().sum(2)


def similarities(query: Tensor, prototypes: Tensor) -> Tensor:
    """For many episodes at once: [E, Q, D], [E, way, D] -> [E, Q, way], minus the squared distances up to
    one constant per query.

    By a product of matrices, 2qp - |p|^2 = |q|^2 - |q - p|^2, which reads a query once and not once per
    class. From the prototypes' mean, so that little is lost in differences of large numbers.
    """
    centre = prototypes.mean(1, keepdim=True)
    offset = prototypes - centre
    lengths = ((2 * centre + offset) * offset).sum(2).unsqueeze(1)
    return torch.baddbmm(-lengths, query, offset.transpose(1, 2), alpha=2)
