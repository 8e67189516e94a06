"""A few labelled faces per class, from which a model learns what to answer."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

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
    """`images` uint8 [way * shots, H, W, 3], class after class; `names` says which picture each is.
    `left_out` names those that were not taken, because an identical picture is asked about.
    """

    images: np.ndarray
    names: Sequence[str]
    classes: tuple[str, ...]
    shots: int
    left_out: tuple[str, ...] = ()

    @property
    def labels(self) -> np.ndarray:
        """The class number of each image (int64)."""
        return np.repeat(np.arange(len(self.classes)), self.shots)


class Labelled(NamedTuple):
    """A face, uint8 [H, W, 3], its name, and what is equal for identical pictures."""

    name: str
    face: np.ndarray
    digest: str


@dataclass(frozen=True)
class Labels:
    """The faces of each class of a place, of which some become the support."""

    where: str
    of_class: Mapping[str, Sequence[Labelled]]

    def support(self, shots: int | None, seed: int = SEED, asked: Collection[str] = ()) -> Support:
        """Of each class `shots` faces, drawn by `seed`, or five, or as many as the smallest class has.
        Pictures with the digests that are `asked` about are left out: a model would find them in its support.

        Raises DatasetError for fewer than two classes, and for a class that has fewer faces.
        """
        if len(self.of_class) < 2:
            raise DatasetError(
                f"{self.where}: has {len(self.of_class)} classes; a support needs two or more: give a folder"
                " with a folder of faces for each"
            )
        classes = sorted(self.of_class, key=lambda name: (_ORDER.get(name, len(_ORDER)), name))
        free = {name: [one for one in self.of_class[name] if one.digest not in asked] for name in classes}
        left_out = [one.name for name in classes for one in self.of_class[name] if one.digest in asked]
        smallest = min(classes, key=lambda name: len(free[name]))
        there, lost = len(free[smallest]), len(self.of_class[smallest]) - len(free[smallest])
        if (shots or 1) > there:
            less = f", without {lost} that the model is asked about" if lost else ""
            asks = f", and --shots asks for {shots}" if shots else ""
            raise DatasetError(f"{self.where}: {smallest} has {there} faces{less}{asks}; add others")
        shots = shots or min(5, there)
        rng = np.random.default_rng(seed)
        drawn = [
            free[name][place]
            for name in classes
            for place in sorted(rng.choice(len(free[name]), shots, replace=False))
        ]
        images = np.stack([one.face for one in drawn])
        return Support(images, [one.name for one in drawn], tuple(classes), shots, tuple(left_out))


def of_folder(folder: Path, size: int, detect: Detector | None) -> Labels:
    """The faces of a folder that has a folder of pictures per class, in the words of any data set (`happy` is
    happiness) or in words of your own; cut out as `faces_in` does.

    Raises DatasetError for a class without a face.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: there is no such folder; give one with a folder of faces per class")
    of_class: dict[str, list[Labelled]] = {}
    for home in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        found = of_class.setdefault(_label(home.name), [])
        faces = faces_in(home, size, detect)
        found += [
            Labelled(f"{home.name}/{one.name}", one.face, one.digest) for one in faces if one.face is not None
        ]
        if not found:
            raise DatasetError(
                f"{home}: no face is found in it; if these are face crops, give --aligned-support"
            )
    return Labels(str(folder), of_class)


def of_dataset(name: str, data: Mapping[str, Path], size: int) -> Labels:
    """Training faces of a data set (else any), as they are; rendered ones are rendered once. Raises
    DatasetError as `resolve` does.
    """
    [(name, root)] = resolve([name], data).items()
    faces = load(name, root, size, **({} if root else RENDERED))
    index = faces.index.reset_index(drop=True)
    if (index["split"] == "train").any():
        index = index[index["split"] == "train"]
    of_class = {
        str(label): [
            Labelled(f"{label}/{Path(path).name}", faces.images[row], digest)
            for row, path, digest in part[["path", "digest"]].itertuples()
        ]
        for label, part in index[index["label"].notna()].groupby("label")
    }
    return Labels(name, of_class)


_ORDER = {name: place for place, name in enumerate(EXPRESSIONS)}


def _label(name: str) -> str:
    try:
        return canonical(name)
    except ValueError:
        return name
