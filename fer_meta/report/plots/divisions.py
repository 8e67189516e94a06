"""Accuracy in each division of the classes."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fer_meta.report.load import Results
from fer_meta.report.names import domain_name, in_order, look, readout_name
from fer_meta.report.plots.look import CHANCE, NORMAL, SMALL
from fer_meta.report.plots.panels import arrow, panels, quiet, settle
from fer_meta.report.plots.percent import keep_to_percent
from fer_meta.report.plots.texts import inches

MEAN = {"color": "black", "linewidth": 1.5, "label": "mean over the divisions"}
FIRST = {"linestyle": "none", "marker": "D", "markersize": 7, "markeredgecolor": "black"}


def figure(results: Results, divided: pd.DataFrame, scores: pd.DataFrame) -> Figure:
    """One dot per readout and division, a diamond for the first, and a line at their mean; one panel per
    source, target and shots. From the source-val rows of `division_table` and `accuracy_table`.
    """
    readouts = in_order(results, divided["readout"])
    blocks = list(divided.groupby(["source", "target", "shots"], sort=False))
    figure, axes = panels(len(blocks), 2, 1.2 + 0.45 * len(readouts))
    for axis, ((source, target, shots), block) in zip(axes, blocks):
        for row in block.itertuples():
            place, colour = readouts.index(row.readout), look(results, row.readout).colour
            alike = scores[["source", "target", "shots", "readout"]] == [source, target, shots, row.readout]
            own = 100 * scores[alike.all(axis=1)].set_index("experiment")["accuracy"]
            axis.plot([100 * row.accuracy] * 2, [place - 0.36, place + 0.36], **MEAN)
            others = own.drop(row.first, errors="ignore")
            heights = place + 0.5 * ((np.arange(len(others)) + 0.5) / len(others) - 0.5)
            axis.plot(others, heights, "o", color=colour, markersize=4, alpha=0.7)
            if row.first in own:
                axis.plot(own[row.first], place, **FIRST, color=colour)
        axis.plot([], [], **FIRST, color="white", label=f"first: {block['first'].iloc[0]}")
        axis.plot([], [], "o", color="grey", markersize=4, label="another division")
        axis.axvline(100 * block["chance"].iloc[0], **CHANCE)
        axis.set_yticks(
            range(len(readouts)), [readout_name(results, one) for one in readouts], fontsize=SMALL
        )
        axis.set_ylim(len(readouts) - 0.5, -0.5)
        keep_to_percent(axis, upright=False)
        axis.set_xlabel("accuracy (%)", fontsize=NORMAL)
        way = block["way"].iloc[0]
        axis.set_title(
            arrow(domain_name(results, source), f"{domain_name(results, target)}, {way}-way {shots}-shot"),
            fontsize=NORMAL,
        )
        quiet(axis)
    settle(
        figure,
        axes,
        "Accuracy in each division of the classes\n(checkpoint picked on the source's validation split)",
        legend=3,
        left=0.2 + max(inches(readout_name(results, one)) for one in readouts),
        below=0.5,
    )
    return figure
