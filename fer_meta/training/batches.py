"""Which images make a step's batch: a function of the seed and the step alone, so that a training can
continue.
"""

import functools
import math
from collections.abc import Callable

import numpy as np
import torch

from fer_meta.datasets.units import SHOWN
from fer_meta.errors import ProtocolError
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

SMALLEST = 2  # images of a batch: BatchNorm has no statistics of a single one


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
    steps = step_count(method, config, needed(domain.train))
    if not method.trained:
        return steps, lambda step: None
    if isinstance(config, TwoStageConfig):
        return steps, _two_stages(config, domain, protocol, seed, device, method.normalisation)
    if method.episodic:
        batch_at = _episodic(config, config.batch, domain, protocol, seed, device, method.normalisation)
        return steps, batch_at
    check_units(method, domain)
    return steps, _supervised(config, domain, seed, device, method.normalisation, method.needs_units)


def check_units(method: FewShotMethod | type[FewShotMethod], source: Domain) -> None:
    """Raises ProtocolError if `method` is trained on action units and some training image of `source` has
    none.
    """
    if not method.needs_units:
        return
    pool = needed(source.train)
    unknown = len(pool) if pool.units is None else int(np.isnan(pool.units).all(1).sum())
    if unknown:
        raise ProtocolError(
            f"{source.name}: {unknown:,} of {len(pool):,} training images have no action units, and"
            f" {method.name!r} is trained on these; train it on rendered faces, such as synthetic-wild (a"
            " folder of an older version must be rendered again)"
        )


def step_count(method: FewShotMethod | type[FewShotMethod], config: TrainingConfig, pool: Pool) -> int:
    """How many steps a training on `pool` has."""
    if not method.trained:
        return 0
    passes = config.max_epochs if isinstance(config, SupervisedConfig) else None
    if passes is None or isinstance(config, TwoStageConfig):
        return config.steps
    return min(config.steps, passes * math.ceil(len(pool) / config.batch))


def images_in(batch: LabelledImages | list[Episode]) -> int:
    """How many images a step's batch shows; one that is in it twice counts twice."""
    if isinstance(batch, LabelledImages):
        return len(batch.images)
    return sum(len(episode.support) + len(episode.query) for episode in batch)


def images_seen(
    method: FewShotMethod | type[FewShotMethod], config: TrainingConfig, pool: Pool, protocol: Protocol
) -> int:
    """How many images a whole training on `pool` shows: the sum of `images_in` over its steps. It never falls
    when `steps` rises.
    """
    steps = step_count(method, config, pool)
    if not steps:
        return 0
    if isinstance(config, TwoStageConfig):
        first = first_stage(config, protocol)
        return _labelled_seen(config, pool, first) + (steps - first) * config.tasks * images_of_task(protocol)
    if method.episodic:
        return steps * config.batch * images_of_task(protocol)
    assert isinstance(config, SupervisedConfig)
    return _labelled_seen(config, pool, steps)


def _labelled_seen(config: SupervisedConfig, pool: Pool, steps: int) -> int:
    if config.class_balance == "balanced":
        return steps * max(config.batch, SMALLEST)
    sizes = natural_sizes(len(pool), config.batch)
    passes, rest = divmod(steps, len(sizes))
    return passes * sum(sizes) + sum(sizes[:rest])


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
    balanced = config.class_balance == "balanced"
    if method.needs_units:
        return _chance_of_units(pool, balanced)
    return 1 / len(pool.classes) if balanced else float(class_shares(pool).max())


def _chance_of_units(pool: Pool, balanced: bool) -> float:
    """How often the better of "shown" and "not shown" is right of a unit, over all that are known. Units are
    rare, so it is far above a half.
    """
    assert pool.units is not None
    weights = 1 / class_shares(pool)[pool.labels] if balanced else np.ones(len(pool))
    of_known = weights[:, None] * ~np.isnan(pool.units)
    shown = (of_known * (pool.units >= SHOWN)).sum(0)
    return float(np.maximum(shown, of_known.sum(0) - shown).sum() / of_known.sum())


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


def _supervised(
    config, domain, seed, device, normalisation, with_units: bool = False
) -> Callable[[int], LabelledImages]:
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
        units = torch.from_numpy(pool.units[chosen]).to(device) if with_units else None
        return LabelledImages(images, labels, added, units)

    return batch_at


def _step_seed(seed: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, step]).generate_state(1)[0])


def _pixels(images, rows, device, generator, normalisation):
    batch = fetch(images, rows, device)
    return normalise(batch if generator is None else augment(batch, generator), normalisation)


def class_shares(pool: Pool) -> np.ndarray:
    """The share of each class [classes] among the images of a pool."""
    return np.bincount(pool.labels, minlength=len(pool.classes)) / len(pool)


def natural_sizes(images: int, batch: int) -> list[int]:
    """How many images each batch of a pass over `images` images has."""
    return [max(SMALLEST, min(batch, images - start)) for start in range(0, images, batch)]


def natural_batches(labels: np.ndarray, batch: int, seed: int) -> Callable[[int], np.ndarray]:
    """Which images (places in `labels` [N]) make the batch of a step: all of them in one random order after
    the other.
    """
    per_epoch = math.ceil(len(labels) / batch)

    def chosen_at(step: int) -> np.ndarray:
        epoch, part = divmod(step, per_epoch)
        order = np.random.default_rng([seed, epoch]).permutation(len(labels))
        chosen = order[part * batch : (part + 1) * batch]
        return np.append(chosen, order[0]) if len(chosen) < SMALLEST else chosen

    return chosen_at


def balanced_batches(labels: np.ndarray, batch: int, seed: int) -> Callable[[int], np.ndarray]:
    """Which images (places in `labels` [N]) make the batch of a step, every class equally often.

    The images are one endless row, cut into batches: in each round of it every class comes once, in random
    order, with the next of its images; a class's images come in one random order after the other. So no image
    is left out for ever, and those of a small class come more often.
    """
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    batch = max(batch, SMALLEST)

    @functools.lru_cache(maxsize=4 * len(members))
    def order_of(label: int, turn: int) -> np.ndarray:
        return np.random.default_rng([seed, turn, 1 + label]).permutation(members[label])

    def image_at(place: int) -> int:
        number, part = divmod(place, len(members))
        label = np.random.default_rng([seed, number]).permutation(len(members))[part]
        turn, position = divmod(number, len(members[label]))
        return order_of(int(label), turn)[position]

    return lambda step: np.array([image_at(place) for place in range(step * batch, (step + 1) * batch)])
