"""What `import fer_meta as fm` offers: faces, tasks, training, evaluation and whole benches from Python.

The functions call what the command line calls, so that their numbers mean the same: a training sees the train
split alone, its checkpoints are picked on the val split for each readout, and an evaluation uses fixed
episodes of test images that were not trained on.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import pandas as pd
import torch
from pydantic import ValidationError
from tqdm import tqdm

from fer_meta.datasets import registry as datasets
from fer_meta.datasets.base import SPLITS
from fer_meta.datasets.cache import CachedFaces
from fer_meta.datasets.synthetic.rendered import IMAGES_DRAWN, SEED, SUBJECTS
from fer_meta.device import choose_device, precision_on
from fer_meta.errors import DatasetError, ProtocolError, SuiteError
from fer_meta.evaluation.answers import Shown, answer_episodes, embedder
from fer_meta.evaluation.contexts import contexts
from fer_meta.evaluation.features import features_once
from fer_meta.evaluation.scores import score
from fer_meta.expressions import EXPRESSIONS
from fer_meta.methods import registry as methods
from fer_meta.methods.base import FewShotMethod, TrainingConfig
from fer_meta.networks import backbones
from fer_meta.records.model import MODEL, ModelRecord, read_model, write_model
from fer_meta.report.aggregate.accuracy import accuracy_table
from fer_meta.report.aggregate.folds import pooled
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.load import read_results as load_results
from fer_meta.runner.describe import recorded_config, stored_normalisation
from fer_meta.runner.identity import scientific
from fer_meta.runner.main import finish, plan, work
from fer_meta.runner.options import BenchOptions
from fer_meta.runner.selection import answers_of, chosen_by, pick, validator
from fer_meta.suites.folders import PRESETS
from fer_meta.suites.schema import LARGEST_IMAGE
from fer_meta.suites.settings import methods_of
from fer_meta.suites.text import suite_names
from fer_meta.tasks.episodes import ImageTasks, draw
from fer_meta.tasks.pools import Domain, Pool, divide, needed, restrict
from fer_meta.tasks.protocol import Protocol
from fer_meta.training import batches, checkpoints, loop
from fer_meta.training.ends import Moment

EPISODE_SEED = "evaluation/0"
"""The test episodes are those of a bench: the same for every model and seed."""

VALIDATION_EPISODES = 50

SHOWN = ["accuracy", "low", "high", "chance", "episodes", "tested_on"]


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
    protocol = _training_protocol(way, shots, queries, disjoint)
    if split not in SPLITS:
        raise ProtocolError(f"split: there is no {split!r}; give one of {', '.join(SPLITS)}")
    pool, shape = needed(getattr(_domain(faces, protocol), split)), protocol.train
    return ImageTasks(
        restrict(pool, pool.classes, faces.index, way), shape, f"tasks/{seed}", num_tasks, faces.images
    )


def backbone(
    name: str, weights: str = "none", stem: backbones.Stem = "large", image_size: int = 224
) -> torch.nn.Module:
    """A network from images [B, 3, H, W], normalised by its own `normalisation`, to features [B, D].

    `name`: conv4, resnet12, efficientnet_lite0, a classification network of torchvision by its name there,
    timm/NAME, or FILE.py:CLASS. `weights`: none, imagenet (downloaded once), bundled (efficientnet_lite0), or
    the path of a state dict. `stem`: as a suite's methods have it; auto follows `image_size`.

    Raises FerMetaError for an unknown name, or for weights that cannot be had.

    >>> backbone("conv4")(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 256])
    """
    return backbones.vectors(name, weights, stem, image_size)


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
    method: str | type[FewShotMethod],
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
    """Train a method, a name of `list_methods`, FILE.py:CLASS or a class of your own, on the train split of
    `faces`.

    `way`, `shots` and `queries` (per class) shape its training and validation episodes; a supervised network
    needs them for validation only. `preset` (smoke, quick, full) gives steps, learning rate and the like;
    `settings` changes some: `steps=1000, lr=1e-3, backbone="resnet18"`. After each of `validations` parts of
    the training a checkpoint is kept and validated on the val split. With `out`, a folder, the same training
    goes on there after a stop. Raises FerMetaError (or one of its kinds) for faces that are too few, unknown
    settings, a loss that is not finite, and an `out` that holds another training.
    """
    protocol = _training_protocol(way, shots, queries, disjoint)
    [name] = methods.names_of([method]) if isinstance(method, str) else [methods.register_method(method).name]
    config, on = _config(name, preset, settings), choose_device(device)
    domain, size = _domain(faces, protocol), faces.images.shape[1]
    source = needed(domain.train)
    network = loop.build(methods.load(name), config, protocol, source.classes, size, seed, on)
    val = restrict(needed(domain.val), source.classes, faces.index, protocol.validation.way)
    precision = precision_on(config.precision, on)
    shown, trained_on = Shown(faces.images, val), Shown(faces.images, source)
    validate = validator(protocol, network, shown, trained_on, on, precision)
    steps, batch_at = batches.steps_and_batches(network, config, domain, protocol, seed, on)
    kept = tempfile.TemporaryDirectory(prefix="fer-meta-") if out is None else None
    folder = Path(kept.name if kept else out or "")
    record = ModelRecord(
        id=f"{name}-{faces.name}-seed{seed}",
        method=name,
        config=recorded_config(config, size),
        classes=list(source.classes),
        protocol=protocol.model_dump(mode="json"),
        image_size=size,
        normalisation=stored_normalisation(network),
        seed=seed,
        steps=steps,
        images=batches.images_seen(network, config, source, protocol),
        precision=precision,
    )
    made_of = {
        "method": name,
        "config": scientific(config),
        "protocol": scientific(protocol),
        "image_size": size,
        "seed": seed,
        "images": {"train": source.digest, "val": val.digest},
    }
    _claim(folder, record, made_of)
    with tqdm(total=steps, desc=f"train {name}", dynamic_ncols=True, leave=False, disable=None) as bar:

        def progress(now: Moment, accuracy: float, validation: Mapping[str, float]) -> None:
            bar.update(now.steps - bar.n)
            bar.set_postfix_str(f"train acc {accuracy:.3f}", refresh=False)

        loop.fit(network, config, steps, batch_at, validate, folder, progress)
    validated = checkpoints.read_validations(folder)
    selected = pick(validated, answers_of(network, validated[steps]), chosen_by(network))
    return TrainedModel(
        name, network, config, protocol, faces, source.classes, on, folder, selected, validated, kept
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
    """The accuracy of each readout of `model` in fixed test episodes of `faces`: one row per readout.

    `accuracy` (0 to 1) with `low` and `high`, its 95 % interval over people (else clips, else images) and
    episodes, supports included; `chance`; `episodes`; `tested_on`: how many people (clips, images) are in the
    queries. The episodes are drawn from the test split, without images that `model` was trained on, and are
    the same for every model. Raises ProtocolError if there are too few images.
    """
    with _in_one_line("evaluate"):
        # The source is divided as it was for the training, however many shots are tested now.
        protocol = Protocol(
            way=way,
            shots=(shots,),
            queries=queries,
            episodes=episodes,
            disjoint=disjoint,
            train=model.protocol.train,
            validation=model.protocol.validation,
        )
    pool = test_pool(model, faces, protocol)
    drawn = draw(pool, protocol.test_shape(shots), episodes, EPISODE_SEED)
    shown = Shown(faces.images, pool)
    found: dict[str, dict] = {}
    for step in sorted(set(model.selected.values())):
        readouts = [name for name, picked in model.selected.items() if picked == step]
        method = model.load(readouts[0])
        precision = precision_on(model.config.precision, model.device)
        features = features_once(method, model.device, precision)
        seen = shown, shown, protocol.batchnorm, model.device, features, precision
        embed, more = embedder(method, *seen), contexts(method, _trained_on(model), *seen)
        with tqdm(total=episodes, desc="evaluate", dynamic_ncols=True, leave=False, disable=None) as bar:
            answers = answer_episodes(
                method,
                embed,
                pool,
                pool,
                drawn,
                protocol.batchnorm,
                partial(_show, bar),
                readouts=readouts,
                contexts=more,
            )
            found |= score(answers, drawn, pool, faces.index)
    rows = {name: {**found[name], "chance": 1 / way} for name in model.selected if name in found}
    return pd.DataFrame.from_dict(rows, orient="index", columns=SHOWN)


def _trained_on(model: TrainedModel) -> Shown:
    train = needed(_domain(model.source, model.protocol).train)
    return Shown(model.source.images, train)


def _show(bar: tqdm, done: int, accuracy: float) -> None:
    bar.update(done - bar.n)


def _claim(folder: Path, record: ModelRecord, made_of: dict) -> None:
    """Make `folder` that of a training. Raises SuiteError if it is already another training's."""
    if (folder / MODEL).exists() and (there := read_model(folder)).identity != made_of:
        differ = [key for key in made_of if there.identity.get(key) != made_of[key]]
        raise SuiteError(
            f"{folder}: holds another training ({there.id}, with another {', '.join(differ)}); give another"
            " `out`"
        )
    write_model(folder, record.model_copy(update={"identity": made_of}))


def bench(
    suite: str = "cross-domain", *, data: Mapping[str, str | Path] | None = None, **options
) -> pd.DataFrame:
    """Run a suite (a name of `list_suites`, or the path of a suite file) as `fer-meta bench` does; its table.

    `data` gives the folders of data sets: `{"fer2013": "~/fer2013"}`. The other options are those of the
    command line (`fer_meta.runner.options.BenchOptions`): `domains=["synthetic-wild", "fer2013"]`,
    `methods=["protonet"]`, `seeds=(0, 1, 2)`, `preset="full"`, `out="results"`. Finished runs are not redone.
    The table is that of `read_results`. Raises FerMetaError if anything is wrong before the first run, and
    TypeError for an unknown option; a run that fails is printed and is not in the table.
    """
    given = {name: Path(folder).expanduser() for name, folder in (data or {}).items()}
    if "out" in options:
        options["out"] = Path(options["out"])
    planned = plan(BenchOptions(suite, data=given, **options))
    work(planned)
    finish(planned)
    return read_results(planned.folder)


def read_results(folder: str | Path) -> pd.DataFrame:
    """The table of a bench, computed from the answers that its runs stored: one row per method, readout,
    source, target, shots and selection.

    Scores are 0 to 1; see `fer_meta.report` for the columns. Raises ResultsError if `folder` has no finished
    runs or a damaged one.
    """
    results, names = load_results(Path(folder)), Names()
    return accuracy_table(results, pooled(results, read_cells(results, names)))


def _training_protocol(way: int, shots: int, queries: int, disjoint: str) -> Protocol:
    """Training and validation episodes of one shape."""
    shape = {"way": way, "shots": shots, "queries": queries, "disjoint": disjoint}
    validation = {**shape, "episodes": VALIDATION_EPISODES}
    with _in_one_line("training episodes"):
        return Protocol.model_validate({**shape, "shots": (shots,), "train": shape, "validation": validation})


@contextmanager
def _in_one_line(what: str) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        [first, *_] = error.errors()
        where = ": ".join([what, *map(str, first["loc"])])
        message = "unknown setting" if first["type"] == "extra_forbidden" else first["msg"]
        raise SuiteError(f"{where}: {message.removeprefix('Value error, ')}") from None


def test_pool(model: TrainedModel, faces: CachedFaces, protocol: Protocol) -> Pool:
    """The test images of `faces` for `model`: of its classes, none trained on."""
    if (size := model.source.images.shape[1]) != faces.images.shape[1]:
        raise DatasetError(f"{faces.name}: the model was trained at {size} pixels; load it with size={size}")
    both = [model.source] if faces.content == model.source.content else [model.source, faces]
    if len({one.name for one in both}) < len(both):
        raise DatasetError(
            f"{faces.name}: another data set of this name was trained on; load it under another name"
        )
    classes, source = _classes(*both), model.source.name
    domain = divide(both, protocol, classes, sources=[source], targets=[both[-1].name])[both[-1].name]
    if domain.test is None:
        raise ProtocolError(f"{faces.name}: has no test images; give the data set a test split")
    return restrict(domain.test, model.classes, faces.index, protocol.way)


def _classes(*faces: CachedFaces) -> list[str]:
    """The classes of any of these, in their usual order."""
    there = {label for one in faces for label in one.index["label"].unique()}
    return [name for name in EXPRESSIONS if name in there]


def _domain(faces: CachedFaces, protocol: Protocol) -> Domain:
    return divide([faces], protocol, _classes(faces))[faces.name]


def _config(method: str, preset: str, changes: dict) -> TrainingConfig:
    """The settings of a method under a preset, with the user's changes."""
    if preset not in PRESETS:
        raise SuiteError(f"no preset is called {preset!r}; there are {', '.join(PRESETS)}")
    methods.load(method)  # says which methods there are
    configs, faults = methods_of({}, {}, preset, [method])
    if faults:
        (where, message), *_ = faults
        raise SuiteError(f"{'.'.join(map(str, where))}: {message}")
    config = configs[method]
    with _in_one_line(method):
        return type(config).model_validate({**config.model_dump(), **changes})
