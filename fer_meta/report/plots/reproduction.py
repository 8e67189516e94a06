"""Published figures beside ours."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fer_meta.report.cells import Cell
from fer_meta.report.load import Results
from fer_meta.report.names import (
    domain_name,
    in_order,
    readout_name,
)
from fer_meta.report.plots.look import CHANCE, NORMAL, SMALL
from fer_meta.report.plots.panels import by_place, cells_of, draw_seeds, panels, quiet, settle
from fer_meta.report.plots.percent import draw_intervals
from fer_meta.report.plots.texts import inches

# What stands side by side in the reproduction plot: column -> (label, marker, colour, filled).
READINGS = {
    "published_training": ("published as evaluation (in truth training accuracy)", "s", "#D55E00", False),
    "training_accuracy": ("ours, in training episodes", "s", "#D55E00", True),
    "published_test": ("published test accuracy", "o", "#0072B2", False),
    "shared_accuracy": ("ours, with shared clips", "D", "#CC79A7", True),
    "accuracy": ("ours, test", "o", "#0072B2", True),
}


def figure(results: Results, rows: pd.DataFrame, cells: Sequence[Cell] = ()) -> Figure:
    """Published and own figures of one experiment with their chance: one panel per readout."""
    rows = rows[rows[list(READINGS)].notna().any(axis=1)].assign(
        own=[
            key + (", no support" if shots == 0 else "")
            for key, shots in zip(rows["experiment"], rows["shots"])
        ],
        selection=[results.experiments[key]["checkpoint"] for key in rows["experiment"]],
    )
    readouts = in_order(results, rows["readout"])
    readings = {column: look for column, look in READINGS.items() if rows[column].notna().any()}
    known = by_place(cells)
    figure, axes = panels(len(readouts), 2, 2.9)
    for axis, readout in zip(axes, readouts):
        block = rows[rows["readout"] == readout].reset_index(drop=True)
        for number, (column, (label, marker, colour, filled)) in enumerate(readings.items()):
            places = block.index + 0.7 * ((number + 0.5) / len(readings) - 0.5)
            half = {"accuracy": "ci95", "shared_accuracy": "shared_ci95"}.get(column)
            draw_intervals(
                axis,
                places,
                block[column],
                block[half] if half else np.zeros(len(block)),
                fmt=marker,
                color=colour,
                markerfacecolor=colour if filled else "white",
                markersize=6,
                elinewidth=1,
                capsize=2,
                label=label,
            )
            if column in ("accuracy", "shared_accuracy"):
                tested = (
                    block
                    if column == "accuracy"
                    else block.assign(experiment=block["experiment"] + "-shared")
                )
                draw_seeds(axis, places, cells_of(tested, known), 0.1)
            _mark_chance(axis, block, column, places)
        long = block["own"].str.len().sum() > 40
        crowded = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if long else {}
        axis.set_xticks(block.index, block["own"], fontsize=SMALL, **crowded)
        axis.set_xlim(-0.6, len(block) - 0.4)
        axis.set_ylim(0, 104)  # a mark at 100 is whole
        axis.set_yticks(range(0, 101, 20))
        axis.set_ylabel("accuracy (%)", fontsize=NORMAL)
        axis.set_title(readout_name(results, readout), fontsize=NORMAL)
        quiet(axis)
    tested = [domain_name(results, name) for name in dict.fromkeys(rows["target"].dropna())]
    settle(
        figure,
        axes,
        "Published figures and ours, each with its own chance level; ours with 95 % intervals\n"
        f"(ours tested on {', '.join(tested)})",
        legend=2,
        below=0.3 + 0.5 * max(map(inches, rows["own"])),
    )
    return figure


def _mark_chance(axis, block: pd.DataFrame, column: str, places: pd.Index) -> None:
    """A short line at the chance of each figure."""
    chance = block["training_chance"] if "training" in column else block["chance"]
    known = block[column].notna() & chance.notna()
    axis.hlines(
        100 * chance[known],
        places[known] - 0.06,
        places[known] + 0.06,
        **CHANCE | {"linestyle": "-", "linewidth": 1.5},
    )
