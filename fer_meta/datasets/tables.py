"""Read the lists and tables of a data set as anyone may have written them: with or without byte order mark,
quotes and blanks, with any line ends, separated by commas, semicolons or tabs, plain or in .gz.
"""

import csv
import gzip
import io
import os
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from fer_meta.damage import expected
from fer_meta.datasets import archives
from fer_meta.datasets.scanning import reading
from fer_meta.errors import DatasetError, ImageError
from fer_meta.fileio import is_below

_SEPARATORS = ",;\t"
_SHOWN = 80  # characters of a faulty line
_WHOLE = re.compile(r"[0-9]{1,9}([.]0*)?(e[+]?0+)?", re.IGNORECASE)


def opened(path: Path) -> BinaryIO:
    """The bytes of a file, of one in an archive, or of what a .gz file holds. Raises OSError, and
    DatasetError for a damaged .gz file.
    """
    if path.suffix.lower() == ".gz" or archives.parted(path):
        state = os.stat(found[0] if (found := archives.parted(path)) else path)
        return io.BytesIO(_unpacked(path, state.st_size, state.st_mtime_ns))
    return path.open("rb")


@lru_cache(maxsize=2)
def _unpacked(path: Path, size: int, mtime: int) -> bytes:
    try:
        content = archives.member(path)
    except ImageError as error:  # not of an image here
        raise DatasetError(f"{path}: {error}; obtain the archive again") from None
    content = path.read_bytes() if content is None else content
    if path.suffix.lower() != ".gz":
        return content
    with expected(path, "is not a whole .gz file"), gzip.open(io.BytesIO(content)) as file:
        content = file.read(archives.LARGEST + 1)
    if len(content) > archives.LARGEST:  # a few bytes may unpack to any number
        raise DatasetError(f"{path}: unpacks to over {archives.LARGEST:,} bytes; unpack it yourself")
    return content


def read_lines(path: Path) -> list[str]:
    """The lines of a text file. Raises DatasetError if it cannot be read, or if a line (which it names) is
    not UTF-8.
    """
    with reading(path), opened(path) as file:
        lines = file.read().splitlines()
    return [_decoded(path, number, line) for number, line in enumerate(lines, 1)]


def fields(path: Path, form: str) -> Iterator[tuple[int, list[str]]]:
    """The number (from 1) and the words of each line of a list, with blanks or commas between them; blank
    lines are ignored. `form` names the words, such as "<name> <label>". Raises DatasetError, which names the
    line, for another number of words, and for an empty list.
    """
    wanted, empty = len(form.split()), True
    for number, line in enumerate(read_lines(path), 1):
        words = line.replace(",", " ").split()
        if words and len(words) != wanted:
            raise DatasetError(f"{path}: line {number} is '{line.strip()[:_SHOWN]}', expected '{form}'")
        if words:
            empty = False
            yield number, words
    if empty:
        raise DatasetError(f"{path}: the list is empty; obtain it again")


def file_name(path: Path, number: int, text: str) -> str:
    """The name of a file that line `number` of a list gives, with forward slashes. Raises DatasetError for a
    name that leads out of its folder or that no file has.
    """
    name = text.replace("\\", "/").removeprefix("./")
    if not name.isprintable() or not is_below(name):
        raise DatasetError(
            f"{path}: line {number} names '{text[:_SHOWN]}', which is no file in the folder of images; "
            "obtain the list again"
        )
    return name


class Row(NamedTuple):
    """One row of a csv: its line (from 1), first byte, length in bytes, and cells without blanks around."""

    line: int
    start: int
    length: int
    cells: list[str]


def csv_rows(path: Path) -> Iterator[Row]:
    """The rows of a csv, one per line; the first is the header. Blank lines are ignored.

    Raises DatasetError, which names the line, if a row is not UTF-8, has unbalanced quotes or has another
    number of cells than the header.
    """
    width, start, separator = 0, 0, ","
    with reading(path), opened(path) as file:
        lines = (line for piece in file for line in piece.splitlines(keepends=True))
        for number, line in enumerate(lines, 1):
            if line.strip():
                separator = separator if width else separator_of(line)
                cells = csv_cells(path, number, line, separator)
                width = width or len(cells)
                if len(cells) != width:
                    raise DatasetError(
                        f"{path}: line {number} has {len(cells)} cells and the header has {width}; obtain the"
                        " file again"
                    )
                yield Row(number, start, len(line), cells)
            start += len(line)


def separator_of(header: bytes) -> str:
    """What separates the cells: of comma, semicolon and tab the commonest in the header."""
    return max(_SEPARATORS, key=lambda one: header.count(one.encode()))


def csv_cells(path: Path, number: int, line: bytes, separator: str = ",") -> list[str]:
    """The cells of line `number`. Raises DatasetError if it is not UTF-8 or not a row of a csv."""
    text = _decoded(path, number, line).rstrip("\r\n")
    try:
        cells = next(csv.reader([text], strict=True, delimiter=separator, skipinitialspace=True), [])
    except csv.Error as error:
        raise DatasetError(
            f"{path}: line {number} is not a row of a csv ({error}); obtain the file again"
        ) from None
    return [cell.strip() for cell in cells]


def parquet_table(file: BinaryIO) -> pd.DataFrame:
    """The table of a parquet file. Raises an error of pyarrow or pandas for a damaged one, and for texts that
    are no UTF-8, which else fails where one is looked at.
    """
    pa.parquet.read_table(file).validate(full=True)
    file.seek(0)
    return pd.read_parquet(file)


def columns(path: Path, header: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Where each of the wanted columns is in a header, whose upper and lower case are the same. Raises
    DatasetError if one is missing or comes twice.
    """
    names = [name.casefold() for name in header]
    if any(names.count(name.casefold()) != 1 for name in wanted):
        *most, last = (f"'{name}'" for name in wanted)
        raise DatasetError(
            f"{path}: expected the columns {', '.join(most)} and {last}, once each; obtain the file again"
        )
    return [names.index(name.casefold()) for name in wanted]


def whole_number(text: str) -> str:
    """`3` for `3`, `3.0`, `03` and `3.0000000e+00`, as tables have been written; other text as it is."""
    return str(int(float(text))) if _WHOLE.fullmatch(text) else text


def _decoded(path: Path, number: int, line: bytes) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        raise DatasetError(
            f"{path}: line {number} is not UTF-8; save the file as UTF-8 or obtain it again"
        ) from None
