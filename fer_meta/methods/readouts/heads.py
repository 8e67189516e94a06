"""Heads that are trained on the support by gradient descent, as "Baseline" and "Baseline++" of Chen, Liu,
Kira, Wang and Huang (A Closer Look at Few-shot Classification, ICLR 2019).

Theirs are 100 passes over the support in random batches of four. Ours are as many steps, each on the whole
support: the same gradient without the noise of batches. Then no answer depends on a seed or on the order of
the support, and many tasks are trained at once. Optimiser, learning rate and decay are those of their code.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from fer_meta.methods.readouts.span import span
from fer_meta.methods.readouts.tasks import Tasks

PASSES, BATCH = 100, 4
LR, MOMENTUM, DAMPENING, DECAY = 0.01, 0.9, 0.9, 0.001
SCALE = 10.0
"""Of cosines, before the softmax (the value that Gidaris and Komodakis, CVPR 2018, begin with)."""

Weights = tuple[Tensor, ...]


def linear(tasks: Tasks) -> Tensor:
    """ "Baseline": a linear head, from zeros, on features as they are."""
    gram, cross = span(tasks.support, tasks.query)
    targets = tasks.targets

    def slope(weights: Tensor, bias: Tensor) -> Weights:
        error = ((gram @ weights + bias).softmax(2) - targets) / len(targets)
        return error, error.sum(1, keepdim=True)

    start = torch.zeros(len(gram), *targets.shape, dtype=gram.dtype, device=gram.device)
    weights, bias = _descend(slope, (start, start[:, :1]), steps(len(targets)))
    return cross @ weights + bias


def cosine(tasks: Tasks) -> Tensor:
    """ "Baseline++": weight vectors that are compared with features by SCALE times the cosine. They begin at
    the class means of features of length 1 (Qi, Brown and Lowe, CVPR 2018).
    """
    gram, cross = span(*tasks.unit)
    targets = tasks.targets

    def slope(weights: Tensor) -> Weights:
        products = gram @ weights
        lengths = _lengths(weights, products)
        cosines = products / lengths
        error = SCALE / len(targets) * ((SCALE * cosines).softmax(2) - targets)
        # The part along a weight vector does not turn it.
        along = (error * cosines).sum(1, keepdim=True) / lengths
        return ((error - along * weights) / lengths,)

    means = targets / targets.sum(0).clamp(min=1)
    [weights] = _descend(slope, (means.expand(len(gram), -1, -1),), steps(len(targets)))
    return SCALE * (cross @ weights) / _lengths(weights, gram @ weights)


def steps(images: int) -> int:
    """As many as 100 passes over a support of so many images have, in batches of four."""
    return PASSES * -(-images // BATCH)


def _lengths(weights: Tensor, products: Tensor) -> Tensor:
    """The lengths [E, 1, way] of weight vectors, by coefficients and products with the support."""
    return (weights * products).sum(1, keepdim=True).clamp(min=1e-24).sqrt()


def _descend(slope: Callable[..., Weights], weights: Weights, count: int) -> Weights:
    """`count` steps of torch's SGD with momentum, dampening and decay."""
    speeds: Weights = ()
    for _ in range(count):
        slopes = [one + DECAY * weight for one, weight in zip(slope(*weights), weights)]
        speeds = tuple(
            MOMENTUM * speed + (1 - DAMPENING) * one for speed, one in zip(speeds, slopes)
        ) or tuple(slopes)
        weights = tuple(weight - LR * speed for weight, speed in zip(weights, speeds))
    return weights
