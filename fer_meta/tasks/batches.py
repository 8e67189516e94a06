"""Which images make a step's batch in training without episodes: a function of the seed and the step alone,
so that a training can go on.
"""

import functools
import math
from collections.abc import Callable

import numpy as np

from fer_meta.tasks.pools import Pool


def class_shares(pool: Pool) -> np.ndarray:
    """The share of each class [classes] among the images of a pool."""
    return np.bincount(pool.labels, minlength=len(pool.classes)) / len(pool)


def natural_batches(labels: np.ndarray, batch: int, seed: int) -> Callable[[int], np.ndarray]:
    """Which images (places in `labels` [N]) make the batch of a step: all of them in one random order after
    the other.
    """
    per_epoch = math.ceil(len(labels) / batch)

    def chosen_at(step: int) -> np.ndarray:
        epoch, part = divmod(step, per_epoch)
        order = np.random.default_rng([seed, epoch]).permutation(len(labels))
        chosen = order[part * batch : (part + 1) * batch]
        # BatchNorm has no statistics of a single image
        return np.append(chosen, order[0]) if len(chosen) == 1 else chosen

    return chosen_at


def balanced_batches(labels: np.ndarray, batch: int, seed: int) -> Callable[[int], np.ndarray]:
    """Which images (places in `labels` [N]) make the batch of a step, every class equally often.

    The images are one endless row, cut into batches: in each round of it every class comes once, in random
    order, with the next of its images; a class's images come in one random order after the other. So no image
    is left out for ever, and those of a small class come more often.
    """
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    batch = max(batch, 2)  # BatchNorm has no statistics of a single image

    @functools.lru_cache(maxsize=4 * len(members))
    def order_of(label: int, turn: int) -> np.ndarray:
        return np.random.default_rng([seed, turn, 1 + label]).permutation(members[label])

    def image_at(place: int) -> int:
        number, part = divmod(place, len(members))
        label = np.random.default_rng([seed, number]).permutation(len(members))[part]
        turn, position = divmod(number, len(members[label]))
        return order_of(int(label), turn)[position]

    return lambda step: np.array([image_at(place) for place in range(step * batch, (step + 1) * batch)])
