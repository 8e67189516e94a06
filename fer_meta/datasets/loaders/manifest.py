"""A table of images: a csv, parquet or jsonl file with the columns `path` and `label`, and any of `subject`,
`clip`, `frame`, `split` and `box` (left, top, right, bottom in pixels).

It is the file that `manifest:` in fer-meta.yaml names, else `manifest.csv`, `manifest.parquet`, or the
`metadata.csv` (`.jsonl`, `.parquet`) of a Hugging Face imagefolder, with its column `file_name`, in the data
set's folder or in those of its splits. Paths are relative to the table. Columns may have other usual names
(`emotion`, `file`, `person`, ...), or those that `columns:` in fer-meta.yaml gives.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath

import pandas as pd

from fer_meta.damage import expected
from fer_meta.datasets.base import DatasetSpec, make_index, split_of
from fer_meta.datasets.decoding import boxed, read_image
from fer_meta.datasets.loaders.folder import MOST_DIGITS, expect_matches, own_spec
from fer_meta.datasets.scanning import files_below, is_folder, is_there, names_in, reading
from fer_meta.datasets.settings import COLUMNS, PATTERNS, SKIP, Settings, called, composed
from fer_meta.datasets.tables import csv_rows, opened, parquet_table, read_lines, whole_number
from fer_meta.errors import DatasetError
from fer_meta.fileio import is_below

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
        if not is_below(named):
            raise DatasetError(f"{settings.where}: 'manifest' is outside of the folder; copy the table there")
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
    """The index of the images in the tables, in their order. What a table does not say, the patterns of the
    settings find in the path; a split may also be a folder there, or the table's. Images whose label is to be
    skipped are not in it.
    """
    root = Path(root)
    listed = listed_in(root, settings)
    paths = [path for _, path, _ in listed]
    asked = [path for _, path, cells in listed if not (cells["split"] or cells["folder"])]
    splits = {} if "split" in settings.patterns else _splits_in(root, asked)
    unknown = unknown_words(settings, (cells["label"] for *_, cells in listed))
    rows = []
    for place, path, cells in listed:
        found = {key: cells[key] or settings.found(key, path) or "" for key in PATTERNS}
        if "label" in settings.patterns and not found["label"]:
            continue
        box = _box(place, cells["box"]) if cells["box"] else None
        whole = {**found, "path": boxed(path, *box) if box else path}
        rows += rows_of(place, settings, whole, cells["folder"] or splits.get(path), unknown)
    if paths:
        expect_matches(settings, paths, rows)
    return checked(root, rows)


def listed_in(root: Path, settings: Settings) -> list[tuple[str, str, dict[str, str]]]:
    """Of each row of the tables its place, for messages, the path of its image below `root`, and its cells as
    they are written, with the split of the table's folder as `folder` ("" for none).
    """
    root, seen, listed = root.absolute(), set[str](), []
    for table in tables_in(root, settings):
        folder = PurePosixPath(table).parent
        split = split_of(folder.name) or "" if folder.name else ""
        for place, cells in _cells(root / table, settings, seen):
            listed.append((place, _below(place, root, folder, cells["path"]), {**cells, "folder": split}))
    if gone := [key for key in settings.columns if listed and key not in seen]:
        name = settings.columns[gone[0]]
        raise DatasetError(f"{settings.where}: 'columns': no table has a column '{name}'; correct it")
    if all(path.isascii() for _, path, _ in listed):
        return listed
    # macOS writes accents in another form than most
    stored = {composed(path): path for path in files_below(root)}
    return [(place, stored.get(composed(path), path), cells) for place, path, cells in listed]


def _splits_in(root: Path, paths: list[str]) -> dict[str, str]:
    """The splits of images that lie in folders of splits, all of them at one level; nothing if they do not. A
    single name of a split among others may be anything, such as a person. Raises DatasetError where some
    images are in folders of several splits, and some in none.
    """
    folders = [path.split("/")[:-1] for path in paths]
    for level in range(max(map(len, folders), default=0)):
        names = [inside[level] if level < len(inside) else "" for inside in folders]
        known = {name: split_of(name) for name in set(names) if name and split_of(name)}
        others = [path for path, name in zip(paths, names) if name not in known]
        if known and not others:
            return {path: str(known[name]) for path, name in zip(paths, names)}
        if len(set(known.values())) > 1:
            raise DatasetError(
                f"{root}: '{others[0]}' is in no folder of a split, and other images of the table are (in"
                f" {', '.join(sorted(known))}); add a column 'split' that says it of every image"
            )
    return {}


def unknown_words(settings: Settings, words: Iterable[str]) -> set[str]:
    """Those that are no labels."""
    return {word for word in set(words) if word and settings.label(word) is None}


def rows_of(
    place: str, settings: Settings, cells: Mapping[str, str], split: str | None, unknown: Iterable[str] = ()
) -> list[dict]:
    """The row of an index for the cells of one row of a table, none if its label is to be skipped. `place` is
    for messages, `split` the image's where the cells have none, `unknown` are all words that are no labels.
    """
    label = settings.label(cells["label"])
    if label is None and not cells["label"]:
        raise DatasetError(
            f"{place}: has no label; fill it in, or leave such rows out by labels: {{'': {SKIP}}} in"
            f" {settings.where}"
        )
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
    if frame is not None and not (frame.isdecimal() and len(frame) <= MOST_DIGITS):
        raise DatasetError(f"{place}: '{frame}' is no number of a frame; correct 'frame'")
    taken = {key: called(cells[key]) for key in ("subject", "clip")}
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
    where: Path,
    names: list[str],
    settings: Settings,
    needed: Collection[str] = ("path", "label"),
    wanted: Collection[str] = COLUMNS,
) -> dict[str, str]:
    """Which column of a table (value) holds which of the `wanted` (key), by its name or as fer-meta.yaml
    says. Raises DatasetError without one that is `needed`, and where several may be meant.
    """
    found = {}
    for key in wanted:
        meant = settings.columns.get(key)
        usual = [name for name in names if name.strip().casefold() in _COLUMNS[key]]
        if where.stem == "metadata" and "file_name" in usual:  # as Hugging Face prescribes it
            usual = ["file_name"]
        if meant is None and len(usual) > 1:
            raise DatasetError(
                f"{where}: the columns {' and '.join(map(repr, usual))} may both be the {key}; say in"
                f" {settings.where} which is, as in columns: {{{key}: {usual[0]}}}"
            )
        if meant in names or (meant is None and usual):
            found[key] = meant or usual[0]
        elif key in needed:
            name = f"'{meant or key}'"
            raise DatasetError(
                f"{where}: has no column {name}, only {', '.join(names)}; say in {settings.where} which it"
                f" is, as in columns: {{{key}: {names[0] if names else 'NAME'}}}; expected {LAYOUT}"
            )
    return found


def _cells(where: Path, settings: Settings, seen: set[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The place of each row, for messages, and its cells as text; "" where there is none. Adds to `seen` what
    the table has a column for.
    """
    rows = _rows(where, settings)
    if not rows:
        return
    names = _names(rows)
    pattern = "label" in settings.patterns
    columns = columns_of(where, names, settings, ["path"] if pattern else ["path", "label"])
    if pattern and "label" in columns:
        raise DatasetError(
            f"{settings.where}: 'label' is a pattern, and the column '{columns['label']}' of {where.name} has"
            " labels too; remove one"
        )
    seen.update(columns)
    for place, row in rows:
        yield place, {key: text_of(row.get(columns.get(key))) for key in COLUMNS}


def _rows(where: Path, settings: Settings) -> list[tuple[str, dict]]:
    """The place of each row and its cells, by the names of their columns."""
    csv = partial(_csv, named=set(settings.columns.values()))
    readers: dict[str, Callable[[Path], Iterator[tuple[str, dict]]]]
    readers = {".csv": csv, ".gz": csv, ".tsv": csv, ".jsonl": _jsonl, ".parquet": _parquet}
    read = readers.get(where.suffix.lower())
    if read is None:
        raise DatasetError(f"{where}: is no .csv, .jsonl or .parquet file; save the table as one of these")
    return list(read(where))


def _names(rows: list[tuple[str, dict]]) -> list[str]:
    return list(dict.fromkeys(name for _, row in rows for name in row))


def columns_in(root: Path, settings: Settings) -> tuple[dict[str, str], list[str]]:
    """What is read from the tables below `root`: the column that holds each of COLUMNS, and the names of all
    other columns.
    """
    read: dict[str, str] = {}
    every: list[str] = []
    for table in tables_in(root, settings):
        names = _names(_rows(root / table, settings))
        every += names
        read |= columns_of(root / table, names, settings, needed=())
    return read, [name for name in dict.fromkeys(every) if name not in read.values()]


def text_of(value: object) -> str:
    """A cell as text, "" for an empty one."""
    if isinstance(value, (list, tuple)) or hasattr(value, "tolist"):
        return json.dumps(value, default=lambda one: one.tolist() if hasattr(one, "tolist") else str(one))
    return "" if value is None or value != value else str(value).strip()


def _csv(where: Path, named: Collection[str]) -> Iterator[tuple[str, dict]]:
    """`named`: the columns that fer-meta.yaml names."""
    rows = csv_rows(where)
    for header in rows:
        read = {*named, *(name for names in _COLUMNS.values() for name in names)}
        twice = [
            name for name in header.cells if {name, name.casefold()} & read and header.cells.count(name) > 1
        ]
        if twice:
            raise DatasetError(f"{where}: the column '{twice[0]}' is there twice; rename one of them")
        for row in rows:
            yield f"{where}: line {row.line}", dict(zip(header.cells, row.cells))


def _jsonl(where: Path) -> Iterator[tuple[str, dict]]:
    for number, line in enumerate(read_lines(where), 1):
        if line.strip():
            try:
                row = json.loads(line, object_pairs_hook=partial(_once, f"{where}: line {number}"))
            except (ValueError, RecursionError):
                row = None
            if not isinstance(row, dict):
                raise DatasetError(f"{where}: line {number} is not a JSON object; correct the line")
            yield f"{where}: line {number}", row


def _once(place: str, pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object of JSON, whose parser would take the last of two values."""
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        again = next(name for name in names if names.count(name) > 1)
        raise DatasetError(f"{place}: the key '{again}' is there twice; keep one")
    return dict(pairs)


def _parquet(where: Path) -> Iterator[tuple[str, dict]]:
    with reading(where), expected(where, "is not a parquet file", "write it again"), opened(where) as file:
        table = parquet_table(file)
        table.columns = table.columns.map(str)
        rows = table.to_dict("records")
    for number, row in enumerate(rows, 1):
        yield f"{where}: row {number}", row


def _below(place: str, root: Path, folder: PurePosixPath, path: str) -> str:
    """An image's path relative to the data set in `root` (absolute). Raises DatasetError if it leads out of
    it, or if no file can have such a name.
    """
    path = path.replace("\\", "/")
    home = f"{root.as_posix().rstrip('/')}/"
    inside = path.removeprefix(home)
    if not is_below(inside):
        raise DatasetError(f"{place}: the path '{path}' is not below {root}; write it relative to the table")
    try:
        inside.encode()
    except UnicodeEncodeError:
        raise DatasetError(f"{place}: the path {path!a} is no name of a file; correct it") from None
    return inside if inside != path else (folder / path).as_posix()


def _box(place: str, text: str) -> tuple[float, ...]:
    box = tuple(map(float, _NUMBER.findall(text)))
    if len(box) != 4 or box[0] >= box[2] or box[1] >= box[3]:
        raise DatasetError(f"{place}: the box '{text}' is not left, top, right, bottom in pixels; correct it")
    return box
