"""What support and query share."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from fer_meta.report.cells import Cell
from fer_meta.report.load import Results
from fer_meta.report.names import (
    MUTED,
    domain_name,
    in_order,
    readout_name,
)
from fer_meta.report.plots.look import CHANCE, MARKERS, NORMAL, SMALL
from fer_meta.report.plots.panels import arrow, by_place, cells_of, draw_seeds, panels, quiet, settle
from fer_meta.report.plots.percent import draw_intervals
from fer_meta.report.plots.texts import inches


def figure(results: Results, leaks: pd.DataFrame, cells: Sequence[Cell] = ()) -> Figure:
    """Accuracy by readout: one point per experiment, in the order of the plan, and one panel per source,
    target and shots.
    """
    blocks = list(leaks.groupby(["source", "target", "shots"], sort=False))
    readouts = in_order(results, leaks["readout"])
    experiments = [key for key in results.experiments if (leaks["experiment"] == key).any()]
    most = max(block["experiment"].nunique() for _, block in blocks)
    known = by_place(cells)
    figure, axes = panels(len(blocks), 2, 1.4 + 0.2 * len(readouts) * most)
    for axis, ((source, target, shots), block) in zip(axes, blocks):
        here = [key for key in experiments if (block["experiment"] == key).any()]
        for place, key in enumerate(here):
            rows, look = block[block["experiment"] == key], experiments.index(key)
            heights = [
                readouts.index(readout) + 0.7 * ((place + 0.5) / len(here) - 0.5)
                for readout in rows["readout"]
            ]
            draw_intervals(
                axis,
                heights,
                rows["accuracy"],
                rows["ci95"],
                upright=False,
                fmt=MARKERS[look % len(MARKERS)],
                color=MUTED[look % len(MUTED)],
                markersize=4.5,
                elinewidth=1,
                capsize=2,
                label=f"{key}: {results.experiments[key]['title']}",
            )
            draw_seeds(axis, heights, cells_of(rows, known), 0.4 / len(here), upright=False, dots=False)
        axis.axvline(100 * block["chance"].iloc[0], **CHANCE)
        axis.set_yticks(
            range(len(readouts)), [readout_name(results, readout) for readout in readouts], fontsize=SMALL
        )
        axis.set_ylim(len(readouts) - 0.5, -0.5)
        axis.set_xlim(0, 100)
        axis.set_xlabel("accuracy (%)", fontsize=NORMAL)
        axis.set_title(
            arrow(domain_name(results, source), f"{domain_name(results, target)}, {shots:.0f}-shot"),
            fontsize=NORMAL,
        )
        quiet(axis)
    settle(
        figure,
        axes,
        "What support and query share, with 95 % intervals\n(checkpoint picked on the source's validation"
        " split)",
        legend=1,
        left=0.2 + max(inches(readout_name(results, readout)) for readout in readouts),
        below=0.5,
    )
    return figure
