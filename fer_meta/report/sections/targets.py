"""Every target by itself: its protocol, and each method and source by how the checkpoint was picked."""

import pandas as pd

from fer_meta.report.document import Paragraph, Section, Table, Text, paragraphs, table
from fer_meta.report.load import Results
from fer_meta.report.names import BAYES, SELECTIONS, experiment_title, readout_name
from fer_meta.report.sections.protocol import protocol_line
from fer_meta.report.sections.words import (
    best_of,
    domain,
    exact,
    failed_note,
    is_best,
    measured,
    seeds_lacking,
)
from fer_meta.statistics.rounding import percent


def sections(results: Results, scores: pd.DataFrame) -> list[Section]:
    """One for each experiment, target and way of `accuracy_table`."""
    return [
        Section(
            _title(results, experiment, target, way),
            (
                Paragraph(protocol_line(results, block)),
                _table(results, block),
                *paragraphs(failed_note(results, block)),
            ),
        )
        for (experiment, target, way), block in scores.groupby(["experiment", "target", "way"], sort=False)
    ]


def _title(results: Results, experiment: str, target: str, way: int) -> Text:
    start = experiment_title(results, experiment)
    chance = f", {way}-way (chance {percent(1 / way)})"
    return start, "tested on " if start else "Tested on ", domain(results, target), chance


def _table(results: Results, block: pd.DataFrame) -> Table:
    """One row per source and method, one column per number of shots and selection."""
    columns = [
        (shots, selection)
        for shots in sorted(block["shots"].unique())
        for selection in sorted(block["selection"].unique(), key=list(SELECTIONS).index)
    ]
    best = best_of(block)
    lines: list[list[Text]] = []
    for (source, name), row in block.groupby(["source", "readout"], sort=False):
        cells: dict[tuple, Text] = {
            (cell.shots, cell.selection): (measured(cell, is_best(cell, best)), _episodes_alone(cell))
            for cell in row.itertuples()
        }
        lines.append(
            [
                readout_name(results, name) + seeds_lacking(row),
                domain(results, source),
                *(cells.get(column, "") for column in columns),
            ]
        )
    lines.append(["Chance", "", *(exact(block["chance"].iloc[0]) for _ in columns)])
    # What a reader can reach depends on the classes, and these on the source.
    reachable = block.groupby("source", sort=False)["bayes"].first()
    if reachable.nunique(dropna=False) == 1:
        reachable = reachable.iloc[:1].set_axis([""])
    for source, accuracy in reachable.dropna().items():
        lines.append([BAYES, source and domain(results, source), *(exact(accuracy) for _ in columns)])
    heads = [f"{shots}-shot {SELECTIONS[selection]}, ± all (episodes alone)" for shots, selection in columns]
    return table(["method", "source"], heads, lines)


def _episodes_alone(cell) -> str:
    return "" if pd.isna(cell.ci95_episodes) else f" ({exact(cell.ci95_episodes)})"
