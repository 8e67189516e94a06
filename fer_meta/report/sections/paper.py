"""The table for a paper: each method on each source and target, one column per number of shots."""

from dataclasses import replace

import pandas as pd

from fer_meta.report.document import Row, Table, table
from fer_meta.report.load import Results
from fer_meta.report.names import domain_name, readout_name
from fer_meta.report.sections.words import (
    BAYES_NOTE,
    best_of,
    exact,
    failed_note,
    interval_note,
    is_best,
    measured,
    seeds_lacking,
    unlabelled_note,
)
from fer_meta.suites.smoke import smoke_note


def papers(results: Results, scores: pd.DataFrame, apart: pd.DataFrame) -> list[Table]:
    """The tables for a paper, from the rows of `accuracy_table`: the answers that are set apart have a second
    one.
    """
    tables = [paper(results, scores)]
    if (apart["selection"] == "source-val").any():
        other = paper(results, apart)
        tables.append(replace(other, label=f"{other.label}-transductive"))
    return tables


def paper(results: Results, scores: pd.DataFrame) -> Table:
    """From the source-val rows of `accuracy_table`, a group of rows for each source and target."""
    scores = scores[scores["selection"] == "source-val"]
    shots = sorted(scores["shots"].unique())
    bayes = ["Bayes"] if scores["bayes"].notna().any() else []
    groups = [
        _rows(results, block, experiment, shots, bool(bayes))
        for (experiment, *_), block in scores.groupby(["experiment", "target", "way", "source"], sort=False)
    ]
    heads = table(
        [*(["Experiment"] if results.experiments else []), "Source", "Target", "Method"],
        [*(f"{count}-shot" for count in shots), "Chance", *bayes],
        [],
    )
    caption = [
        f"{results.plan.get('title') or results.plan['suite']}: accuracy in % of the checkpoint picked on the"
        " source's validation split; the best method of a source and target is bold.",
        smoke_note(results.plan.get("preset", "")),
        interval_note(scores),
        unlabelled_note(results, scores),
        f"Bayes: {BAYES_NOTE}" if bayes else "",
        failed_note(results, scores),
    ]
    return replace(
        heads,
        groups=tuple(groups),
        caption=" ".join(filter(None, caption)),
        label=results.plan["suite"],
    )


def _rows(
    results: Results, block: pd.DataFrame, experiment: str, shots: list[int], bayes: bool
) -> tuple[Row, ...]:
    best, rows = best_of(block), []
    for readout, row in block.groupby("readout", sort=False):
        cells = {cell.shots: measured(cell, is_best(cell, best)) for cell in row.itertuples()}
        rows.append(
            (
                *([experiment] if results.experiments else []),
                domain_name(results, block["source"].iloc[0]),
                domain_name(results, block["target"].iloc[0]),
                readout_name(results, readout) + seeds_lacking(row),
                *(cells.get(count, "") for count in shots),
                exact(block["chance"].iloc[0]),
                *([exact(block["bayes"].iloc[0])] if bayes else []),
            )
        )
    return tuple(rows)
