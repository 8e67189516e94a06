"""Accuracy of many readouts of several methods: too many for bars."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fer_meta.report.cells import Cell
from fer_meta.report.load import Results
from fer_meta.report.names import domain_name, in_order, reading_name, training_name
from fer_meta.report.plots.look import BEST, CHANCE, MARKERS, METHOD_COLOURS, NORMAL, SMALL
from fer_meta.report.plots.panels import (
    arrow,
    by_place,
    cells_of,
    draw_seeds,
    intervals_in_words,
    panels,
    quiet,
    settle,
)
from fer_meta.report.plots.percent import draw_intervals, keep_to_percent
from fer_meta.report.plots.texts import inches

MOST_BARS = 12
"""So many kinds of answers are still told from each other by the colours of bars."""


def figure(results: Results, table: pd.DataFrame, cells: Sequence[Cell] = ()) -> Figure:
    """One line per readout, with a mark for each method; one panel per source, target and number of shots.
    Crosses are trainings that did not learn.
    """
    answers = in_order(results, table["readout"])
    method_of = dict(zip(table["readout"], table["method"]))
    trained = {name: training_name(results, method_of[name], name) for name in answers}
    read = {name: reading_name(results, method_of[name], name) for name in answers}
    methods, readouts = (list(dict.fromkeys(names.values())) for names in (trained, read))
    blocks = list(table.groupby(["experiment", "source", "target", "way", "shots"], sort=False))
    known = by_place(cells)
    figure, axes = panels(len(blocks), 2, 0.8 + 0.26 * len(readouts))
    for axis, ((experiment, source, target, way, shots), block) in zip(axes, blocks):
        for number, method in enumerate(methods):
            rows = block[block["readout"].map(trained) == method]
            if rows.empty:
                continue
            shift = 0.7 * ((number + 0.5) / len(methods) - 0.5)
            places = np.array([readouts.index(read[name]) for name in rows["readout"]]) + shift
            draw_intervals(
                axis,
                places,
                rows["accuracy"],
                rows["ci95"],
                upright=False,
                fmt=MARKERS[number % len(MARKERS)],
                color=METHOD_COLOURS[number % len(METHOD_COLOURS)],
                markersize=4,
                elinewidth=0.9,
                label=method,
            )
            draw_seeds(axis, places, cells_of(rows, known), 0.1, upright=False, dots=False)
        axis.axvline(100 / way, **CHANCE)
        if block["bayes"].notna().any():
            axis.axvline(100 * block["bayes"].iloc[0], **BEST)
        for between in range(1, len(readouts)):
            axis.axhline(between - 0.5, color="#DDDDDD", linewidth=0.6, zorder=0)
        axis.set_yticks(range(len(readouts)), readouts, fontsize=SMALL)
        axis.set_ylim(len(readouts) - 0.5, -0.5)
        keep_to_percent(axis, upright=False)
        axis.set_xlabel(f"{shots}-shot, {way}-way accuracy (%)", fontsize=NORMAL)
        start = f"{experiment}: " if experiment else ""
        axis.set_title(
            arrow(start + domain_name(results, source), domain_name(results, target)), fontsize=NORMAL
        )
        quiet(axis)
    settle(
        figure,
        axes,
        f"Accuracy in the same episodes, with {intervals_in_words(table)}\n"
        "(checkpoint picked on the source's validation split)",
        legend=3,
        left=0.2 + max(map(inches, readouts)),
        below=0.5,
    )
    return figure
