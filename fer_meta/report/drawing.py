"""Pieces of plots: sizes and colours, panels, legends, and a figure's bytes.

Plots are drawn through matplotlib's objects, so that no global state of pyplot changes.
"""

import io

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

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


def render(figure: Figure, suffix: str) -> bytes:
    """The bytes of a `.png` (150 dpi) or `.pdf`; the same figure gives the same bytes."""
    dated = {".png": {"Software": None}, ".pdf": {"CreationDate": None}}
    buffer = io.BytesIO()
    with matplotlib.rc_context({"pdf.fonttype": 42}):  # publishers refuse Type 3 fonts
        figure.savefig(buffer, format=suffix[1:], dpi=150, metadata=dated[suffix])
    return buffer.getvalue()


def intervals_in_words(table: pd.DataFrame) -> str:
    """What the intervals of these accuracies are over."""
    levels = (["trainings"] if table["seeds"].max() > 1 else []) + [kind for kind in ("people", "clips", "images")
                                                           if (table["groups"] == kind).any()] + ["episodes"]
    return f"95 % intervals over {', '.join(levels[:-1])} and {levels[-1]}"


def panels(count: int, columns: int, height: float) -> tuple[Figure, np.ndarray]:
    """A figure of WIDTH with `count` axes, `columns` a row at most, each row `height` inches."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(WIDTH, rows * height + 1.0), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def print_cells(axis, image, form: str) -> None:
    """Each number of the image in its cell, in white where the cell is dark; a dash where there is none."""
    for (row, column), number in np.ndenumerate(np.ma.filled(image.get_array(), np.nan)):
        dark = np.dot(image.to_rgba(number)[:3], [0.3, 0.6, 0.1]) < 0.5 and not np.isnan(number)
        axis.text(column, row, "–" if np.isnan(number) else form.format(number), ha="center", va="center",
                  fontsize=SMALL, color="white" if dark else "black")


def quiet(axis) -> None:
    """No frame at the top and right, small numbers."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=SMALL)


def legend_below(figure: Figure, axes, columns: int = 4) -> None:
    """One legend for all axes, each entry once."""
    entries = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels())}
    for label in ("chance", BAYES):  # last, for matplotlib lists lines before bars
        if label in entries:
            entries[label] = entries.pop(label)
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=columns, fontsize=NORMAL,
                  frameon=False)


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
