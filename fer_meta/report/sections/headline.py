"""The headline: each method on each source and target, the checkpoint picked on the source's validation."""

from dataclasses import replace
from functools import partial

import pandas as pd

from fer_meta.report.aggregate.means import WIDE
from fer_meta.report.document import Block, Paragraph, Section, Table, joined, paragraphs, table
from fer_meta.report.load import Results
from fer_meta.report.names import BAYES, order, readout_name
from fer_meta.report.sections.words import (
    BAYES_NOTE,
    best_of,
    domain,
    exact,
    failed_note,
    is_best,
    measured,
    unlabelled_note,
)

EQUAL = (
    "Two methods' difference is an effect of the objective only where backbone, initial weights, images seen"
    " and readout are equal: see Trainings."
)


def section(results: Results, scores: pd.DataFrame) -> Section | None:
    """From the rows of `accuracy_table`; nothing without source-val."""
    shown = scores[scores["selection"] == "source-val"]
    if shown.empty:
        return None
    shown = shown.sort_values(
        ["experiment", "source", "target", "way"], key=partial(order, results), kind="stable"
    )
    readouts = list(shown["readout"].drop_duplicates().sort_values(key=partial(order, results)))
    blocks: list[Block] = []
    for shots, rows in shown.groupby("shots"):
        made = _table(results, rows, readouts)
        blocks += [Paragraph(f"{shots}-shot:"), made if len(readouts) <= WIDE else _turned(made)]
    lacking = (shown["seeds"] < shown["planned_seeds"]).any()
    notes = paragraphs(
        EQUAL,
        unlabelled_note(results, shown),
        failed_note(results, shown),
        "* seeds are missing." if lacking else "",
        f"{BAYES}: {BAYES_NOTE}" if shown["bayes"].notna().any() else "",
    )
    return Section("Headline, the checkpoint picked on the source's validation split", (*blocks, *notes))


def _table(results: Results, rows: pd.DataFrame, readouts: list[str]) -> Table:
    """One row per source and target, one column per method."""
    bayes = rows["bayes"].notna().any()
    lines = []
    for (experiment, source, target, _), row in rows.groupby(
        ["experiment", "source", "target", "way"], sort=False
    ):
        best = best_of(row)
        # No spaces: a cell of a table this wide would be broken at them.
        cells = {
            cell.readout: replace(measured(cell, is_best(cell, best), lacking=True), tight=True)
            for cell in row.itertuples()
        }
        lines.append(
            [
                *([experiment] if results.experiments else []),
                domain(results, source),
                domain(results, target),
                *(cells.get(name, "") for name in readouts),
                exact(row["chance"].iloc[0]),
                *([exact(row["bayes"].iloc[0])] if bayes else []),
            ]
        )
    return table(
        [*(["experiment"] if results.experiments else []), "source", "target"],
        [*(readout_name(results, name) for name in readouts), "Chance", *([BAYES] if bayes else [])],
        lines,
    )


def _turned(made: Table) -> Table:
    """The same cells with one row per method and one column per source and target."""
    words = sum(not column.number for column in made.columns)
    pairs = [joined(row[:words], " → ") for row in made.rows]
    cells = zip(*(row[words:] for row in made.rows))
    return table(["method"], pairs, [(column.name, *row) for column, row in zip(made.columns[words:], cells)])
