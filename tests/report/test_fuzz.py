"""Random changes of the files in a results folder: the answer is a report, or one line that names the file
and the fix.
"""

import copy
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner
from helpers import stored_results
from helpers.fuzz import TEXT, VALUES, answer, as_json, few, in_time, is_plain, json_files, mutated
from helpers.report_texts import ESCAPES, HOSTILE, texts
from helpers.stored_results import only
from hypothesis import given
from hypothesis import strategies as st

from fer_meta.cli.main import main


def reported(folder: Path) -> None:
    answer(lambda: texts(folder), folder)


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


LABELS = {"protonet": {"label": "ProtoNet", "colour": "#0072B2", "order": 0}}
"""A key that these folders do not have."""

JSONS = ["plan.json", "runs/*/run.json", "runs/*/FAILED.json"]


@few(16)
@given(st.sampled_from(JSONS), st.integers(0, 3), st.data())
def test_any_change_of_the_plan_or_a_run_is_a_report_or_one_line(fuzzed, which, number, data):
    there = sorted(fuzzed.glob(which)) or [fuzzed / "plan.json"]
    path = there[number % len(there)]
    kept = path.read_bytes()
    more = {"labels": LABELS} if path.name == "plan.json" else {}
    try:
        path.write_bytes(data.draw(json_files(json.loads(kept) | more)))
        reported(fuzzed)
    finally:
        path.write_bytes(kept)


@few(8)
@given(st.one_of(mutated(LABELS["protonet"]), mutated(LABELS["protonet"]), VALUES), st.booleans(), TEXT)
def test_the_command_writes_a_report_with_its_plots_or_says_one_line(made, label, long, title):
    """What only a plot looks at is in it: colours, and names that are no formulas."""
    folder = made.parent / "fuzzed" / "cross-domain"
    shutil.rmtree(folder.parent, ignore_errors=True)
    shutil.copytree(made, folder)
    plan = json.loads((folder / "plan.json").read_text())
    changed = plan | {"labels": {"protonet": label}, "title": title * (500 if long else 1)}
    (folder / "plan.json").write_bytes(as_json(changed))
    with in_time():
        done = CliRunner().invoke(main, ["report", "--out", str(folder.parent)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 0 or done.output.count("\n") == 1
    assert all(is_plain(line) for line in done.output.split("\n"))
    assert {path.name for path in folder.parent.iterdir()} == {"cross-domain"}


CELLS = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=8),
    st.booleans(),
    st.binary(max_size=4),
    st.sampled_from(["anger", "protonet", "last", 0, 1, 5, 2**31, -1, HOSTILE, ESCAPES]),
)


@few(12)
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
