"""What the fuzz tests share: how many inputs they try, how an input is damaged, and what any answer must be:
something that works, or one line that names the file.
"""

import copy
import io
import json
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from fer_meta.errors import FerMetaError
from fer_meta.oneline import UNPRINTABLE

LONG = "long"
"""The profile of ten thousand inputs a parser: `pytest --hypothesis-profile=long`."""

SECONDS = 20
"""No input of these tests may take longer, on the slowest machine."""


def few(examples: int) -> settings:
    """The settings of a fuzz test: so many inputs, or those of the profile LONG."""
    tried = settings.default.max_examples
    usual = settings.get_profile("fer-meta").max_examples
    return settings(
        max_examples=examples if tried == usual else tried,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


# answers


class Hangs(BaseException):
    """No error of the package may hide it."""


@contextmanager
def in_time() -> Iterator[None]:
    """Raises Hangs if the block takes more than SECONDS (where the system has alarms)."""

    def ring(*_):
        raise Hangs(f"over {SECONDS} seconds")

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def room() -> Iterator[Path]:
    """An empty folder; nothing but a cache may be written beside it."""
    with tempfile.TemporaryDirectory() as outer:
        os.environ["FER_META_CACHE"] = str(Path(outer, "cache"))  # conftest.py puts it back after the test
        root = Path(outer, "data")
        root.mkdir()
        yield root
        assert set(os.listdir(outer)) <= {"data", "cache"}


def answer(read: Callable[[], Any], named: str | Path = "") -> Any:
    """What `read` returns; None for an error of one line that has `named` in it. All else fails."""
    try:
        with in_time():
            return read()
    except FerMetaError as error:
        line = str(error)
        assert line and line.isprintable() and str(named) in line, line
        return None


def is_plain(text: str) -> bool:
    """Whether nothing in a line of text is a command to a terminal or breaks the line."""
    return not UNPRINTABLE.search(text)


# bytes


def some_bytes_changed(data: bytes, changes: list[tuple[int, bytes]]) -> bytes:
    """With each change, the byte at its place gives way to others, or to none."""
    changed = bytearray(data)
    for at, new in changes:
        at %= len(changed) + 1
        changed[at : at + 1] = new
    return bytes(changed)


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 10**6),
        st.one_of(
            st.binary(max_size=3), st.sampled_from([b",", b"\n", b'"', b" ", b"\r", b"9" * 25, b"\xff"])
        ),
    ),
    min_size=1,
    max_size=6,
)


@st.composite
def damaged(draw, data: bytes) -> bytes:
    """`data` with some bytes changed, often cut as well; at times any bytes."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=80))
    data = some_bytes_changed(data, draw(CHANGES))
    return data[: draw(st.one_of(st.just(len(data)), st.just(len(data)), st.integers(0, len(data))))]


# values


TEXT = st.text(st.characters(), max_size=12)
"""With surrogates, as names of odd bytes and files that are not UTF-8 have them, and line breaks."""

HOSTILE = [
    "",
    "..",
    "../../x",
    "/dev/zero",
    "a/b",
    "\0",
    "\ud800",
    "\x1b[31m",
    "a\nb",
    "\u202eb",
    "<script>",
    "| $x_1$ & \\",
    "9" * 400,
    "x" * 400,
    "'" * 40,
]
NUMBERS: list[Any] = [
    -1,
    0,
    1,
    5,
    2**31,
    2**53 + 1,
    2**63,
    -(2**70),
    10**400,
    1e308,
    float("nan"),
    float("inf"),
    -float("inf"),
    -0.0,
    True,
    None,
]


def nested(depth: int) -> list:
    """Lists within each other."""
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


SCALARS = st.one_of(st.sampled_from(HOSTILE), st.sampled_from(NUMBERS), st.integers(), st.floats(), TEXT)
VALUES = st.one_of(
    SCALARS,
    st.recursive(
        SCALARS,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
        max_leaves=6,
    ),
    st.integers(20, 300).map(nested),
)
"""Values of other types, huge and odd numbers, odd texts, and deep nesting."""


def places(value: Any) -> list[tuple]:
    """Where something may be replaced in a value of JSON: (container, key) of all that it holds."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in pairs for place in [(value, key), *places(inner)]]


@st.composite
def mutated(draw, value: Any) -> Any:
    """`value` (of JSON) with some places changed, taken out or added to; at times another value."""
    if draw(st.integers(0, 19)) == 0:
        return draw(VALUES)
    changed = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        there = places(changed)
        if not there:
            return changed
        at, key = there[draw(st.integers(0, len(there) - 1))]
        how = draw(st.sampled_from(["value", "value", "out", "more", "other"]))
        if how == "out":
            del at[key]
        elif how == "more" and isinstance(at, dict):
            at[draw(TEXT)] = draw(VALUES)
        elif how == "more":
            at.append(copy.deepcopy(at[key]))
        elif how == "other":  # of the right type, from another place
            at[key] = copy.deepcopy(draw(st.sampled_from([one[place] for one, place in there])))
        else:
            at[key] = draw(VALUES)
    return changed


def as_json(value: Any, escapes: bool = False) -> bytes:
    return json.dumps(value, ensure_ascii=escapes).encode(errors="surrogatepass")


@st.composite
def json_files(draw, value: Any) -> bytes:
    """The bytes of a JSON file that held `value`: with other values, with a key twice, or damaged."""
    how = draw(st.sampled_from(["values", "values", "values", "twice", "bytes", "deep"]))
    if how == "deep":
        return b"[" * 20_000
    if how == "bytes":
        return draw(damaged(as_json(value)))
    data = as_json(draw(mutated(value)), escapes=draw(st.booleans()))
    if how == "twice" and data.startswith(b"{") and isinstance(value, dict):
        key = draw(st.sampled_from(sorted(value)))
        data = data.rstrip(b"}") + b", " + as_json({key: draw(VALUES)})[1:]
    return data


def jsonl_files(rows: list) -> st.SearchStrategy[bytes]:
    """The bytes of a file of lines of JSON."""
    lines = st.one_of(*(json_files(row) for row in rows))
    whole = [as_json(row) for row in rows]
    one_changed = st.tuples(st.integers(0, len(rows)), lines).map(
        lambda pair: b"\n".join([*whole[: pair[0]], pair[1], *whole[pair[0] + 1 :]])
    )
    return st.one_of(one_changed, one_changed, damaged(b"\n".join(whole) + b"\n"))


# tables


CELLS = st.one_of(SCALARS.map(str), st.sampled_from(["0", "1.0", "train", "happy", '"', ",", ";", "a#b"]))


@st.composite
def changed_rows(draw, rows: list[list[str]]) -> list[list[str]]:
    """The rows of a table, the first its header, with other cells, columns and rows."""
    rows = [list(row) for row in rows]
    for _ in range(draw(st.integers(1, 3))):
        row = draw(st.integers(0, len(rows) - 1))
        column = draw(st.integers(0, len(rows[row]) - 1)) if rows[row] else 0
        how = draw(st.sampled_from(["cell", "cell", "short", "column", "twice", "row"]))
        if how == "cell" and rows[row]:
            rows[row][column] = draw(CELLS)
        elif how == "short":
            del rows[row][column:]
        elif how == "column":
            rows = [one[:column] + one[column + 1 :] for one in rows]
        elif how == "twice":
            rows = [one[: column + 1] + one[column:] for one in rows]
        elif how == "row":
            rows.insert(row, list(rows[draw(st.integers(0, len(rows) - 1))]))
    return rows


def csv_files(rows: list[list[str]], separator: str = ",") -> st.SearchStrategy[bytes]:
    """The bytes of a csv file."""

    def written(some: list[list[str]]) -> bytes:
        return "\n".join(map(separator.join, some)).encode(errors="surrogatepass")

    return st.one_of(changed_rows(rows).map(written), damaged(written(rows) + b"\n"))


def parquet_files(columns: Mapping[str, list]) -> st.SearchStrategy[bytes]:
    """The bytes of a parquet file: with other columns, or damaged."""

    def written(table: dict) -> bytes:
        file = io.BytesIO()
        try:
            pd.DataFrame(table).to_parquet(file)
        except Exception:  # what no parquet file can hold
            pd.DataFrame({"x": [1]}).to_parquet(file)
        return file.getvalue()

    def other(changes: dict) -> dict:
        return {name: [cell] * len(next(iter(columns.values()))) for name, cell in changes.items()}

    cells = st.one_of(
        SCALARS,
        st.binary(max_size=4),
        st.lists(st.integers(), max_size=2),
        st.dictionaries(TEXT, st.integers()),
    )
    names = st.one_of(st.sampled_from(sorted(columns)), TEXT)
    changed = st.dictionaries(names, cells, min_size=1, max_size=2).map(
        lambda changes: written({**columns, **other(changes)})
    )
    without = st.sampled_from(sorted(columns)).map(
        lambda name: written({key: cells for key, cells in columns.items() if key != name})
    )
    return st.one_of(changed, changed, without, damaged(written(dict(columns))))
