"""Episodes as learn2learn tasks, and the fixed episodes that every method is tested on.

A task is an int64 array [way, shots + queries] of rows of the data set: row c holds the images of the class
whose episode label is c, the support first. No pixel is read to draw one; one gather fetches all of an
episode's.
"""

import contextlib
import hashlib
import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from fer_meta.datasets.stacked import Images
from fer_meta.errors import ProtocolError
from fer_meta.fileio import mapped
from fer_meta.l2l import DataDescription, LoadData, MetaDataset, RemapLabels, Taskset, TaskTransform
from fer_meta.preprocessing import fetch, normalise
from fer_meta.tasks.pools import Pool
from fer_meta.tasks.protocol import EpisodeShape

# Draws tried before a class is declared too entangled to keep its clips or subjects apart.
ATTEMPTS = 100


class IndexDataset(Dataset):
    """A pool's images for learn2learn: `[i]` is (row of the data set, class number), so that it reads no
    pixel.
    """

    def __init__(self, pool: Pool):
        self.items = list(zip(pool.rows.tolist(), pool.labels.tolist()))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: int) -> tuple[int, int]:
        return self.items[i]


def meta_dataset(pool: Pool) -> MetaDataset:
    """learn2learn's MetaDataset over `pool`. It gets the labels, so that it need not read every item."""
    return MetaDataset(IndexDataset(pool), indices_to_labels=dict(enumerate(pool.labels.tolist())))


class ShotsAndQueries(TaskTransform):
    """Task transform: N random classes and of each K support images followed by Q query images.

    learn2learn's `FusedNWaysKShots` leaves it to the caller to divide a class's images into support and
    query; this one divides them itself, so that it can keep whole groups (copies, clips, subjects) on one
    side of an episode, or leak them on purpose.

    `groups` [len(dataset)] holds the group of each image, or is None if only images must differ; `clips`
    [len(dataset)] the clip of each, needed for `support_clips: one`. `sides` are two masks [len(dataset)]: of
    the images that the support may be of, and of those that the queries may be of; None: both of all. Raises
    ProtocolError for a class that can never give an episode.
    """

    def __init__(
        self, dataset: MetaDataset, shape: EpisodeShape, groups=None, clips=None, names=None, sides=None
    ):
        super().__init__(dataset)
        self.shape = shape
        self.groups = None if groups is None else [int(group) for group in groups]
        self.clips = None if clips is None else [int(clip) for clip in clips]
        of_class = {label: list(rows) for label, rows in sorted(dataset.labels_to_indices.items())}
        self.one_side = sides is None or np.array_equal(*sides)
        self.members, self.asked = (_only(of_class, side) for side in (sides or (None, None)))
        self.names = names or {label: str(label) for label in self.members}
        self.long_clips = {
            label: _long_clips(rows, self.clips, shape.shots)
            for label, rows in self.members.items()
            if self.clips is not None
        }
        self._check()

    def _check(self):
        if len(self.members) < self.shape.way:
            raise ProtocolError(
                f"{self.shape.way}-way episodes need {self.shape.way} classes, got {len(self.members)}"
            )
        for label, members in self.members.items():
            asked, shape = self.asked[label], self.shape
            sides = [(members, shape.shots), (asked, shape.queries)]
            for images, need in [(members, shape.images_per_class)] if self.one_side else sides:
                if len(images) < need:
                    raise ProtocolError(
                        f"class {self.names[label]} has {len(images)} images, an episode needs {need}"
                    )
            if self.groups is not None and len({self.groups[i] for i in members + asked}) < 2:
                raise ProtocolError(
                    f"class {self.names[label]} has one group only: support and query cannot be kept apart"
                )
            if self.clips is not None and not self.long_clips[label]:
                raise ProtocolError(
                    f"class {self.names[label]} has no clip of {self.shape.shots} images for `support_clips:"
                    " one`; lower `shots`"
                )

    def __call__(self, task_description=None) -> list[DataDescription]:
        classes = random.sample(list(self.members), self.shape.way)
        if self.shape.disjoint == "nothing" or (self.groups is None and not self.one_side):
            rows = [
                self._support(label) + random.sample(self.asked[label], self.shape.queries)
                for label in classes
            ]
        elif self.groups is None and self.clips is None:
            rows = [random.sample(self.members[label], self.shape.images_per_class) for label in classes]
        else:
            rows = self._apart(classes)
        return [DataDescription(i) for label_rows in rows for i in label_rows]

    def _apart(self, classes):
        """A group seen in any class's support gives no query to any class: a face must not give
        itself away.
        """
        group_of = range(len(self.dataset)) if self.groups is None else self.groups
        for _ in range(ATTEMPTS):
            support = [self._support(label) for label in classes]
            taken = {group_of[i] for rows in support for i in rows}
            free = [[i for i in self.asked[label] if group_of[i] not in taken] for label in classes]
            if all(len(rows) >= self.shape.queries for rows in free):
                return [s + random.sample(rows, self.shape.queries) for s, rows in zip(support, free)]
        worst = min(zip(free, classes), key=lambda pair: len(pair[0]))[1]
        raise ProtocolError(
            f"class {self.names[worst]} does not have {self.shape.queries} query images outside the support's"
            f" groups in {ATTEMPTS} draws; lower `shots` or `queries`, or exclude the class"
        )

    def _support(self, label):
        members = self.members[label]
        if self.clips is not None:  # the clip of a random image: a longer one comes more often
            clips = self.long_clips[label]
            (members,) = random.choices(clips, weights=[len(clip) for clip in clips])
        return random.sample(members, self.shape.shots)


def _only(rows: dict[int, list[int]], side: np.ndarray | None) -> dict[int, list[int]]:
    """Of the images of each class those in the mask `side`, or all."""
    return rows if side is None else {label: [i for i in of if side[i]] for label, of in rows.items()}


def _long_clips(members: Iterable[int], clips: Sequence[int], shots: int) -> list[list[int]]:
    """The images of each clip of a class that has enough of them for the support."""
    images: dict[int, list[int]] = {}
    for i in members:
        images.setdefault(clips[i], []).append(i)
    return [rows for rows in images.values() if len(rows) >= shots]


@contextlib.contextmanager
def local_random(seed: str):
    """learn2learn draws from Python's global generator: seed it for one task, then put it back as it was."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def turn(number: int, kinds: int, seed: str) -> int:
    """Which of `kinds` is the turn of episode `number`: of `kinds` episodes one after the other each kind
    gets one, in random order.
    """
    if kinds == 1:
        return 0
    block, place = divmod(number, kinds)
    with local_random(f"{seed}/turns/{block}"):
        return random.sample(range(kinds), kinds)[place]


def kinds_of(pool: Pool, shape: EpisodeShape) -> list[tuple[np.ndarray, np.ndarray] | None]:
    """The kinds of episode of `pool`, each as the `sides` of ShotsAndQueries: one for each of its data sets,
    with `query_from: other` one for each ordered pair; None where it is of one data set.

    Raises ProtocolError for `query_from: other` where there is no other.
    """
    if pool.homes is None:
        if shape.query_from == "other":
            raise ProtocolError(
                f"{pool.name}: `query_from: other` takes the queries from another data set than the support,"
                " and this source is one data set; train on two together (--sources a+b), or say"
                " `query_from: same`"
            )
        return [None]
    sides = [pool.homes == home for home in np.unique(pool.homes)]
    if shape.query_from == "other":
        return list(itertools.permutations(sides, 2))
    return [(side, side) for side in sides]


class InTurn(TaskTransform):
    """Task transform: of several `kinds` of episode the one whose turn it is. It gets the number of the task;
    without one it takes any.
    """

    def __init__(self, dataset: MetaDataset, kinds: Sequence[ShotsAndQueries], seed: str):
        super().__init__(dataset)
        self.kinds, self.seed = kinds, seed

    def __call__(self, number: int | None = None) -> list[DataDescription]:
        if number is None:
            return random.choice(self.kinds)()
        return self.kinds[turn(number, len(self.kinds), self.seed)]()


class Episodes(Taskset):
    """A learn2learn Taskset (formerly called TaskDataset) of `num_tasks` episodes of `pool`. The data sets of
    a pool of several take turns, so that all come equally often.

    `[i]` is an int64 array [way, shots + queries] of rows of the data set, the support first. It depends only
    on (`pool`, `shape`, `seed`, i): not on earlier draws, nor on the global generator. So a killed training
    goes on with the tasks that it would have had.
    """

    def __init__(self, pool: Pool, shape: EpisodeShape, seed: str, num_tasks: int):
        data = meta_dataset(pool)
        names = dict(enumerate(pool.classes))
        kinds = [
            ShotsAndQueries(data, shape, pool.groups, pool.clips, names, sides)
            for sides in kinds_of(pool, shape)
        ]
        transforms = [InTurn(data, kinds, seed), LoadData(data), RemapLabels(data)]
        super().__init__(data, transforms, num_tasks=num_tasks, task_collate=self._by_label)
        self.shape = shape
        self.seed = seed

    def __getitem__(self, i: int) -> np.ndarray:
        if not 0 <= i < len(self):
            raise IndexError(i)
        with local_random(f"{self.seed}/{i}"):
            return self.get_task(self.sample_task_description(i))

    def sample_task_description(self, number: int | None = None) -> list[DataDescription]:
        """learn2learn's, with the number of the task for those transforms that need it."""
        description: Any = number
        for transform in self.task_transforms:
            description = transform(description)
        return description

    def _by_label(self, samples) -> np.ndarray:
        rows, labels = np.array(samples, dtype=np.int64).reshape(self.shape.way, -1, 2).transpose(2, 0, 1)
        return rows[np.argsort(labels[:, 0])]


class ImageTasks(Episodes):
    """The same with pixels: task i is (images, labels), as in learn2learn's own examples.

    `images` [N, H, W, 3] (uint8) are those of the data set. A task's images [way * (shots + queries), 3, H,
    W] are normalised float32, and its labels 0 .. way - 1 int64; classes follow one another, the support
    first.
    """

    def __init__(self, pool: Pool, shape: EpisodeShape, seed: str, num_tasks: int, images: Images):
        super().__init__(pool, shape, seed, num_tasks)
        self.images = images

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:  # type: ignore[override]  # pixels, not rows
        rows = super().__getitem__(i)
        labels = torch.arange(self.shape.way).repeat_interleave(rows.shape[1])
        return normalise(fetch(self.images, rows.ravel(), torch.device("cpu"))), labels


@dataclass(frozen=True)
class FixedEpisodes:
    """Episodes to test on: `support` [E, way, shots] are rows of the support's data set, [e, c] those of
    class c; `queries` are E arrays (or one [E, Q]) of rows of the target, in the order of the episode's
    classes if they are drawn by class.
    """

    support: np.ndarray
    queries: Sequence[np.ndarray] | np.ndarray
    _hashes: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.support)

    def hash_in(self, support: Pool, query: Pool) -> str:
        """A hash of the episodes by place in their pools: rows of the data set would change with images that
        are in no pool. All runs on a target have the same episodes, so it is computed once.
        """
        pools = fingerprint(support.rows, query.rows)
        if pools not in self._hashes:
            places = support.positions(self.support), *map(query.positions, self.queries)
            self._hashes[pools] = fingerprint(*places)
        return self._hashes[pools]


def draw(pool: Pool, shape: EpisodeShape, count: int, seed: str) -> FixedEpisodes:
    """`count` episodes with support and query from one pool."""
    tasks = Episodes(pool, shape, seed, count)
    support = mapped((count, shape.way, shape.shots), np.int64)
    queries = mapped((count, shape.way * shape.queries), np.int64)
    for i in range(count):
        rows = tasks[i]
        support[i], queries[i] = rows[:, : shape.shots], rows[:, shape.shots :].ravel()
    return FixedEpisodes(support, queries)


def draw_with_held_support(
    held: Pool, target: Pool, way: int, shots: int, queries: Literal["all"] | int, count: int, seed: str
) -> FixedEpisodes:
    """`count` episodes whose support is from `held`, of another role or data set, and whose queries are from
    `target`.

    With `queries` "all" the images of `target` are shared out among the episodes at random, each to one, and
    every episode has all classes, of which `target` may have no image; there are no more episodes than
    images. If `held` is of several data sets, they take turns to give an episode's support. Raises
    ProtocolError if the two pools do not have enough classes in common.
    """
    classes = [name for name in held.classes if name in target.classes]
    exhaustive = queries == "all"
    if len(classes) < way or (exhaustive and (len(target.classes) != way or len(classes) != way)):
        raise ProtocolError(
            f"{target.name}: {len(target.classes)} classes are tested, of which {held.name} has"
            f" {len(classes)}; `way: {way}` with `queries: {queries}` needs"
            f" {'exactly' if exhaustive else 'at least'} {way} in both"
        )
    sides = [held] if held.homes is None else [_of_home(held, home) for home in np.unique(held.homes)]
    supports, asks = [_members(side, classes) for side in sides], _members(target, classes)
    count = min(count, len(target)) if exhaustive else count
    support, asked = [], _deal(target, count, seed) if exhaustive else []
    for i in range(count):
        with local_random(f"{seed}/{i}"):
            chosen = classes if exhaustive else random.sample(classes, way)
            members = supports[turn(i, len(sides), seed)]
            support.append([random.sample(members[name], shots) for name in chosen])
            if queries != "all":
                asked.append(np.array([row for name in chosen for row in random.sample(asks[name], queries)]))
    return FixedEpisodes(np.array(support, dtype=np.int64), tuple(asked))


def _of_home(pool: Pool, home: int) -> Pool:
    """The rows and labels of one of a pool's data sets."""
    chosen = pool.homes == home
    return replace(pool, rows=pool.rows[chosen], labels=pool.labels[chosen])


def _members(pool: Pool, classes: Iterable[str]) -> dict[str, list[int]]:
    """The rows of each of `classes`."""
    return {name: pool.rows[pool.labels == pool.classes.index(name)].tolist() for name in classes}


def _deal(pool: Pool, count: int, seed: str) -> list[np.ndarray]:
    """The images of a pool in `count` random parts of nearly equal size."""
    with local_random(f"{seed}/deal"):
        return [np.sort(part) for part in np.array_split(random.sample(pool.rows.tolist(), len(pool)), count)]


def fingerprint(*arrays: np.ndarray) -> str:
    """A short hash that two sets of arrays of integers share only if they are the same."""
    digest = hashlib.blake2b(digest_size=8)
    for array in arrays:
        digest.update(f"{array.shape}".encode() + np.ascontiguousarray(array, dtype="<i8").tobytes())
    return digest.hexdigest()
