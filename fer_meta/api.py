"""What `import fer_meta as fm` offers: faces, tasks, training, evaluation and whole benches from Python.

The functions call what the command line calls, so that their numbers mean the same: a training sees the train
split alone, its checkpoints are picked on the val split for each readout, and an evaluation uses fixed
episodes of test images that were not trained on.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import pandas as pd
import torch
from tqdm import tqdm

from fer_meta.bench.selection import pick, validator
from fer_meta.datasets import registry as datasets
from fer_meta.datasets.cache import CachedFaces
from fer_meta.datasets.synthetic.rendered import IMAGES_DRAWN, SEED, SUBJECTS
from fer_meta.device import choose_device, precision_on
from fer_meta.evaluation.answers import Shown, answer_episodes, embedder
from fer_meta.evaluation.scores import score
from fer_meta.expressions import EXPRESSIONS
from fer_meta.methods import registry as methods
from fer_meta.methods.base import FewShotMethod, TrainingConfig
from fer_meta.networks import backbones
from fer_meta.suites.schema import suite_names
from fer_meta.tasks.episodes import ImageTasks, draw
from fer_meta.tasks.pools import Domain, divide, restrict
from fer_meta.tasks.protocol import EpisodeShape, Protocol
from fer_meta.training import batches, checkpoints, loop

EPISODE_SEED = "evaluation/0"
"""The test episodes are those of a bench: the same for every model and seed."""


def list_datasets() -> list[str]:
    """The names that `load_faces` knows: rendered sets, data sets with a loader, folders of `$FER_META_DATA`.

    >>> "synthetic-wild" in list_datasets()
    True
    """
    return datasets.names({})


def list_methods() -> list[str]:
    """The names that `train` knows.

    >>> "protonet" in list_methods()
    True
    """
    return methods.names()


def list_suites() -> list[str]:
    """The names that `bench` knows.

    >>> "cross-domain" in list_suites()
    True
    """
    return suite_names()


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
    clip, frame, split). Raises DatasetError if the data set is not there or cannot be read.
    """
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
    shape = EpisodeShape(way=way, shots=shots, queries=queries, disjoint=disjoint)
    protocol = Protocol(way=way, shots=(shots,), queries=queries, disjoint=disjoint, train=shape)
    pool = getattr(_domain(faces, protocol), split)
    return ImageTasks(restrict(pool, pool.classes, faces.index, way), shape, f"tasks/{seed}", num_tasks, faces.images)


def backbone(name: backbones.Name, weights: str = "none") -> torch.nn.Module:
    """A network from normalised images [B, 3, H, W] to features [B, D]: conv4, resnet12, resnet18, resnet50.

    `weights`: none, imagenet (ResNet18 and ResNet50; downloaded once), or the path of a torchvision state
    dict. Raises FerMetaError for weights that cannot be had.

    >>> backbone("conv4")(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 256])
    """
    return backbones.vectors(name, weights)


@dataclass(frozen=True)
class TrainedModel:
    """A trained method. `selected`: the step of the checkpoint that the source's validation picked for each
    readout; `validated`: step -> readout -> its value there, 0 to 1; `folder` holds the checkpoints.
    """

    name: str
    method: FewShotMethod
    config: TrainingConfig
    protocol: Protocol
    source: CachedFaces
    classes: tuple[str, ...]
    device: torch.device
    folder: Path
    selected: Mapping[str, int]
    validated: Mapping[int, Mapping[str, float]]
    kept: tempfile.TemporaryDirectory | None = None  # the folder lives as long as the model

    def __repr__(self) -> str:
        picked = ", ".join(f"{name} at step {step}" for name, step in self.selected.items())
        return f"<{self.name} trained on {self.source.name}: {len(self.classes)} classes; {picked}>"

    def load(self, readout: str) -> FewShotMethod:
        """The network with the weights that were picked for `readout`, in evaluation mode."""
        checkpoints.load_snapshot(self.method, checkpoints.snapshots(self.folder)[self.selected[readout]])
        return self.method


def train(
    method: str,
    faces: CachedFaces,
    *,
    way: int = 5,
    shots: int = 5,
    queries: int = 10,
    disjoint: Literal["image", "clip", "subject"] = "clip",
    seed: int = 0,
    preset: str = "quick",
    device: str = "auto",
    out: str | Path | None = None,
    **settings,
) -> TrainedModel:
    """Train a method (of `list_methods`) on the train split of `faces`.

    `way`, `shots` and `queries` (a class) shape its training and validation episodes; a supervised network
    needs them for validation only. `preset` (smoke, quick, full) gives steps, learning rate and the like;
    `settings` changes some: `steps=1000, lr=1e-3, backbone="resnet18"`. After each of `validations` parts of
    the training a checkpoint is kept and validated on the val split. With `out`, a folder, a training that
    was stopped goes on there. Raises FerMetaError (or one of its kinds) for faces that are too few, unknown
    settings and a loss that is not finite.
    """
    shape = EpisodeShape(way=way, shots=shots, queries=queries, disjoint=disjoint)
    protocol = Protocol(way=way, shots=(shots,), queries=queries, disjoint=disjoint, train=shape)
    module, config, on = methods.load(method), _config(method, preset, settings), choose_device(device)
    domain = _domain(faces, protocol)
    source = domain.train
    network = loop.build(module, config, protocol, source.classes, faces.images.shape[1], seed, on)
    val = restrict(domain.val, source.classes, faces.index, protocol.validation.way)
    validate = validator(
        protocol, network, Shown(faces.images, val), on, precision_on(config.precision, on)
    )
    steps, batch_at = batches.steps_and_batches(network, config, domain, protocol, seed, on)
    kept = tempfile.TemporaryDirectory(prefix="fer-meta-") if out is None else None
    folder = Path(kept.name) if kept else Path(out)
    with tqdm(total=steps, desc=f"train {method}", dynamic_ncols=True, leave=False, disable=None) as bar:

        def progress(done: int, accuracy: float, validation: Mapping[str, float]) -> None:
            bar.update(done - bar.n)
            bar.set_postfix_str(f"train acc {accuracy:.3f}", refresh=False)

        loop.fit(network, config, steps, batch_at, validate, folder, progress)
    validated = checkpoints.read_validations(folder)
    selected = pick(validated, list(validated[steps]))
    return TrainedModel(
        method, network, config, protocol, faces, source.classes, on, folder, selected, validated, kept
    )


def evaluate(
    model: TrainedModel,
    faces: CachedFaces,
    *,
    way: int = 5,
    shots: int = 5,
    queries: int = 15,
    episodes: int = 600,
    disjoint: Literal["image", "clip", "subject"] = "clip",
) -> pd.DataFrame:
    """How often each readout of `model` is right in fixed test episodes of `faces`: one row per readout.

    `accuracy` (0 to 1) with `low` and `high`, its 95 % interval over people (else clips, else images) and
    episodes, supports included; `chance`; `episodes`; `groups` and `members`: of what there are how many in
    the queries. The episodes are drawn from the test split, without images that `model` was trained on, and
    are the same for every model. Raises ProtocolError if there are too few images.
    """
    protocol = Protocol(way=way, shots=(shots,), queries=queries, episodes=episodes, disjoint=disjoint)
    same = faces.content == model.source.content
    domains = divide(
        [model.source] if same else [model.source, faces],
        protocol,
        _classes(model.source, faces),
        sources=[model.source.name],
        targets=[faces.name],
    )
    target = domains[model.source.name if same else faces.name]
    pool = restrict(target.test, model.classes, faces.index, way)
    drawn = draw(pool, protocol.test_shape(shots), episodes, EPISODE_SEED)
    shown = Shown(faces.images, pool)
    found = {}
    for step in sorted(set(model.selected.values())):
        readouts = [name for name, picked in model.selected.items() if picked == step]
        method = model.load(readouts[0])
        embed = embedder(
            method, shown, shown, protocol.batchnorm, model.device,
            precision=precision_on(model.config.precision, model.device),
        )
        with tqdm(total=episodes, desc="evaluate", dynamic_ncols=True, leave=False, disable=None) as bar:
            found |= score(
                answer_episodes(
                    method, embed, pool, pool, drawn, protocol.batchnorm,
                    lambda done, _, bar=bar: bar.update(done - bar.n), readouts=readouts,
                ),
                drawn, pool, faces.index,
            )
    rows = [{"method": name, "way": way, "shots": shots, **found[name], "chance": 1 / way} for name in model.selected if name in found]
    return pd.DataFrame(rows)


def _classes(*faces: CachedFaces) -> list[str]:
    """The classes of any of these, in their usual order."""
    there = {label for one in faces for label in one.index["label"].unique()}
    return [name for name in EXPRESSIONS if name in there]


def _domain(faces: CachedFaces, protocol: Protocol) -> Domain:
    return divide([faces], protocol, _classes(faces))[faces.name]


def _config(method: str, preset: str, settings: dict) -> TrainingConfig:
    """The settings of a method under a preset, with the user's changes."""
    return methods.load(method).Config.model_validate({"steps": 400, "validations": 4, **settings})
