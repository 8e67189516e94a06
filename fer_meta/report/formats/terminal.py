"""The report's numbers as plain text, for a terminal."""

from textwrap import wrap

import pandas as pd

from fer_meta.report.aggregate import folds
from fer_meta.report.aggregate.accuracy import CELL
from fer_meta.report.load import Results
from fer_meta.report.names import BAYES, SELECTIONS, domain_name, experiment_title, method_name
from fer_meta.report.sections.left_out import left_out_lines
from fer_meta.report.sections.words import (
    BAYES_NOTE,
    dagger,
    exact,
    failed_note,
    interval_note,
    missing_lines,
    percent,
    seeds_lacking,
    span,
    unjudged_note,
)


def to_text(results: Results, table: pd.DataFrame, primary: str = "") -> str:
    """A block for each source and target, the primary contrast in words, then the missing runs; for a
    terminal.
    """
    # the fewer columns, the faster
    told = table[
        [*CELL, "accuracy", "ci95", "chance", "bayes", "episodes", "seeds", "planned_seeds", "failed_seeds"]
    ]
    selections = [name for name in SELECTIONS if (table["selection"] == name).any()]
    head = ["method", "shots", *selections, "chance", "episodes", "seeds"]
    blocks = []
    for (experiment, target, way, source), block in told.groupby(
        ["experiment", "target", "way", "source"], sort=False
    ):
        lines = []
        for (method, shots), row in block.groupby(["method", "shots"], sort=False):
            cells = {cell.selection: percent(cell) + dagger(cell) for cell in row.itertuples()}
            lines.append(
                [
                    method_name(results, method),
                    str(shots),
                    *(cells.get(name, "") for name in selections),
                    exact(row["chance"].iloc[0]),
                    span(row["episodes"]),
                    span(row["seeds"]) + (" *" if seeds_lacking(row) else ""),
                ]
            )
        if block["bayes"].notna().any():
            lines.append([BAYES, "", *[exact(block["bayes"].iloc[0])] * len(selections), "", "", ""])
        title = f"{domain_name(results, source)} -> {domain_name(results, target)}, {way}-way, accuracy in %"
        blocks.append((experiment_title(results, experiment, "\n") + title, lines))
    widths = [max(len(line[i]) for _, lines in blocks for line in [head, *lines]) for i in range(len(head))]
    text = "".join(f"{line}\n" for line in left_out_lines(results))
    text += "\n" if text else ""
    for title, lines in blocks:
        text += title + "\n"
        for line in [head, *lines]:
            cells = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]
            text += "  " + "  ".join([line[0].ljust(widths[0]), *cells]).rstrip() + "\n"
        text += "\n"
    text += "\n".join(wrap(primary, 98)) + "\n\n" if primary else ""
    notes = interval_note(table) + " oracle: picked on the target's validation split"
    notes += "; * seeds are missing." if (table["seeds"] < table["planned_seeds"]).any() else "."
    text += "\n".join(wrap(notes, 98)) + "\n"
    for note in filter(None, [failed_note(results, table), unjudged_note(results, table)]):
        text += "\n".join(wrap(note, 98)) + "\n"
    if table["bayes"].notna().any():
        text += "\n".join(wrap(f"{BAYES}: {BAYES_NOTE}", 98)) + "\n"
    text += "".join(f"{line}\n" for line in wrap(folds.note(results), 98))
    if results.missing:
        text += f"\nMissing: {len(results.missing)} of {len(results.plan['runs'])} runs\n"
        text += "".join(f"  {line}\n" for line in missing_lines(results)) + f"Fill them: {results.command}\n"
    return text
