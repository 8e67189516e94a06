"""Pieces of plots: sizes and colours, panels, legends, and a figure's bytes.

Plots are drawn through matplotlib's objects, so that no global state of pyplot changes.
"""

import io
import math
import os
import pathlib
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from fer_meta.fileio import replacing
from fer_meta.report.cells import Cell
from fer_meta.report.failed import MARK
from fer_meta.report.names import BAYES

FORMATS = (".png", ".pdf")
WIDTH = 9.0  # inches; at 150 dpi it shrinks to a README's 900 pixels with 9 pt text still readable
SMALL, NORMAL = 8, 9  # points
DASHES = ["-", "--", ":", "-."]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
# What is known exactly: black lines, last in the legend.
CHANCE = {"color": "black", "linestyle": "--", "linewidth": 1, "label": "chance"}
BEST = {"color": "black", "linestyle": ":", "linewidth": 1.5, "label": BAYES}
# Trainings beside their mean.
SEED = {
    "linestyle": "none",
    "marker": "o",
    "markersize": 3,
    "markerfacecolor": "white",
    "markeredgecolor": "black",
    "markeredgewidth": 0.6,
    "label": "one training",
    "zorder": 4,
}
FAILED = {
    "linestyle": "none",
    "marker": "x",
    "markersize": 5,
    "color": "black",
    "markeredgewidth": 1.3,
    "label": "a training that did not learn",
    "zorder": 5,
}
FAILED_NOTE = f"{MARK}: at least one of the trainings did not learn"


@dataclass(frozen=True)
class Words:
    """A line of text at `x`, `y` (data coordinates, its end or beginning by `ha`), in `points`, turned by
    `angle` degrees about there.
    """

    x: float
    y: float
    text: str
    points: float = SMALL
    ha: str = "center"  # left | center | right
    va: str = "center"  # center | baseline
    angle: float = 0.0
    colour: str = "black"


class ManyWords(Artist):
    """Hundreds of short texts, as outlines: each distinct one is made once and stamped wherever it stands.

    As matplotlib's own texts they would take most of a figure's time, each being measured and set many times.
    """

    def __init__(self, words: list[Words]):
        super().__init__()
        self.set_in_layout(False)
        self.set_zorder(3)  # as other texts
        self.places = defaultdict(list)
        for one in words:
            self.places[replace(one, x=0.0, y=0.0)].append((one.x, one.y))

    def draw(self, renderer) -> None:
        points = Affine2D().scale(renderer.points_to_pixels(1))
        gc = renderer.new_gc()
        gc.set_linewidth(0)
        for look, places in self.places.items():
            renderer.draw_markers(
                gc, _outline(look), points, Path(places), self.axes.transData, to_rgb(look.colour)
            )
        gc.restore()


@cache
def _outline(look: Words) -> Path:
    """In points, from where it stands."""
    # polygons a twentieth of a point true, for extents of curves are slow to find
    fine = Affine2D().scale(20)
    polygons = TextPath((0, 0), look.text, size=look.points).to_polygons(fine)
    path = fine.inverted().transform_path(
        Path.make_compound_path(*(Path(points, closed=True) for points in polygons))
    )
    box = path.get_extents()
    across = {"left": 0, "center": 0.5, "right": 1}[look.ha] * box.xmax
    up = (box.ymin + box.ymax) / 2 if look.va == "center" else 0
    return Affine2D().translate(-across, -up).rotate_deg(look.angle).transform_path(path)


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
    dark = mesh.to_rgba(mesh.get_array())[:, :3] @ [0.3, 0.6, 0.1] < 0.5
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
        long = min(4.0, height - head - below - 0.6)
        place = (WIDTH - 0.8) / WIDTH, 1 - (head + 0.45 + long) / height, 0.15 / WIDTH, long / height
        scale = figure.colorbar(mesh, cax=figure.add_axes(place))
        scale.set_label(bar, fontsize=NORMAL)
        scale.ax.tick_params(labelsize=SMALL)
    return figure


def inches(text: str) -> float:
    """How long a small text is."""
    return _outline(Words(0, 0, text)).get_extents().width / 72


def write_figures(drawings: dict[str, Callable[[], Figure]], folder: pathlib.Path) -> list[pathlib.Path]:
    """Draw each figure and write it to `folder` under its name, in every format; on all cores where processes
    can be forked.
    """
    shares = min(len(drawings), len(os.sched_getaffinity(0))) if sys.platform == "linux" else 1
    names = list(drawings)

    def write(share: list[str]) -> None:
        for name in share:
            with matplotlib.rc_context({"text.parse_math": False}):  # a `$` in a name is no formula
                contents = render(drawings[name]())
            for suffix, content in contents.items():
                with replacing(folder / (name + suffix)) as temporary:
                    temporary.write_bytes(content)

    def write_in_silence(share: list[str]) -> None:
        try:
            write(share)
        except (Exception, KeyboardInterrupt):  # its share is done again below
            sys.exit(1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads: a child only draws
        others = [
            get_context("fork").Process(target=write_in_silence, args=(names[number::shares],))
            for number in range(1, shares)
        ]
        for process in others:
            process.start()
    write(names[::shares])
    for process in others:
        process.join()
    for number, process in enumerate(others, start=1):
        if process.exitcode:
            write(names[number::shares])  # here, where its error is the user's
    return [folder / (name + suffix) for name in names for suffix in FORMATS]


def render(figure: Figure) -> dict[str, bytes]:
    """The bytes of a `.png` (150 dpi) and a `.pdf`, by suffix; the same figure gives the same bytes."""
    figure.set_dpi(150)
    FigureCanvasAgg(figure)
    told = {
        ".png": {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 3}},
        ".pdf": {"metadata": {"CreationDate": None}},
    }
    rendered = {}
    with matplotlib.rc_context({"pdf.fonttype": 42}):  # publishers refuse Type 3 fonts
        for suffix in FORMATS:
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix[1:], dpi=150, **told[suffix])
            rendered[suffix] = buffer.getvalue()
    return rendered


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
    """Last of all: the title, a legend for all axes in `legend` columns, and the places of everything.

    `left` and `below` are the inches that ticks and labels take beside each axes. matplotlib's own layouts
    find these by measuring every text several times, which takes longer than the drawing.
    """
    entries = (
        {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels())}
        if legend
        else {}
    )
    # last, for matplotlib lists lines before bars
    for label in (SEED["label"], FAILED["label"], "chance", BAYES):
        if label in entries:
            entries[label] = entries.pop(label)
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


def cells_of(rows: pd.DataFrame, cells: Sequence[Cell]) -> list[Cell | None]:
    """The cell of each row of a table with columns experiment, source, target, method, shots and perhaps
    selection (else it is source-val); None where there is none.
    """
    keys = ["experiment", "source", "target", "method", "shots", "selection"]
    known = {tuple(getattr(cell, key) for key in keys): cell for cell in cells}
    return [
        known.get(key)
        for key in rows.assign(selection=rows.get("selection", "source-val"))[keys].itertuples(
            index=False, name=None
        )
    ]


def draw_seeds(
    axis, places, cells: list[Cell | None], width: float, upright: bool = True, dots: bool = True
) -> None:
    """The trainings of each cell at their accuracies in percent, side by side within `width` about its place;
    crosses are those that failed.

    The only training of a cell is its mean, and is drawn only if it failed. `upright`: places are along x and
    accuracies along y. Without `dots`, where they would hide what matters, there are crosses alone.
    """
    learned, failed = [], []
    for place, cell in zip(places, cells):
        seeds = cell.seeds if cell else ()
        for number, (seed, scores) in enumerate(zip(seeds, cell.scores if cell else ())):
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
