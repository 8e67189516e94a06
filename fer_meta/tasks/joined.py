"""One training over several domains: each of its episodes is from one of them, its batches are from all."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from fer_meta.datasets.cache import CachedFaces
from fer_meta.datasets.mixing import joined_index
from fer_meta.datasets.stacked import Stacked
from fer_meta.errors import ProtocolError
from fer_meta.sources import PLUS
from fer_meta.tasks.fixes import IN_FILE
from fer_meta.tasks.pools import Domain, Pool, kept_apart, make_pool, needed
from fer_meta.tasks.protocol import EpisodeShape, Protocol


def join(faces: Sequence[CachedFaces], domains: Sequence[Domain], protocol: Protocol) -> Domain:
    """The source made of `domains`, which `divide` made of `faces` for this protocol. It has their images for
    train and val (and those held out) of the classes that each of them can train, and no test.

    Copies, clips and people are kept apart across the data sets too; rendered people are the same in every
    rendered one. Raises ProtocolError if they have too few classes in common.
    """
    name = PLUS.join(one.name for one in faces)
    index = joined_index([(one, np.arange(len(one.index))) for one in faces])
    pools: dict[str, Pool] = {}
    classes = _common([needed(one.train) for one in domains])
    shapes: dict[str, EpisodeShape | Protocol] = {"train": protocol.train, "val": protocol.validation}
    if protocol.support_from == "source-train":
        shapes["held"] = protocol
    for role, shape in shapes.items():
        parts = [needed(getattr(one, role)) for one in domains]
        shared = tuple(label for label in _common(parts) if label in classes)
        if len(shared) < shape.way:
            raise ProtocolError(
                f"{name} ({role}): {shape.way}-way episodes need {shape.way} classes of which each data set"
                f" has enough images, but there are {len(shared)} ({', '.join(shared) or 'none'});"
                f" lower `way` {IN_FILE}, or leave a data set out of the source"
            )
        pools[role] = _join(f"{name} ({role})", index, faces, parts, shared, shape)
    images = Stacked([one.images for one in faces])
    return Domain(name, images, index, pools["train"], pools["val"], test=None, held=pools.get("held"))


def _common(pools: Sequence[Pool]) -> tuple[str, ...]:
    """The classes that all pools have."""
    return tuple(name for name in pools[0].classes if all(name in pool.classes for pool in pools))


def _join(
    name: str,
    index: pd.DataFrame,
    faces: Sequence[CachedFaces],
    pools: Sequence[Pool],
    classes: tuple[str, ...],
    shape: EpisodeShape | Protocol,
) -> Pool:
    """The images of `classes` in `pools`, one pool per data set, as rows of the joined `index`."""
    first = np.cumsum([0, *(len(one.index) for one in faces)])
    rows = np.concatenate([start + pool.rows for start, pool in zip(first, pools)])
    homes = np.repeat(np.arange(len(pools)), [len(pool) for pool in pools])
    labels = index["label"].iloc[rows]
    kept = labels.isin(classes).to_numpy()
    left_out = Counter(labels[~kept].tolist())
    for pool in pools:
        left_out.update(pool.excluded)
    groups, clips = kept_apart(index, rows[kept], shape)
    removed = sum(pool.copies_removed for pool in pools)
    return make_pool(name, index, rows[kept], classes, groups, clips, dict(left_out), removed, homes[kept])
