"""Accuracy over the severity of the target."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from fer_meta.report.cells import Cell
from fer_meta.report.load import Results
from fer_meta.report.names import (
    domain_name,
    in_order,
    look,
    readout_name,
)
from fer_meta.report.plots.look import BEST, CHANCE, MARKERS, NORMAL
from fer_meta.report.plots.panels import (
    arrow,
    by_place,
    cells_of,
    draw_seeds,
    intervals_in_words,
    panels,
    quiet,
    settle,
    top_of,
)
from fer_meta.report.plots.percent import draw_intervals

BESIDE = 0.01
"""From one readout to the next at one severity."""


def figure(results: Results, gaps: pd.DataFrame, cells: Sequence[Cell] = ()) -> Figure:
    """One line per readout over the target's severity, with a cross where a training failed. One row of
    panels per source and recipe, one column per number of shots.
    """
    shots = sorted(gaps["shots"].unique())
    blocks = list(gaps.groupby(["source", "recipe"], sort=False))
    readouts = in_order(results, gaps["readout"])
    known = by_place(cells)
    figure, axes = panels(len(shots) * len(blocks), columns=len(shots), height=3.3)
    for number, axis in enumerate(axes):
        (source, recipe), block = blocks[number // len(shots)]
        count = shots[number % len(shots)]
        block = block[block["shots"] == count]
        for place, readout in enumerate(readouts):
            rows = block[block["readout"] == readout]
            # Side by side, or the intervals of one severity would hide each other.
            shift = BESIDE * (place - (len(readouts) - 1) / 2)
            draw_intervals(
                axis,
                rows["severity"] + shift,
                rows["accuracy"],
                rows["ci95"],
                color=look(results, readout).colour,
                marker=MARKERS[place % len(MARKERS)],
                markersize=4,
                linewidth=1.4,
                elinewidth=1,
                capsize=2,
                label=readout_name(results, readout),
            )
            draw_seeds(axis, rows["severity"] + shift, cells_of(rows, known), 0.008, dots=False)
        for column, style in [("chance", CHANCE), ("bayes", BEST)]:
            exact = block.drop_duplicates("target").dropna(subset=[column])
            if len(exact):
                axis.plot(exact["severity"], 100 * exact[column], **style)
        # The studio is its own target at severity 0.
        zero = "0\n(source itself)" if (block.loc[block["severity"] == 0, "target"] == source).any() else "0"
        axis.set_xticks([0, 0.25, 0.5, 0.75, 1], [zero, "0.25", "0.5", "0.75", "1"])
        reach = max(0.06, BESIDE * (len(readouts) / 2 + 1))
        axis.set_xlim(-reach, 1 + reach)
        axis.set_ylim(0, top_of(gaps))
        axis.set_xlabel(f"severity of {recipe} (rendered)", fontsize=NORMAL)
        axis.set_ylabel("accuracy (%)", fontsize=NORMAL)
        axis.set_title(
            arrow(domain_name(results, source), f"{recipe} (rendered), {count}-shot"), fontsize=NORMAL
        )
        quiet(axis)
    settle(
        figure,
        axes,
        f"Accuracy against the size of the domain gap, with {intervals_in_words(gaps)}\n"
        "(checkpoint picked on the source's validation split)",
        legend=3,
        below=0.65,
    )
    return figure
