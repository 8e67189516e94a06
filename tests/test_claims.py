"""docs/claims.md: every figure is what the committed file says."""

import re
import subprocess
from io import BytesIO
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


def versions(file: str, root: Path = ROOT) -> list[bytes]:
    """The file as it lies here and, in a clone, as it was committed: a bench of the user's writes it anew, on
    another processor with other numbers.
    """
    shown = subprocess.run(["git", "show", f"HEAD:{file}"], cwd=root, capture_output=True)
    return [(root / file).read_bytes()] + ([shown.stdout] if shown.returncode == 0 else [])


def value_of(cell: str, table: bytes) -> float:
    """In percent, unless it is a count; NaN if there is not exactly one such cell."""
    column, *where = cell.split(", ")
    rows = pd.read_csv(BytesIO(table), dtype={"shots": str})
    for condition in where:
        name, value = condition.split("=")
        rows = rows[rows[name].astype(str) == value]
    return rows[column].iloc[0] * (1 if column in COUNTS else 100) if len(rows) == 1 else float("nan")


@pytest.mark.parametrize(("claim", "figure", "file", "cell"), claims())
def test_a_claim_is_what_its_file_says(claim, figure, file, cell):
    near = 0.5 * 10 ** -len(figure.partition(".")[2]) + 1e-9
    found = [value_of(cell, table) for table in versions(file)]
    assert any(float(figure) == pytest.approx(value, abs=near) for value in found), f"{claim}: {found}"


def test_a_bench_of_the_users_own_makes_no_claim_false(tmp_path):
    """`make bench` and then `make test` failed on a processor that rounds otherwise."""
    table = tmp_path / "table.csv"
    table.write_text("value\n0.018\n")
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "results"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    table.write_text("value\n0.017\n")
    found = [value_of("value", one) for one in versions("table.csv", tmp_path)]
    assert found == pytest.approx([1.7, 1.8])
