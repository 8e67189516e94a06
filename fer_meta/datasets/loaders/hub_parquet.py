"""A Hugging Face image data set as it lies on disk: .parquet files (as on the hub) or .arrow files (as
`save_to_disk` writes them), whose rows hold an image's bytes and its label.

The files hold the names of the labels. Their own names begin with the split:
`data/train-00000-of-00002.parquet`.
"""

import json
import threading
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
from PIL import Image

from fer_meta.damage import expected
from fer_meta.datasets.base import DatasetSpec, split_of
from fer_meta.datasets.decoding import damage_named, decoded
from fer_meta.datasets.loaders.folder import own_spec
from fer_meta.datasets.loaders.manifest import checked, columns_of, rows_of, text_of, unknown_words
from fer_meta.datasets.scanning import is_folder, names_in, reading, state_of
from fer_meta.datasets.settings import Settings
from fer_meta.errors import DatasetError, ImageError

ENDINGS = (".parquet", ".arrow")
LAYOUT = "*.parquet or *.arrow with columns of images and labels, in the folder, in data/ or in <split>/"

_WANTED = ("label", "subject", "clip", "frame", "split")

_lock = threading.Lock()


def files_in(root: Path) -> list[str]:
    """The files of a data set that hold images, relative to its folder."""
    inside = names_in(root)
    folders = sorted(
        name for name in inside if (name in ("data", "default") or split_of(name)) and is_folder(root / name)
    )
    found = sorted(name for name in inside if name.endswith(ENDINGS))
    found += [
        f"{folder}/{name}"
        for folder in folders
        for name in sorted(names_in(root / folder))
        if name.endswith(ENDINGS)
    ]
    return [name for name in found if _image_column(_schema(root / name)) is not None]


def hub_spec(name: str, settings: Settings, known: DatasetSpec | None = None) -> DatasetSpec:
    """The spec of such a data set; of a `known` one, with what is known of it."""
    spec = own_spec(name, settings, "images and labels in a Hugging Face data set", LAYOUT, scan, read)
    if known is None:
        return spec
    return replace(known, scan=spec.scan, read=spec.read, layout=f"{known.layout}; or {LAYOUT}", listed=False)


def scan(root: Path, settings: Settings) -> pd.DataFrame:
    """The index, in the order of the files and their rows; paths are `<file>#<row>`."""
    listed = listed_in(Path(root), settings)
    unknown = unknown_words(settings, (cells["label"] for *_, cells in listed))
    rows = [
        row
        for place, path, cells in listed
        for row in rows_of(place, settings, {**cells, "path": path}, _split(path.rpartition("#")[0]), unknown)
    ]
    return checked(root, rows)


def listed_in(root: Path, settings: Settings) -> list[tuple[str, str, dict[str, str]]]:
    """Of each row its place, for messages, its path in the index, and its cells as they are written."""
    found = []
    for file in files_in(root):
        where, schema = root / file, _schema(root / file)
        if settings.patterns:
            raise DatasetError(
                f"{settings.where}: {next(iter(settings.patterns))!r} is searched in paths, and the images of"
                f" {file} have none; name a column instead, as in columns: {{subject: person}}"
            )
        named = [name for name in schema.names if name != _image_column(schema)]
        columns = columns_of(where, named, settings, ["label"], _WANTED)
        names = _label_names(schema, columns["label"])
        for number, row in enumerate(_table(where, [*columns.values()]).to_pylist()):
            cells = {key: text_of(row.get(columns.get(key, ""))) for key in _WANTED}
            label = row[columns["label"]]
            cells["label"] = (
                names[label] if names and type(label) is int and 0 <= label < len(names) else text_of(label)
            )
            found.append((f"{where}: row {number}", f"{file}#{number}", cells))
    return found


def read(root: Path, path: str) -> Image.Image:
    """The image of one row. Raises ImageError if it is damaged or missing."""
    file, _, row = path.rpartition("#")
    where = Path(root) / file
    # locked: the next thread finds the rows that this one reads
    with reading(where), expected(where, "is not a whole file"), _lock:
        cell = _cell(where, int(row), *state_of(str(where)))
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    if not isinstance(data, bytes) or not data:
        raise ImageError("no bytes in this row")
    with damage_named():
        return decoded(data)


def _split(file: str) -> str | None:
    """The split that a file's name begins with, or its folder has."""
    folder, _, name = file.rpartition("/")
    return split_of(name.partition(".")[0].partition("-")[0]) or split_of(folder)


def _schema(where: Path) -> pa.Schema:
    with reading(where), expected(where, "is not a whole file"):
        if where.suffix == ".parquet":
            schema = pa.parquet.read_schema(where)
        else:
            with pa.memory_map(str(where)) as source:
                schema = pa.ipc.open_stream(source).schema
        _names(schema)  # one that is no UTF-8 fails here, and not where it is looked at
        return schema


def _names(fields: Iterable[pa.Field]) -> list[str]:
    """The names of columns, and of the parts of those that are structs."""
    inside = (part for field in fields if pa.types.is_struct(field.type) for part in field.type)
    return [field.name for field in (*fields, *inside)]


def _image_column(schema: pa.Schema) -> str | None:
    """The column that holds images: a struct of bytes and a path, or bytes called `image`."""
    for field in schema:
        parts = {part.name for part in field.type} if pa.types.is_struct(field.type) else set()
        if "bytes" in parts or (field.name == "image" and pa.types.is_binary(field.type)):
            return field.name
    return None


def _label_names(schema: pa.Schema, column: str) -> list[str]:
    """The names of labels that are stored as numbers, as the Hugging Face library keeps them in a file."""
    try:
        about = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        return list(map(str, about["info"]["features"][column]["names"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return []


def _table(where: Path, columns: list[str]) -> pa.Table:
    with reading(where), expected(where, "is not a whole file"):
        if where.suffix == ".parquet":
            table = pa.parquet.read_table(where, columns=columns)
        else:
            with pa.memory_map(str(where)) as source:
                table = pa.ipc.open_stream(source).read_all().select(columns)
        # texts may be no UTF-8, and a wrong length in an .arrow file reads beyond its bytes
        table.validate(full=True)
        return table


def _cell(where: Path, row: int, *state: int) -> object:
    """The image of one row, as it is stored."""
    starts = _starts(where, *state)
    part = bisect_right(starts, row) - 1
    return _images(where, part, *state)[row - starts[part]].as_py()


@lru_cache(maxsize=8)
def _starts(where: Path, *state: int) -> list[int]:
    """The first row of each part of a file that is read at once."""
    if where.suffix != ".parquet":
        return [0]
    about = pa.parquet.read_metadata(where)
    return [0, *accumulate(about.row_group(number).num_rows for number in range(about.num_row_groups - 1))]


@lru_cache(maxsize=4)
def _images(where: Path, part: int, *state: int) -> pa.ChunkedArray:
    column = str(_image_column(_schema(where)))
    if where.suffix != ".parquet":
        return _table(where, [column])[column]
    return pa.parquet.ParquetFile(where).read_row_group(part, columns=[column])[column]
