"""`episodes/*.parquet`: the fixed test episodes of a target, one row per image of an episode.

`role` is "support" or "query"; `data`, `path`, `subject` and `clip` say which image it is.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fer_meta.fileio import replacing
from fer_meta.records.parquet import TEXTS, Rows, coded, kinds, read_parts

SCHEMA = pa.schema(
    [
        ("episode", pa.int32()),
        *((name, TEXTS) for name in ("role", "label", "data", "path", "subject", "clip")),
    ]
)


def write_episodes(path: Path, parts: Iterable[pa.Table]) -> None:
    """Write tables of SCHEMA, in order."""
    with replacing(path) as temporary, contextlib.closing(Rows(temporary, SCHEMA)) as rows:
        for part in parts:
            rows.add(part)


def has_episodes(path: Path, rows: int) -> bool:
    """Whether a file can be read and has so many rows."""
    try:
        return len(pq.read_table(path, page_checksum_verification=True)) == rows
    except (OSError, ValueError, pa.ArrowException):
        return False


def read_episodes(path: Path) -> tuple[pa.Table, np.ndarray]:
    """All rows, columns as in SCHEMA, and whether each is of the support [N].

    Raises ValueError: what is wrong with the file, in one line.
    """
    parts = list(read_parts(path, kinds(SCHEMA)))
    if not parts:
        raise ValueError("is empty")
    rows = pa.concat_tables(parts).unify_dictionaries()
    roles, role = coded(rows["role"])
    labels, label = coded(rows["label"])
    if (
        "support" not in roles.to_pylist()
        or rows["path"].null_count
        or None in labels.to_pylist()
        or (label < 0).any()
    ):
        raise ValueError("has no support, or images without a path or a label")
    return rows, role == roles.to_pylist().index("support")
