"""One row per method and one column per way to read it: what a bench of many readouts says at a glance."""

import pandas as pd

from fer_meta.report.document import Block, Measured, Paragraph, Section, Table, Text, table
from fer_meta.report.load import Results
from fer_meta.report.names import OWN, in_order, reading_name, training_name
from fer_meta.statistics import rounding
from fer_meta.statistics.failed import MARK

INTRODUCTION = (
    "Mean accuracy in percent over pairs of source and target, by the checkpoint picked on the source's"
    " validation split; the best of each table is bold. Every pair weighs the same; a readout that lacks a"
    " pair is left out. The intervals stand with the pairs, below."
    f" {MARK} a training behind it did not learn."
)


def section(results: Results, means: pd.DataFrame) -> Section | None:
    """From the rows of `means_table`; nothing without rows."""
    blocks: list[Block] = [Paragraph(INTRODUCTION)]
    for (_, shots, place), rows in means.groupby(["way", "shots", "place"], sort=False):
        blocks += [
            Paragraph(f"{shots}-shot, {place} domains ({rows['pairs'].max()} pairs):"),
            _table(results, rows),
        ]
    return Section("Means over sources and targets", tuple(blocks)) if len(means) else None


def _table(results: Results, rows: pd.DataFrame) -> Table:
    ordered = in_order(results, rows["readout"])
    named: dict[str, dict[str, Text]] = {}
    readings: dict[str, None] = {}
    # Two that read the same are both best.
    best = rounding.percent(rows.loc[~rows["failed"], "accuracy"].max())
    for row in sorted(rows.itertuples(), key=lambda row: ordered.index(row.readout)):
        method, reading = (name(results, row.method, row.readout) for name in (training_name, reading_name))
        mean = rounding.percent(row.accuracy)
        shown = Measured(mean, best=not row.failed and mean == best, failed=row.failed)
        named.setdefault(method, {})[reading] = shown
        readings[reading] = None
    columns = sorted(readings, key=lambda name: name != OWN)  # a stable sort: the others stay in order
    return table(
        ["method"],
        columns,
        [[method, *(cells.get(one, "") for one in columns)] for method, cells in named.items()],
    )
