"""A few labelled faces per class, from which a model learns what to answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_meta.datasets.registry import load, resolve
from fer_meta.errors import DatasetError
from fer_meta.expressions import EXPRESSIONS, canonical
from fer_meta.prediction.pictures import faces_in
from fer_meta.video.faces import Detector

SEED = 0
# Of rendered faces: enough to choose a few from, and rendered in seconds.
RENDERED = {"subjects": 40, "images": 420}


@dataclass(frozen=True)
class Support:
    """`images` uint8 [way * shots, H, W, 3], class after class; `names` says which picture each is."""

    images: np.ndarray
    names: Sequence[str]
    classes: tuple[str, ...]
    shots: int

    @property
    def labels(self) -> np.ndarray:
        """The class number of each image (int64)."""
        return np.repeat(np.arange(len(self.classes)), self.shots)


def of_folder(
    folder: Path, size: int, shots: int | None, detect: Detector | None, seed: int = SEED
) -> Support:
    """The faces of a folder that has a folder of pictures per class, in the words of any data set (`happy` is
    happiness) or in words of your own; cut out as `faces_in` does. Of each class `shots`, drawn by `seed`, or
    as many as the smallest has.

    Raises DatasetError for fewer than two classes, and for a class without a face.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: there is no such folder; give one with a folder of faces per class")
    of_class: dict[str, list[tuple[str, np.ndarray]]] = {}
    for home in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        found = of_class.setdefault(_label(home.name), [])
        faces = faces_in(home, size, detect)
        found += [(f"{home.name}/{one.name}", one.face) for one in faces if one.face is not None]
        if not found:
            raise DatasetError(
                f"{home}: no face is found in it; if these are face crops, give --aligned-support"
            )
    return _drawn(of_class, str(folder), shots, seed)


def of_dataset(
    name: str, data: Mapping[str, Path], size: int, shots: int | None, seed: int = SEED
) -> Support:
    """Training faces of a data set (else any), as they are; rendered ones are rendered once. Raises
    DatasetError as `resolve` and `of_folder` do.
    """
    [(name, root)] = resolve([name], data).items()
    faces = load(name, root, size, **({} if root else RENDERED))
    index = faces.index.reset_index(drop=True)
    if (index["split"] == "train").any():
        index = index[index["split"] == "train"]
    of_class = {
        str(label): [(f"{label}/{Path(path).name}", faces.images[row]) for row, path in part["path"].items()]
        for label, part in index[index["label"].notna()].groupby("label")
    }
    return _drawn(of_class, name, shots, seed)


def _drawn(of_class: dict, where: str, shots: int | None, seed: int) -> Support:
    if len(of_class) < 2:
        raise DatasetError(
            f"{where}: has {len(of_class)} classes; a support set has a folder for each of two or more"
        )
    classes = sorted(of_class, key=lambda name: (_ORDER.get(name, len(_ORDER)), name))
    smallest = min(classes, key=lambda name: len(of_class[name]))
    shots = shots or min(5, len(of_class[smallest]))
    if shots > len(of_class[smallest]):
        raise DatasetError(
            f"{where}: {smallest} has {len(of_class[smallest])} faces, and --shots asks for {shots}"
        )
    rng = np.random.default_rng(seed)
    drawn = [
        of_class[name][place]
        for name in classes
        for place in sorted(rng.choice(len(of_class[name]), shots, replace=False))
    ]
    images = np.stack([face for _, face in drawn])
    return Support(images, [name for name, _ in drawn], tuple(classes), shots)


_ORDER = {name: place for place, name in enumerate(EXPRESSIONS)}


def _label(name: str) -> str:
    try:
        return canonical(name)
    except ValueError:
        return name
