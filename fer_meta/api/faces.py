"""Faces, and learn2learn tasks over them."""

from pathlib import Path
from typing import Literal

from fer_meta.api.divided import domain_of, training_protocol, without_suite
from fer_meta.datasets import registry as datasets
from fer_meta.datasets.base import SPLITS
from fer_meta.datasets.cache import CachedFaces
from fer_meta.datasets.synthetic.rendered import IMAGES_DRAWN, SEED, SUBJECTS
from fer_meta.errors import DatasetError, ProtocolError
from fer_meta.suites.schema import LARGEST_IMAGE
from fer_meta.tasks.episodes import ImageTasks
from fer_meta.tasks.pools import restrict


def load_faces(
    name: str,
    path: str | Path | None = None,
    *,
    size: int = 84,
    subjects: int = SUBJECTS,
    images: int = IMAGES_DRAWN,
    seed: int = SEED,
) -> CachedFaces:
    """A data set of faces, decoded once at `size` x `size` pixels and kept in the cache.

    `name` is a data set of `list_datasets`, or any name for folders of images (`<label>/...` or
    `<split>/<label>/...`) at `path`. Without a `path` it is looked for in `$FER_META_DATA/<name>`.
    `synthetic-*` is rendered: `subjects`, `images` and `seed` say how large and which; they mean nothing for
    photographs.

    The result has `images` (uint8 [N, size, size, 3]) and `index` (one row per image: path, label, subject,
    clip, frame, split; of rendered faces also `units`, the action units shown). Where it is known, the index
    has columns of how strongly each action unit is shown (AU1, AU2, ..., 0 to 1), and of the annotators'
    votes (share_fear, ..., 0 to 1). Raises DatasetError if the data set is not there or cannot be read.
    """
    if not 16 <= size <= LARGEST_IMAGE:
        raise DatasetError(f"size: {size} pixels; give 16 to {LARGEST_IMAGE}")
    given = {} if path is None else {name: Path(path)}
    [(name, root)] = datasets.resolve([name], given).items()
    rendering = {} if root is not None else {"subjects": subjects, "images": images, "seed": seed}
    return datasets.load(name, root, size, **rendering)


def make_tasks(
    faces: CachedFaces,
    *,
    split: Literal["train", "val", "test"] = "train",
    way: int = 5,
    shots: int = 5,
    queries: int = 15,
    num_tasks: int = 20_000,
    disjoint: Literal["image", "clip", "subject"] = "clip",
    seed: int = 0,
) -> ImageTasks:
    """A learn2learn Taskset over one split of `faces`, for a training loop of your own.

    A task is `(images, labels)`: normalised images [way * (shots + queries), 3, size, size] (float32) and
    labels 0 .. way - 1 (int64). Classes follow one another; of each class the first `shots` images are the
    support, as in learn2learn's own examples. Support and query share no image, and no clip or subject if
    `disjoint` says so. Task i depends on `seed` and i alone. Raises ProtocolError if the split is too small.
    """
    protocol = training_protocol(way, shots, queries, disjoint)
    if split not in SPLITS:
        raise ProtocolError(f"split: there is no {split!r}; give one of {', '.join(SPLITS)}")
    pool, shape = getattr(domain_of(faces, protocol, split), split), protocol.train
    if pool is None:
        raise ProtocolError(f"{faces.name}: has no {split} images; give another `split`")
    with without_suite():
        enough = restrict(pool, pool.classes, faces.index, way)
    return ImageTasks(enough, shape, f"tasks/{seed}", num_tasks, faces.images)
