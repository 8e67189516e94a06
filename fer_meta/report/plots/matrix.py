"""Matrices of numbers side by side."""

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

from fer_meta.report.plots.look import NORMAL, SMALL, WIDTH
from fer_meta.report.plots.texts import ManyWords, Words, inches
from fer_meta.statistics.failed import MARK


@dataclass(frozen=True)
class Matrix:
    """A panel of `percent` [rows, columns] (NaN where there is none), with its title and the names of its
    rows and columns.

    `marked` [rows, columns]: where MARK stands behind the number; nowhere if it is None.
    """

    title: str
    rows: list[str]
    columns: list[str]
    percent: np.ndarray
    marked: np.ndarray | None = None


def matrices(
    panels: list[Matrix],
    title: str,
    axes: tuple[str, str],
    form: str,
    colours: str,
    ends: tuple[float, float],
    bar: str = "",
) -> Figure:
    """Matrices side by side, three at most, on one scale of `colours` between `ends`, with a colour bar if
    `bar` says of what.

    `axes` say what rows and columns are, `form` how a number is written. Rows are named once a line of panels
    if all panels have the same. All of it is one axes in inches from the upper left: two dozen axes of their
    own would take seconds.
    """
    across = min(3, len(panels))
    same = all(panel.rows == panels[0].rows for panel in panels)
    # the width of rows' names and what they are
    names = 0.5 + max(map(inches, {name for panel in panels for name in panel.rows}))
    wide = (WIDTH - 0.1 - 0.8 * bool(bar) - names * (1 if same else across)) / across - 0.2
    below = 0.42 + max(map(inches, {name for panel in panels for name in panel.columns})) / math.sqrt(2)
    tall = max(1.2, 0.22 * max(len(panel.rows) for panel in panels))
    head, pitch = 0.25 + 0.19 * (1 + title.count("\n")), 0.45 + tall + below
    height = head + -(-len(panels) // across) * pitch
    figure = Figure(figsize=(WIDTH, height))
    axis = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
    axis.axis("off")
    cells, numbers, marked, strokes, middles = [], [], [], [], []
    words = [
        Words(WIDTH / 2, 0.26 + 0.19 * line, text, NORMAL + 2, va="baseline")
        for line, text in enumerate(title.split("\n"))
    ]
    for number, panel in enumerate(panels):
        line, place = divmod(number, across)
        left, top = names + place * (wide + 0.2 + names * (not same)), head + 0.45 + line * pitch
        cell_wide, cell_tall = wide / len(panel.columns), tall / len(panel.rows)
        words += [
            Words(left + wide / 2, top - 0.08 - 0.16 * up, text, NORMAL, va="baseline")
            for up, text in enumerate(reversed(panel.title.split("\n")))
        ]
        strokes.append(
            [(left, top), (left + wide, top), (left + wide, top + tall), (left, top + tall), (left, top)]
        )
        for column, name in enumerate(panel.columns):
            x = left + (column + 0.5) * cell_wide
            strokes.append([(x, top + tall), (x, top + tall + 0.05)])
            words.append(Words(x + 0.03, top + tall + 0.13, name, ha="right", angle=45))
        words.append(Words(left + wide / 2, top + tall + below - 0.12, axes[1], NORMAL, va="baseline"))
        if not same or place == 0:
            for row, name in enumerate(panel.rows):
                y = top + (row + 0.5) * cell_tall
                strokes.append([(left - 0.05, y), (left, y)])
                words.append(Words(left - 0.09, y, name, ha="right"))
            words.append(Words(left - names + 0.18, top + tall / 2, axes[0], NORMAL, angle=90))
        for (row, column), percent in np.ndenumerate(panel.percent):
            x, y = left + column * cell_wide, top + row * cell_tall
            cells.append([(x, y), (x + cell_wide, y), (x + cell_wide, y + cell_tall), (x, y + cell_tall)])
            numbers.append(percent)
            marked.append(MARK if panel.marked is not None and panel.marked[row, column] else "")
            middles.append(
                (
                    x + cell_wide / 2,
                    y + cell_tall / 2,
                    min(SMALL, 72 * cell_wide / (0.7 * len(form.format(10)))),
                )
            )
    mesh = PolyCollection(
        cells, array=np.array(numbers), cmap=colours, clim=ends, antialiaseds=False, linewidths=0
    )
    dark = mesh.to_rgba(np.array(numbers))[:, :3] @ [0.3, 0.6, 0.1] < 0.5
    words += [
        Words(
            x,
            y,
            "–" if np.isnan(percent) else form.format(percent) + mark,
            points,
            colour="white" if deep else "black",
        )
        for (x, y, points), percent, mark, deep in zip(middles, numbers, marked, dark & ~np.isnan(numbers))
    ]
    axis.add_collection(mesh, autolim=False)
    axis.add_collection(LineCollection(strokes, colors="black", linewidths=0.8), autolim=False)
    axis.add_artist(ManyWords(words))
    if bar:
        _scale(figure, mesh, bar, head, below)
    return figure


def _scale(figure: Figure, mesh: PolyCollection, words: str, head: float, below: float) -> None:
    """The colour bar, right of the panels; `head` and `below` are the inches above and below them."""
    height = figure.get_figheight()
    long = min(4.0, height - head - below - 0.6)
    where = (WIDTH - 0.8) / WIDTH, 1 - (head + 0.45 + long) / height, 0.15 / WIDTH, long / height
    scale = figure.colorbar(mesh, cax=figure.add_axes(where))
    scale.set_label(words, fontsize=NORMAL)
    scale.ax.tick_params(labelsize=SMALL)
