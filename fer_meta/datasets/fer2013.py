"""FER2013: 35,887 grey 48x48 faces, as the challenge's csv or as folders of images.

Counts a class were recounted from image folders and agree with the totals of the authors' paper.
"""

import csv
import re
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from fer_meta.datasets.base import (
    DatasetSpec, Published, expression_folder, image_files, make_index, not_found, read_image, split_of,
)
from fer_meta.errors import DatasetError
from fer_meta.expressions import BASIC

LABELS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""In the order of the csv's numbers 0 to 6."""

USAGES = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}

LAYOUT = ("fer2013.csv (or icml_face_data.csv), or folders {train,validation,test}/<emotion>/*.jpg, "
          "or {train,test}/<emotion>/*.jpg")
OBTAIN = ("the Kaggle competition 'Challenges in Representation Learning: Facial Expression Recognition "
          "Challenge' or the Kaggle data set 'msambare/fer2013'")

_CSV_NAMES = ("fer2013.csv", "icml_face_data.csv", "fer2013/fer2013.csv")
_COUNTS = {
    "train": (3995, 436, 4097, 7215, 4830, 3171, 4965),
    "val": (467, 56, 496, 895, 653, 415, 607),
    "test": (491, 55, 528, 879, 594, 416, 626),
}


def scan(root: Path) -> pd.DataFrame:
    """The index from the csv, else from the folders. PublicTest is `val`, PrivateTest `test`."""
    root = Path(root)
    for name in _CSV_NAMES:
        if (root / name).is_file():
            return _scan_csv(root, name)
    return _scan_folders(root)


def read(root: Path, path: str):
    """One image: a file's, or row `n` (from 0) of the csv for a path `<name>.csv#n`, as uint8 [48, 48]."""
    name, hash_, row = path.rpartition("#")
    if not (hash_ and name.endswith(".csv")):
        return read_image(root, path)
    return _read_row(Path(root) / name, int(row))


def _scan_csv(root: Path, name: str) -> pd.DataFrame:
    where = root / name
    # Some copies of the file have blanks before the names of the columns.
    try:
        table = pd.read_csv(where, usecols=lambda column: column.strip() in ("emotion", "Usage"), dtype=str)
    except ValueError as error:
        raise DatasetError(f"{where}: not readable as csv ({error}); obtain it again: {OBTAIN}") from None
    table = table.rename(columns=str.strip)
    if set(table.columns) != {"emotion", "Usage"}:
        raise DatasetError(f"{where}: no columns 'emotion' and 'Usage'; is this the challenge's whole file?")
    if table.empty:
        raise DatasetError(f"{where}: the file holds no images; obtain it again: {OBTAIN}")
    numbers = {str(i): label for i, label in enumerate(LABELS)}
    for column, known in (("emotion", numbers), ("Usage", USAGES)):
        wrong = ~table[column].isin(list(known))
        if wrong.any():
            row = int(wrong.idxmax())
            raise DatasetError(f"{where}: row {row} has the unknown {column} '{table[column][row]}'; "
                               f"known are {', '.join(known)}")
    return make_index({"path": f"{name}#{row}", "label": numbers[emotion], "split": USAGES[usage]}
                      for row, (emotion, usage) in enumerate(zip(table["emotion"], table["Usage"])))


def _scan_folders(root: Path) -> pd.DataFrame:
    files = image_files(root)
    if not files:
        raise not_found(root, "no csv and no images", LAYOUT, OBTAIN)
    merged = not any(split_of(path.split("/")[0]) == "val" for path in files)
    rows = []
    for path in files:
        parts = path.split("/")
        if len(parts) != 3 or split_of(parts[0]) is None:
            raise not_found(root, f"'{path}' fits no known layout", LAYOUT, OBTAIN)
        label = expression_folder(root, "/".join(parts[:2]), BASIC)
        rows.append({"path": path, "label": label, "split": _split(root, path, merged)})
    return make_index(rows)


def _split(root: Path, path: str, merged: bool) -> str:
    """The split of a file. `merged`: there is no validation folder, so `test` may hold both test parts."""
    folder = split_of(path.split("/")[0])
    prefix = re.match(r"[A-Za-z]+", path.rpartition("/")[2])
    named = USAGES.get(prefix.group()) if prefix else None
    if named in (None, folder) or (merged and folder == "test" and named == "val"):
        return named or folder
    raise DatasetError(f"{root / path}: the name says '{named}' and the folder '{folder}'; "
                       "move the file or remove this copy of the data")


def _read_row(where: Path, row: int) -> np.ndarray:
    column, offsets = _rows(where, where.stat().st_mtime_ns)
    with where.open("rb") as file:
        file.seek(offsets[row])
        fields = next(csv.reader([file.readline().decode()]))
    pixels = np.array(fields[column].split(), dtype=np.int64)
    if pixels.size != 48 * 48 or pixels.min() < 0 or pixels.max() > 255:
        raise ValueError(f"{pixels.size} pixels where 2304 of 0 to 255 are expected")
    return pixels.astype(np.uint8).reshape(48, 48)


@lru_cache(maxsize=1)
def _rows(where: Path, mtime: int) -> tuple[int, list[int]]:
    """Which column holds the pixels, and the byte at which each row starts, so that a row is read alone."""
    with where.open("rb") as file:
        header = [name.strip() for name in file.readline().decode().split(",")]
        offsets, at = [], file.tell()
        for line in file:
            if line.strip():
                offsets.append(at)
            at += len(line)
    if "pixels" not in header:
        raise DatasetError(f"{where}: no column 'pixels'; is this the challenge's whole file?")
    return header.index("pixels"), offsets


SPEC = DatasetSpec(
    name="fer2013",
    title="FER2013",
    summary="35,887 grey 48x48 faces found by web search for emotion words; 7 expressions, noisy labels",
    obtain=OBTAIN,
    layout=LAYOUT,
    licence="none stated by the authors; images come from the web, use for research",
    citation="Goodfellow et al., Challenges in Representation Learning: A report on three machine learning "
             "contests, ICONIP 2013",
    scan=scan,
    read=read,
    published=(
        Published((35887,)),
        *(Published((sum(counts),), split) for split, counts in _COUNTS.items()),
        *(Published((count,), split, label)
          for split, counts in _COUNTS.items() for label, count in zip(LABELS, counts)),
    ),
)
