"""Predictions to look at: faces with what was answered, and a film over its time."""

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fer_meta.prediction.pictures import Picture
from fer_meta.prediction.support import Support
from fer_meta.prediction.votes import so_far
from fer_meta.report.plots.look import METHOD_COLOURS, NORMAL, SMALL, WIDTH

_NEAREST = 3
_IN_ROWS = 6  # pictures; of more, a grid shows what was answered, without the nearest faces
_COLUMNS = 3
_TALLEST = 12.0  # inches


def faces(pictures: Sequence[Picture], table: pd.DataFrame, support: Support | None, unit: str) -> Figure:
    """The face and the probabilities of each picture: of a few in rows with the nearest support faces, of
    more in a grid; of the first ones alone if they are too many for one page.
    """
    rows = [number for number, one in enumerate(pictures) if one.face is not None]
    classes = [name[2:] for name in table.columns if name.startswith("p_")]
    height = max(1.1, 0.17 * len(classes) + 0.3)
    in_rows = len(rows) <= min(_IN_ROWS, _TALLEST / height)
    columns, near = (1, 0 if support is None else _NEAREST) if in_rows else (_COLUMNS, 0)
    shown = rows[: columns * max(1, int(_TALLEST / height))]
    lines = -(-len(shown) // columns)
    figure = Figure(figsize=(WIDTH, height * lines + 0.4), layout="constrained")
    ratios = [1, 2.2, *[0.9] * near] * columns
    grid = figure.subplots(lines, len(ratios), squeeze=False, width_ratios=ratios)
    for axis in grid.flat:
        axis.axis("off")
    for place, number in enumerate(shown):
        answer, first = table.iloc[number], (2 + near) * (place % columns)
        face, bars, *others = grid[place // columns, first : first + 2 + near]
        face.imshow(pictures[number].face)
        bars.axis("on")
        _bars(bars, classes, [answer[f"p_{name}"] for name in classes])
        title = f"{_short(pictures[number].name, 60 // columns)}: {answer['label']}"
        bars.set_title(title, fontsize=SMALL, fontweight="bold", loc="left")
        if support is not None and others:
            _near(others, support, answer["nearest"])
    if near:
        first = grid[0, 2].get_title("left")
        grid[0, 2].set_title(f"nearest support faces:\n{first}", fontsize=SMALL, loc="left")
    more = f"; the first {len(shown)} of {len(rows)} pictures" if len(shown) < len(rows) else ""
    if columns == 1:
        grid[-1, 1].set_xlabel(unit, fontsize=SMALL)
    else:
        figure.supxlabel(f"{unit}{more}", fontsize=SMALL)
    return figure


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else f"…{name[1 - most :]}"


def _near(axes, support: Support, nearest: str) -> None:
    """The support faces that a text such as `answer` writes names."""
    places = [support.names.index(one.rpartition(" ")[0]) for one in nearest.split("; ") if one]
    for axis, place in zip(axes, places):
        axis.imshow(support.images[place])
        axis.set_title(support.classes[support.labels[place]], fontsize=SMALL, loc="left")


def _bars(axis, classes: Sequence[str], shares: Sequence[float]) -> None:
    places = np.arange(len(classes))[::-1]
    colours = ["#0072B2" if share == max(shares) else "#A9C8DF" for share in shares]
    axis.barh(places, [100 * share for share in shares], color=colours)
    axis.set_yticks(places, classes, fontsize=SMALL)
    axis.set_xlim(0, 100)
    axis.tick_params(axis="x", labelsize=SMALL)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def film(name: str, frames: pd.DataFrame, unit: str) -> Figure:
    """The probabilities of a film's frames over its time, and those of all frames so far: the vote."""
    figure = Figure(figsize=(WIDTH, 5.0), layout="constrained")
    upper, lower = figure.subplots(2, sharex=True, sharey=True)
    vote = so_far(frames)
    for number, column in enumerate(vote.columns):
        style = {"color": METHOD_COLOURS[number % len(METHOD_COLOURS)], "linewidth": 1.4, "label": column[2:]}
        upper.plot(frames["time"], 100 * frames[column], marker=".", markersize=3, **style)
        lower.plot(frames["time"], 100 * vote[column], **style)
    upper.set_title(f"{name}: each frame", fontsize=NORMAL)
    lower.set_title("all frames so far: the clip's vote", fontsize=NORMAL)
    for axis in (upper, lower):
        axis.set_ylim(0, min(100, 110 * frames[list(vote.columns)].max().max()))
        axis.set_ylabel(unit, fontsize=SMALL)
        axis.tick_params(labelsize=SMALL)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    lower.set_xlabel("seconds", fontsize=SMALL)
    figure.legend(
        *upper.get_legend_handles_labels(), loc="outside right upper", fontsize=SMALL, frameon=False
    )
    return figure


def save(figure: Figure, path) -> None:
    """Write a figure in the format of its suffix. Raises ValueError for one that matplotlib has not."""
    FigureCanvasAgg(figure)
    with matplotlib.rc_context({"text.parse_math": False}):  # a `$` in a name is no formula
        figure.savefig(path, dpi=150, format=path.suffix[1:] or "png")
