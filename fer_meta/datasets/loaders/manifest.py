"""A table of images: a csv, parquet or jsonl file with the columns `path` and `label`, and any of `subject`,
`clip`, `frame`, `split` and `box` (left, top, right, bottom in pixels).

It is the file that `manifest:` in fer-meta.yaml names, else `manifest.csv`, `manifest.parquet`, or the
`metadata.csv` (`.jsonl`, `.parquet`) of a Hugging Face imagefolder, with its column `file_name`, in the data
set's folder or in those of its splits. Paths are relative to the table.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import pandas as pd

from fer_meta.datasets.base import DatasetSpec, make_index, split_of
from fer_meta.datasets.decoding import boxed, read_image
from fer_meta.datasets.loaders.folder import own_spec
from fer_meta.datasets.scanning import is_folder, is_there, names_in, reading
from fer_meta.datasets.settings import SKIP, Settings
from fer_meta.datasets.tables import csv_rows, opened, read_lines, whole_number
from fer_meta.errors import DatasetError

NAMES = tuple(
    f"{stem}.{ending}" for stem in ("manifest", "metadata") for ending in ("csv", "jsonl", "parquet")
)
LAYOUT = "a table with the columns path and label, and any of subject, clip, frame, split, box"

_COLUMNS = {
    "path": ("path", "file_name", "file", "filename", "image"),
    "label": ("label", "labels", "expression", "emotion"),
    "subject": ("subject", "subject_id", "person"),
    "clip": ("clip", "video"),
    "frame": ("frame",),
    "split": ("split", "usage"),
    "box": ("box", "bbox"),
}
_NUMBER = re.compile(r"-?[0-9]+(?:[.][0-9]+)?")


def tables_in(root: Path, settings: Settings) -> list[str]:
    """The tables of a data set, relative to its folder; none if its folders say what the labels are. Raises
    DatasetError if the one that fer-meta.yaml names is not there.
    """
    named = settings.texts.get("manifest")
    if named is not None:
        if not is_there(root / named):
            raise DatasetError(f"{settings.where}: no file {root / named}; correct 'manifest'")
        return [named]
    inside = names_in(root)
    folders = sorted(name for name in inside if split_of(name) and is_folder(root / name))
    found = [name for name in NAMES if name in inside]
    return found[:1] or [
        f"{folder}/{name}" for folder in folders for name in NAMES if is_there(root / folder / name)
    ]


def table_spec(name: str, settings: Settings) -> DatasetSpec:
    """The spec of images in a table."""
    return own_spec(name, settings, "images in a table", LAYOUT, scan, read_image, listed=True)


def scan(root: Path, settings: Settings) -> pd.DataFrame:
    """The index of the images in the tables, in their order. Images whose label is to be skipped are not in
    it.
    """
    root = Path(root)
    rows = []
    for table in tables_in(root, settings):
        folder = PurePosixPath(table).parent
        for place, cells in _cells(root / table):
            path = _below(place, folder, cells["path"])
            if cells["box"]:
                path = boxed(path, *_box(place, cells["box"]))
            split = split_of(folder.name) if str(folder) != "." else None
            rows += rows_of(place, settings, {**cells, "path": path}, split)
    return checked(root, rows)


def rows_of(place: str, settings: Settings, cells: Mapping[str, str], split: str | None) -> list[dict]:
    """The row of an index for the cells of one row of a table, none if its label is to be skipped. `place` is
    for messages, `split` the image's where the cells have none.
    """
    label = settings.label(cells["label"])
    if label is None:
        raise settings.unknown(place, cells["label"])
    if label == SKIP:
        return []
    named = split_of(cells["split"]) if cells["split"] else split
    if cells["split"] and named is None:
        raise DatasetError(
            f"{place}: '{cells['split']}' is no split; known are train, val, test and their usual names"
        )
    frame = whole_number(cells["frame"]) if cells["frame"] else None
    if frame is not None and not frame.isdecimal():
        raise DatasetError(f"{place}: '{frame}' is no number of a frame; correct the column 'frame'")
    taken = {key: cells[key] or None for key in ("subject", "clip")}
    return [{"path": cells["path"], "label": label, "split": named, "frame": frame and int(frame), **taken}]


def checked(root: Path, rows: list[dict]) -> pd.DataFrame:
    """The index of these rows. Raises DatasetError if there is none or an image comes twice."""
    if not rows:
        raise DatasetError(f"{root}: its tables have no image that is not left out; expected {LAYOUT}")
    index = make_index(rows)
    twice = index["path"][index["path"].duplicated()]
    if len(twice):
        raise DatasetError(f"{root}: the image '{twice.iloc[0]}' is in a table twice; keep one of the rows")
    return index


def columns_of(where: Path, names: list[str]) -> dict[str, str]:
    """Which column of a table (value) holds what (key), by its name. Raises DatasetError without `label`."""
    plain = {name.strip().casefold(): name for name in names}
    found = {
        key: next((plain[one] for one in known if one in plain), None) for key, known in _COLUMNS.items()
    }
    for key in ("path", "label"):
        if found[key] is None:
            raise DatasetError(f"{where}: has no column '{key}', only {', '.join(names)}; expected {LAYOUT}")
    return {key: name for key, name in found.items() if name is not None}


def _cells(where: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The place of each row, for messages, and its cells as text; "" where there is none."""
    rows = {".csv": _csv, ".gz": _csv, ".tsv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}.get(
        where.suffix.lower()
    )
    if rows is None:
        raise DatasetError(f"{where}: is no .csv, .jsonl or .parquet file; save the table as one of these")
    columns = None
    for place, row in rows(where):
        columns = columns or columns_of(where, list(row))
        yield place, {key: text_of(row.get(columns.get(key))) for key in _COLUMNS}


def text_of(value: object) -> str:
    """A cell as text, "" for an empty one."""
    if isinstance(value, (list, tuple)) or hasattr(value, "tolist"):
        return json.dumps(value.tolist() if hasattr(value, "tolist") else value)
    return "" if value is None or value != value else str(value).strip()


def _csv(where: Path) -> Iterator[tuple[str, dict]]:
    rows = csv_rows(where)
    for header in rows:
        for row in rows:
            yield f"{where}: line {row.line}", dict(zip(header.cells, row.cells))


def _jsonl(where: Path) -> Iterator[tuple[str, dict]]:
    for number, line in enumerate(read_lines(where), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                raise DatasetError(f"{where}: line {number} is not a JSON object; correct the line")
            yield f"{where}: line {number}", row


def _parquet(where: Path) -> Iterator[tuple[str, dict]]:
    with reading(where), opened(where) as file:
        try:
            table = pd.read_parquet(file)
        except (ValueError, TypeError) as error:
            raise DatasetError(f"{where}: is not a parquet file ({error}); write it again") from None
    for number, row in enumerate(table.to_dict("records"), 1):
        yield f"{where}: row {number}", row


def _below(place: str, folder: PurePosixPath, path: str) -> str:
    """An image's path relative to the data set. Raises DatasetError if it leads out of it."""
    path = path.replace("\\", "/")
    if not path or path.startswith("/") or ".." in path.split("/") or re.match("[A-Za-z]:/", path):
        raise DatasetError(
            f"{place}: the path '{path}' is not below the table's folder; write it relative to it"
        )
    return (folder / path).as_posix()


def _box(place: str, text: str) -> tuple[float, ...]:
    box = tuple(map(float, _NUMBER.findall(text)))
    if len(box) != 4 or box[0] >= box[2] or box[1] >= box[3]:
        raise DatasetError(f"{place}: the box '{text}' is not left, top, right, bottom in pixels; correct it")
    return box
