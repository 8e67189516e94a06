"""The page in short, for a terminal: the accuracies, what is missing, and at the end, where it is read first,
the primary contrast in words.
"""

from collections.abc import Iterator, Sequence

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

MOST_ROWS = 40
"""Rows of all tables in a terminal. Of more, it shows those of the most shots and the headline, in short."""

ACROSS = 3
"""Targets that fit side by side in a terminal."""

SHOWN = ["accuracy", "ci95", "chance", "bayes", "episodes", "seeds", "planned_seeds", "failed_seeds"]


def brief(
    results: Results, scores: pd.DataFrame, primary: str = "", last: Sequence[Section | None] = ()
) -> Page:
    """From `accuracy_table`: a table for each source and target, or if these are long one for each source;
    then the notes, the missing runs, the sections `last`, and `primary`.
    """
    shown, rest = tables(results, scores), ""
    if sum(len(block.rows) for one in shown for block in one.blocks if isinstance(block, Table)) > MOST_ROWS:
        scores = _headline(scores)
        shown = list(_by_source(results, scores))
        rest = "All shots and checkpoints are in table.md and table.csv."
    sections = [
        _untitled(*left_out(results)),
        *shown,
        _untitled(*_notes(results, scores), f"bundled: {BUNDLED_NOTE}" if "bundled" in primary else "", rest),
        missing(results),
        *last,
        _untitled(primary, smoke_note(results.plan.get("preset", ""))),
    ]
    return Page(results.plan["suite"], tuple(one for one in sections if one))


def _headline(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows of the most shots, of the first selection that is there: source-val, if it is."""
    first = next(name for name in SELECTIONS if (scores["selection"] == name).any())
    return scores[(scores["shots"] == scores["shots"].max()) & (scores["selection"] == first)]


def _by_source(results: Results, scores: pd.DataFrame) -> Iterator[Section]:
    """One table for each experiment, way and source of the `_headline`: a row for each method, a column for
    each target, ACROSS of them in one table.
    """
    for (experiment, way, source), rows in scores.groupby(["experiment", "way", "source"], sort=False):
        kind = f"{way}-way {rows['shots'].iloc[0]}-shot accuracy in %, by target"
        title = f"trained on {domain_name(results, source)}: {kind}"
        targets = list(rows["target"].unique())
        for start in range(0, len(targets), ACROSS):
            made = _targets_table(results, rows, targets[start : start + ACROSS])
            yield Section(experiment_title(results, experiment, "\n") + title, (made,))


def _targets_table(results: Results, rows: pd.DataFrame, targets: list[str]) -> Table:
    cells = {(row.readout, row.target): measured(row, lacking=True) for row in rows.itertuples()}
    # "(rendered)", below its name: beside it, no three would fit
    kinds = [domain_name(results, target).removeprefix(target).strip() for target in targets]
    lines: list[list[Text]] = [["", *kinds]] if any(kinds) else []
    lines += [
        [readout_name(results, readout), *(cells.get((readout, target), "") for target in targets)]
        for readout in rows["readout"].unique()
    ]
    once = rows.drop_duplicates("target").set_index("target").loc[targets]
    for name, values in ((BAYES, once["bayes"]), ("Chance", once["chance"])):
        if values.notna().any():
            lines.append([name, *map(exact, values)])
    return table(["method"], targets, lines)


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
    oracle = (scores["selection"] == "oracle").any()
    said = [
        interval_note(scores),
        "oracle: picked on the target's validation split." if oracle else "",
        "* seeds are missing." if lacking else "",
    ]
    return [
        " ".join(filter(None, said)),
        unlabelled_note(results, scores),
        failed_note(results, scores),
        unjudged_note(results, scores),
        f"{BAYES}: {BAYES_NOTE}" if scores["bayes"].notna().any() else "",
        folds.note(results),
    ]
