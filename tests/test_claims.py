"""docs/claims.md: every figure is what the committed file says."""

import re
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
COUNTS = {"pairs", "seeds", "p", "divisions"}
"""Columns that are no shares from 0 to 1."""


def claims() -> list[tuple[str, ...]]:
    rows = re.findall(
        r"^\| (.+) \|$", (ROOT / "docs" / "claims.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    return [cells for row in rows if len(cells := tuple(row.split(" | "))) == 4 and cells[0] != "claim"]


def test_there_are_claims():
    assert len(claims()) > 20


@pytest.mark.parametrize(("claim", "figure", "file", "cell"), claims())
def test_a_claim_is_what_its_file_says(claim, figure, file, cell):
    column, *where = cell.split(", ")
    rows = pd.read_csv(ROOT / file, dtype={"shots": str})
    for condition in where:
        name, value = condition.split("=")
        rows = rows[rows[name].astype(str) == value]
    assert len(rows) == 1, f"{claim}: {len(rows)} rows"
    value = rows[column].iloc[0] * (1 if column in COUNTS else 100)
    places = len(figure.partition(".")[2])
    assert float(figure) == pytest.approx(value, abs=0.5 * 10**-places + 1e-9)
