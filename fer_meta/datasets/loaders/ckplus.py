"""CK+: posed sequences from a neutral face to a peak, and CK+48, its small faces as they are handed on.

Of the 593 sequences 327 have a label. Counts of sequences per class were recounted from a list of folds.
"""

import math
import re
from functools import partial
from pathlib import Path

import pandas as pd

from fer_meta.datasets.base import (
    DatasetSpec,
    Published,
    expression_folder,
    make_index,
    named_images,
    not_found,
)
from fer_meta.datasets.decoding import read_image
from fer_meta.datasets.scanning import first_folder, image_files
from fer_meta.datasets.sequences import neutral_and_peak
from fer_meta.datasets.tables import read_lines, whole_number
from fer_meta.datasets.units import UNGRADED, unit_columns
from fer_meta.errors import DatasetError

LABELS = ("neutral", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
"""In the order of the numbers 0 to 7 of the label files."""

OBTAIN = "sign the agreement at http://www.jeffcohn.net/Resources/, unpack the images and Emotion_labels.zip"
LAYOUT = "cohn-kanade-images/S005/001/*.png and Emotion/S005/001/*_emotion.txt (and FACS/S005/001/*_facs.txt)"
OBTAIN_48 = "the Kaggle data set 'shawon10/ckplus'"
LAYOUT_48 = "<expression>/S010_004_00000017.png"

# Of images, labels and units: unpacked, or in the archives in which they are handed out.
_PLACES = (
    ("cohn-kanade-images", "extended-cohn-kanade-images.zip/cohn-kanade-images"),
    ("Emotion", "Emotion_labels/Emotion", "Emotion_labels", "Emotion_labels.zip/Emotion"),
    ("FACS", "FACS_labels/FACS", "FACS_labels", "FACS_labels.zip/FACS"),
)
_NAME = re.compile(r"(S[0-9]{3})_([0-9]{3})_([0-9]{1,18})(?![0-9])", re.IGNORECASE)
_LEVELS = 5  # of an intensity, from A to E


def scan(root: Path) -> pd.DataFrame:
    """The index of the labelled sequences, with the columns of action units for peaks that were coded."""
    root = Path(root)
    images, labels, units = (first_folder(root, names) for names in _PLACES)
    if images is None or labels is None:
        missing = "cohn-kanade-images" if images is None else "Emotion"
        raise not_found(root, f"no folder '{missing}'", LAYOUT, OBTAIN)
    frames: dict[str, list[tuple[int, str]]] = {}
    prefix = images.relative_to(root).as_posix()
    for path, name in named_images(images, _NAME, LAYOUT, OBTAIN):
        frames.setdefault(_clip(name), []).append((int(name[3]), f"{prefix}/{path}"))
    known = {clip: _label(file) for clip, file in _texts(labels, "_emotion.txt").items()}
    if not known:
        raise not_found(root, f"no file *_emotion.txt in '{labels.name}'", LAYOUT, OBTAIN)
    if lacking := sorted(set(known) - set(frames)):
        raise DatasetError(
            f"{images}: {len(lacking)} of {len(known)} labelled sequences have no images, first {lacking[0]};"
            " unpack all images again"
        )
    codes = {} if units is None else {clip: _units(file) for clip, file in _texts(units, "_facs.txt").items()}
    rows = []
    for clip, label in sorted(known.items()):
        of_clip = neutral_and_peak(root, clip, frames[clip], label)
        of_clip[-1]["units"] = codes.get(clip)
        rows += [{**row, "subject": clip.partition("_")[0]} for row in of_clip]
    index = make_index(rows)
    return index.assign(**unit_columns([row.get("units") for row in rows])) if codes else index


def scan_48(root: Path) -> pd.DataFrame:
    """The index of the folders of 48x48 faces."""
    rows = []
    for path, name in named_images(Path(root), _NAME, LAYOUT_48, OBTAIN_48):
        label = expression_folder(root, path.rpartition("/")[0], LABELS)
        known = {"subject": name[1].upper(), "clip": _clip(name), "frame": int(name[3])}
        rows.append({"path": path, "label": label, **known})
    return make_index(rows)


def _clip(name: re.Match[str]) -> str:
    return f"{name[1]}_{name[2]}".upper()


def _texts(folder: Path, ending: str) -> dict[str, Path]:
    """The text file of each sequence that has one."""
    found: dict[str, Path] = {}
    for path in image_files(folder, suffixes=(".txt",)):
        name = _NAME.match(path.rpartition("/")[2])
        if name and path.endswith(ending) and found.setdefault(_clip(name), folder / path) != folder / path:
            raise DatasetError(
                f"{folder / path}: the sequence {_clip(name)} has another such file; keep one copy"
            )
    return found


def _label(file: Path) -> str:
    number = whole_number(" ".join(read_lines(file)).strip())
    if number not in map(str, range(len(LABELS))):
        raise DatasetError(f"{file}: says '{number[:20]}', expected 0 to 7; obtain it again")
    return LABELS[int(number)]


def _units(file: Path) -> dict[int, float]:
    """The intensity of each action unit. 0 in the file is a unit that was seen and not graded."""
    shown = {}
    for line in filter(str.strip, read_lines(file)):
        try:
            unit, intensity = map(float, line.split())
        except ValueError:
            unit = intensity = math.nan
        if not (0 < unit < 100 and 0 <= intensity <= _LEVELS):
            raise DatasetError(f"{file}: has the line '{line.strip()[:40]}', expected '<unit> <intensity>'")
        shown[int(unit)] = intensity / _LEVELS or UNGRADED
    return shown


_SEQUENCES = dict(zip(LABELS[1:], (45, 18, 59, 25, 69, 28, 83)))
_spec = partial(
    DatasetSpec,
    citation=(
        "Lucey, Cohn, Kanade, Saragih, Ambadar and Matthews, The Extended Cohn-Kanade Dataset (CK+): A "
        "complete dataset for action unit and emotion-specified expression, CVPR Workshops 2010"
    ),
    read=read_image,
)

SPEC = _spec(
    name="ckplus",
    title="CK+ (Extended Cohn-Kanade)",
    summary=(
        "327 posed sequences of 118 people; of each the first frame as neutral and the last three frames "
        "under its label, 8 classes; action units of the peaks"
    ),
    obtain=OBTAIN,
    layout=LAYOUT,
    licence="research only, by agreement",
    scan=scan,
    published=(
        Published((327,), unit="clips"),
        *(Published((count,), label=label, unit="clips") for label, count in _SEQUENCES.items()),
    ),
)

SPEC_48 = _spec(
    name="ckplus48",
    title="CK+48",
    summary="the last three frames of the labelled sequences of CK+ as 48x48 faces; 7 classes, no neutral",
    obtain=OBTAIN_48,
    layout=LAYOUT_48,
    licence="that of CK+: research only, by agreement",
    scan=scan_48,
    published=(
        Published((981,)),
        *(Published((3 * count,), label=label) for label, count in _SEQUENCES.items()),
    ),
)
