"""AffectNet: faces found by web search, in two releases: lists with a box for each face, and faces that are
cut out already, each with its label in a file of its own.

The test part was never given out. So the official validation part is the split `test` here. Images labelled
None, Uncertain or No-Face show no expression, and are left out.
"""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from fer_meta.damage import expected
from fer_meta.datasets.base import DatasetSpec, expect_some, make_index, not_found, once
from fer_meta.datasets.cache import progress_bar
from fer_meta.datasets.decoding import boxed, read_image
from fer_meta.datasets.scanning import first_file, first_folder, image_files, reading
from fer_meta.datasets.tables import columns, csv_rows, file_name, opened, whole_number
from fer_meta.errors import DatasetError

LABELS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
"""In the order of the numbers 0 to 7."""

OBTAIN = "http://mohammadmahoor.com/affectnet/ (heads of laboratories ask for it)"
LAYOUT = (
    "Manually_Annotated_file_lists/{training,validation}.csv and Manually_Annotated_Images/, or "
    "{train_set,val_set}/{images/<id>.jpg,annotations/<id>_exp.npy}"
)

_NOT_SHOWN = ("8", "9", "10")  # None, Uncertain, No-Face
_LISTS = {"train": "training.csv", "test": "validation.csv"}
_LIST_FOLDERS = ("Manually_Annotated_file_lists/", "Manually_Annotated/Manually_Annotated_file_lists/", "")
_IMAGES = tuple(
    f"{home}Manually_Annotated_Images"
    for home in ("", "Manually_Annotated/", "Manually_Annotated_compressed/")
)
_COLUMNS = ("subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "expression")
_PLACES = [0, 1, 2, 3, 4, 6]  # of these columns in a list without a header
_PARTS = {"train": "train_set", "test": "val_set"}


def scan(root: Path) -> pd.DataFrame:
    """The index of the old release if its lists are there, else of the new one; train first."""
    root = Path(root)
    lists = {
        split: first_file(root, (folder + name for folder in _LIST_FOLDERS)) for split, name in _LISTS.items()
    }
    parts = {split: first_folder(root, (name,)) for split, name in _PARTS.items()}
    if any(lists.values()):
        folder = first_folder(root, _IMAGES)
        if folder is None:
            raise not_found(root, "lists and no folder Manually_Annotated_Images", LAYOUT, OBTAIN)
        prefix = folder.relative_to(root).as_posix()
        rows = once(
            row for split, listed in lists.items() if listed for row in _listed(listed, prefix, split)
        )
        expect_some(root, rows, f"unpack the archives of images into {prefix}")
    else:
        rows = [row for split, part in parts.items() if part for row in _cut_out(root, part, split)]
    if not rows:
        raise not_found(root, "no lists and no folders of labelled faces", LAYOUT, OBTAIN)
    return make_index(rows)


def _listed(listed: Path, prefix: str, split: str) -> Iterator[dict]:
    """The rows of a list of the old release. Some copies of validation.csv have no header."""
    places = None
    with progress_bar(_lines(listed), f"affectnet: {listed.name}", True) as bar:
        for row in csv_rows(listed):
            bar.update()
            if places is None:
                headed = any(cell.casefold() == _COLUMNS[-1] for cell in row.cells)
                places = columns(listed, row.cells, _COLUMNS) if headed else _PLACES
                if headed:
                    continue
            if len(row.cells) <= max(places):
                raise DatasetError(f"{listed}: line {row.line} has {len(row.cells)} cells, expected 9")
            name, *box, number = (row.cells[place] for place in places)
            label = _label(f"{listed}: line {row.line}", number)
            if label is not None:
                left, top, width, height = (_pixels(listed, row.line, cell) for cell in box)
                path = f"{prefix}/{file_name(listed, row.line, name)}"
                path = boxed(path, left, top, left + width, top + height)
                yield {"path": path, "label": label, "split": split}


def _lines(listed: Path) -> int:
    with reading(listed), opened(listed) as file:
        return sum(part.count(b"\n") for part in iter(lambda: file.read(1 << 20), b""))


def _cut_out(root: Path, part: Path, split: str) -> Iterator[dict]:
    """The rows of a part of the new release."""
    names = image_files(part / "images") if first_folder(part, ("images",)) else []
    prefix = part.relative_to(root).as_posix()
    with progress_bar(len(names), f"affectnet: labels of {part.name}", True) as bar:
        for name in names:
            label = _read_label(part / "annotations" / f"{Path(name).stem}_exp.npy")
            bar.update()
            if label is not None:
                yield {"path": f"{prefix}/images/{name}", "label": label, "split": split}


def _read_label(file: Path) -> str | None:
    with reading(file), opened(file) as data:
        content = data.read()
    with expected(file, "is no label"):
        number = str(np.load(io.BytesIO(content), allow_pickle=False).item())
    return _label(str(file), number)


def _label(place: str, number: str) -> str | None:
    """The label of a number; None for an image that shows no expression."""
    number = whole_number(number.strip())
    if number not in map(str, range(len(LABELS) + len(_NOT_SHOWN))):
        raise DatasetError(f"{place} has the unknown expression '{number[:20]}', expected 0 to 10")
    return None if number in _NOT_SHOWN else LABELS[int(number)]


def _pixels(listed: Path, line: int, cell: str) -> int:
    number = whole_number(cell.removeprefix("-"))
    if not (number.isdecimal() and number.isascii()):
        raise DatasetError(
            f"{listed}: line {line} has '{cell[:20]}' in its box, expected whole numbers of pixels"
        )
    return -int(number) if cell.startswith("-") else int(number)


SPEC = DatasetSpec(
    name="affectnet",
    title="AffectNet, annotated by hand",
    summary=(
        "about 290,000 faces found by web search, 8 expressions; the official validation part is used as "
        "test, since the test part was not given out"
    ),
    obtain=OBTAIN,
    layout=LAYOUT,
    licence="research only, by agreement",
    citation=(
        "Mollahosseini, Hasani and Mahoor, AffectNet: A Database for Facial Expression, Valence, and Arousal "
        "Computing in the Wild, IEEE Transactions on Affective Computing, 2017"
    ),
    scan=scan,
    read=read_image,
    listed=True,
)
