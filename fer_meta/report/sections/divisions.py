"""Which classes were trained on and which were tested: accuracy over the divisions."""

import pandas as pd

from fer_meta.report.document import (
    Block,
    Figure,
    Paragraph,
    Section,
    Table,
    Text,
    by_column,
    paragraphs,
)
from fer_meta.report.load import Results
from fer_meta.report.names import readout_name
from fer_meta.report.sections.words import domain, exact, with_half
from fer_meta.statistics.failed import MARK
from fer_meta.statistics.rounding import points

SHORT = (
    "Each division is named by the classes that it tests. ± of the mean: over seeds, people (clips, images)"
    " and episodes, with the divisions as they are."
)
WORDS = (
    "A division tests some of the suite's classes and trains on the others. It is named by the classes that"
    " it tests, and has trainings of its own. Accuracy in percent, the checkpoint picked on the source's"
    " validation split. The mean is over all divisions here. Its interval is over seeds, people (clips,"
    " images) and episodes, with the divisions as they are: they share images and classes, so they are no"
    " independent sample, and it says nothing about others. The standard deviation (sd) is how far the choice"
    " of a division moves the accuracy, chance included. The smallest and the largest are picked from many,"
    " so chance alone puts them a little too far out."
)
FIGURE = Figure("plots/divisions", "Accuracy of each method in each division of the classes")


def section(results: Results, divided: pd.DataFrame, whole: bool = True) -> Section | None:
    """From the source-val rows of `division_table`; nothing without any. `whole`: as on the page, with the
    figure and all words.
    """
    shown = divided[divided["selection"] == "source-val"]
    if shown.empty:
        return None
    first = f"First is {shown['first'].iloc[0]}, the first division that the suite names."
    blocks: list[Block] = [Paragraph(f"{WORDS if whole else SHORT} {first}")]
    for (source, target, shots), block in shown.groupby(["source", "target", "shots"], sort=False):
        pair: Text = domain(results, source), " → ", domain(results, target)
        blocks += [
            Paragraph((pair, f", {block['way'].iloc[0]}-way {shots}-shot:")),
            _table(results, block),
        ]
    failed = sorted({key for keys in shown["failed"] for key in keys.split()})
    blocks += paragraphs(f"{MARK} a training did not learn in: {', '.join(failed)}." if failed else "")
    return Section("Divisions of the classes", (*blocks, *([FIGURE] if whole else [])))


def _table(results: Results, block: pd.DataFrame) -> Table:
    rows = list(block.itertuples())
    return by_column(
        {
            "method": [readout_name(results, row.readout) + MARK * bool(row.failed) for row in rows],
        },
        {
            "first": [
                "" if pd.isna(row.accuracy_first) else with_half(row.accuracy_first, row.ci95_first)
                for row in rows
            ],
            "its place": ["" if pd.isna(row.place_first) else f"{row.place_first:.0f}" for row in rows],
            "mean": [with_half(row.accuracy, row.ci95) for row in rows],
            "sd": [points(row.sd) for row in rows],
            "smallest": [f"{exact(row.low)} ({row.lowest})" for row in rows],
            "largest": [f"{exact(row.high)} ({row.highest})" for row in rows],
            "divisions": [str(row.divisions) for row in rows],
            "chance": [exact(row.chance) for row in rows],
        },
    )
