"""A stored model: a network, ready to be used, from the folder that a training left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from fer_meta.errors import ResultsError
from fer_meta.methods.base import FewShotMethod
from fer_meta.methods.readouts import READOUTS
from fer_meta.prediction.own_code import made_of
from fer_meta.records.base import read_record
from fer_meta.records.model import MODEL, ModelRecord, read_model
from fer_meta.records.origin import ORIGIN, read_origin
from fer_meta.records.plan import PLAN, read_plan
from fer_meta.records.run import RUN, RunRecord
from fer_meta.runner.selection import chosen_by, pick
from fer_meta.tasks.protocol import Protocol
from fer_meta.training import checkpoints, loop

# Readouts that need nothing but the features of the support and of one picture. The centred ones need the
# source's images too.
ON_FEATURES = tuple(
    key
    for key, one in READOUTS.items()
    if not (one.transductive or one.on_pixels or one.with_head or key == "cl2n")
)

_GIVE = "give a folder of models/ or of runs/ in a results folder, or what `fm.train(..., out=...)` left"


@dataclass(frozen=True)
class StoredModel:
    """`own`: the answers of the method's own classifiers. `selected`: the step of the checkpoint that the
    source's validation picked for each readout.
    """

    folder: Path
    record: ModelRecord
    method: FewShotMethod
    device: torch.device
    own: tuple[str, ...]
    selected: Mapping[str, int]

    @property
    def size(self) -> int:
        """The side of its images, in pixels."""
        assert self.record.image_size
        return self.record.image_size

    def load(self, readout: str) -> FewShotMethod:
        """The network with the weights that were picked for `readout`, else the last, in evaluation mode."""
        there = checkpoints.snapshots(self.folder)
        checkpoints.load_snapshot(self.method, there[self.selected.get(readout, max(there))])
        return self.method


def open_model(folder: Path, device: torch.device, code: Sequence[str] = ()) -> StoredModel:
    """The model of a folder that a bench or `fm.train` left: of a model, or of a run, whose model it is.
    `code` names what of it is in files of the user's own, as in `own_code.made_of`.

    Raises ResultsError if the folder is none, or if its checkpoints are gone or damaged, and FerMetaError as
    `made_of` does.
    """
    folder = model_folder(folder)
    record = read_model(folder)
    if not (record.method and record.classes and record.image_size):
        raise ResultsError(
            f"{folder / MODEL}: is of an older version and does not say enough; train it again"
        )
    there = checkpoints.snapshots(folder)
    if not there:
        raise ResultsError(f"{folder}: its checkpoints are gone; run the bench again")
    method_class, config = made_of(folder, record, code)
    protocol = Protocol.model_validate(record.protocol)
    method = loop.build(
        method_class, config, protocol, tuple(record.classes), record.image_size, record.seed, device
    )
    method.readouts = tuple(key for key in method.read_by(ON_FEATURES) if key in ON_FEATURES)
    found = checkpoints.read_validations(folder).items()
    validated = {step: values for step, values in found if step in there}
    own = tuple(name for name in method_class.answers(config) if name in method.own)
    picked = pick(validated, [*own, *map(method.read_as, method.readouts)], chosen_by(method))
    return StoredModel(folder, record, method, device, own, picked)


def source_of(folder: Path) -> str | None:
    """The data set that the model of a bench was trained on; None where its folder does not say."""
    if (folder / ORIGIN).exists():
        return read_origin(folder).source or None
    results = folder.absolute().parents[1]
    if not (results / PLAN).exists():
        return None
    return next((run.source for run in read_plan(results).runs if run.model == folder.name), None)


def model_folder(folder: Path) -> Path:
    """The folder of a model, of its own or of a run's. Raises ResultsError if there is no trained model."""
    folder = _of_run(folder) if (folder / RUN).exists() else folder
    if (folder / MODEL).exists():
        return folder
    if not folder.is_dir():
        raise ResultsError(f"{folder}: there is no such folder; {_GIVE}")
    for pattern in ("*/model.json", "models/*/model.json", "*/models/*/model.json"):
        if there := sorted(folder.glob(pattern)):
            raise ResultsError(f"{folder}: holds several models; give one of them, such as {there[0].parent}")
    raise ResultsError(f"{folder}: holds no trained model; {_GIVE}")


def _of_run(folder: Path) -> Path:
    try:
        record = read_record(folder / RUN, RunRecord)
    except ValueError as error:
        raise ResultsError(f"{folder / RUN}: {error}; run the bench again") from None
    return folder.parents[1] / "models" / record.model
