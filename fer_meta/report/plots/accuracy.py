"""Accuracy by method: bars, grouped by shots."""

from collections.abc import Sequence

import numpy as np
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
from fer_meta.report.plots.look import BEST, CHANCE, NORMAL
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


def figure(results: Results, table: pd.DataFrame, cells: Sequence[Cell] = ()) -> Figure:
    """Bars by readout, grouped by shots, with one dot per training and one panel per source and target."""
    pairs = list(table.groupby(["experiment", "source", "target", "way"], sort=False))
    readouts = in_order(results, table["readout"])
    known = by_place(cells)
    figure, axes = panels(len(pairs), columns=2, height=2.9)
    top = top_of(table)
    for axis, ((experiment, source, target, way), block) in zip(axes, pairs):
        shots = sorted(block["shots"].unique())
        width = 0.84 / len(readouts)
        places = [
            shots.index(row.shots) + (readouts.index(row.readout) - (len(readouts) - 1) / 2) * width
            for row in block.itertuples()
        ]
        for readout in readouts:
            of = (block["readout"] == readout).to_numpy()
            if of.any():  # no bars would be a legend's entry without a colour
                axis.bar(
                    np.array(places)[of],
                    100 * block["accuracy"][of],
                    0.92 * width,
                    color=look(results, readout).colour,
                    label=readout_name(results, readout),
                )
        draw_intervals(
            axis,
            places,
            block["accuracy"],
            block["ci95"],
            fmt="none",
            ecolor="black",
            elinewidth=1,
            capsize=2,
        )
        draw_seeds(axis, places, cells_of(block, known), 0.75 * width)
        axis.axhline(100 / way, **CHANCE)
        if block["bayes"].notna().any():
            axis.axhline(100 * block["bayes"].iloc[0], **BEST)
        axis.set(xlim=(-0.55, len(shots) - 0.45), ylim=(0, top))
        axis.set_xticks(range(len(shots)), [f"{count}-shot, {way}-way" for count in shots], fontsize=NORMAL)
        axis.set_ylabel("accuracy (%)", fontsize=NORMAL)
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
    )
    return figure
