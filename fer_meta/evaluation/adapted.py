"""Adaptive BatchNorm (AdaBN: Li, Wang, Shi, Liu and Hou, Revisiting Batch Normalization for Practical Domain
Adaptation, ICLR workshop 2017): at test, the statistics of each BatchNorm are those of the target's images,
whose labels are not used.

The images are the target's test images of the classes tested: those that supports and queries are taken from,
and all that a target must have. So this knows the domain, and is inductive otherwise: an answer is the same
whatever the other queries of its episode are.
"""

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from fer_meta.datasets.stacked import Images
from fer_meta.device import Precision, autocast
from fer_meta.evaluation.answers import Shown
from fer_meta.evaluation.contexts import CENTRE_SEED, centre_rows
from fer_meta.evaluation.features import EMBED_BATCH, Features, features_once
from fer_meta.methods.base import FewShotMethod
from fer_meta.preprocessing import fetch, normalise


@torch.no_grad()
def adapted(
    method: FewShotMethod, target: Shown, device: torch.device, precision: Precision = "fp32"
) -> FewShotMethod:
    """A copy of `method` whose BatchNorms that make features have the statistics of `target`: of all its
    images, or of those that `centre_rows` chooses. `method` itself stays as it was, and is returned where no
    BatchNorm keeps statistics.

    A layer's statistics are the mean over batches, in which the layers before it have those of the batch:
    one pass. They are exact where all fits in one batch. Layers that no image passes on its way to its
    features keep the source's statistics, as those of Relation Net's comparison; MAML's have none.
    """
    if not statistics(method):
        return method
    method = copy.deepcopy(method).eval()
    layers = statistics(method)
    before = [copy.deepcopy(one.state_dict()) for one in layers]
    momenta = [one.momentum for one in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the mean of all batches
        layer.train()
    for rows in _batches(centre_rows(target.pool.rows)):
        with autocast(precision, device):
            method.embed(normalise(fetch(target.images, rows, device), method.normalisation))
    for layer, state, momentum in zip(layers, before, momenta):
        if not layer.num_batches_tracked:
            layer.load_state_dict(state)
        layer.momentum = momentum
    return method.eval()


def statistics(method: FewShotMethod) -> list[_BatchNorm]:
    """The BatchNorms that keep statistics."""
    return [one for one in method.modules() if isinstance(one, _BatchNorm) and one.track_running_stats]


def adapted_features(
    adapted: FewShotMethod,
    target: Images,
    others: Callable[[Images], Features],
    device: torch.device,
    precision: Precision,
) -> Callable[[Images], Features]:
    """The Features of each data set's images: of the `target` those of the `adapted` method, made anew and
    kept by no one else; of `others`, such as a source whose images are the support, as they were.
    """
    own = features_once(adapted, device, precision)
    return lambda images: own(images) if images is target else others(images)


def _batches(rows: np.ndarray) -> list[np.ndarray]:
    """Batches of nearly equal size, for each counts alike, in a random order, for a data set may have its
    images class by class.
    """
    mixed = np.random.default_rng(CENTRE_SEED).permutation(rows)
    return np.array_split(mixed, -(-len(mixed) // EMBED_BATCH))
