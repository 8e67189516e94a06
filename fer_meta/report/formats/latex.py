"""The report's numbers in LaTeX."""

import re

import pandas as pd

from fer_meta.report.failed import MARK
from fer_meta.report.load import Results
from fer_meta.report.names import domain_name, method_name
from fer_meta.report.sections.words import (
    BAYES_NOTE,
    best_of,
    exact,
    failed_note,
    interval_note,
    is_best,
    latex,
    percent,
    seeds_lacking,
)

DAGGER = r"^\dagger"


def to_latex(results: Results, table: pd.DataFrame) -> str:
    r"""A booktabs table of the source-val columns, ready for \input."""
    table = table[table["selection"] == "source-val"]
    shots = sorted(table["shots"].unique())
    known = ["Chance", "Bayes"] if table["bayes"].notna().any() else ["Chance"]
    first = ["Experiment"] if results.experiments else []
    lines = []
    for (experiment, target, _way, source), block in table.groupby(
        ["experiment", "target", "way", "source"], sort=False
    ):
        best = best_of(block)
        for method, row in block.groupby("method", sort=False):
            cells = {
                cell.shots: (
                    "$"
                    + percent(cell, r"\mathbf{{{}}}", is_best(cell, best), r" \pm ")
                    + (DAGGER if cell.failed_seeds else "")
                    + "$"
                )
                for cell in row.itertuples()
            }
            names = [
                *[experiment] * len(first),
                domain_name(results, source),
                domain_name(results, target),
                method_name(results, method) + seeds_lacking(row),
            ]
            numbers = [exact(block["chance"].iloc[0]), exact(block["bayes"].iloc[0]) or "--"]
            lines.append(
                [*map(latex, names), *(cells.get(count, "--") for count in shots), *numbers[: len(known)]]
            )
        lines.append(None)
    rows = [r"\midrule" if line is None else " & ".join(line) + r" \\" for line in lines[:-1]]
    head = [*first, "Source", "Target", "Method", *(f"{count}-shot" for count in shots), *known]
    return "\n".join(
        [
            "% Made by fer-meta report; needs \\usepackage{booktabs}.",
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{latex(results.plan.get('title') or results.plan['suite'])}: accuracy in \% of"
            r" the "
            r"checkpoint picked on the source's validation split; the best method of a source and target is"
            r" bold. "
            + interval_note(table).replace("±", r"$\pm$").replace(" %", r"\,\%")
            + (f" Bayes: {BAYES_NOTE}" if len(known) == 2 else "")
            + _failed(results, table)
            + "}",
            rf"  \label{{tab:{re.sub('[^A-Za-z0-9-]', '-', results.plan['suite'])}}}",
            rf"  \begin{{tabular}}{{{'l' * (len(first) + 3)}{'r' * (len(shots) + len(known))}}}",
            r"    \toprule",
            "    " + " & ".join(head) + r" \\",
            r"    \midrule",
            *("    " + row for row in rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _failed(results: Results, table: pd.DataFrame) -> str:
    note = failed_note(results, table, latex)
    return " " + note.replace(MARK, f"${DAGGER}$").replace(" %", r"\,\%") if note else ""
