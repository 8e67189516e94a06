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

MOST_FACES = 24
_NEAREST = 3


def faces(pictures: Sequence[Picture], table: pd.DataFrame, support: Support | None, unit: str) -> Figure:
    """A row for each of the first pictures: the face, the probabilities, and the nearest support faces."""
    rows = [number for number, one in enumerate(pictures) if one.face is not None][:MOST_FACES]
    classes = [name[2:] for name in table.columns if name.startswith("p_")]
    near = 0 if support is None else _NEAREST
    figure = Figure(
        figsize=(WIDTH, max(1.1, 0.17 * len(classes) + 0.3) * len(rows) + 0.4), layout="constrained"
    )
    grid = figure.subplots(len(rows), 2 + near, squeeze=False, width_ratios=[1, 2.2, *[0.9] * near])
    for axes, number in zip(grid, rows):
        answer = table.iloc[number]
        for axis in axes[[0, *range(2, 2 + near)]]:
            axis.axis("off")
        axes[0].imshow(pictures[number].face)
        _bars(axes[1], classes, [answer[f"p_{name}"] for name in classes])
        axes[1].set_title(
            f"{pictures[number].name}: {answer['label']}", fontsize=SMALL, fontweight="bold", loc="left"
        )
        if support is not None:
            _near(axes[2:], support, answer["nearest"])
    grid[-1, 1].set_xlabel(unit, fontsize=SMALL)
    if support is not None:
        grid[0, 2].set_title(f"nearest support faces:\n{grid[0, 2].get_title()}", fontsize=SMALL, loc="left")
    return figure


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
