"""The first figure: what the suite asks."""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fer_meta.report.aggregate.answer import Answer
from fer_meta.report.load import Results
from fer_meta.report.names import domain_key, domain_name, look, readout_name
from fer_meta.report.plots.look import FAILED, NORMAL, SEED, SMALL, WIDTH
from fer_meta.report.plots.panels import quiet, settle
from fer_meta.report.plots.texts import inches
from fer_meta.sources import parts_of

LINE = 0.36
"""Inches of a place."""

PLACE = ["source", "target", "recipe"]
INK = "#222222"
EACH = "difference, with its 95 % interval"
MARGIN = {"color": "#888888", "alpha": 0.25, "linewidth": 0, "label": "named beforehand as no difference"}
MOST_PLACES = 60
"""Nobody reads a longer list; answer.csv has them all."""


def figure(results: Results, found: Answer, gaps: pd.DataFrame, over: str) -> Figure:
    """The difference of the two readouts on each source and target, or over the severity of the gap where
    that places them all, and beside it the share of its lead over chance that each keeps. `over` is what the
    intervals are over.
    """
    severity = gaps.drop_duplicates(["source", "target", "recipe"])[[*PLACE, "severity"]]
    graded = not any(found.differences["experiment"]) and _pairs(found.differences) <= _pairs(severity)
    figure, axes = (_over_severity if graded else _by_place)(results, found, severity)
    row = found.differences.iloc[0]
    settle(
        figure,
        axes,
        f"{readout_name(results, row['first'])} minus {readout_name(results, row['second'])},"
        f" {row['shots']}-shot\n({over}; checkpoint picked on the source's validation split)",
        legend=3,
        left=0.65,
        below=0.5,
    )
    if not graded:  # the places are named once, left of all panels
        names = 0.25 + max(inches(name) for name in _places(results, found.differences))
        figure.subplots_adjust(left=names / WIDTH, wspace=0.08)
    return figure


def _pairs(rows: pd.DataFrame) -> set[tuple[str, str]]:
    return {*zip(rows["source"], rows["target"])}


def _places(results: Results, rows: pd.DataFrame) -> list[str]:
    return [
        f"{row.experiment}{': ' if row.experiment else ''}"
        + (
            f"{domain_name(results, row.source)}, itself"
            if row.target in parts_of(row.source)
            else f"{domain_name(results, row.source)} → {domain_name(results, row.target)}"
        )
        for row in rows.itertuples()
    ]


def _by_place(results: Results, found: Answer, severity: pd.DataFrame) -> tuple[Figure, np.ndarray]:
    """A line for each source and target, from above: the experiments in the suite's order, each source's own
    domain first.
    """
    rows = found.differences
    experiment = pd.factorize(rows["experiment"])[0]
    at_home = [row.target not in parts_of(row.source) for row in rows.itertuples()]
    keys = [*zip(experiment, (domain_key(results, name) for name in rows["source"]), at_home)]
    ranked = sorted(
        range(len(rows)), key=lambda place: (keys[place], domain_key(results, rows["target"].iloc[place]))
    )
    rows = rows.iloc[ranked].reset_index(drop=True)
    heights = -np.arange(len(rows), dtype=float)
    panels = 2 if len(found.kept) else 1
    figure = Figure(figsize=(WIDTH, 0.5 + LINE * len(rows)))
    axes = np.atleast_1d(figure.subplots(1, panels, sharey=True))
    _marks(axes[0], rows, "difference", heights)
    axes[0].axvline(0, color=INK, linewidth=1)
    _margin(results, axes[0].axvspan)
    axes[0].set_xlabel("difference in accuracy (points)", fontsize=NORMAL)
    axes[0].set_yticks(heights, _places(results, rows), fontsize=SMALL)
    axes[0].set_ylim(heights[-1] - 0.6, 0.6)
    if panels == 2:
        _kept(results, axes[1], found.kept, dict(zip(zip(rows["source"], rows["target"]), heights)))
    for axis in axes:
        quiet(axis)
        axis.grid(axis="y", color="#dddddd", linewidth=0.6)
        axis.set_axisbelow(True)
    return figure, axes


def _kept(results: Results, axis: Axes, kept: pd.DataFrame, heights: dict[tuple[str, str], float]) -> None:
    readouts = list(dict.fromkeys(kept["readout"]))
    for number, readout in enumerate(readouts):
        rows = kept[kept["readout"] == readout]
        shift = 0.28 * (number - (len(readouts) - 1) / 2)
        at = np.array([heights[place] for place in zip(rows["source"], rows["target"])]) - shift
        _marks(axis, rows, "kept", at, look(results, readout).colour, readout_name(results, readout))
    axis.axvline(100, color=INK, linewidth=0.8, linestyle=":")
    axis.axvline(0, color=INK, linewidth=0.8)
    axis.set_xlabel("lead over chance that is kept (%)", fontsize=NORMAL)


def _over_severity(results: Results, found: Answer, severity: pd.DataFrame) -> tuple[Figure, np.ndarray]:
    """A line of panels for each source and recipe."""
    blocks = list(severity.groupby(["source", "recipe"], sort=False))
    panels = 2 if len(found.kept) else 1
    figure = Figure(figsize=(WIDTH, 2.7 * len(blocks)))
    axes = figure.subplots(len(blocks), panels, squeeze=False, sharey="col")
    for line, ((source, recipe), places) in zip(axes, blocks):
        rows = places.merge(found.differences, on=["source", "target"])
        _band(line[0], rows.sort_values("severity"), "difference", INK, "")
        line[0].axhline(0, color=INK, linewidth=1)
        _margin(results, line[0].axhspan)
        line[0].set_ylabel("difference (points)", fontsize=NORMAL)
        for readout in dict.fromkeys(found.kept["readout"]):
            own = places.merge(found.kept[found.kept["readout"] == readout], on=["source", "target"])
            _band(
                line[1],
                own.sort_values("severity"),
                "kept",
                look(results, readout).colour,
                readout_name(results, readout),
            )
        if panels == 2:
            line[1].axhline(100, color=INK, linewidth=0.8, linestyle=":")
            line[1].set_ylabel("lead kept (%)", fontsize=NORMAL)
        for axis in line:
            axis.set_xlabel(f"severity of {recipe} (rendered)", fontsize=NORMAL)
            axis.set_title(f"{domain_name(results, source)} → {recipe} (rendered)", fontsize=NORMAL)
            axis.set_xticks([0, 0.25, 0.5, 0.75, 1])
            axis.set_xlim(-0.05, 1.05)
            quiet(axis)
    return figure, axes.ravel()


def _band(axis: Axes, rows: pd.DataFrame, name: str, colour: str, label: str) -> None:
    at = rows["severity"].to_numpy()
    axis.fill_between(at, 100 * rows["low"], 100 * rows["high"], color=colour, alpha=0.18, linewidth=0)
    axis.plot(at, 100 * rows[name], color=colour, marker="o", markersize=4, linewidth=1.5, label=label or "_")
    _dots(axis.plot, at, rows)


def _marks(
    axis: Axes, rows: pd.DataFrame, name: str, heights: np.ndarray, colour: str = INK, label: str = EACH
) -> None:
    """Means in percent with their intervals, each at its height, and a dot below for each training."""
    axis.errorbar(
        100 * rows[name],
        heights,
        xerr=50 * (rows["high"] - rows["low"]).fillna(0),
        fmt="s",
        color=colour,
        markersize=4.5,
        elinewidth=1.6,
        capsize=2.5,
        label=label,
        zorder=3,
    )
    _dots(lambda at, each, **style: axis.plot(each, at, **style), heights - 0.13, rows)


def _dots(plot: Callable, places: Iterable[float], rows: pd.DataFrame) -> None:
    """A dot for each training where there are several, a cross for one that did not learn."""
    for place, row in zip(places, rows.itertuples()):
        if row.seeds > 1:
            plot([place] * row.seeds, [100 * score for score in row.by_seed.values()], **SEED)
        for seed in row.failed_seeds.split():
            plot([place], [100 * row.by_seed[int(seed)]], **FAILED)


def _margin(results: Results, span: Callable) -> None:
    """The margin of a difference; that of a change from one place to another says nothing of each."""
    named = results.plan.get("primary") or {}
    margin = named.get("margin")
    if margin and not named["less"]:
        span(-100 * margin, 100 * margin, **MARGIN)
