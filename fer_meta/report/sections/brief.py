"""The page in short, for a terminal: the accuracies, the primary contrast in words, what is missing."""

from collections.abc import Sequence

import pandas as pd

from fer_meta.report.aggregate import folds
from fer_meta.report.aggregate.accuracy import CELL
from fer_meta.report.document import Page, Section, Table, Text, paragraphs, table
from fer_meta.report.load import Results
from fer_meta.report.names import BAYES, SELECTIONS, domain_name, experiment_title, readout_name
from fer_meta.report.sections.left_out import left_out
from fer_meta.report.sections.missing import missing
from fer_meta.report.sections.words import (
    BAYES_NOTE,
    BUNDLED_NOTE,
    exact,
    failed_note,
    interval_note,
    measured,
    seeds_lacking,
    span,
    unjudged_note,
    unlabelled_note,
)
from fer_meta.suites.smoke import smoke_note

SHOWN = ["accuracy", "ci95", "chance", "bayes", "episodes", "seeds", "planned_seeds", "failed_seeds"]


def brief(
    results: Results, scores: pd.DataFrame, primary: str = "", last: Sequence[Section | None] = ()
) -> Page:
    """From `accuracy_table`: a table for each source and target, then `primary`, the notes, the missing runs
    and the sections `last`.
    """
    sections = [
        _untitled(*left_out(results)),
        *tables(results, scores),
        _untitled(primary, smoke_note(results.plan.get("preset", ""))),
        _untitled(*_notes(results, scores), f"bundled: {BUNDLED_NOTE}" if "bundled" in primary else ""),
        missing(results),
        *last,
    ]
    return Page(results.plan["suite"], tuple(one for one in sections if one))


def tables(results: Results, scores: pd.DataFrame) -> list[Section]:
    """One for each experiment, target, way and source of `accuracy_table`."""
    selections = [name for name in SELECTIONS if (scores["selection"] == name).any()]
    pairs = scores[[*CELL, *SHOWN]].groupby(["experiment", "target", "way", "source"], sort=False)
    return [Section(_title(results, *key), (_table(results, block, selections),)) for key, block in pairs]


def _untitled(*texts: Text) -> Section | None:
    found = tuple(paragraphs(*texts))
    return Section("", found) if found else None


def _title(results: Results, experiment: str, target: str, way: int, source: str) -> str:
    pair = f"{domain_name(results, source)} -> {domain_name(results, target)}"
    return experiment_title(results, experiment, "\n") + f"{pair}, {way}-way, accuracy in %"


def _table(results: Results, block: pd.DataFrame, selections: list[str]) -> Table:
    """One row per method and shots, one column per selection."""
    lines: list[list[Text]] = []
    for (readout, shots), row in block.groupby(["readout", "shots"], sort=False):
        cells = {cell.selection: measured(cell) for cell in row.itertuples()}
        lines.append(
            [
                readout_name(results, readout),
                str(shots),
                *(cells.get(name, "") for name in selections),
                exact(row["chance"].iloc[0]),
                span(row["episodes"]),
                span(row["seeds"]) + (" *" if seeds_lacking(row) else ""),
            ]
        )
    if block["bayes"].notna().any():
        lines.append([BAYES, "", *[exact(block["bayes"].iloc[0])] * len(selections), "", "", ""])
    return table(["method"], ["shots", *selections, "chance", "episodes", "seeds"], lines)


def _notes(results: Results, scores: pd.DataFrame) -> list[str]:
    lacking = (scores["seeds"] < scores["planned_seeds"]).any()
    picked = "oracle: picked on the target's validation split" + (
        "; * seeds are missing." if lacking else "."
    )
    return [
        f"{interval_note(scores)} {picked}",
        unlabelled_note(results, scores),
        failed_note(results, scores),
        unjudged_note(results, scores),
        f"{BAYES}: {BAYES_NOTE}" if scores["bayes"].notna().any() else "",
        folds.note(results),
    ]
