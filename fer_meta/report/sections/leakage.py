"""What a leak is worth: what support and query share, and a checkpoint picked on the target."""

import pandas as pd

from fer_meta.report.aggregate.leakage import SHARED
from fer_meta.report.document import (
    Block,
    Bold,
    Items,
    Number,
    Paragraph,
    Section,
    Table,
    Text,
    by_column,
    paragraphs,
)
from fer_meta.report.load import Results
from fer_meta.report.names import rank, readout_name
from fer_meta.report.sections.words import domain, exact, failed_note, measured, p_value
from fer_meta.statistics import rounding

UNKNOWN = {
    "person": ("who is on its images is unknown", "people"),
    "clip": ("its images are known to be from no clip", "clips"),
}
INTRODUCTION = (
    "Accuracy in percent, differences in percentage points with their 95 % intervals over seeds,"
    " people (clips, images) and episodes; p-values are not corrected for their number. The share of"
    " queries of which the same image, a frame of the same clip or the same person is in their own"
    " class's support is counted in the episodes themselves, and the accuracy of the queries with any"
    " of them stands beside that of the others."
)
ORACLE = (
    "What picking the checkpoint on the target's validation split is worth in points, against the"
    " source's (same trainings, same queries):"
)


def section(results: Results, leaks: pd.DataFrame, oracles: pd.DataFrame) -> Section | None:
    """From the rows of `leak_table` and `oracle_table`; nothing without rows."""
    if leaks.empty:
        return None
    titles: list[Text] = [
        (Bold(key), ": ", one["title"], ".")
        for key, one in results.experiments.items()
        if (leaks["experiment"] == key).any()
    ]
    blocks: list[Block] = [Paragraph(INTRODUCTION), Items(tuple(titles))]
    unknown = _unknown(results, leaks)
    blocks += [Items(tuple(unknown))] if unknown else []
    leaks = leaks.assign(rank=[rank(results, name) for name in leaks["readout"]])
    for (source, target, shots), block in leaks.groupby(["source", "target", "shots"], sort=False):
        pair: Text = "Trained on ", domain(results, source), ", tested on ", domain(results, target)
        rows = block.sort_values("rank", kind="stable")
        blocks += [Paragraph((pair, f", {shots}-shot:")), _table(results, rows)]
    failed = failed_note(results, leaks)
    blocks += paragraphs(failed and f"{failed} Differences are given where all trainings learned.")
    oracles = oracles[oracles["difference"].notna()]
    blocks += [Paragraph(ORACLE), _oracle_table(results, oracles)] if len(oracles) else []
    return Section("What a leak is worth", tuple(blocks))


def _table(results: Results, block: pd.DataFrame) -> Table:
    rows = list(block.itertuples())
    differs = [not pd.isna(row.difference) for row in rows]
    return by_column(
        {
            "method": [readout_name(results, row.readout) for row in rows],
            "experiment": [row.experiment for row in rows],
        },
        {
            "accuracy": [measured(row) for row in rows],
            "difference": [
                (_points(row.difference), " to ", row.against) if one else ""
                for row, one in zip(rows, differs)
            ],
            "95 % interval": [_interval(row) for row in rows],
            "p": [p_value(row.p) if one else "" for row, one in zip(rows, differs)],
            **{f"{kind} shared": [*map(exact, block[f"share_{kind}"])] for kind in SHARED},
            "accuracy, shared": [*map(exact, block["accuracy_shared"])],
            "accuracy, not shared": [*map(exact, block["accuracy_unshared"])],
            "chance": [*map(exact, block["chance"])],
        },
    )


def _oracle_table(results: Results, oracles: pd.DataFrame) -> Table:
    rows = list(oracles.itertuples())
    return by_column(
        {
            "method": [readout_name(results, row.readout) for row in rows],
            "experiment": [row.experiment for row in rows],
        },
        {
            "shots": [str(row.shots) for row in rows],
            "worth": [_points(row.difference) for row in rows],
            "95 % interval": [_interval(row) for row in rows],
            "p": [p_value(row.p) for row in rows],
        },
    )


def _unknown(results: Results, leaks: pd.DataFrame) -> list[Text]:
    """One line for each target of whose images nobody knows the person, or the clip: what the rows cannot say
    there.
    """
    return [
        (
            domain(results, target),
            f": {what}. Support and query may share {shared} in ",
            Bold("every"),
            " row, whatever it is called; how many queries do cannot be counted.",
        )
        for target, rows in leaks.groupby("target", sort=False)
        for kind, (what, shared) in UNKNOWN.items()
        if rows[f"share_{kind}"].isna().all()
    ]


def _points(difference: float) -> Number:
    return Number(rounding.points(difference, "+"))


def _interval(row) -> Text:
    """Empty where nothing shows a spread: two checkpoints that give the same answers, or are the same."""
    return "" if pd.isna(row.low) else (_points(row.low), " to ", _points(row.high))
