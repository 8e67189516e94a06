"""The images that one role (train, val, test) of one data set may use, with everything that was left out and why."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_meta.errors import ProtocolError
from fer_meta.tasks.protocol import EpisodeShape, Protocol
from fer_meta.tasks.splits import assign_splits


@dataclass(frozen=True)
class Pool:
    """Images of one role. `rows` [M] index the data set; `labels` [M] index `classes`."""

    name: str
    rows: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    groups: np.ndarray | None  # [M] ids of clip or subject, when the protocol keeps those apart
    excluded: dict[str, int]  # class -> its number of images, too few for one episode
    copies_removed: int
    digest: str  # names exactly these images and labels

    def __len__(self) -> int:
        return len(self.rows)

    def class_numbers(self, rows: np.ndarray) -> np.ndarray:
        """The class number of each of `rows` [R], rows of the data set that are in this pool."""
        return self.labels[np.searchsorted(self.rows, rows)]

    def class_names(self, rows: np.ndarray) -> list[str]:
        return [self.classes[number] for number in self.class_numbers(rows)]


@dataclass(frozen=True)
class Domain:
    """A data set divided for the protocol. `images` is uint8 [N, H, W, 3]."""

    name: str
    images: np.ndarray
    index: pd.DataFrame
    train: Pool
    val: Pool
    test: Pool


def divide(datasets: Sequence, protocol: Protocol, classes: Collection[str]) -> dict[str, Domain]:
    """Divide cached data sets (`fer_meta.datasets.cache.CachedFaces`) into domains, in the order given.

    With `copies: removed`, an image of val or test goes if an identical one stands in an earlier role of *any* of the data
    sets, or earlier in its own role; identical images with different labels go altogether. So one target has one set of
    test images, whatever source a method was trained on.
    """
    roles = {faces.name: _roles(faces.index, protocol, classes) for faces in datasets}
    train_digests = _digests(datasets, roles, ("train",))
    seen_digests = train_digests | _digests(datasets, roles, ("val",))
    domains = {}
    for faces in datasets:
        role = roles[faces.name]
        pools = {}
        for name, shape, seen in (
            ("train", protocol.train, None),
            ("val", protocol.validation, train_digests),
            ("test", protocol.test_shape(max(protocol.shots)), seen_digests),
        ):
            rows = np.flatnonzero(role == name)
            removed = 0
            if seen is not None and protocol.copies == "removed":
                kept = rows[_first_of_its_kind(faces.index.iloc[rows], seen)]
                removed, rows = len(rows) - len(kept), kept
            pools[name] = _pool(f"{faces.name} ({name})", faces.index, rows, shape, protocol, classes, removed)
        domains[faces.name] = Domain(faces.name, faces.images, faces.index, **pools)
    return domains


def restrict(pool: Pool, classes: Collection[str], index: pd.DataFrame, way: int) -> Pool:
    """`pool` with only those of its classes that are in `classes`; the names stay in the order of `pool.classes`.

    Raises ProtocolError when fewer than `way` classes remain.
    """
    kept = tuple(name for name in pool.classes if name in classes)
    if len(kept) < way:
        raise ProtocolError(
            f"{pool.name}: {way}-way episodes need {way} classes, but only {len(kept)} are usable here "
            f"({', '.join(kept) or 'none'}; too small: {_counts(pool.excluded)}); lower `way`, `shots` or `queries`"
        )
    if kept == pool.classes:
        return pool
    chosen = np.isin(pool.labels, [pool.classes.index(name) for name in kept])
    groups = None if pool.groups is None else pool.groups[chosen]
    return _make(pool.name, index, pool.rows[chosen], kept, groups, pool.excluded, pool.copies_removed)


def _roles(index: pd.DataFrame, protocol: Protocol, classes: Collection[str]) -> np.ndarray:
    """The role of each row: its split, or nothing for labels outside the suite's classes."""
    role = np.full(len(index), "", dtype=object)
    wanted = index["label"].isin(list(classes)).to_numpy()
    role[wanted] = assign_splits(index[wanted], protocol)
    return role


def _digests(datasets, roles, names) -> set[str]:
    return {d for faces in datasets for d in faces.index["digest"][np.isin(roles[faces.name], names)]}


def _first_of_its_kind(part: pd.DataFrame, seen: set[str]) -> np.ndarray:
    """Mask of `part`'s rows that are in no earlier role, come first among their copies, and have one label."""
    disputed = part.groupby("digest")["label"].transform("nunique") > 1
    return ~(part["digest"].isin(seen) | part.duplicated("digest") | disputed).to_numpy(dtype=bool)


def _pool(name, index, rows, shape: EpisodeShape, protocol: Protocol, classes, removed) -> Pool:
    counts = index["label"].iloc[rows].value_counts()
    # Sorted, so that the class numbering does not depend on the order of files.
    present = sorted(c for c in classes if counts.get(c, 0) > 0)
    small = {c: int(counts[c]) for c in present if counts[c] < shape.images_per_class}
    kept = tuple(c for c in present if c not in small)
    if small and protocol.small_classes == "error":
        raise ProtocolError(
            f"{name}: too small for {shape.images_per_class} images a class: {_counts(small)}; "
            "say `small_classes: exclude`, or lower `shots` or `queries`"
        )
    if len(kept) < shape.way:
        raise ProtocolError(
            f"{name}: {shape.way}-way episodes need {shape.way} classes with {shape.images_per_class} images or more, "
            f"but there are {len(kept)} ({', '.join(kept) or 'none'}); too small: {_counts(small)}"
        )
    rows = rows[index["label"].iloc[rows].isin(kept).to_numpy()]
    groups = None
    # Photographs that belong to no clip are clips of one image each: nothing to keep apart.
    if protocol.disjoint == "subject" or protocol.disjoint == "clip" and index["clip"].notna().any():
        groups = index[protocol.disjoint].iloc[rows]
        if groups.isna().any():
            raise ProtocolError(
                f"{name}: {int(groups.isna().sum())} of {len(groups)} images have no {protocol.disjoint}, "
                f"so episodes cannot be {protocol.disjoint}-disjoint; use `disjoint: image` or give a pattern for it"
            )
        groups = pd.factorize(groups)[0]
    return _make(name, index, rows, kept, groups, small, removed)


def _make(name, index, rows, classes, groups, excluded, removed) -> Pool:
    names = index["label"].iloc[rows].to_numpy()
    labels = np.array([classes.index(label) for label in names], dtype=np.int64)
    content = hashlib.blake2b(digest_size=8)
    for digest, label in zip(index["digest"].iloc[rows], names):
        content.update(f"{digest} {label}\n".encode())
    if groups is not None:
        content.update(np.ascontiguousarray(groups).astype("<i8").tobytes())
    return Pool(name, rows, labels, classes, groups, excluded, removed, content.hexdigest())


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in counts.items()) or "none"
