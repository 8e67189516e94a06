"""Which images make a step's batch: a function of the seed and the step alone, so that a training can
continue.
"""

import functools
import math
from collections.abc import Callable

import numpy as np
import torch

from fer_meta.methods.base import (
    Episode,
    FewShotMethod,
    LabelledImages,
    SupervisedConfig,
    TrainingConfig,
    TwoStageConfig,
)
from fer_meta.preprocessing import augment, fetch, normalise
from fer_meta.tasks.episodes import Episodes
from fer_meta.tasks.pools import Domain, Pool, needed
from fer_meta.tasks.protocol import Protocol


def steps_and_batches(
    method: FewShotMethod | type[FewShotMethod],
    config: TrainingConfig,
    domain: Domain,
    protocol: Protocol,
    seed: int,
    device,
):
    """`(steps, batch_at)`: how many steps to train, and the batch of each step as a function of its
    number.
    """
    if not method.trained:
        return 0, lambda step: None
    if isinstance(config, TwoStageConfig):
        return config.steps, _two_stages(config, domain, protocol, seed, device, method.normalisation)
    if method.episodic:
        batch_at = _episodic(config, config.batch, domain, protocol, seed, device, method.normalisation)
        return config.steps, batch_at
    assert isinstance(config, SupervisedConfig)
    per_epoch = math.ceil(len(needed(domain.train)) / config.batch)
    return min(config.steps, config.max_epochs * per_epoch), _supervised(
        config, domain, seed, device, method.normalisation
    )


def training_chance(
    method: FewShotMethod, config: TrainingConfig, pool: Pool, protocol: Protocol
) -> float | None:
    """The training accuracy (0 to 1) of a method that learned nothing from the images of `pool`: that of the
    best constant answer. None for a method that is not trained.
    """
    if not method.trained:
        return None
    if method.episodic:
        return 1 / protocol.train.way
    assert isinstance(config, SupervisedConfig)
    return 1 / len(pool.classes) if config.class_balance == "balanced" else float(class_shares(pool).max())


def first_stage(config: TwoStageConfig, protocol: Protocol) -> int:
    """How many of a training's steps are of its first stage, so that it sees its share of the images."""
    of_episodes = config.tasks * images_of_task(protocol)
    first, second = config.share * of_episodes, (1 - config.share) * config.batch
    return min(max(1, round(config.steps * first / (first + second))), max(1, config.steps - 1))


def images_of_task(protocol: Protocol) -> int:
    """The images of a training episode, support and query."""
    shape = protocol.train
    return shape.way * (shape.shots + shape.queries)


def _two_stages(config, domain, protocol, seed, device, normalisation) -> Callable:
    change = first_stage(config, protocol)
    images = _supervised(config, domain, seed, device, normalisation)
    tasks = _episodic(config, config.tasks, domain, protocol, seed, device, normalisation)
    return lambda step: images(step) if step < change else tasks(step - change)


def _episodic(
    config, tasks: int, domain, protocol, seed, device, normalisation
) -> Callable[[int], list[Episode]]:
    """Batches of `tasks` episodes."""
    pool, shape = domain.train, protocol.train
    episodes = Episodes(pool, shape, f"train/{seed}", config.steps * tasks)
    support_labels, query_labels = (
        torch.arange(shape.way, device=device).repeat_interleave(n) for n in (shape.shots, shape.queries)
    )

    def batch_at(step: int) -> list[Episode]:
        generator = torch.Generator().manual_seed(_step_seed(seed, step))
        return [episode(episodes[step * tasks + i], generator) for i in range(tasks)]

    def episode(rows: np.ndarray, generator: torch.Generator) -> Episode:
        augmented = generator if config.augment else None
        images = _pixels(domain.images, rows.ravel(), device, augmented, normalisation)
        images = images.unflatten(0, rows.shape)
        support, query = images[:, : shape.shots].flatten(0, 1), images[:, shape.shots :].flatten(0, 1)
        return Episode(support, support_labels, query, query_labels, pool.class_names(rows[:, 0]))

    return batch_at


def _supervised(config, domain, seed, device, normalisation) -> Callable[[int], LabelledImages]:
    pool = domain.train
    order = balanced_batches if config.class_balance == "balanced" else natural_batches
    chosen_at = order(pool.labels, config.batch, seed)
    added = (
        torch.from_numpy(np.log(class_shares(pool))).float().to(device)
        if config.class_balance == "logit-adjusted"
        else 0.0
    )

    def batch_at(step: int) -> LabelledImages:
        chosen = chosen_at(step)
        generator = torch.Generator().manual_seed(_step_seed(seed, step)) if config.augment else None
        labels = torch.from_numpy(pool.labels[chosen]).to(device)
        images = _pixels(domain.images, pool.rows[chosen], device, generator, normalisation)
        return LabelledImages(images, labels, added)

    return batch_at


def _step_seed(seed: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, step]).generate_state(1)[0])


def _pixels(images, rows, device, generator, normalisation):
    batch = fetch(images, rows, device)
    return normalise(batch if generator is None else augment(batch, generator), normalisation)


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
