"""The images that one role (train, val, test) of one data set may use, with everything that was left out and
why.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from fer_meta.datasets.base import copies_of
from fer_meta.datasets.mixing import of_films
from fer_meta.datasets.stacked import Images
from fer_meta.datasets.units import unit_intensities
from fer_meta.errors import ProtocolError, TooSmallError
from fer_meta.tasks.fixes import IN_FILE, IN_PYTHON, LOWER, fix, with_images
from fer_meta.tasks.protocol import EpisodeShape, Protocol
from fer_meta.tasks.roles import role_of_val, roles_of


@dataclass(frozen=True)
class Pool:
    """Images of one role. `rows` [M] index the data set; `labels` [M] index `classes`."""

    name: str
    rows: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    # [M] ids of what support and query must not share, if more than the image itself
    groups: np.ndarray | None
    # [M] ids of clips, if the support of a class must come from one; photographs of no clip share an id
    clips: np.ndarray | None
    excluded: dict[str, int]  # class -> its number of images, too few for one episode
    copies_removed: int
    digest: str  # names exactly these images and labels
    # [M] the number of the data set of each image, if the pool is of several: an episode takes turns
    homes: np.ndarray | None = None
    # [M, K] how strongly each of `datasets.units.UNITS` is shown (float32, NaN: unknown), if the index knows
    units: np.ndarray | None = None

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


def needed(pool: Pool | None) -> Pool:
    """A pool that the caller let `divide` make."""
    assert pool is not None
    return pool


POOLS = ("train", "val", "held", "test")


@dataclass(frozen=True)
class Domain:
    """A data set divided for the protocol, or several that are trained on together. `images` is uint8 [N, H,
    W, 3], by rows. A pool that nobody needs is None:
    what is only tested on has no `train`, and a `val` only for the oracle; what is only trained on has no
    `test`; `held` is for `support_from: source-train`.
    """

    name: str
    images: Images
    index: pd.DataFrame
    train: Pool | None
    val: Pool | None
    test: Pool | None
    held: Pool | None  # images held out of training to be the test's support
    fold: int | None = None  # from 1, of a cross-validation
    no_val: str = ""  # why there is no `val`, though the oracle asks for one


def divide(
    datasets: Sequence,
    protocol: Protocol,
    classes: Collection[str],
    sources: Collection[str] | None = None,
    targets: Collection[str] | None = None,
    oracle: bool = False,
    elsewhere: Collection[str] = (),
    pools: Collection[str] = POOLS,
) -> dict[str, Domain]:
    """Divide cached data sets (`fer_meta.datasets.cache.CachedFaces`) into domains, in the order given.

    `sources` (by default all) have a `train` and a `val`, `targets` (by default all) a `test`, and with
    `oracle` a `val` too. A data set without splits that is neither among `sources` nor trained on `elsewhere`
    in the same bench is all test (with `oracle`: all but its val). Where that val would be too small for an
    episode of validation, a target that is no source has none, and `no_val` says why.

    With `copies: removed`, an image of val or test goes if an identical one is trained on in *any* of
    `sources` or is in a `val`, or earlier in its own role; of identical images with different labels none is
    kept. With `copies: near-removed` the same holds for near copies, which `tasks.copies.compared` has
    to find before. So one target has one set of test images, whatever source a method was trained on. With
    `support_from: source-train` the images held out of the training of `sources` are in `held`, and what
    shares a group with them (see `roles_of`) is in no pool. With `carve: 0` nothing is kept back: without an
    official val a source is validated on what it is trained on, another data set on what it is tested on.
    Only `pools` of the domains are made; who needs one split is not held up by another that is too small.

    Raises ProtocolError for a source without training images, and for a pool that is too small for its
    episodes.
    """
    names = [faces.name for faces in datasets]
    sources, targets = (set(names if some is None else some) for some in (sources, targets))
    trained = {*sources, *elsewhere}
    roles = {
        faces.name: roles_of(faces.index, protocol, classes, True, True, True)
        for faces in datasets
        if faces.name in sources
    }
    train_digests = _digests(datasets, roles, ("train", "held"), sources)
    no_val = {
        faces.name: _why_no_val(faces, protocol, classes, faces.name in trained, train_digests)
        for faces in datasets
        if oracle and faces.name in targets - sources
    }
    validated = sources | {name for name, why in no_val.items() if not why}
    roles |= {
        faces.name: roles_of(
            faces.index, protocol, classes, False, faces.name in trained, faces.name in validated
        )
        for faces in datasets
        if faces.name not in sources
    }
    seen = {"val": train_digests, "test": train_digests | _digests(datasets, roles, ("val",), validated)}
    having = {"train": sources, "val": validated, "held": sources, "test": targets}
    domains = {}
    for faces in datasets:
        wanted = {name for name, among in having.items() if faces.name in among and name in pools}
        domains[faces.name] = replace(
            _domain(faces, roles[faces.name], protocol, classes, wanted, seen, faces.name in sources),
            no_val=no_val.get(faces.name, ""),
        )
    return domains


def _domain(
    faces,
    role: np.ndarray,
    protocol: Protocol,
    classes: Collection[str],
    wanted: Collection[str],
    seen: Mapping[str, set[str]],
    is_source: bool,
) -> Domain:
    """A data set with the pools that are `wanted` of it. `seen` has the digests of images of which a pool has
    no copies.
    """
    if "train" in wanted and not (role == "train").any():
        raise TooSmallError(
            f"{faces.name}: has no training images",
            "give it a train split, or name it in --targets only",
            "give it a train split",
        )
    val = role_of_val(role, protocol, is_source)
    needs: dict[str, tuple[int, EpisodeShape | Protocol]] = {
        "train": (protocol.train.images_per_class, protocol.train),
        "val": (protocol.validation.images_per_class, protocol.validation),
        "held": (protocol.held_out, protocol),
        "test": (protocol.test_images_per_class, protocol),
    }
    pools: dict[str, Pool] = {}
    for name, (need, shape) in needs.items():
        rows = np.flatnonzero(role == (val if name == "val" else name))
        if name not in wanted or (name in ("held", "test") and not len(rows)):
            continue
        shared = name == "val" and val != "val"  # validated on what is trained or tested on
        rows, removed = _without_copies(faces.index, rows, None if shared else seen.get(name), protocol)
        way = protocol.fewest_test_classes if name == "test" else shape.way
        pools[name] = _pool(
            f"{faces.name} ({name})", faces.index, rows, need, way, shape, protocol, classes, removed
        )
    if "train" in pools:
        rare = faces.index["label"][role == "rare"].value_counts().to_dict()
        pools["train"] = replace(pools["train"], excluded={**pools["train"].excluded, **rare})
    return Domain(
        faces.name,
        faces.images,
        faces.index,
        train=pools.get("train"),
        val=pools.get("val"),
        test=pools.get("test"),
        held=pools.get("held"),
    )


def restrict(pool: Pool, classes: Collection[str], index: pd.DataFrame, way: int) -> Pool:
    """`pool` with only those of its classes that are in `classes`; the names stay in the order of
    `pool.classes`.

    Raises ProtocolError if fewer than `way` classes remain.
    """
    kept = tuple(name for name in pool.classes if name in classes)
    if len(kept) < way:
        raise TooSmallError(
            f"{pool.name}: {way}-way episodes need {way} classes, but only {len(kept)} are usable here"
            f" ({', '.join(kept) or 'none'}; too small: {with_images(pool.excluded)})",
            f"{LOWER} {IN_FILE}",
            IN_PYTHON,
        )
    return with_classes(pool, kept, index)


def with_classes(pool: Pool, classes: Collection[str], index: pd.DataFrame) -> Pool:
    """`pool`'s images of `classes`, which are its classes in this order, also where it has no image
    of one.
    """
    classes = tuple(classes)
    if classes == pool.classes:
        return pool
    chosen = np.isin(pool.labels, [number for number, name in enumerate(pool.classes) if name in classes])
    groups, clips, homes = (
        None if ids is None else ids[chosen] for ids in (pool.groups, pool.clips, pool.homes)
    )
    excluded, removed = pool.excluded, pool.copies_removed
    return make_pool(pool.name, index, pool.rows[chosen], classes, groups, clips, excluded, removed, homes)


def _why_no_val(
    faces, protocol: Protocol, classes: Collection[str], trained: bool, train_digests: set[str]
) -> str:
    """Why a target that is not a source can have no val for the oracle; "" if it can have one."""
    shape = protocol.validation
    needs = f"an episode of validation needs {shape.way} classes with {shape.images_per_class} images or more"
    try:
        role = roles_of(faces.index, protocol, classes, False, trained, True)
    except ProtocolError as error:
        return f"it has no val split, and {error}; {needs}"
    val = role_of_val(role, protocol, is_source=False)
    rows, _ = _without_copies(
        faces.index, np.flatnonzero(role == val), train_digests if val == "val" else None, protocol
    )
    kept, small = _large_enough(faces.index, rows, shape.images_per_class, shape, protocol, classes)
    if len(kept) >= shape.way:
        return ""
    return (
        f"its val split has {len(kept)} classes that are large enough ({', '.join(kept) or 'none'}; too"
        f" small: {with_images(small)}); {needs}"
    )


def _digests(datasets, roles, names, among) -> set[str]:
    """Of the images that have one of these roles in one of the data sets `among`."""
    return {
        d
        for faces in datasets
        if faces.name in among
        for d in copies_of(faces.index)[np.isin(roles[faces.name], names)]
    }


def _without_copies(
    index: pd.DataFrame, rows: np.ndarray, seen: set[str] | None, protocol: Protocol
) -> tuple[np.ndarray, int]:
    """Those of `rows` that are not copies of what is `seen` or of each other, and how many are; all of them
    if `seen` is None.
    """
    if seen is None or protocol.copies == "kept":
        return rows, 0
    kept = rows[_first_of_its_kind(index.iloc[rows], seen)]
    return kept, len(rows) - len(kept)


def _first_of_its_kind(part: pd.DataFrame, seen: set[str]) -> np.ndarray:
    """Mask of `part`'s rows that are in no earlier role, come first among their copies, and have
    one label.
    """
    copies = copies_of(part)
    disputed = part["label"].groupby(copies).transform("nunique") > 1
    return ~(copies.isin(seen) | copies.duplicated() | disputed).to_numpy(dtype=bool)


def _pool(
    name, index, rows, need, way, shape: EpisodeShape | Protocol, protocol: Protocol, classes, removed
) -> Pool:
    """The pool of `rows` for episodes like `shape`, of classes with `need` images or more; there must be
    `way` of them.
    """
    groups = _group_ids(index, rows, shape.disjoint)
    if groups is not None and shape.disjoint in ("clip", "subject") and groups.isna().any():
        raise TooSmallError(
            f"{name}: {int(groups.isna().sum())} of {len(groups)} images have no {shape.disjoint}, "
            f"so episodes cannot be {shape.disjoint}-disjoint",
            "use `disjoint: image` or give a pattern for it",
            "give disjoint='image', or a pattern for it in fer-meta.yaml",
        )
    kept, small = _large_enough(index, rows, need, shape, protocol, classes)
    if small and protocol.small_classes == "error":
        raise ProtocolError(
            f"{name}: too small for {need} images per class, from two {shape.disjoint}s or more:"
            f" {with_images(small)}; set `small_classes: exclude`, or lower `shots` or `queries`"
        )
    if len(kept) < way:
        raise TooSmallError(
            f"{name}: {shape.way}-way episodes need {way} classes with {need} images or more, but there are"
            f" {len(kept)} ({', '.join(kept) or 'none'}); too small: {with_images(small)}; this split has"
            f" {len(rows)} of {len(index)} images",
            fix(shape, protocol),
            IN_PYTHON,
        )
    rows = rows[index["label"].iloc[rows].isin(kept).to_numpy()]
    groups, clips = kept_apart(index, rows, shape)
    return make_pool(name, index, rows, kept, groups, clips, small, removed)


def kept_apart(
    index: pd.DataFrame, rows: np.ndarray, shape: EpisodeShape | Protocol
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The `groups` and `clips` of a pool of `rows`."""
    groups = _group_ids(index, rows, shape.disjoint)
    clips = _clip_ids(index.iloc[rows]) if shape.support_clips == "one" else None
    groups, clips = (None if ids is None else pd.factorize(ids)[0] for ids in (groups, clips))
    return groups, clips


def _large_enough(
    index, rows, need, shape: EpisodeShape | Protocol, protocol: Protocol, classes
) -> tuple[tuple[str, ...], dict[str, int]]:
    """The classes of `rows` that are large enough for episodes like `shape`, and the others with their
    images.
    """
    labels, groups = index["label"].iloc[rows], _group_ids(index, rows, shape.disjoint)
    counts = labels.value_counts()
    # One clip or person alone can be support or query of an episode, but not both.
    both_sides = shape is not protocol or protocol.support_from == "target"
    alone = (
        {c for c, n in groups.groupby(labels).nunique().items() if n == 1}
        if groups is not None and both_sides
        else set()
    )
    # Sorted, so that the class numbering does not depend on the order of files.
    present = sorted(c for c in classes if counts.get(c, 0) > 0)
    small = {c: int(counts[c]) for c in present if counts[c] < need or c in alone}
    return tuple(c for c in present if c not in small), small


def _group_ids(index: pd.DataFrame, rows: np.ndarray, disjoint: str) -> pd.Series | None:
    """What an image may not share with one of the other side, or None if that is only the image itself."""
    if disjoint == "nothing":
        return None
    # Photographs that belong to no clip are clips of one image each: nothing to keep apart but their copies.
    if disjoint == "subject" or (disjoint == "clip" and index["clip"].notna().any()):
        return index[disjoint].iloc[rows]
    copies = copies_of(index).iloc[rows]
    return copies if copies.duplicated().any() else None


def _clip_ids(part: pd.DataFrame) -> pd.Series | None:
    """The clip of each image; all photographs together count as one, because they were in one folder per
    class. None if all are photographs.
    """
    films = of_films(part)
    return part["clip"].where(films, "photographs") if films.any() else None


def make_pool(
    name: str,
    index: pd.DataFrame,
    rows: np.ndarray,
    classes: tuple[str, ...],
    groups: np.ndarray | None,
    clips: np.ndarray | None,
    excluded: dict[str, int],
    removed: int,
    homes: np.ndarray | None = None,
) -> Pool:
    """The pool of `rows`, with its digest."""
    names = index["label"].iloc[rows].to_numpy()
    labels = np.array([classes.index(label) for label in names], dtype=np.int64)
    content = hashlib.blake2b(digest_size=8)
    for digest, label in zip(index["digest"].iloc[rows], names):
        content.update(f"{digest} {label}\n".encode())
    for ids in (groups, clips, homes):
        if ids is not None:
            content.update(np.ascontiguousarray(ids).astype("<i8").tobytes())
    digest, units = content.hexdigest(), unit_intensities(index.iloc[rows])
    return Pool(name, rows, labels, classes, groups, clips, excluded, removed, digest, homes, units)
