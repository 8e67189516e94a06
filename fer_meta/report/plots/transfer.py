"""Accuracy from each source to each target."""

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fer_meta.report.load import Results
from fer_meta.report.names import (
    BAYES,
    domain_name,
    domains_in_order,
    in_lines,
    in_order,
    readout_name,
)
from fer_meta.report.plots.look import FAILED_NOTE
from fer_meta.report.plots.matrix import Matrix, in_two_lines, matrices
from fer_meta.statistics.rounding import in_percent, percent


def figure(results: Results, table: pd.DataFrame) -> Figure:
    """Source x target, one panel per readout, on one colour scale from chance to 100: with a scale up to the
    best accuracy, one that is hardly above chance would look like a good one.
    """
    shots = table["shots"].max()
    table = table[table["shots"] == shots]
    readouts = in_order(results, table["readout"])
    sources, targets = domains_in_order(results, table["source"]), domains_in_order(results, table["target"])
    shown = []
    for readout in readouts:
        cells = table[table["readout"] == readout].pivot_table("accuracy", "source", "target")
        shown.append(
            Matrix(
                in_two_lines(readout_name(results, readout)),
                [in_lines(domain_name(results, name)) for name in sources],
                [domain_name(results, name) for name in targets],
                in_percent(cells.reindex(index=sources, columns=targets).to_numpy()),
                _marked(table[table["readout"] == readout], sources, targets),
            )
        )
    exact = [
        f"{label}: {_by_target(results, table, column)}"
        for label, column in [("chance", "chance"), (BAYES, "bayes")]
        if table[column].notna().any()
    ]
    title = [
        f"Transfer from source to target, {shots}-shot accuracy in percent",
        "(checkpoint picked on the source's validation split)",
        *(fill(text, 90, break_on_hyphens=False) for text in exact),
        *([FAILED_NOTE] if (table["failed_seeds"] != "").any() else []),
    ]
    return matrices(
        shown,
        "\n".join(title),
        ("source", "target"),
        "{:.1f}",
        "cividis",
        (100 * table["chance"].min(), 100),
        "accuracy (%), chance to 100",
    )


def _marked(rows: pd.DataFrame, sources: list[str], targets: list[str]) -> np.ndarray:
    """[sources, targets]: is a training among those that did not learn?"""
    failed = set(zip(*(rows.loc[rows["failed_seeds"] != "", key] for key in ("source", "target"))))
    return np.array([[(source, target) in failed for target in targets] for source in sources])


def _by_target(results: Results, table: pd.DataFrame, column: str) -> str:
    """The exact accuracy on each target that has one, or the one of all; two numbers where it depends on the
    source.
    """
    shown = {}
    for target, numbers in table.dropna(subset=[column]).groupby("target")[column]:
        ends = [percent(number) for number in (numbers.min(), numbers.max())]
        shown[target] = " to ".join(dict.fromkeys(ends))
    if len(set(shown.values())) == 1:
        return next(iter(shown.values()))
    return ", ".join(
        f"{domain_name(results, target)} {shown[target]}" for target in domains_in_order(results, shown)
    )
