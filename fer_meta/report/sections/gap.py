"""Accuracy against the size of the domain gap."""

import pandas as pd

from fer_meta.report.document import Block, Code, Paragraph, Section, Table, paragraphs, table
from fer_meta.report.load import Results
from fer_meta.report.names import BAYES, readout_name
from fer_meta.report.sections.words import best_of, domain, exact, failed_note, is_best, measured


def section(results: Results, gaps: pd.DataFrame) -> Section | None:
    """From the rows of `gap_table`: a table for each source and recipe; nothing without rows."""
    if gaps.empty:
        return None
    blocks: list[Block] = [
        Paragraph(
            "Each recipe of rendered faces goes from the studio (severity 0) to its own look (severity 1)."
            " Mean accuracy in percent of the checkpoint picked on the source's validation split; ± as above."
        )
    ]
    for (source, recipe), block in gaps.groupby(["source", "recipe"], sort=False):
        blocks += [
            Paragraph(
                (
                    "Trained on ",
                    domain(results, source),
                    ", tested on ",
                    Code(recipe),
                    " (rendered) by severity:",
                )
            ),
            _table(results, block, source),
            *paragraphs(failed_note(results, block)),
        ]
    return Section("Accuracy against the size of the domain gap", tuple(blocks))


def _table(results: Results, block: pd.DataFrame, source: str) -> Table:
    """One row per method and shots, one column per severity."""
    columns = block[["severity", "target"]].drop_duplicates().sort_values(["severity", "target"])
    targets = list(columns["target"])
    lines = []
    for shots, rows in block.groupby("shots"):
        best = {target: best_of(here) for target, here in rows.groupby("target")}
        for name, row in rows.groupby("readout", sort=False):
            cells = {
                cell.target: measured(cell, is_best(cell, best[cell.target]), lacking=True)
                for cell in row.itertuples()
            }
            lines.append(
                [readout_name(results, name), str(shots), *(cells.get(target, "") for target in targets)]
            )
    for label, column in [("Chance", "chance"), (BAYES, "bayes")]:
        if block[column].notna().any():
            known = block.groupby("target")[column].first()
            lines.append([label, "", *(exact(known[target]) for target in targets)])
    heads = [
        f"{severity:g}" + (" (the source itself)" if target == source else "")
        for severity, target in columns.itertuples(index=False)
    ]
    return table(["method"], ["shots", *heads], lines)
