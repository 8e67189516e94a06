"""Distances between embeddings."""

import torch
from torch import Tensor
from torch.nn.functional import normalize


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


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """For many episodes at once: [E, A, D], [E, B, D] -> [E, A, B].

    In the precision of the arguments, also where autocast would take less: the cosines of features of faces
    can differ in the third digit, which bf16 does not have.
    """
    with torch.autocast(a.device.type, enabled=False):
        return normalize(a, dim=2) @ normalize(b, dim=2).transpose(1, 2)
