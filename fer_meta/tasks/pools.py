"""The images that one role (train, val, test) of one data set may use, with everything that was left out and why."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fer_meta.datasets.mixing import hold_out, of_films
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
    groups: np.ndarray | None  # [M] ids of what support and query must not share, if more than the image itself
    clips: np.ndarray | None  # [M] ids of clips, if the support of a class must come from one; photographs of no clip share an id
    excluded: dict[str, int]  # class -> its number of images, too few for one episode
    copies_removed: int
    digest: str  # names exactly these images and labels

    def __len__(self) -> int:
        return len(self.rows)

    def class_numbers(self, rows: np.ndarray) -> np.ndarray:
        """The class number of each of `rows` [R], rows of the data set that are in this pool."""
        return self.labels[self.positions(rows)]

    def class_names(self, rows: np.ndarray) -> list[str]:
        return [self.classes[number] for number in self.class_numbers(rows)]

    def positions(self, rows: np.ndarray) -> np.ndarray:
        """The place in the pool of each of `rows`, rows of the data set that are in this pool."""
        return np.searchsorted(self.rows, rows)


@dataclass(frozen=True)
class Domain:
    """A data set divided for the protocol. `images` is uint8 [N, H, W, 3]."""

    name: str
    images: np.ndarray
    index: pd.DataFrame
    train: Pool | None  # None for what is only tested on and has no images to train on
    val: Pool
    test: Pool | None  # None for what is only trained on
    held: Pool | None  # images held out of training to be the test's support, for `support_from: source-train`


def divide(
    datasets: Sequence, protocol: Protocol, classes: Collection[str], sources: Collection[str] | None = None,
    targets: Collection[str] | None = None,
) -> dict[str, Domain]:
    """Divide cached data sets (`fer_meta.datasets.cache.CachedFaces`) into domains, in the order given.

    With `copies: removed`, an image of val or test goes if an identical one is trained on in *any* of `sources` (by default all of the data
    sets) or stands in the val of any data set, or earlier in its own role; identical images with different labels go altogether. So one target has one set of
    test images, whatever source a method was trained on. With `support_from: source-train` the images held out of the training of `sources`
    stand in `held`, and what shares a group with them (see `_akin`) stands nowhere. With `carve: 0` nothing is kept back: without an official
    val a source is validated on what it is trained on, another data set on what it is tested on. Only `targets` (by default all) have a `test`.
    """
    roles = {
        faces.name: _roles(faces.index, protocol, classes, sources is None or faces.name in sources) for faces in datasets
    }
    trained_on = [faces for faces in datasets if sources is None or faces.name in sources]
    train_digests = _digests(trained_on, roles, ("train", "held"))
    seen_digests = train_digests | _digests(datasets, roles, ("val",))
    domains = {}
    for faces in datasets:
        role, is_source = roles[faces.name], sources is None or faces.name in sources
        val = "val" if protocol.carve or (role == "val").any() else "train" if is_source else "test"
        pools = dict.fromkeys(("train", "val", "held", "test"))
        for name, need, shape, seen in (
            ("train", protocol.train.images_per_class, protocol.train, None),
            ("val", protocol.validation.images_per_class, protocol.validation, train_digests if val == "val" else None),
            ("held", protocol.held_out, protocol, None),
            ("test", protocol.test_images_per_class, protocol, seen_digests),
        ):
            rows = np.flatnonzero(role == (val if name == "val" else name))
            if not len(rows) and (name in ("held", "test") or name == "train" and not is_source):
                continue
            if name == "test" and targets is not None and faces.name not in targets:
                continue
            removed = 0
            if seen is not None and protocol.copies == "removed":
                kept = rows[_first_of_its_kind(faces.index.iloc[rows], seen)]
                removed, rows = len(rows) - len(kept), kept
            pools[name] = _pool(f"{faces.name} ({name})", faces.index, rows, need, shape, protocol, classes, removed)
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
    groups, clips = (None if ids is None else ids[chosen] for ids in (pool.groups, pool.clips))
    return _make(pool.name, index, pool.rows[chosen], kept, groups, clips, pool.excluded, pool.copies_removed)


def _roles(index: pd.DataFrame, protocol: Protocol, classes: Collection[str], is_source: bool) -> np.ndarray:
    """The role of each row: its split or `held`, or nothing for labels outside the suite's classes."""
    role = np.full(len(index), "", dtype=object)
    wanted = index["label"].isin(list(classes)).to_numpy()
    role[wanted] = assign_splits(index[wanted], protocol)
    if is_source and protocol.support_from == "source-train":
        rows = np.flatnonzero(role == "train")
        part = index.iloc[rows]
        akin = _akin(part, protocol.disjoint)
        spare = None if akin is None else of_films(part)  # where nothing is kept apart, a frame costs no more than a photograph
        held, kept = hold_out(part["label"].to_numpy(dtype=str), protocol.held_out, groups=akin, spare=spare)
        role[rows[held]] = "held"
        role[rows[~held & ~kept]] = ""
    return role


def _akin(part: pd.DataFrame, disjoint: str) -> np.ndarray | None:
    """[N, K]: what an image trained on may not share with one held out: nothing, copies, or also clips and people, where they are known."""
    columns = {"nothing": [], "image": ["digest"]}.get(disjoint, ["digest", "clip", "subject"])
    return part[columns].to_numpy(dtype=object) if columns else None


def _digests(datasets, roles, names) -> set[str]:
    return {d for faces in datasets for d in faces.index["digest"][np.isin(roles[faces.name], names)]}


def _first_of_its_kind(part: pd.DataFrame, seen: set[str]) -> np.ndarray:
    """Mask of `part`'s rows that are in no earlier role, come first among their copies, and have one label."""
    disputed = part.groupby("digest")["label"].transform("nunique") > 1
    return ~(part["digest"].isin(seen) | part.duplicated("digest") | disputed).to_numpy(dtype=bool)


def _pool(name, index, rows, need, shape: EpisodeShape | Protocol, protocol: Protocol, classes, removed) -> Pool:
    """The pool of `rows` for episodes like `shape`, of classes with `need` images or more; there must be `shape.way` of them."""
    labels, groups = index["label"].iloc[rows], _group_ids(index, rows, shape.disjoint)
    if groups is not None and shape.disjoint in ("clip", "subject") and groups.isna().any():
        raise ProtocolError(
            f"{name}: {int(groups.isna().sum())} of {len(groups)} images have no {shape.disjoint}, "
            f"so episodes cannot be {shape.disjoint}-disjoint; use `disjoint: image` or give a pattern for it"
        )
    counts = labels.value_counts()
    # One clip or person alone can be support or query of an episode, but not both.
    both_sides = shape is not protocol or protocol.support_from == "target"
    alone = {c for c, n in groups.groupby(labels).nunique().items() if n == 1} if groups is not None and both_sides else set()
    # Sorted, so that the class numbering does not depend on the order of files.
    present = sorted(c for c in classes if counts.get(c, 0) > 0)
    small = {c: int(counts[c]) for c in present if counts[c] < need or c in alone}
    kept = tuple(c for c in present if c not in small)
    if small and protocol.small_classes == "error":
        raise ProtocolError(
            f"{name}: too small for {need} images a class, of two {shape.disjoint}s or more: {_counts(small)}; "
            "say `small_classes: exclude`, or lower `shots` or `queries`"
        )
    if len(kept) < shape.way:
        raise ProtocolError(
            f"{name}: {shape.way}-way episodes need {shape.way} classes with {need} images or more, "
            f"but there are {len(kept)} ({', '.join(kept) or 'none'}); too small: {_counts(small)}"
        )
    rows = rows[index["label"].iloc[rows].isin(kept).to_numpy()]
    groups = _group_ids(index, rows, shape.disjoint)
    clips = _clip_ids(index.iloc[rows]) if shape.support_clips == "one" else None
    groups, clips = (None if ids is None else pd.factorize(ids)[0] for ids in (groups, clips))
    return _make(name, index, rows, kept, groups, clips, small, removed)


def _group_ids(index: pd.DataFrame, rows: np.ndarray, disjoint: str) -> pd.Series | None:
    """What an image may not share with one of the other side, or None if that is only the image itself."""
    if disjoint == "nothing":
        return None
    # Photographs that belong to no clip are clips of one image each: nothing to keep apart but their copies.
    if disjoint == "subject" or disjoint == "clip" and index["clip"].notna().any():
        return index[disjoint].iloc[rows]
    copies = index["digest"].iloc[rows]
    return copies if copies.duplicated().any() else None


def _clip_ids(part: pd.DataFrame) -> pd.Series | None:
    """The clip of each image; all photographs together count as one, as they lay in one folder a class. None where all are photographs."""
    films = of_films(part)
    return part["clip"].where(films, "photographs") if films.any() else None


def _make(name, index, rows, classes, groups, clips, excluded, removed) -> Pool:
    names = index["label"].iloc[rows].to_numpy()
    labels = np.array([classes.index(label) for label in names], dtype=np.int64)
    content = hashlib.blake2b(digest_size=8)
    for digest, label in zip(index["digest"].iloc[rows], names):
        content.update(f"{digest} {label}\n".encode())
    for ids in (groups, clips):
        if ids is not None:
            content.update(np.ascontiguousarray(ids).astype("<i8").tobytes())
    return Pool(name, rows, labels, classes, groups, clips, excluded, removed, content.hexdigest())


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in counts.items()) or "none"
