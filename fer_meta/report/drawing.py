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
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
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

from fer_meta.files import replacing
from fer_meta.report.load import Results
from fer_meta.report.numbers import BAYES, METHODS, domain_key, domain_name

FORMATS = (".png", ".pdf")
WIDTH = 9.0  # inches; at 150 dpi it shrinks to a README's 900 pixels with 9 pt text still readable
SMALL, NORMAL = 8, 9  # points
# Okabe and Ito's colours (and a violet), which colour-blind readers can tell apart; a method has one colour everywhere.
OKABE_ITO = ["#0072B2", "#E69F00", "#7F3C8D", "#009E73", "#56B4E9", "#999999", "#D55E00", "#CC79A7"]
COLOURS = dict(zip(METHODS, OKABE_ITO))
# Paul Tol's "muted", for what COLOURS does not name: further methods, and sources in the training curves.
MUTED = ["#332288", "#882255", "#117733", "#999933", "#AA4499", "#44AA99", "#CC6677", "#88CCEE", "#DDCC77"]
DASHES = ["-", "--", ":", "-."]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
# What is known exactly: black lines, last in the legend.
CHANCE = {"color": "black", "linestyle": "--", "linewidth": 1, "label": "chance"}
BEST = {"color": "black", "linestyle": ":", "linewidth": 1.5, "label": BAYES}


@dataclass(frozen=True)
class Words:
    """A line of text at `x`, `y` (data coordinates, its end or beginning by `ha`), in `points`, turned by `angle` degrees about there."""

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
            renderer.draw_markers(gc, _outline(look), points, Path(places), self.axes.transData, to_rgb(look.colour))
        gc.restore()


@lru_cache(maxsize=None)
def _outline(look: Words) -> Path:
    """In points, from where it stands."""
    path = TextPath((0, 0), look.text, size=look.points)
    box = path.get_extents()
    across = {"left": 0, "center": 0.5, "right": 1}[look.ha] * box.xmax
    up = (box.ymin + box.ymax) / 2 if look.va == "center" else 0
    return Affine2D().translate(-across, -up).rotate_deg(look.angle).transform_path(path)


@dataclass(frozen=True)
class Shares:
    """A confusion matrix in percent of each true class, `percent` [true, predicted] (NaN where there is none), and its panel's title."""

    title: str
    true: list[str]
    predicted: list[str]
    percent: np.ndarray


def confusions(panels: list[Shares], title: str) -> Figure:
    """The matrices side by side, three a row, on one scale; the true classes are named at the left of a row if they are the same everywhere.

    All of it is one axes in inches from the upper left: two dozen axes of their own would take seconds.
    """
    columns = min(3, len(panels))
    lines = 1 + title.count("\n")
    same = all(panel.true == panels[0].true for panel in panels)
    names = 0.5 + max(map(inches, {name for panel in panels for name in panel.true}))  # the width of the classes' names and of "true"
    wide = (WIDTH - 0.1 - names * (1 if same else columns)) / columns - 0.2
    below = 0.42 + max(map(inches, {name for panel in panels for name in panel.predicted})) / math.sqrt(2)
    tall = max(1.2, 0.22 * max(len(panel.true) for panel in panels))
    rows = -(-len(panels) // columns)
    height = 0.25 + 0.19 * lines + rows * (0.45 + tall + below)
    figure = Figure(figsize=(WIDTH, height))
    axis = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
    axis.axis("off")
    cells, values, strokes, words = [], [], [], []
    for number, panel in enumerate(panels):
        row, column = divmod(number, columns)
        left = names + column * (wide + 0.2) + (0 if same else column * names)
        top = 0.25 + 0.19 * lines + 0.45 + row * (0.45 + tall + below)
        across, down = wide / len(panel.predicted), tall / len(panel.true)
        words += [Words(left + wide / 2, top - 0.08 - 0.16 * line, text, NORMAL, va="baseline")
                  for line, text in enumerate(reversed(panel.title.split("\n")))]
        strokes.append([(left, top), (left + wide, top), (left + wide, top + tall), (left, top + tall), (left, top)])
        for place, name in enumerate(panel.predicted):
            x = left + (place + 0.5) * across
            strokes.append([(x, top + tall), (x, top + tall + 0.05)])
            words.append(Words(x + 0.03, top + tall + 0.13, name, ha="right", angle=45))
        words.append(Words(left + wide / 2, top + tall + below - 0.12, "predicted", NORMAL, va="baseline"))
        if not same or column == 0:
            for place, name in enumerate(panel.true):
                y = top + (place + 0.5) * down
                strokes.append([(left - 0.05, y), (left, y)])
                words.append(Words(left - 0.09, y, name, ha="right"))
            words.append(Words(left - names + 0.18, top + tall / 2, "true", NORMAL, angle=90))
        points = min(SMALL, 72 * across / 1.7)  # three digits side by side
        for (true, predicted), share in np.ndenumerate(panel.percent):
            x, y = left + predicted * across, top + true * down
            cells.append([(x, y), (x + across, y), (x + across, y + down), (x, y + down)])
            values.append(share)
            words.append(Words(x + across / 2, y + down / 2, "–" if np.isnan(share) else f"{share:.0f}", points,
                               colour="white" if share > 65 else "black"))
    mesh = PolyCollection(cells, array=np.array(values), cmap="Blues", antialiaseds=False, linewidths=0)
    mesh.set_clim(0, 100)
    axis.add_collection(mesh, autolim=False)
    axis.add_collection(LineCollection(strokes, colors="black", linewidths=0.8), autolim=False)
    axis.add_artist(ManyWords(words))
    figure.suptitle(title, fontsize=NORMAL + 2, y=1 - 0.12 / height)
    return figure


def inches(text: str) -> float:
    """How long a small text is."""
    return _outline(Words(0, 0, text)).get_extents().width / 72


def write_figures(drawings: dict[str, Callable[[], Figure]], folder: pathlib.Path) -> list[pathlib.Path]:
    """Draw each figure and write it to `folder` under its name, in every format; on all cores where processes can be forked."""
    shares = min(len(drawings), os.cpu_count() or 1) if sys.platform == "linux" else 1
    names = list(drawings)

    def write(share: list[str]) -> None:
        for name in share:
            for suffix, content in render(drawings[name]()).items():
                with replacing(folder / (name + suffix)) as temporary:
                    temporary.write_bytes(content)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads: a child only draws
        others = [get_context("fork").Process(target=write, args=(names[number::shares],)) for number in range(1, shares)]
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
    if figure.get_layout_engine():
        figure.get_layout_engine().execute(figure)
        figure.set_layout_engine("none")  # or each format would be laid out, and all of it measured, again
    told = {".png": {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 3}}, ".pdf": {"metadata": {"CreationDate": None}}}
    rendered = {}
    with matplotlib.rc_context({"pdf.fonttype": 42}):  # publishers refuse Type 3 fonts
        for suffix in FORMATS:
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix[1:], dpi=150, **told[suffix])
            rendered[suffix] = buffer.getvalue()
    return rendered


def intervals_in_words(table: pd.DataFrame) -> str:
    """What the intervals of these accuracies are over."""
    levels = (["trainings"] if table["seeds"].max() > 1 else []) + [kind for kind in ("people", "clips", "images")
                                                           if (table["groups"] == kind).any()] + ["episodes"]
    return f"95 % intervals over {', '.join(levels[:-1])} and {levels[-1]}"


def panels(count: int, columns: int, height: float) -> tuple[Figure, np.ndarray]:
    """A figure of WIDTH with `count` axes, `columns` a row at most, each row `height` inches; `settle` finds their places."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(WIDTH, rows * height))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def settle(figure: Figure, axes, title: str, legend: int = 0, left: float = 0.6, below: float = 0.35, points: float = NORMAL + 2) -> None:
    """Last of all: the title, a legend for all axes in `legend` columns, and the places of everything.

    `left` and `below` are the inches that ticks and labels take beside each axes. matplotlib's own layouts find these by measuring every
    text several times, which takes longer than the drawing.
    """
    entries = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels())} if legend else {}
    for label in ("chance", BAYES):  # last, for matplotlib lists lines before bars
        if label in entries:
            entries[label] = entries.pop(label)
    above = 0.14 + 0.16 * max(bool(axis.get_title()) + axis.get_title().count("\n") for axis in axes)
    head, foot = 0.22 + 0.19 * (1 + title.count("\n")), 0.1 + 0.2 * -(-len(entries) // legend) if legend else 0.1
    grid, (width, height) = axes[0].get_gridspec(), figure.get_size_inches()
    wide, tall = (width - 0.1) / grid.ncols - left - 0.1, height / grid.nrows - above - below
    height += head + foot
    figure.set_size_inches(width, height)
    figure.subplots_adjust(left=left / width, right=1 - 0.2 / width, bottom=(foot + below) / height, top=1 - (head + above) / height,
                           wspace=(left + 0.1) / wide, hspace=(above + below) / tall)
    for axis in axes:
        axis.yaxis.set_label_coords(-(left - 0.2) / wide, 0.5)
        axis.xaxis.set_label_coords(0.5, -(below - 0.2) / tall)
        axis.set_title(axis.get_title(), fontsize=NORMAL, y=1)
    figure.suptitle(title, fontsize=points, y=1 - 0.12 / height)
    if entries:
        figure.legend(entries.values(), entries.keys(), loc="lower center", ncols=legend, fontsize=NORMAL, frameon=False,
                      borderaxespad=0.3)


def print_cells(axis, image, form: str) -> None:
    """Each number of the image in its cell, in white where the cell is dark; a dash where there is none."""
    numbers = np.ma.filled(image.get_array(), np.nan)
    dark = (image.to_rgba(numbers)[..., :3] @ [0.3, 0.6, 0.1] < 0.5) & ~np.isnan(numbers)
    axis.add_artist(ManyWords([
        Words(column, row, "–" if np.isnan(number) else form.format(number), colour="white" if dark[row, column] else "black")
        for (row, column), number in np.ndenumerate(numbers)]))


def quiet(axis) -> None:
    """No frame at the top and right, small numbers."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=SMALL)


def domains_in(results: Results, names) -> list[str]:
    """Each domain once, in the order of the tables."""
    return sorted(set(names), key=lambda name: domain_key(results, name))


def methods_in(table: pd.DataFrame) -> list[str]:
    """Each method once, in the order of the tables."""
    return sorted(table["method"].unique(), key=lambda method: (rank_of(method), method))


def rank_of(method: str) -> int:
    """The place of a method in the tables; unknown ones are last."""
    return list(METHODS).index(method) if method in METHODS else len(METHODS)


def colours_of(methods: list[str]) -> dict[str, str]:
    """A colour for each method."""
    others = sorted(set(methods) - set(COLOURS))
    return COLOURS | {method: MUTED[number % len(MUTED)] for number, method in enumerate(others)}


def arrow(source: str, target: str) -> str:
    """A panel's title, in two lines where one is too narrow."""
    return f"{source} → {target}" if len(source + target) < 42 else f"{source}\n→ {target}"


def wrapped(results: Results, domain: str) -> str:
    """A domain's name in two lines where it is rendered."""
    return domain_name(results, domain).replace(" (", "\n(")
