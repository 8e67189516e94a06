"""Panels side by side: their places, legends, and the trainings beside their mean."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fer_meta.report.cells import Cell
from fer_meta.report.names import BAYES
from fer_meta.report.plots.look import FAILED, NORMAL, SEED, SMALL, WIDTH
from fer_meta.report.plots.percent import GOES_ON
from fer_meta.report.plots.texts import inches

# Inches of a letter of a legend, on average.
LETTER = 0.069


def intervals_in_words(table: pd.DataFrame) -> str:
    """What the intervals of these accuracies are over."""
    levels = (
        (["trainings"] if table["seeds"].max() > 1 else [])
        + [kind for kind in ("people", "clips", "images") if (table["groups"] == kind).any()]
        + ["episodes"]
    )
    return f"95 % intervals over {', '.join(levels[:-1])} and {levels[-1]}"


def panels(count: int, columns: int, height: float) -> tuple[Figure, np.ndarray]:
    """A figure of WIDTH with `count` axes, `columns` a row at most, each row `height` inches; `settle` finds
    their places.
    """
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(WIDTH, rows * height))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def settle(
    figure: Figure,
    axes,
    title: str,
    legend: int = 0,
    left: float = 0.6,
    below: float = 0.35,
    points: float = NORMAL + 2,
) -> None:
    """Last of all: the title, a legend for all axes in `legend` columns or as many as fit, and the places of
    everything.

    `left` and `below` are the inches that ticks and labels take beside each axes; left of a label they are
    measured, and may be more. matplotlib's own layouts find them by measuring every text several times, which
    takes longer than the drawing.
    """
    entries = _entries(axes) if legend else {}
    legend = _fitting(list(entries), legend, figure.get_size_inches()[0]) if entries else 0
    above = 0.14 + 0.16 * max(bool(axis.get_title()) + axis.get_title().count("\n") for axis in axes)
    head, foot = (
        0.22 + 0.19 * (1 + title.count("\n")),
        (0.1 + 0.2 * -(-len(entries) // legend) if legend else 0.1),
    )
    grid, (width, height) = axes[0].get_gridspec(), figure.get_size_inches()
    wide, tall = (width - 0.1) / grid.ncols - left - 0.1, height / grid.nrows - above - below
    height += head + foot
    figure.set_size_inches(width, height)
    figure.subplots_adjust(
        left=left / width,
        right=1 - 0.2 / width,
        bottom=(foot + below) / height,
        top=1 - (head + above) / height,
        wspace=(left + 0.1) / wide,
        hspace=(above + below) / tall,
    )
    needed = max(map(_left_of, axes))
    if needed > left:  # the labels of ticks are known now that the places are
        wide -= needed - left
        left = needed
        figure.subplots_adjust(left=left / width, wspace=(left + 0.1) / wide)
    for axis in axes:
        axis.yaxis.set_label_coords(-(left - 0.2) / wide, 0.5)
        axis.xaxis.set_label_coords(0.5, -(below - 0.2) / tall)
        axis.set_title(axis.get_title(), fontsize=NORMAL, y=1)
    figure.suptitle(title, fontsize=points, y=1 - 0.12 / height)
    if entries:
        figure.legend(
            entries.values(),
            entries.keys(),
            loc="lower center",
            ncols=legend,
            fontsize=NORMAL,
            frameon=False,
            borderaxespad=0.3,
        )


def _entries(axes) -> dict[str, Any]:
    """What a legend of all axes shows, by its words."""
    entries = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels())}
    # last, for matplotlib lists lines before bars
    for label in (GOES_ON, SEED["label"], FAILED["label"], "chance", BAYES):
        if label in entries:
            entries[label] = entries.pop(label)
    return entries


def _left_of(axis: Axes) -> float:
    """The inches that the labels of its ticks and its own label take left of an axis; 0 without its own."""
    if not axis.get_ylabel():
        return 0.0
    ticks = axis.yaxis.get_major_formatter().format_ticks([*axis.yaxis.get_majorticklocs()])
    return 0.38 + max(map(inches, filter(None, ticks)), default=0)


def _fitting(labels: list[str], columns: int, width: float) -> int:
    """As many columns of a legend, `columns` at most, as fit into `width` inches: matplotlib fills one after
    the other, and cuts off what does not fit.
    """

    def wide(number: int) -> float:
        rows = -(-len(labels) // number)
        parts = [labels[start : start + rows] for start in range(0, len(labels), rows)]
        return sum(0.6 + LETTER * max(map(len, part)) for part in parts)

    return next((number for number in range(columns, 1, -1) if wide(number) <= width), min(columns, 1))


CELL = ["experiment", "source", "target", "readout", "shots", "selection"]


def by_place(cells: Sequence[Cell]) -> dict[tuple, Cell]:
    """Each cell by what a row of a table says of it: CELL."""
    return {tuple(getattr(cell, key) for key in CELL): cell for cell in cells}


def cells_of(rows: pd.DataFrame, cells: Mapping[tuple, Cell]) -> list[Cell | None]:
    """The cell, of `by_place`, of each row of a table with the columns of CELL; None where there is none.
    Without a selection it is source-val.
    """
    return [
        cells.get(key)
        for key in rows.assign(selection=rows.get("selection", "source-val"))[CELL].itertuples(
            index=False, name=None
        )
    ]


def draw_seeds(
    axis, places, cells: list[Cell | None], width: float, upright: bool = True, dots: bool = True
) -> None:
    """The trainings of each cell at their accuracies in percent, side by side within `width` about its place;
    crosses are those that failed.

    The only training of a cell is its mean, and is shown only if it failed. `upright`: places are along x and
    accuracies along y. Without `dots`, where they would hide what matters, there are crosses alone.
    """
    learned, failed = [], []
    for place, cell in zip(places, cells):
        if cell is None:
            continue
        seeds = cell.seeds
        for number, (seed, scores) in enumerate(zip(seeds, cell.scores)):
            shift = width * ((number + 0.5) / len(seeds) - 0.5)
            if seed in cell.failed:
                failed.append((place + shift, 100 * scores.accuracy))
            elif dots and len(seeds) > 1:
                learned.append((place + shift, 100 * scores.accuracy))
    for points, look in ((learned, SEED), (failed, FAILED)):
        if points:
            along, across = zip(*points)
            axis.plot(*((along, across) if upright else (across, along)), **look)


def quiet(axis) -> None:
    """No frame at the top and right, small numbers."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=SMALL)


def arrow(source: str, target: str) -> str:
    """A panel's title, in two lines where one is too narrow."""
    return f"{source} → {target}" if len(source + target) < 42 else f"{source}\n→ {target}"


def top_of(table: pd.DataFrame) -> float:
    """The upper end of an axis of accuracies in percent, with the intervals and Bayes inside; little more
    than 100.
    """
    highest = max((table["accuracy"] + table["ci95"].fillna(0)).max(), table["bayes"].fillna(0).max())
    return min(108 * highest, 101.5)
