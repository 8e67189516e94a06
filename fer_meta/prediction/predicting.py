"""Pictures in, answers out: `fer-meta predict` and `fm.predict`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pandas as pd
from tqdm import tqdm

from fer_meta.datasets.scanning import expanded
from fer_meta.device import choose_device
from fer_meta.errors import DatasetError, FerMetaError
from fer_meta.hub.fetch import fetched, is_on_hub
from fer_meta.prediction import support as supports
from fer_meta.prediction.answering import answer, chosen
from fer_meta.prediction.pictures import Picture, faces_in, from_camera
from fer_meta.prediction.stored import StoredModel, open_model, source_of
from fer_meta.prediction.support import Labels, Support
from fer_meta.streams import unwatched
from fer_meta.video.faces import Detector, load_detector, usual_detector

FOLDER = "FOLDER (with a folder of faces for each class)"


@dataclass(frozen=True)
class Prediction:
    """`table`: see `answering.answer`, one row per picture of `pictures`."""

    model: StoredModel
    readout: str
    support: Support | None
    pictures: list[Picture]
    table: pd.DataFrame

    @property
    def calibrated(self) -> bool:
        """Whether the probabilities mean something, and not only their order."""
        return self.model.method.is_calibrated(self.readout)


def predict(
    model: str | Path,
    pictures: Sequence[str | Path],
    *,
    support: str | Path | None = None,
    own_head: bool = False,
    shots: int | None = None,
    seed: int = supports.SEED,
    readout: str | None = None,
    aligned: bool = False,
    aligned_support: bool = False,
    detector: str | None = None,
    fps: float | None = None,
    camera: int | None = None,
    device: str = "auto",
    code: str | Sequence[str] = (),
    data: Mapping[str, Path] = MappingProxyType({}),
) -> Prediction:
    """What a stored model answers to photographs, films and folders of them, and to what a `camera` sees.
    `model` is its folder, or hf:USER/NAME on the Hugging Face hub.

    `support`: a folder with a folder of faces per class, or the name of a data set; by default the one that
    the model was trained on. With `own_head`, the model's own head answers. `aligned`: pictures are face
    crops already, or only those of the support (`aligned_support`). `code`: FILE.py:CLASS of a method
    or network of your own that the model was trained with; the file is run. Raises FerMetaError (or one of
    its kinds) for whatever is missing.
    """
    folder = fetched(model) if is_on_hub(model) else expanded(model, "the model")
    opened = open_model(folder, choose_device(device), [code] if isinstance(code, str) else code)
    detect = None if aligned else load_detector(detector or usual_detector())
    find = None if aligned_support else detect
    known = None if own_head else _labels(opened, support, data, find)
    faces = known.support(shots, seed) if known else None  # its faults come first: pictures may take long
    readout = chosen(opened, faces, readout)
    seen: list[Picture] = []
    with tqdm(desc="faces", unit=" pictures", leave=False, dynamic_ncols=True, disable=unwatched()) as bar:
        for path in pictures:
            for picture in faces_in(expanded(path, "the picture"), opened.size, detect, fps):
                seen.append(picture)
                bar.update()
    if camera is not None:
        seen.append(from_camera(camera, opened.size, detect))
    if known:
        faces = known.support(shots, seed, {one.digest for one in seen})
    return Prediction(opened, readout, faces, seen, answer(opened, seen, faces, readout))


def _labels(
    model: StoredModel, given: str | Path | None, data: Mapping[str, Path], detect: Detector | None
) -> Labels:
    """The faces to choose the support from. A folder of this name comes before a data set."""
    if given is not None and (isinstance(given, Path) or "/" in given or Path(given).is_dir()):
        return supports.of_folder(expanded(given, "the support"), model.size, detect)
    name = given or source_of(model.folder)
    if name is None:
        raise FerMetaError(
            f"{model.folder}: does not say what it was trained on, so it has no support of its own; give"
            f" --support {FOLDER}, or the name of a data set"
        )
    try:
        return supports.of_dataset(name, data, model.size)
    except DatasetError as error:
        raise DatasetError(
            f"--support {name}: there is no such folder; as a data set, {error}"
            if given
            else f"without --support the model needs faces of {name}, which it was trained on; give --support"
            f" {FOLDER}, or that data set: {error}"
        ) from error
