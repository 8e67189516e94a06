"""Episodes as learn2learn tasks.

An episode is an int64 array [way, shots + queries] of rows of the data set: row c holds the images of the class whose
episode label is c, the support first. No pixel is read to draw one; `gather` fetches all of an episode's in one go.
"""

import contextlib
import hashlib
import random

import numpy as np
from torch.utils.data import Dataset

from fer_meta.errors import ProtocolError
from fer_meta.l2l import DataDescription, LoadData, MetaDataset, RemapLabels, TaskTransform, Taskset
from fer_meta.tasks.pools import Pool
from fer_meta.tasks.protocol import EpisodeShape

# Draws tried before a class is declared too entangled to keep its clips or subjects apart.
ATTEMPTS = 100


class IndexDataset(Dataset):
    """Stands for a pool's images: `[i]` is (row of the data set, class number), so that learn2learn touches no pixel."""

    def __init__(self, pool: Pool):
        self.items = list(zip(pool.rows.tolist(), pool.labels.tolist()))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: int) -> tuple[int, int]:
        return self.items[i]


def meta_dataset(pool: Pool) -> MetaDataset:
    """learn2learn's MetaDataset over `pool`, told the labels so that it need not read every item."""
    return MetaDataset(IndexDataset(pool), indices_to_labels=dict(enumerate(pool.labels.tolist())))


class ShotsAndQueries(TaskTransform):
    """Task transform: N random classes and of each K support images followed by Q query images.

    learn2learn's `FusedNWaysKShots` leaves it to the caller to divide a class's images into support and query; this one
    divides them itself, so that it can keep whole groups (clips, subjects) on one side of an episode.

    `groups` [len(dataset)] holds the group of each image, or is None if only images must differ. Raises ProtocolError for
    a class that can never give an episode.
    """

    def __init__(self, dataset: MetaDataset, shape: EpisodeShape, groups=None, names=None):
        super().__init__(dataset)
        self.shape = shape
        self.groups = None if groups is None else [int(group) for group in groups]
        self.members = {label: list(rows) for label, rows in sorted(dataset.labels_to_indices.items())}
        self.names = names or {label: str(label) for label in self.members}
        self._check()

    def _check(self):
        if len(self.members) < self.shape.way:
            raise ProtocolError(f"{self.shape.way}-way episodes need {self.shape.way} classes, got {len(self.members)}")
        for label, members in self.members.items():
            if len(members) < self.shape.images_per_class:
                raise ProtocolError(
                    f"class {self.names[label]} has {len(members)} images, an episode needs {self.shape.images_per_class}"
                )
            if self.groups is not None and len({self.groups[i] for i in members}) < 2:
                raise ProtocolError(f"class {self.names[label]} has one group only: support and query cannot be kept apart")

    def __call__(self, task_description=None) -> list[DataDescription]:
        classes = random.sample(list(self.members), self.shape.way)
        draw = self._images if self.groups is None else self._grouped
        return [DataDescription(i) for label_rows in draw(classes) for i in label_rows]

    def _images(self, classes):
        return [random.sample(self.members[label], self.shape.images_per_class) for label in classes]

    def _grouped(self, classes):
        """A group seen in any class's support gives no query to any class: a face must not give itself away."""
        for _ in range(ATTEMPTS):
            support = [random.sample(self.members[label], self.shape.shots) for label in classes]
            taken = {self.groups[i] for rows in support for i in rows}
            free = [[i for i in self.members[label] if self.groups[i] not in taken] for label in classes]
            if all(len(rows) >= self.shape.queries for rows in free):
                return [s + random.sample(rows, self.shape.queries) for s, rows in zip(support, free)]
        worst = min(zip(free, classes), key=lambda pair: len(pair[0]))[1]
        raise ProtocolError(
            f"class {self.names[worst]} does not have {self.shape.queries} query images outside the support's groups "
            f"in {ATTEMPTS} draws; lower `shots` or `queries`, or exclude the class"
        )


@contextlib.contextmanager
def local_random(seed: str):
    """learn2learn draws from Python's global generator: seed it for one task, then put it back as it was."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


class Episodes(Taskset):
    """learn2learn's Taskset (the class formerly called TaskDataset) of `pool`'s episodes, `num_tasks` long.

    Episode i is a function of (`pool`, `shape`, `seed`, i) alone: not of what was drawn before, nor of the global
    generator. That is what lets a killed training resume with the tasks it would have had.
    """

    def __init__(self, pool: Pool, shape: EpisodeShape, seed: str, num_tasks: int):
        data = meta_dataset(pool)
        names = dict(enumerate(pool.classes))
        transforms = [ShotsAndQueries(data, shape, pool.groups, names), LoadData(data), RemapLabels(data)]
        super().__init__(data, transforms, num_tasks=num_tasks, task_collate=self._by_label)
        self.shape = shape
        self.seed = seed

    def __getitem__(self, i: int) -> np.ndarray:
        if not 0 <= i < len(self):
            raise IndexError(i)
        with local_random(f"{self.seed}/{i}"):
            return self.get_task(self.sample_task_description())

    def _by_label(self, samples) -> np.ndarray:
        rows, labels = np.array(samples, dtype=np.int64).reshape(self.shape.way, -1, 2).transpose(2, 0, 1)
        return rows[np.argsort(labels[:, 0])]


def draw(pool: Pool, shape: EpisodeShape, count: int, seed: str) -> np.ndarray:
    """`count` episodes as one int64 array [count, way, shots + queries]."""
    episodes = Episodes(pool, shape, seed, count)
    return np.stack([episodes[i] for i in range(count)])


def fingerprint(episodes: np.ndarray) -> str:
    """A short hash that two sets of episodes share only if they are the same."""
    return hashlib.blake2b(np.ascontiguousarray(episodes, dtype="<i8").tobytes(), digest_size=8).hexdigest()
