"""A table of images: a csv, parquet or jsonl file with the columns `path` and `label`, and any of `subject`,
`clip`, `frame`, `split` and `box` (left, top, right, bottom in pixels).

It is the file that `manifest:` in fer-meta.yaml names, else `manifest.csv`, `manifest.parquet`, or the
`metadata.csv` (`.jsonl`, `.parquet`) of a Hugging Face imagefolder, with its column `file_name`, in the data
set's folder or in those of its splits. Paths are relative to the table. Columns may have other usual names
(`emotion`, `file`, `person`, ...), or those that `columns:` in fer-meta.yaml gives.
"""

import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

import pandas as pd

from fer_meta.datasets.base import DatasetSpec, make_index, split_of
from fer_meta.datasets.decoding import boxed, read_image
from fer_meta.datasets.loaders.folder import expect_matches, own_spec, split_level
from fer_meta.datasets.scanning import is_folder, is_there, names_in, reading
from fer_meta.datasets.settings import PATTERNS, SKIP, Settings
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
    """The index of the images in the tables, in their order. Where a table does not say it, the patterns of
    the settings find it in the path, and a split may be a folder there. Images whose label is to be skipped
    are not in it.
    """
    root = Path(root)
    listed = listed_in(root, settings)
    paths = [path for _, path, _ in listed]
    said = "split" in settings.patterns or any(cells["split"] for *_, cells in listed)
    level = None if said else split_level(root, paths)
    unknown = unknown_words(settings, (cells["label"] for *_, cells in listed))
    rows = []
    for place, path, cells in listed:
        found = {key: cells[key] or settings.found(key, path) or "" for key in PATTERNS}
        box = _box(place, cells["box"]) if cells["box"] else None
        split = None if level is None else split_of(path.split("/")[level])
        whole = {**found, "path": boxed(path, *box) if box else path}
        rows += rows_of(place, settings, whole, split, unknown)
    if paths:
        expect_matches(settings, paths, rows)
    return checked(root, rows)


def listed_in(root: Path, settings: Settings) -> list[tuple[str, str, dict[str, str]]]:
    """Of each row of the tables its place, for messages, the path of its image below `root`, and its cells as
    they are written.
    """
    return [
        (place, _as_stored(root, _below(place, root, PurePosixPath(table).parent, cells["path"])), cells)
        for table in tables_in(root, settings)
        for place, cells in _cells(root / table, settings)
    ]


def unknown_words(settings: Settings, words: Iterable[str]) -> set[str]:
    """Those that are no labels."""
    return {word for word in set(words) if word and settings.label(word) is None}


def rows_of(
    place: str, settings: Settings, cells: Mapping[str, str], split: str | None, unknown: Iterable[str] = ()
) -> list[dict]:
    """The row of an index for the cells of one row of a table, none if its label is to be skipped. `place` is
    for messages, `split` the image's where the cells have none, `unknown` are all words that are no labels.
    """
    if not cells["label"]:
        raise DatasetError(f"{place}: has no label; fill it in, or remove the row")
    label = settings.label(cells["label"])
    if label is None:
        raise settings.unknown(place, cells["label"], unknown)
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
        raise DatasetError(f"{root}: its tables list no image; expected {LAYOUT}")
    index = make_index(rows)
    twice = index["path"][index["path"].duplicated()]
    if len(twice):
        raise DatasetError(f"{root}: the image '{twice.iloc[0]}' is in a table twice; keep one of the rows")
    return index


def columns_of(
    where: Path, names: list[str], settings: Settings, needed: Collection[str] = ("path", "label")
) -> dict[str, str]:
    """Which column of a table (value) holds what (key), by its name or as fer-meta.yaml says. Raises
    DatasetError without one that is `needed`, and where several may be meant.
    """
    found = {}
    for key, known in _COLUMNS.items():
        meant = settings.columns.get(key)
        usual = [name for name in names if name.strip().casefold() in known]
        if meant is not None and meant not in names:
            raise DatasetError(
                f"{settings.where}: 'columns': {where.name} has no column '{meant}', only {', '.join(names)}"
            )
        if meant is None and len(usual) > 1:
            raise DatasetError(
                f"{where}: the columns {' and '.join(map(repr, usual))} may both be the {key}; say in"
                f" {settings.where} which is, as in columns: {{{key}: {usual[0]}}}"
            )
        if meant or usual:
            found[key] = meant or usual[0]
    for key in needed:
        if key not in found:
            raise DatasetError(
                f"{where}: has no column '{key}', only {', '.join(names)}; say in {settings.where} which it"
                f" is, as in columns: {{{key}: {names[0] if names else 'NAME'}}}; expected {LAYOUT}"
            )
    return found


def _cells(where: Path, settings: Settings) -> Iterator[tuple[str, dict[str, str]]]:
    """The place of each row, for messages, and its cells as text; "" where there is none."""
    rows = {".csv": _csv, ".gz": _csv, ".tsv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}.get(
        where.suffix.lower()
    )
    if rows is None:
        raise DatasetError(f"{where}: is no .csv, .jsonl or .parquet file; save the table as one of these")
    columns, pattern = None, "label" in settings.patterns
    for place, row in rows(where):
        if columns is None:
            columns = columns_of(where, list(row), settings, ["path"] if pattern else ["path", "label"])
            if pattern and "label" in columns:
                raise DatasetError(
                    f"{settings.where}: 'label' is a pattern, and the column '{columns['label']}' of"
                    f" {where.name} has labels too; remove one"
                )
        yield place, {key: text_of(row.get(columns.get(key))) for key in _COLUMNS}
    if columns is None:
        raise DatasetError(f"{where}: has no rows; expected {LAYOUT}")


def text_of(value: object) -> str:
    """A cell as text, "" for an empty one."""
    if isinstance(value, (list, tuple)) or hasattr(value, "tolist"):
        return json.dumps(value.tolist() if hasattr(value, "tolist") else value)
    return "" if value is None or value != value else str(value).strip()


def _csv(where: Path) -> Iterator[tuple[str, dict]]:
    rows = csv_rows(where)
    for header in rows:
        twice = [name for name in header.cells if name and header.cells.count(name) > 1]
        if twice:
            raise DatasetError(f"{where}: the column '{twice[0]}' is there twice; rename one of them")
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


def _below(place: str, root: Path, folder: PurePosixPath, path: str) -> str:
    """An image's path relative to the data set. Raises DatasetError if it leads out of it."""
    path = path.replace("\\", "/")
    with suppress(ValueError):  # an absolute one may lie there
        return Path(path).relative_to(root.absolute()).as_posix()
    if not path or path.startswith("/") or ".." in path.split("/") or re.match("[A-Za-z]:/", path):
        raise DatasetError(f"{place}: the path '{path}' is not below {root}; write it relative to the table")
    return (folder / path).as_posix()


def _as_stored(root: Path, path: str) -> str:
    """The path of an image, its accents in the form that the disk has them in: macOS writes another one."""
    if path.isascii() or is_there(root / path):
        return path
    forms = (unicodedata.normalize(form, path) for form in ("NFD", "NFC"))
    return next((form for form in forms if is_there(root / form)), path)


def _box(place: str, text: str) -> tuple[float, ...]:
    box = tuple(map(float, _NUMBER.findall(text)))
    if len(box) != 4 or box[0] >= box[2] or box[1] >= box[3]:
        raise DatasetError(f"{place}: the box '{text}' is not left, top, right, bottom in pixels; correct it")
    return box
