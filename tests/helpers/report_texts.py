"""What a report says of a results folder, and changes of its files."""

import json
from pathlib import Path

import pandas as pd
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
from fer_meta.report.web.page import web_page

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
        "html": web_page(found, whole, ["accuracy"], photographs=True),
    }


def as_markdown(block: Block | None) -> str:
    """A section as it stands on the page; nothing for none."""
    return markdown.block(block) if block else ""


def change(path: Path, **fields) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def hostile(folder: Path, text: str) -> None:
    """`text` wherever a user has a word."""
    plan = json.loads((folder / "plan.json").read_text())
    told = {
        "title": text,
        "trained_on": text,
        "tested_on": text,
        "faults": [],
        "against": None,
        "published": [{"method": text, "figure": 0.5, "reading": "test accuracy", "note": text}],
    }
    missing = plan["runs"][0] | {
        "id": "missing",
        "source": text.replace("/", "").replace("\\", ""),
        "experiment": "E",
    }
    failed = folder / "runs" / "missing" / "FAILED.json"
    failed.parent.mkdir()
    failed.write_text(json.dumps({"error": f"```{text}"}))
    change(
        folder / "plan.json",
        title=text,
        experiments={"E": told},
        not_run={text: text},
        runs=[*({**run, "experiment": "E"} for run in plan["runs"]), missing],
    )
    for name in RUNS:
        path = folder / "runs" / name / "predictions.parquet"
        table = pd.read_parquet(path)
        table.assign(
            readout=table["readout"].astype(str).replace({"protonet": text, "supervised-ncm": f"b {text}"})
        ).to_parquet(path)
        run = json.loads((path.with_name("run.json")).read_text())
        change(
            path.with_name("run.json"),
            config={"backbone": text},
            protocol=run["protocol"] | {"copies": text, text: text},
            excluded={text: 1},
            classes=[text, "fear", "anger", "disgust"],
        )


def wrong(folder: Path) -> str:
    with pytest.raises(ResultsError) as error:
        texts(folder)
    assert "\n" not in str(error.value)
    return str(error.value)
