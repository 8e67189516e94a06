"""`predictions.parquet`: what was answered to each query of a run, one row per answer.

Answers of one readout, number of shots and selection (a block) are next to each other. `shots` is 0 for an
own head that saw every test image once; `episode` counts from 0 in a block.
"""

import contextlib
import tempfile
from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fer_meta.fileio import TEMPORARY, replacing
from fer_meta.records.parquet import BLOCK, TEXTS, Rows, coded, kinds, read_parts

ANSWERS = "predictions.parquet"

CHANCE = "p_"
"""How the columns of probabilities begin, one per class; a block may leave them empty."""

SCHEMA = pa.schema(
    [
        ("readout", TEXTS),
        ("shots", pa.int16()),
        ("selection", TEXTS),
        ("episode", pa.int32()),
        ("path", TEXTS),
        ("label", TEXTS),
        ("predicted", TEXTS),
        ("confidence", pa.float32()),
        ("subject", TEXTS),
        ("clip", TEXTS),
    ]
)
OLD_NAMES = {"readout": "method"}
"""Columns that the files of an older version call otherwise."""

NEVER_EMPTY = ("readout", "selection", "path")


def answers_schema(classes: Sequence[str]) -> pa.Schema:
    """The columns of a file whose answers have the probabilities (float32) of `classes`."""
    chances = [pa.field(f"{CHANCE}{name}", pa.float32()) for name in classes]
    return pa.schema([*SCHEMA, *chances])


def write_answers(path: Path, parts: Iterable[tuple[Hashable, pa.Table]], schema: pa.Schema) -> None:
    """Write tables of `schema`, each with the key of its block. Parts of a block may come in between those of
    others: each block is kept in a file of its own until all have come, for there may be millions of rows.
    """
    with (
        replacing(path) as temporary,
        tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=path.parent) as folder,
    ):
        blocks: dict[Hashable, Rows] = {}
        for key, part in parts:
            if key not in blocks:
                blocks[key] = Rows(Path(folder) / f"{len(blocks)}.parquet", schema)
            blocks[key].add(part)
        with contextlib.closing(Rows(temporary, schema)) as whole:
            for block in blocks.values():
                block.close()
                for table in pq.ParquetFile(block.path).iter_batches(BLOCK):
                    whole.add(pa.Table.from_batches([table]))


def read_answers(path: Path) -> Iterator[pa.Table]:
    """The rows, part by part, as `read_parts` gives them; probabilities only where a part has some.

    Raises ValueError: what is wrong with the file, in one line.
    """
    for table in read_parts(path, kinds(SCHEMA), CHANCE, OLD_NAMES):
        for name in NEVER_EMPTY:
            if table[name].null_count or (coded(table[name])[1] < 0).any():
                raise ValueError(f"{name}: an empty cell")
        yield table
