"""Two results folders side by side, for a terminal."""

from typing import Any

import numpy as np

from fer_meta.report.document import Block, Items, Paragraph, Section, Table, paragraphs, table
from fer_meta.report.names import domain_name, experiment_title, readout_name
from fer_meta.report.paired import Compared
from fer_meta.report.sections.words import p_value
from fer_meta.statistics.failed import MARK
from fer_meta.statistics.rounding import interval, percent, points
from fer_meta.suites.smoke import smoke_note


def sections(found: Compared) -> list[Block]:
    """The mean differences, then each pair of source and target, then what is not equal."""
    one, other = found.one.folder, found.other.folder
    blocks: list[Block] = [Paragraph(f"A: {one}; B: {other}" if other != one else f"{one}")]
    blocks += paragraphs(smoke_note(found.one.plan["preset"]) or smoke_note(found.other.plan["preset"]))
    if (found.table["difference"] == 0).all():
        blocks.append(Paragraph("No accuracy differs."))
    else:
        blocks += _tables(found)
    if found.differs:
        words = Paragraph("The difference is not of the objective alone. Not shared by the two:")
        blocks.append(Section("Not equal", (words, Items(tuple(found.differs)))))
    if found.left_out:
        blocks.append(Section("Not compared", (Items(tuple(found.left_out)),)))
    return blocks


def _tables(found: Compared) -> list[Block]:
    blocks: list[Block] = []
    if len(found.means):
        title = "Mean over pairs of source and target, in points"
        each = "Each of these intervals and p is by itself: they are not corrected for their number."
        blocks.append(Section(title, (_means(found), Paragraph(each))))
    note = "Intervals and p hold together for all rows (Bonferroni), over seeds, people and episodes."
    if found.table["failed_seeds"].any():
        note += f" {MARK} a training did not learn: nothing is claimed."
    title = "Each pair of source and target, accuracy in % and difference in points"
    return [*blocks, Section(title, (_pairs(found), Paragraph(note)))]


def _means(found: Compared) -> Table:
    return table(
        ["method", "place"],
        ["shots", "pairs", "difference", "95 % interval", "p"],
        [
            [_names(found, row), row.place, _shots(row), str(row.pairs), *_difference(row, row.p)]
            for row in found.means.itertuples()
        ],
    )


def _pairs(found: Compared) -> Table:
    results = found.one
    return table(
        ["method", "source", "target"],
        ["shots", "A", "B", "difference", "95 % interval", "p"],
        [
            [
                _names(found, row) + (f" {MARK}" if row.failed_seeds else ""),
                f"{experiment_title(results, row.experiment)}{domain_name(results, row.source)}",
                domain_name(results, row.target),
                _shots(row),
                percent(row.accuracy_first),
                percent(row.accuracy_second),
                *_difference(row, row.p_corrected),
            ]
            for row in found.table.itertuples()
        ],
    )


def _shots(row: Any) -> str:
    return str(row.shots) if row.shots else "head"


def _names(found: Compared, row: Any) -> str:
    first = readout_name(found.one, row.first)
    return first if row.first == row.second else f"{first} less {readout_name(found.other, row.second)}"


def _difference(row: Any, p: float) -> list[str]:
    value = points(row.difference, "+")
    return [value, "", ""] if np.isnan(p) else [value, interval(row.low, row.high), p_value(p)]
