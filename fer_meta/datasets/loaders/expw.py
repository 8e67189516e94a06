"""ExpW: faces of photographs found by web search, several in one photograph.

Every labelled face is read, whatever the confidence of the detector that found it: the authors removed what
is no face by hand. A row that is there twice counts once; a face that two rows label differently is left out.
"""

from pathlib import Path

import pandas as pd

from fer_meta.datasets.base import DatasetSpec, Published, expect_some, make_index, not_found, once
from fer_meta.datasets.decoding import boxed, read_image
from fer_meta.datasets.loaders.fer2013 import LABELS
from fer_meta.datasets.scanning import first_file, first_folder
from fer_meta.datasets.tables import fields, file_name, whole_number
from fer_meta.errors import DatasetError

OBTAIN = "http://mmlab.ie.cuhk.edu.hk/projects/socialrelation/index.html"
LAYOUT = "label/label.lst and image/origin/<name>.jpg"

_ROW = "<image> <face> <top> <left> <right> <bottom> <confidence> <label>"
_LISTS = ("label/label.lst", "label.lst")
_FOLDERS = ("image/origin", "origin", "image")
_LARGEST = 1e6  # pixels


def scan(root: Path) -> pd.DataFrame:
    """The index of all faces, in the order of the list. A path names the box of its face."""
    root = Path(root)
    listed, folder = first_file(root, _LISTS), first_folder(root, _FOLDERS)
    if listed is None or folder is None:
        found = "no list label/label.lst" if listed is None else "no folder image/origin"
        raise not_found(root, found, LAYOUT, OBTAIN)
    prefix = folder.relative_to(root).as_posix()
    rows = []
    for line, words in fields(listed, _ROW):
        path = f"{prefix}/{file_name(listed, line, words[0])}"
        label = whole_number(words[7])
        if label not in map(str, range(len(LABELS))):
            raise DatasetError(f"{listed}: line {line} has the unknown label '{label[:20]}', expected 0 to 6")
        top, left, right, bottom = (_pixels(listed, line, word) for word in words[2:6])
        rows.append({"path": boxed(path, left, top, right, bottom), "label": LABELS[int(label)]})
    rows = once(rows)
    expect_some(root, rows, f"unpack the archive of images into {prefix}")
    return make_index(rows)


def _pixels(listed: Path, line: int, word: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = float("nan")
    if not abs(number) < _LARGEST:
        raise DatasetError(f"{listed}: line {line} has '{word[:20]}' in its box, expected a number of pixels")
    return number


_COUNTS = (3671, 3995, 1088, 30537, 10559, 7060, 34883)

SPEC = DatasetSpec(
    name="expw",
    title="ExpW (Expression in-the-Wild)",
    summary=(
        "91,793 faces in photographs found by web search; 7 expressions; all labelled faces, whatever the "
        "confidence of the detector"
    ),
    obtain=OBTAIN,
    layout=LAYOUT,
    licence="not stated; images come from the web, use for research",
    citation=(
        "Zhang, Luo, Loy and Tang, From Facial Expression Recognition to Interpersonal Relation Prediction,"
        " IJCV 126, 2018"
    ),
    scan=scan,
    read=read_image,
    published=(
        Published((91793,)),
        *(Published((count,), label=label) for label, count in zip(LABELS, _COUNTS)),
    ),
    listed=True,
)
