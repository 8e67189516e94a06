"""FER2013: 35,887 grey 48x48 faces, as the challenge's csv or as folders of images.

Counts per class were recounted from image folders and agree with the totals of the authors' paper.
"""

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from fer_meta.datasets.base import (
    DatasetSpec,
    OnHub,
    Published,
    expression_folder,
    make_index,
    not_found,
    split_of,
)
from fer_meta.datasets.decoding import read_image
from fer_meta.datasets.scanning import image_files, is_there, reading, state_of
from fer_meta.datasets.tables import (
    Row,
    columns,
    csv_cells,
    csv_rows,
    opened,
    separator_of,
    whole_number,
)
from fer_meta.errors import DatasetError
from fer_meta.expressions import BASIC

LABELS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""In the order of the csv's numbers 0 to 6."""

_NUMBERS = {str(number): label for number, label in enumerate(LABELS)}

LAYOUT = (
    "fer2013.csv (or icml_face_data.csv), or folders {train,validation,test}/<emotion>/*.jpg, "
    "or {train,test}/<emotion>/*.jpg"
)
OBTAIN = (
    "the Kaggle competition 'Challenges in Representation Learning: Facial Expression Recognition "
    "Challenge' or the Kaggle data set 'msambare/fer2013'"
)

# A copy with the official splits, one parquet file each. No commit of it could be verified when this was
# written, so none is named; `data check` compares its counts with the published ones.
HUB = OnHub(
    "AutumnQiu/fer2013",
    tuple(f"data/{split}-00000-of-00001.parquet" for split in ("train", "valid", "test")),
)

CSV_NAMES = tuple(
    f"{name}{ending}"
    for name in ("fer2013.csv", "icml_face_data.csv", "fer2013/fer2013.csv")
    for ending in ("", ".gz")
)
_USAGE = re.compile(r"training|publictest|privatetest", re.IGNORECASE)
_COUNTS = {
    "train": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "val": (467, 56, 496, 895, 653, 415, 607),
    "test": (491, 55, 528, 879, 594, 416, 626),
}


def scan(root: Path) -> pd.DataFrame:
    """The index from the csv, else from the folders. PublicTest is `val`, PrivateTest `test`."""
    root = Path(root)
    for name in CSV_NAMES:
        if is_there(root / name):
            return scan_csv(root, name)
    return _scan_folders(root)


def read(root: Path, path: str):
    """One image: a file's, or row `n` (from 0) of the csv for a path `<name>.csv#n`, as uint8 [48, 48]."""
    name, hash_, row = path.rpartition("#")
    if not (hash_ and name.endswith((".csv", ".csv.gz"))):
        return read_image(root, path)
    return _read_row(Path(root) / name, int(row))


def scan_csv(root: Path, name: str) -> pd.DataFrame:
    where = root / name
    with reading(where):
        table = _table(where, *_state(where))
    return make_index(
        {"path": f"{name}#{row}", "label": emotion, "split": usage}
        for row, (emotion, usage) in enumerate(zip(table.labels, table.splits))
    )


def _scan_folders(root: Path) -> pd.DataFrame:
    files = image_files(root)
    if not files:
        raise not_found(root, "no csv and no images", LAYOUT, OBTAIN)
    merged = not any(split_of(path.split("/")[0]) == "val" for path in files)
    rows = []
    for path in files:
        parts = path.split("/")
        folder = split_of(parts[0])
        if len(parts) != 3 or folder is None:
            raise not_found(root, f"'{path}' fits no known layout", LAYOUT, OBTAIN)
        label = expression_folder(root, "/".join(parts[:2]), BASIC)
        rows.append({"path": path, "label": label, "split": _split(root, path, folder, merged)})
    return make_index(rows)


def _split(root: Path, path: str, folder: str, merged: bool) -> str:
    """The split of a file in a folder of the split `folder`. `merged`: there is no validation folder, so
    `test` may hold both test parts.
    """
    prefix = _USAGE.match(path.rpartition("/")[2])
    named = split_of(prefix.group()) if prefix else None
    if named in (None, folder) or (merged and folder == "test" and named == "val"):
        return named or folder
    raise DatasetError(
        f"{root / path}: the name says '{named}' and the folder '{folder}'; "
        "move the file or remove this copy of the data"
    )


def _read_row(where: Path, row: int) -> np.ndarray:
    table = _table(where, *_state(where))
    with opened(where) as file:
        file.seek(table.starts[row])
        line = file.read(table.lengths[row])
    cells = csv_cells(where, table.lines[row], line, table.separator)
    pixels = np.array(cells[table.pixels].split(), dtype=np.float64)
    if pixels.size != 48 * 48 or not ((pixels >= 0) & (pixels <= 255) & (pixels % 1 == 0)).all():
        raise ValueError(f"{pixels.size} pixels where 2304 whole numbers of 0 to 255 are expected")
    return pixels.astype(np.uint8).reshape(48, 48)


@dataclass(frozen=True)
class _Table:
    """The csv without its pixels: their column, what separates its cells, and for each row its line (from 1),
    first byte, length, label and split. So a row is read alone.
    """

    pixels: int
    separator: str
    lines: list[int]
    starts: list[int]
    lengths: list[int]
    labels: list[str]
    splits: list[str]


def _state(where: Path) -> tuple[int, int]:
    return state_of(os.fspath(where))


@lru_cache(maxsize=1)
def _table(where: Path, size: int, mtime: int) -> _Table:
    rows = csv_rows(where)
    header = next(rows, Row(0, 0, 0, []))
    emotion, pixels, usage = columns(where, header.cells, ("emotion", "pixels", "Usage"))
    with opened(where) as file:
        separator = separator_of(file.read(header.start + header.length))
    table = _Table(pixels, separator, [], [], [], [], [])
    for line, start, length, cells in rows:
        table.labels.append(
            _known(where, line, "emotion", cells[emotion], _NUMBERS.get(whole_number(cells[emotion])))
        )
        table.splits.append(_known(where, line, "Usage", cells[usage], split_of(cells[usage])))
        table.lines.append(line)
        table.starts.append(start)
        table.lengths.append(length)
    if not table.lines:
        raise DatasetError(f"{where}: the file holds no images; obtain it again: {OBTAIN}")
    return table


def _known(where: Path, line: int, column: str, text: str, meaning: str | None) -> str:
    if meaning is None:
        known = "0 to 6" if column == "emotion" else "Training, PublicTest, PrivateTest"
        raise DatasetError(f"{where}: line {line} has the unknown {column} '{text}'; known are {known}")
    return meaning


SPEC = DatasetSpec(
    name="fer2013",
    title="FER2013",
    summary="35,887 grey 48x48 faces found by web search for emotion words; 7 expressions, noisy labels",
    obtain=OBTAIN,
    layout=LAYOUT,
    licence="none stated by the authors; images come from the web, use for research",
    citation=(
        "Goodfellow et al., Challenges in Representation Learning: A report on three machine learning "
        "contests, ICONIP 2013"
    ),
    scan=scan,
    read=read,
    published=(
        Published((35887,)),
        *(Published((sum(counts),), split) for split, counts in _COUNTS.items()),
        *(
            Published((count,), split, label)
            for split, counts in _COUNTS.items()
            for label, count in zip(LABELS, counts)
        ),
    ),
    hub=HUB,
)
