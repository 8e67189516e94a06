"""Every accuracy of a bench in one table, to sort and to choose from, with its caveats and its origin."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from fer_meta.report.aggregate.found import Found
from fer_meta.report.aggregate.trainings import images_seen, runs_by_training, weights
from fer_meta.report.cells import Cell
from fer_meta.report.document import Bar, Column, Link, Row, Section, Table, Text, paragraphs
from fer_meta.report.load import Results
from fer_meta.report.names import (
    SELECTIONS,
    domain_name,
    is_own_head,
    reading_name,
    training_name,
)
from fer_meta.report.sections.words import FEW, exact, interval_note, measured
from fer_meta.report.web.made_by import anchor

MOST_ROWS = 3000
"""A browser shows more only slowly; `table.csv` has them all."""

CELL = ["experiment", "source", "target", "readout", "shots", "selection"]

HOW = (
    "Accuracy in percent on the same queries for every method. Choose above the table, and click on a head "
    "to sort. The band is the 95 % interval, the strong line the mean, each dot a training (if there are "
    "several), and the dashed line chance; the axis is 0 to 100. Two rows differ in the objective alone only "
    "where backbone, weights, images seen and readout are equal."
)


def section(found: Found) -> Section:
    """From the `accuracy_table`, those of transductive answers among them."""
    rows = found.whole
    shown = rows.head(MOST_ROWS)
    more = (
        f"The first {MOST_ROWS:,} of {len(rows):,} rows; table.csv has all." if len(rows) > MOST_ROWS else ""
    )
    return Section(
        "Every result",
        (*paragraphs(HOW, interval_note(rows), more), table(found.results, shown, found.cells)),
    )


def table(results: Results, rows: pd.DataFrame, cells: Iterable[Cell]) -> Table:
    """One row for each of `accuracy_table`."""
    known = {tuple(getattr(cell, name) for name in CELL): cell for cell in cells}
    trained = runs_by_training(results)

    def line(row: Any) -> Row:
        runs = trained[row.experiment, row.source, row.method]
        return (
            *([row.experiment] if results.experiments else []),
            domain_name(results, row.source),
            domain_name(results, row.target),
            str(row.shots),
            training_name(results, row.method, row.readout),
            reading_name(results, row.method, row.readout),
            _bar(row, known),
            "; ".join(caveats(row)),
            row.backbone,
            weights(runs),
            SELECTIONS.get(row.selection, row.selection),
            _number(images_seen(runs)),
            exact(row.uar),
            exact(row.chance),
            str(row.seeds),
            f"{row.episodes:,}",
            Link("runs", anchor(row.experiment, row.source, row.target, row.method)),
        )

    heads = (
        *([Column("experiment", number=False, choice=True)] if results.experiments else []),
        *(
            Column(name, number=name == "shots", choice=True)
            for name in ("source", "target", "shots", "method", "readout")
        ),
        Column("accuracy, %"),
        Column("caveats", number=False),
        *(Column(name, number=False, choice=True) for name in ("backbone", "weights", "checkpoint")),
        *(Column(name) for name in ("images seen", "UAR, %", "chance, %", "seeds", "episodes")),
        Column("made by", number=False),
    )
    lines = tuple(line(row) for row in rows.itertuples())
    return Table(heads, (lines,), caption="Accuracy of every method, source and target")


def caveats(row: Any) -> list[str]:
    """What must be said with the number of a row of `accuracy_table`."""
    return [
        text
        for holds, text in (
            (row.failed_seeds, f"did not learn: seed {', '.join(row.failed_seeds.split())}"),
            (row.seeds < row.planned_seeds, f"{row.seeds} of {row.planned_seeds} seeds"),
            (row.seeds == 1, "one training"),
            (row.selection == "oracle", "picked on the target, which no one can in practice"),
            (is_own_head(row.readout), "knows the classes from its training, uses no support"),
            (row.transductive, "sees the other queries of its episode"),
            (row.members < FEW, f"{row.members} {row.groups} tested: the interval is a little short"),
            (row.excluded, f"classes left out: {row.excluded}"),
            (row.rendered, "rendered"),
        )
        if holds
    ]


def _bar(row: Any, known: Mapping[tuple, Cell]) -> Text:
    cell = known.get(tuple(getattr(row, name) for name in CELL))
    dots = tuple(scores.accuracy for scores in cell.scores) if cell and len(cell.seeds) > 1 else ()
    half = 0.0 if pd.isna(row.ci95) else row.ci95
    return Bar(measured(row), row.accuracy, row.accuracy - half, row.accuracy + half, dots, row.chance)


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:,.0f}"
