"""Tables in Parquet files: written in large row groups with checksums, and read with a check of every column.

Texts are dictionaries, so that the few distinct ones are stored once.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fer_meta.oneline import one_line

TEXTS = pa.dictionary(pa.int32(), pa.string())

# Rows that are written together.
BLOCK = 200_000


class Rows:
    """A Parquet file to which small tables are added; they are written in larger row groups."""

    def __init__(self, path: Path, schema: pa.Schema):
        self.path = path
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True)
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def add(self, table: pa.Table) -> None:
        self._waiting.append(table)
        self._rows += len(table)
        if self._rows >= BLOCK:
            self._write()

    def close(self) -> None:
        if self._waiting:
            self._write()
        self._writer.close()

    def _write(self) -> None:
        self._writer.write_table(pa.concat_tables(self._waiting))
        self._waiting, self._rows = [], 0


def kinds(schema: pa.Schema) -> dict[str, str]:
    """What `read_parts` must find in each column of a schema."""
    return {field.name: _kind(field.type) for field in schema}


def _kind(held: pa.DataType) -> str:
    if pa.types.is_dictionary(held):
        return "text"
    return "whole" if pa.types.is_integer(held) else "number"


def read_parts(
    path: Path, columns: Mapping[str, str], prefix: str | None = None, old_names: Mapping[str, str] = {}
) -> Iterator[pa.Table]:
    """`columns` of a table (and those that begin with `prefix`, where they hold something), part by part as
    it was written, texts as dictionaries.

    `columns` says of each what it holds: "text", "whole" (numbers, no cell empty) or "number"; those of
    `prefix` hold numbers. Whole numbers come as int64, numbers as floats with NaN for an empty cell. A column
    that is not there is looked for under its name in `old_names`. The checksums of the pages are verified.

    Raises:
        ValueError: it cannot be read, a column is not there, or it holds something else; in one line.
    """
    if not path.is_file():
        raise ValueError("is missing")
    try:
        footer = pq.read_metadata(path)
        schema = footer.schema.to_arrow_schema()
        names = {_name_in(schema, name, old_names): name for name in columns}  # in the file -> here
        wanted = {stored: columns[name] for stored, name in names.items()}
        wanted |= {name: "number" for name in schema.names if prefix and name.startswith(prefix)}
        for name, kind in wanted.items():
            _check_column(schema, name, kind)
        texts = [name for name, kind in wanted.items() if kind == "text"]
        with pq.ParquetFile(
            path, metadata=footer, read_dictionary=texts, page_checksum_verification=True
        ) as file:

            def part(number: int) -> pa.Table:
                read = file.read_row_group(number, list(wanted))
                kept = [name for name in wanted if name in names or read[name].null_count < len(read)]
                table = _as_kinds(read.select(kept), wanted)
                return table.rename_columns([names.get(name, name) for name in table.column_names])

            yield from _ahead(part, file.num_row_groups)
    except OSError as error:
        if error.errno:  # the machine's; what cannot be decoded has none
            raise
        raise ValueError(f"cannot be read ({one_line(str(error), 120)})") from None
    except MemoryError:  # the machine's, too
        raise
    except (ValueError, ArithmeticError, LookupError, RuntimeError, pa.ArrowException) as error:
        raise ValueError(f"cannot be read ({one_line(str(error), 120)})") from None


def coded(texts: pa.ChunkedArray) -> tuple[pa.StringArray, np.ndarray]:
    """The distinct texts of a column, and the place of each of its cells among them [N], -1 where it is
    empty.
    """
    column = texts.combine_chunks()
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    codes = column.indices.fill_null(-1) if column.null_count else column.indices
    return column.dictionary.cast(pa.string()), codes.to_numpy()


def texts_of(codes: np.ndarray, texts: pa.Array | list[str]) -> pa.Array:
    """The column whose cells are `texts[codes]`, empty where a code is -1. The reverse of `coded`."""
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32(), mask=codes < 0), texts)


def _ahead(part: Callable[[int], pa.Table], parts: int) -> Iterator[pa.Table]:
    """part(0), part(1), ..., each begun while the one before is used: decoding needs no lock of Python's."""
    if not parts:
        return
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(part, 0)
        for number in range(1, parts):
            here, coming = coming.result(), reader.submit(part, number)
            yield here
        yield coming.result()


def _name_in(schema: pa.Schema, name: str, old_names: Mapping[str, str]) -> str:
    """What a file calls a column: by its old name if it has no other."""
    old = old_names.get(name, name)
    return old if name not in schema.names and old in schema.names else name


def _check_column(schema: pa.Schema, name: str, kind: str) -> None:
    found = schema.names.count(name)
    if found != 1:
        raise ValueError(f"it has {'two columns' if found else 'no column'} {one_line(name, 60)}")
    held = schema.field(name).type
    value = held.value_type if pa.types.is_dictionary(held) else held
    empty, number = pa.types.is_null(held), pa.types.is_integer(held) or pa.types.is_floating(held)
    words, right = {
        "text": ("text", empty or pa.types.is_string(value) or pa.types.is_large_string(value)),
        "whole": ("whole numbers", pa.types.is_integer(held)),
        "number": ("numbers", empty or number),
    }[kind]
    if not right:
        raise ValueError(f"its column {one_line(name, 60)} holds {one_line(str(held), 60)}, not {words}")


def _as_kinds(table: pa.Table, kinds: Mapping[str, str]) -> pa.Table:
    table.validate(full=True)  # texts may be no UTF-8, and codes may stand for no text
    for place, name in enumerate(table.column_names):
        column, kind = table[name], kinds[name]
        if kind == "whole" and column.null_count:
            raise ValueError(f"its column {name} has empty cells")
        if kind == "whole":
            table = table.set_column(place, name, column.cast(pa.int64()))
        elif kind == "number" and not pa.types.is_floating(column.type):
            table = table.set_column(place, name, column.cast(pa.float64()))
    return table
