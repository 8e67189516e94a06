"""What a report says of a results folder, and changes of its files."""

import json
from pathlib import Path

import pytest

from fer_meta.errors import ResultsError
from fer_meta.report.aggregate import accuracy as numbers
from fer_meta.report.aggregate import comparisons as compare
from fer_meta.report.aggregate import gap, leakage
from fer_meta.report.aggregate import reproduction as experiments
from fer_meta.report.aggregate.published import beside
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.formats import latex, terminal
from fer_meta.report.load import read_results
from fer_meta.report.sections import tables

RUNS = ["protonet-fer2013-to-press_faces-seed0", "supervised-fer2013-to-press_faces-seed0"]
HOSTILE = "<script>alert(1)</script> # `code` *bold* [a](b) | 50 % of $x_1$ & \\x {y} ~ ^"
ESCAPES = "red\x1b[31m and\n# a heading\r\nand\u2028more"


def texts(folder: Path) -> dict[str, str]:
    """All that a report writes in words, without its plots."""
    results, names = read_results(folder), Names()
    cells = read_cells(results, names)
    table, heads = numbers.accuracy_table(results, cells), numbers.head_table(results, cells)
    gaps, reproduced = gap.gap_table(results, table), experiments.reproduction_table(results, table, heads)
    leaks, oracles = leakage.leak_table(results, cells, names), leakage.oracle_table(results, cells)
    sections = [experiments.section(results, reproduced), leakage.section(results, leaks, oracles)]
    compared = compare.section(results, compare.comparisons(results, cells), table, compare.ranks(table))
    page = tables.to_markdown(results, table, heads, gaps, sections, compared)
    return {
        "md": page + beside(results, table, heads),
        "tex": latex.to_latex(results, table),
        "txt": terminal.to_text(results, table),
        "csv": tables.to_csv(table, tables.CSV_COLUMNS),
    }


def change(path: Path, **fields) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def wrong(folder: Path) -> str:
    with pytest.raises(ResultsError) as error:
        texts(folder)
    assert "\n" not in str(error.value)
    return str(error.value)
