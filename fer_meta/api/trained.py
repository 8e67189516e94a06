"""One training, and the model that it gives."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from tqdm import tqdm

from fer_meta import plugins
from fer_meta.api.divided import domain_of, in_one_line, training_protocol, without_suite
from fer_meta.datasets.cache import CachedFaces
from fer_meta.device import choose_device, precision_on
from fer_meta.errors import SuiteError
from fer_meta.evaluation.answers import Shown
from fer_meta.methods import registry as methods
from fer_meta.methods.base import FewShotMethod, NetworkConfig, TrainingConfig
from fer_meta.records.model import MODEL, ModelRecord, read_model, write_model
from fer_meta.runner.describe import recorded_config, stored_normalisation
from fer_meta.runner.identity import own_network, scientific
from fer_meta.runner.selection import answers_of, chosen_by, pick, validator
from fer_meta.streams import unwatched
from fer_meta.suites.folders import PRESETS
from fer_meta.suites.search import with_values
from fer_meta.suites.settings import methods_of
from fer_meta.tasks.pools import needed, restrict
from fer_meta.tasks.protocol import Protocol
from fer_meta.training import batches, checkpoints, loop
from fer_meta.training.ends import Moment


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
    protocol = training_protocol(way, shots, queries, disjoint)
    [name] = methods.names_of([method]) if isinstance(method, str) else [methods.register_method(method).name]
    config, on = _config(name, preset, settings), choose_device(device)
    domain, size = domain_of(faces, protocol, "train", "val"), faces.images.shape[1]
    source = needed(domain.train)
    network = loop.build(methods.load(name), config, protocol, source.classes, size, seed, on)
    with without_suite():
        val = restrict(needed(domain.val), source.classes, faces.index, protocol.validation.way)
    precision = precision_on(config.precision, on)
    shown, trained_on = Shown(faces.images, val), Shown(faces.images, source)
    validate = validator(protocol, network, shown, trained_on, on, precision)
    steps, batch_at = batches.steps_and_batches(network, config, domain, protocol, seed, on)
    kept = tempfile.TemporaryDirectory(prefix="fer-meta-") if out is None else None
    folder = Path(kept.name if kept else out or "")
    made_of = {
        "method": name,
        "config": scientific(config) | own_network(config),
        "protocol": scientific(protocol),
        "image_size": size,
        "seed": seed,
        "images": {"train": source.digest, "val": val.digest},
    }
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
        identity=made_of,
    )
    _claim(folder, record)
    with tqdm(total=steps, desc=f"train {name}", dynamic_ncols=True, leave=False, disable=unwatched()) as bar:

        def progress(now: Moment, accuracy: float, validation: Mapping[str, float]) -> None:
            bar.update(now.steps - bar.n)
            bar.set_postfix_str(f"train acc {accuracy:.3f}", refresh=False)

        loop.fit(network, config, steps, batch_at, validate, folder, progress)
    validated = checkpoints.read_validations(folder)
    selected = pick(validated, answers_of(network, validated[steps]), chosen_by(network))
    return TrainedModel(
        name, network, config, protocol, faces, source.classes, on, folder, selected, validated, kept
    )


def _claim(folder: Path, record: ModelRecord) -> None:
    """Make `folder` that of a training. Raises SuiteError if it is already another training's."""
    if (folder / MODEL).exists() and (there := read_model(folder)).identity != record.identity:
        differ = [key for key in record.identity if there.identity.get(key) != record.identity[key]]
        raise SuiteError(
            f"{folder}: holds another training ({there.id}, with another {', '.join(differ)}); give another"
            " `out`"
        )
    write_model(folder, record)


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
    name = changes.get("backbone")
    # A suite file, which others may have written, names no code. Here the user does.
    if isinstance(config, NetworkConfig) and isinstance(name, str) and plugins.is_file(name):
        config = config.model_copy(update={"backbone": name})
        changes = {key: value for key, value in changes.items() if key != "backbone"}
    with in_one_line(method):
        return with_values(config, changes)
