"""Plots of comparisons: mean ranks with the critical difference, what a leak is worth, and published figures
beside ours.
"""

from collections.abc import Callable, Sequence
from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from fer_meta.report.cells import Cell
from fer_meta.report.load import Results
from fer_meta.report.names import (
    MUTED,
    domain_name,
    in_order,
    method_name,
)
from fer_meta.report.plots.drawing import (
    CHANCE,
    MARKERS,
    NORMAL,
    SMALL,
    arrow,
    cells_of,
    draw_seeds,
    inches,
    panels,
    quiet,
    settle,
)
from fer_meta.statistics.ranks import Ranks

# What stands side by side in the reproduction plot: column -> (label, marker, colour, filled).
READINGS = {
    "published_training": ("published as evaluation (in truth training accuracy)", "s", "#D55E00", False),
    "training_accuracy": ("ours, in training episodes", "s", "#D55E00", True),
    "published_test": ("published test accuracy", "o", "#0072B2", False),
    "shared_accuracy": ("ours, with shared clips", "D", "#CC79A7", True),
    "accuracy": ("ours, test", "o", "#0072B2", True),
}


def figures(
    results: Results,
    cells: list[Cell],
    ranked: Ranks | None,
    unranked: list[str],
    leaks: pd.DataFrame,
    reproduced: pd.DataFrame,
) -> dict[str, Callable[[], Figure]]:
    """What draws `ranks`, `leakage` and `reproduction`, each where there is something to show. `unranked` are
    the methods of which a training did not learn.
    """
    drawn = {"ranks": partial(ranks, results, ranked, unranked)} if ranked else {}
    if len(leaks):
        drawn["leakage"] = partial(leakage, results, leaks, cells)
    if len(reproduced):
        drawn["reproduction"] = partial(reproduction, results, reproduced, cells)
    return drawn


def ranks(results: Results, ranked: Ranks, unranked: Sequence[str] = ()) -> Figure:
    """Demsar's diagram (2006, J. Mach. Learn. Res. 7, fig. 1): a bar joins methods that cannot be
    told apart.
    """
    places = sorted(zip(ranked.mean, ranked.methods))
    count, half = len(places), -(-len(places) // 2)
    bars = _joined([mean for mean, _ in places], ranked.critical_difference)
    lowest = 0.5 + 0.3 * len(bars)  # where the first method's line ends, below the bars
    figure, [axis] = panels(1, 1, 1.2 + 0.3 * (len(bars) + half))
    axis.set_xlim(0.2 - 0.45 * count, count + 0.8 + 0.45 * count)
    axis.set_ylim(lowest + 0.6 * half + 0.2, -1.6)
    axis.axis("off")
    axis.plot([1, count], [0, 0], color="black", linewidth=1.2)
    for tick in range(1, count + 1):
        axis.plot([tick, tick], [0, -0.15], color="black", linewidth=1.2)
        axis.text(tick, -0.25, str(tick), ha="center", va="bottom", fontsize=SMALL)
    for number, (mean, method) in enumerate(places):
        left = number < half
        height = lowest + 0.6 * (number if left else count - 1 - number)
        edge, side = (0.9, "right") if left else (count + 0.1, "left")
        axis.plot([mean, mean, edge], [0, height, height], color="black", linewidth=0.9)
        name = (
            f"{method_name(results, method)}  {mean:.2f}"
            if left
            else f"{mean:.2f}  {method_name(results, method)}"
        )
        axis.text(edge - 0.08 if left else edge + 0.08, height, name, ha=side, va="center", fontsize=NORMAL)
    for number, (low, high) in enumerate(bars):
        axis.plot(
            [low - 0.04, high + 0.04],
            [0.3 + 0.3 * number] * 2,
            color="black",
            linewidth=3.5,
            solid_capstyle="butt",
        )
    axis.plot([1, 1 + ranked.critical_difference], [-1.0, -1.0], color="black", linewidth=1.2)
    for end in (1, 1 + ranked.critical_difference):
        axis.plot([end, end], [-1.1, -0.9], color="black", linewidth=1.2)
    axis.text(
        1 + ranked.critical_difference / 2,
        -1.15,
        f"critical difference {ranked.critical_difference:.2f}",
        ha="center",
        va="bottom",
        fontsize=SMALL,
    )
    domains = {name for run in results.runs for name in (run.source, run.target)}
    drawn = domains & set(results.plan.get("rendered", []))
    faces = " of rendered faces" if drawn == domains else " of rendered and other faces" if drawn else ""
    settle(
        figure,
        [axis],
        f"Mean ranks (1 is best) over {ranked.blocks} blocks{faces}; a bar joins methods that cannot be"
        " told\napart (Nemenyi, 5 %). Blocks of one bench share models and images: for orientation"
        + (
            "\nnot ranked, for a training did not learn:"
            f" {', '.join(method_name(results, name) for name in unranked)}"
            if unranked
            else ""
        ),
        left=0.1,
        below=0.1,
        points=NORMAL + 1,
    )
    return figure


def leakage(results: Results, leaks: pd.DataFrame, cells: Sequence[Cell] = ()) -> Figure:
    """Accuracy by method, a point an experiment in the order of the plan; a panel a source, target
    and shots.
    """
    blocks = list(leaks.groupby(["source", "target", "shots"], sort=False))
    methods = in_order(results, leaks["method"])
    experiments = [key for key in results.experiments if (leaks["experiment"] == key).any()]
    most = max(block["experiment"].nunique() for _, block in blocks)
    figure, axes = panels(len(blocks), 2, 1.4 + 0.2 * len(methods) * most)
    for axis, ((source, target, shots), block) in zip(axes, blocks):
        here = [key for key in experiments if (block["experiment"] == key).any()]
        for place, key in enumerate(here):
            rows, look = block[block["experiment"] == key], experiments.index(key)
            heights = [
                methods.index(method) + 0.7 * ((place + 0.5) / len(here) - 0.5) for method in rows["method"]
            ]
            axis.errorbar(
                100 * rows["accuracy"],
                heights,
                xerr=100 * rows["ci95"].fillna(0),
                fmt=MARKERS[look % len(MARKERS)],
                color=MUTED[look % len(MUTED)],
                markersize=4.5,
                elinewidth=1,
                capsize=2,
                label=f"{key}: {results.experiments[key]['title']}",
            )
            draw_seeds(axis, heights, cells_of(rows, cells), 0.4 / len(here), upright=False, dots=False)
        axis.axvline(100 * block["chance"].iloc[0], **CHANCE)
        axis.set_yticks(
            range(len(methods)), [method_name(results, method) for method in methods], fontsize=SMALL
        )
        axis.set_ylim(len(methods) - 0.5, -0.5)
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
        left=0.2 + max(inches(method_name(results, method)) for method in methods),
        below=0.5,
    )
    return figure


def reproduction(results: Results, rows: pd.DataFrame, cells: Sequence[Cell] = ()) -> Figure:
    """Published and own figures of one experiment side by side, each with its chance; a panel a method."""
    rows = rows[rows[list(READINGS)].notna().any(axis=1)].assign(
        own=[
            key + (", no support" if shots == 0 else "")
            for key, shots in zip(rows["experiment"], rows["shots"])
        ],
        selection=[results.experiments[key]["checkpoint"] for key in rows["experiment"]],
    )
    methods = in_order(results, rows["method"])
    readings = {column: look for column, look in READINGS.items() if rows[column].notna().any()}
    figure, axes = panels(len(methods), 2, 2.9)
    for axis, method in zip(axes, methods):
        block = rows[rows["method"] == method].reset_index(drop=True)
        for number, (column, (label, marker, colour, filled)) in enumerate(readings.items()):
            places = block.index + 0.7 * ((number + 0.5) / len(readings) - 0.5)
            half = {"accuracy": "ci95", "shared_accuracy": "shared_ci95"}.get(column)
            axis.errorbar(
                places,
                100 * block[column],
                100 * block[half].fillna(0) if half else None,
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
                draw_seeds(axis, places, cells_of(tested, cells), 0.1)
            chance = block["training_chance"] if "training" in column else block["chance"]
            told = block[column].notna() & chance.notna()
            axis.hlines(
                100 * chance[told],
                places[told] - 0.06,
                places[told] + 0.06,
                **CHANCE | {"linestyle": "-", "linewidth": 1.5},
            )
        crowded = (
            {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
            if block["own"].str.len().sum() > 40
            else {}
        )
        axis.set_xticks(block.index, block["own"], fontsize=SMALL, **crowded)
        axis.set_xlim(-0.6, max(len(block), 2) - 0.4)
        axis.set_ylim(0, 100)
        axis.set_ylabel("accuracy (%)", fontsize=NORMAL)
        axis.set_title(method_name(results, method), fontsize=NORMAL)
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


def _joined(means: list[float], critical: float) -> list[tuple[float, float]]:
    """The longest runs of ascending mean ranks that lie within the critical difference; none of one method
    alone.
    """
    runs = [(low, max(mean for mean in means if mean < low + critical)) for low in means]
    return [
        (low, high)
        for number, (low, high) in enumerate(runs)
        if high > low and all(high > before for _, before in runs[:number])
    ]
