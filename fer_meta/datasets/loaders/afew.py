"""AFEW: frames of aligned faces from film clips, one folder per clip.

The labels of the official test clips are withheld. So the official validation part is the split `test`
here, and whoever needs a validation part carves it from `train`. Two clip names occur in both parts, and a
name may recur in another class, so a clip is known by split, class and name.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from fer_meta.datasets.base import DatasetSpec, Published, make_index, not_found
from fer_meta.datasets.clips import frame_number
from fer_meta.datasets.decoding import read_image
from fer_meta.datasets.scanning import IMAGE_SUFFIXES, image_files
from fer_meta.errors import DatasetError
from fer_meta.expressions import BASIC, canonical

LAYOUT = (
    "frames in {Train_AFEW,Val_AFEW}/.../<Class>/<clip>/*.jpg (also train_afew, images_background, "
    "Train), or in {Train_AFEW,Val_AFEW}/.../<clip>/*.jpg beside the films <Class>/<clip>.avi, unpacked or "
    "in the archive AlignedFaces_LBPTOP_Points.zip"
)
OBTAIN = "sign the agreement at https://cs.anu.edu.au/few/AFEW.html, unpack the clips and the aligned faces"
FILM, ARCHIVE = ".avi", ".zip"

_SUFFIXES = {*IMAGE_SUFFIXES, FILM}

_SPLITS = {
    "train_afew": "train",
    "train": "train",
    "images_background": "train",
    "val_afew": "test",
    "val": "test",
    "images_evaluation": "test",
    # The labels of the official test clips are withheld, so nothing in it can be used.
    "test_afew": "withheld",
    "test": "withheld",
}


def scan(root: Path) -> pd.DataFrame:
    """The index of all frames, by split, class, clip and frame; `clip` is `<split>/<class>/<name>`."""
    root = Path(root)
    files = _files(root)
    films = _films(root, files)
    rows: list[dict[str, Any]] = []
    folders: dict[str, str] = {}
    for path in files:
        split = _split(path)
        if split == "withheld" or path.lower().endswith(FILM):
            continue
        if split is None:
            raise not_found(root, f"'{path}' is not in a train or validation folder", LAYOUT, OBTAIN)
        folder, _, _file = path.rpartition("/")
        name = folder.rpartition("/")[2]
        label = _label(root, folder, split, name, films)
        clip = f"{split}/{label}/{name}"
        if folders.setdefault(clip, folder) != folder:
            raise DatasetError(
                f"{root}: the clip {clip} is in both '{folders[clip]}' and '{folder}'; "
                "keep one copy of the frames"
            )
        rows.append(
            {"path": path, "label": label, "clip": clip, "split": split, "frame": frame_number(root, path)}
        )
    if not rows:
        raise not_found(root, "no frames", LAYOUT, OBTAIN)
    rows.sort(key=lambda row: (row["split"] != "train", row["clip"], row["frame"] or 0, row["path"]))
    return make_index(rows)


def _files(root: Path) -> list[str]:
    """The paths of all frames and films; those in an archive if nothing of its split is unpacked."""
    files = image_files(root, {*_SUFFIXES, ARCHIVE})
    archives = [path for path in files if path.lower().endswith(ARCHIVE)]
    files = [path for path in files if not path.lower().endswith(ARCHIVE)]
    done = {"withheld", *(_split(path) for path in files if not path.lower().endswith(FILM))}
    packed = [archive for archive in archives if _split(archive) not in done]
    return files + [f"{one}/{path}" for one in packed for path in image_files(root / one, _SUFFIXES)]


def _split(path: str) -> str | None:
    """The split (or `withheld`) of the first folder that names one, else None."""
    return next((_SPLITS[part] for part in path.lower().split("/")[:-1] if part in _SPLITS), None)


def _label(root: Path, folder: str, split: str, name: str, films: dict[tuple[str | None, str], str]) -> str:
    """The class of a clip's folder: that of the folders around it, else that of the film of the same name."""
    around = set(_expressions(folder.split("/")[:-1]))
    label = around.pop() if len(around) == 1 else films.get((split, name))
    if label is None or label not in BASIC:
        raise DatasetError(
            f"{root / folder}: unknown class; expected it in the folder of a class, such as 'Angry', or "
            f"the film <Class>/{name}.avi; to obtain it: {OBTAIN}"
        )
    return label


def _films(root: Path, files: list[str]) -> dict[tuple[str | None, str], str]:
    """The class of each (split, clip name), from the folder that holds the film."""
    films: dict[tuple[str | None, str], str] = {}
    for path in (path for path in files if path.lower().endswith(FILM)):
        *folders, file = path.split("/")
        labels = list(_expressions(folders[-1:]))
        key = (_split(path), Path(file).stem)
        if labels and films.setdefault(key, labels[0]) != labels[0]:
            raise DatasetError(
                f"{root / path}: the same film is in '{films[key]}' and '{labels[0]}'; "
                "expected in one class, so keep one"
            )
    return films


def _expressions(folders: Iterable[str]) -> Iterable[str]:
    for folder in folders:
        with contextlib.suppress(ValueError):
            yield canonical(folder)


# Clips: the official number, then (where it differs) the number with at least one detected face.
_CLIPS = {
    "train": {
        "anger": (133,),
        "disgust": (74,),
        "fear": (81,),
        "happiness": (150, 149),
        "neutral": (144, 143),
        "sadness": (117,),
        "surprise": (74,),
    },
    "test": {
        "anger": (64,),
        "disgust": (40,),
        "fear": (46, 45),
        "happiness": (63, 62),
        "neutral": (63,),
        "sadness": (61,),
        "surprise": (46,),
    },
}

SPEC = DatasetSpec(
    name="afew",
    title="AFEW (Acted Facial Expressions in the Wild)",
    summary=(
        "film clips as frames of aligned faces, 7 expressions; the official validation part is used as "
        "test, since the test labels are withheld"
    ),
    obtain=OBTAIN,
    layout=LAYOUT,
    licence="research only, by signed agreement",
    citation=(
        "Dhall, Goecke, Lucey and Gedeon, Collecting Large, Richly Annotated Facial-Expression "
        "Databases from Movies, IEEE MultiMedia 19(3), 2012"
    ),
    scan=scan,
    read=read_image,
    published=(
        Published((773, 771), "train", unit="clips"),
        Published((383, 381), "test", unit="clips"),
        *(
            Published(counts, split, label, unit="clips")
            for split, labels in _CLIPS.items()
            for label, counts in labels.items()
        ),
    ),
)
