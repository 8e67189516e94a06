"""Random changes of the files in a results folder: the answer is a report, or one line that names the file
and the fix.
"""

import copy
import json
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from helpers import stored_results
from helpers.report_texts import ESCAPES, HOSTILE, texts
from helpers.stored_results import only
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fer_meta.errors import ResultsError

FUZZ = settings(
    max_examples=int(os.environ.get("FER_META_FUZZ", 12)),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=12),
        st.sampled_from(
            [
                -1,
                0,
                2**31,
                2**63,
                10**400,
                "all",
                "",
                "..",
                "a/b",
                "\0",
                "\ud800",
                HOSTILE,
                ESCAPES,
                "x" * 400,
            ]
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=6,
)


def reported(folder: Path) -> None:
    try:
        texts(folder)
    except ResultsError as error:
        assert "\n" not in str(error)


def place_in(value, rng: random.Random):
    """A container within `value` and a key or place in it."""
    at, key = value, rng.choice(list(value))
    while isinstance(at[key], (dict, list)) and at[key] and rng.random() < 0.8:
        at = at[key]
        key = rng.choice(list(at)) if isinstance(at, dict) else rng.randrange(len(at))
    return at, key


@pytest.fixture(scope="module", params=["crossed", "experiments", "leakage"])
def fuzzed(request, made, tmp_path_factory) -> Path:
    """A results folder to damage and to mend again."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "crossed":
        return shutil.copytree(made, folder / "cross-domain")
    write = (
        stored_results.write_experiments if request.param == "experiments" else stored_results.write_leakage
    )
    write(folder / "suite", seeds=1, episodes=3)
    runs = [
        run["id"]
        for run in json.loads((folder / "suite" / "plan.json").read_text())["runs"]
        if "protonet" in run["id"]
    ]
    only(folder / "suite", *runs)
    return folder / "suite"


@FUZZ
@given(
    which=st.sampled_from(["plan.json", "runs/*/run.json", "runs/*/FAILED.json"]),
    seed=st.integers(0, 2**32),
    value=JSON,
    how=st.sampled_from(["replace", "delete", "add", "bytes"]),
)
def test_any_change_of_the_plan_or_a_run_is_a_report_or_one_line(fuzzed, which, seed, value, how):
    rng = random.Random(seed)
    path = rng.choice(sorted(fuzzed.glob(which)) or [fuzzed / "plan.json"])
    kept = path.read_bytes()
    found = json.loads(kept)
    at, key = place_in(found, rng)
    if how == "delete":
        del at[key]
    elif how == "add" and isinstance(at, dict):
        at["more"] = value
    else:
        at[key] = value
    content = json.dumps(found).encode("utf-8", errors="surrogatepass")
    if how == "bytes":
        content = bytearray(kept)
        start = rng.randrange(len(content))
        content[start : start + rng.randrange(20)] = bytes(
            rng.randrange(256) for _ in range(rng.randrange(8))
        )
    try:
        path.write_bytes(content)
        reported(fuzzed)
    finally:
        path.write_bytes(kept)


CELLS = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=8),
    st.booleans(),
    st.binary(max_size=4),
    st.sampled_from(["anger", "protonet", "last", 0, 1, 5, 2**31, -1, HOSTILE, ESCAPES]),
)


@FUZZ
@given(
    seed=st.integers(0, 2**32),
    value=CELLS,
    how=st.sampled_from(["column", "cell", "drop", "rows", "shuffle", "bytes", "cut"]),
    data=st.data(),
)
def test_any_change_of_answers_or_episodes_is_a_report_or_one_line(fuzzed, seed, value, how, data):
    rng = random.Random(seed)
    runs = [
        fuzzed / "runs" / run["id"] / "predictions.parquet"
        for run in json.loads((fuzzed / "plan.json").read_text())["runs"]
    ]
    path = rng.choice([*runs, *sorted(fuzzed.glob("episodes/*"))])
    kept = path.read_bytes()
    try:
        if how in ("bytes", "cut"):
            content = bytearray(kept)
            start = rng.randrange(len(content))
            content[start : start + 1 if how == "bytes" else None] = (
                bytes([rng.randrange(256)]) if how == "bytes" else b""
            )
            path.write_bytes(content)
        else:
            _mutated(pd.read_parquet(path), how, value, rng).to_parquet(path)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):  # which no parquet file can hold
        path.write_bytes(kept)
        return
    try:
        reported(fuzzed)
    finally:
        path.write_bytes(kept)


def _mutated(table: pd.DataFrame, how: str, value, rng: random.Random) -> pd.DataFrame:
    name = rng.choice(list(table.columns))
    if how == "column":
        return table.assign(**{name: [value] * len(table)})
    if how == "drop":
        return table.drop(columns=name)
    if how == "rows":
        return table.iloc[rng.randrange(len(table)) : rng.randrange(len(table) + 1)]
    if how == "shuffle":
        return table.iloc[np.random.default_rng(rng.randrange(2**32)).permutation(len(table))]
    cells = copy.copy(table[name].astype(object).tolist())
    cells[rng.randrange(len(cells))] = value
    return table.assign(**{name: pd.array(cells, dtype=object)})
