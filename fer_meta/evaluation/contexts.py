"""What readouts use beside the features of their episodes: the source's mean feature, and pixels."""

import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from fer_meta.datasets.stacked import Images
from fer_meta.device import Precision
from fer_meta.evaluation.answers import Contexts, Shown, is_shared
from fer_meta.evaluation.features import EMBED_BATCH, Features, features_once
from fer_meta.methods.base import FewShotMethod
from fer_meta.methods.readouts import Context, Pixels
from fer_meta.preprocessing import fetch, normalise

CENTRE_IMAGES, CENTRE_SEED = 2000, 0
"""The mean feature of a source is that of so many of its training images, chosen once and for all."""


def contexts(
    method: FewShotMethod,
    train: Shown,
    support: Shown,
    query: Shown,
    batchnorm: str,
    device: torch.device,
    features: Callable[[Images], Features],
    precision: Precision = "fp32",
) -> Contexts:
    """For episodes with support from `support` and queries from `query`, answered by `method` with the
    weights that it has now; the mean feature, of images in `train`, is made when it is first needed.
    `features` are those that `embedder` uses.
    """
    of = features if is_shared(method, batchnorm) else features_once(method, device, precision)

    @functools.cache
    def centre() -> Tensor:
        return of(train.images)(centre_rows(train.pool.rows)).mean(0)

    def pixels(images: Images, rows: np.ndarray) -> Tensor:
        return normalise(fetch(images, rows, device), method.normalisation)

    def of_episodes(support_rows: np.ndarray, query_rows: np.ndarray) -> Context:
        def of_one(number: int) -> Pixels:
            asked = query_rows[number]
            parts = np.split(asked, range(EMBED_BATCH, len(asked), EMBED_BATCH))
            return Pixels(
                pixels(support.images, support_rows[number].ravel()),
                (pixels(query.images, part) for part in parts),
            )

        return Context(centre, of_one)

    return of_episodes


def centre_rows(rows: np.ndarray) -> np.ndarray:
    """Those of `rows` whose features' mean is the source's: all, or CENTRE_IMAGES of them."""
    if len(rows) <= CENTRE_IMAGES:
        return rows
    chosen = np.random.default_rng(CENTRE_SEED).choice(len(rows), CENTRE_IMAGES, replace=False)
    return rows[np.sort(chosen)]
