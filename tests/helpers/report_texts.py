"""What a report says of a results folder, and changes of its files."""

import json
from pathlib import Path

import pytest

from fer_meta.errors import ResultsError
from fer_meta.report.aggregate.accuracy import CSV_COLUMNS
from fer_meta.report.aggregate.found import find
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.document import Block
from fer_meta.report.formats import csv, latex, markdown, terminal
from fer_meta.report.load import read_results
from fer_meta.report.sections import comparisons, leakage, published, reproduction
from fer_meta.report.sections.brief import brief
from fer_meta.report.sections.page import page
from fer_meta.report.sections.paper import paper

RUNS = ["protonet-fer2013-to-press_faces-seed0", "supervised-fer2013-to-press_faces-seed0"]
HOSTILE = "<script>alert(1)</script> # `code` *bold* [a](b) | 50 % of $x_1$ & \\x {y} ~ ^"
ESCAPES = "red\x1b[31m and\n# a heading\r\nand\u2028more"


def texts(folder: Path) -> dict[str, str]:
    """All that a report writes in words, without its plots."""
    results, names = read_results(folder), Names()
    found = find(results, read_cells(results, names), names)
    first = [
        reproduction.section(results, found.reproduced),
        leakage.section(results, found.leaks, found.oracles),
    ]
    compared = comparisons.section(results, found.compared, found.scores, found.ranked)
    last = [published.section(results, found.scores, found.once)]
    whole = page(results, found.scores, found.once, found.gaps, first, compared, last)
    return {
        "md": markdown.render(whole),
        "tex": latex.render(paper(results, found.scores)),
        "txt": terminal.render(brief(results, found.scores)),
        "csv": csv.render(found.scores, CSV_COLUMNS),
    }


def as_markdown(block: Block | None) -> str:
    """A section as it stands on the page; nothing for none."""
    return markdown.block(block) if block else ""


def change(path: Path, **fields) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def wrong(folder: Path) -> str:
    with pytest.raises(ResultsError) as error:
        texts(folder)
    assert "\n" not in str(error.value)
    return str(error.value)
