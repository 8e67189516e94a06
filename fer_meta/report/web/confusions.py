"""Which classes are taken for which: a table for each readout on each target."""

import numpy as np

from fer_meta.report.cells import Cell
from fer_meta.report.document import Block, Column, Paragraph, Row, Section, Shade, Table
from fer_meta.report.load import Results
from fer_meta.report.names import classes_alike, domain_name, experiment_title, readout_name
from fer_meta.statistics.failed import MARK

MOST = 120
"""Tables on a page; confusion.csv has all."""

HOW = (
    "Of the queries of a class (row), the percentage that was given each name (column), over all seeds. The "
    "diagonal is what was named right. Checkpoint picked on the source's validation split."
)


def section(results: Results, cells: list[Cell]) -> Section | None:
    """Of the largest number of shots, and of own heads."""
    most = {
        cell.place[:3]: max(other.shots for other in cells if other.place[:3] == cell.place[:3])
        for cell in cells
    }
    shown = [cell for cell in cells if cell.selection == "source-val" and cell.shots == most[cell.place[:3]]]
    if not shown:
        return None
    blocks: list[Block] = [Paragraph(HOW)]
    if len(shown) > MOST:
        blocks.append(Paragraph(f"The first {MOST} of {len(shown):,}; confusion.csv has all."))
    pairs: dict[str, list[Cell]] = {}
    for cell in shown[:MOST]:
        pairs.setdefault(_pair(results, cell), []).append(cell)
    blocks += [
        Section(pair, tuple(_table(results, cell) for cell in of_pair), closed=True)
        for pair, of_pair in pairs.items()
    ]
    return Section("Which expression is taken for which", tuple(blocks), closed=True)


def _pair(results: Results, cell: Cell) -> str:
    pair = f"{domain_name(results, cell.source)} → {domain_name(results, cell.target)}"
    return f"{experiment_title(results, cell.experiment)}{pair}"


def _table(results: Results, cell: Cell) -> Table:
    counts = cell.confusion.sum(axis=0)  # [C, C] true x predicted
    there = [name for name, seen in zip(cell.vocabulary, counts.any(axis=1) | counts.any(axis=0)) if seen]
    names = classes_alike(results, there)
    places = [cell.vocabulary.index(name) for name in names]
    shares = counts[np.ix_(places, places)] / np.maximum(counts[places].sum(axis=1, keepdims=True), 1)
    rows: tuple[Row, ...] = tuple(
        (name, *(Shade(f"{100 * share:.0f}", float(share)) for share in row))
        for name, row in zip(names, shares)
    )
    heads = (Column("true class", number=False), *(Column(name) for name in names))
    return Table(heads, (rows,), caption=_caption(results, cell))


def _caption(results: Results, cell: Cell) -> str:
    shots = f", {cell.shots}-shot" if cell.shots else ""
    mark = f" {MARK} (a training did not learn)" if cell.failed else ""
    return f"{readout_name(results, cell.readout)}{mark}{shots}: % of a class"
