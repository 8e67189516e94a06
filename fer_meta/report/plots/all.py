"""The plots of every report: accuracy, transfer, severity, training and confusion."""

from collections.abc import Callable, Sequence
from functools import partial
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fer_meta.expressions import EXPRESSIONS
from fer_meta.report.cells import Cell
from fer_meta.report.failed import MARK
from fer_meta.report.load import Results, Run
from fer_meta.report.names import (
    BAYES,
    MUTED,
    domain_key,
    domain_name,
    domains_in_order,
    in_order,
    look,
    method_name,
    rank,
    training_name,
)
from fer_meta.report.plots.drawing import (
    BEST,
    CHANCE,
    DASHES,
    FAILED,
    FAILED_NOTE,
    MARKERS,
    NORMAL,
    Matrix,
    arrow,
    cells_of,
    draw_seeds,
    intervals_in_words,
    matrices,
    panels,
    quiet,
    settle,
)
from fer_meta.statistics.rounding import in_percent, percent


def figures(
    results: Results, cells: list[Cell], table: pd.DataFrame, gaps: pd.DataFrame
) -> dict[str, Callable[[], Figure]]:
    """What draws each plot, by its name: confusion (one a target if there are several), accuracy, severity,
    transfer, training.

    A plot whose selection (source-val) or log is in no run is left out, severity where no gap is measured,
    and transfer where experiments have protocols of their own.
    """
    drawn, tested = {}, {}
    for cell in cells:
        if cell.selection == "source-val" and cell.shots > 0:
            tested.setdefault((cell.experiment, cell.target), []).append(cell)
    for key, block in tested.items():
        name = "-".join(["confusion", *filter(None, key)]) if len(tested) > 1 else "confusion"
        most = max(cell.shots for cell in block)
        drawn[name] = partial(_confusion, results, [cell for cell in block if cell.shots == most])
    shown = table[table["selection"] == "source-val"]
    if len(shown):
        drawn["accuracy"] = partial(_accuracy, results, shown, cells)
    if len(gaps):
        drawn["severity"] = partial(_severity, results, gaps, cells)
    if len(shown) and not results.experiments:
        drawn["transfer"] = partial(_transfer, results, shown)
    models = {run.model: run for run in results.runs}.values()
    logs = [(run, results.logs[run.model]) for run in models if len(results.logs[run.model])]
    if logs:
        drawn["training"] = partial(_training, results, logs, cells)
    return drawn


def _accuracy(results: Results, table: pd.DataFrame, cells: Sequence[Cell] = ()) -> Figure:
    """Bars by method, grouped by shots, with a dot a training; a panel a source -> target."""
    pairs = list(table.groupby(["experiment", "source", "target", "way"], sort=False))
    methods = in_order(results, table["method"])
    figure, axes = panels(len(pairs), columns=2, height=2.9)
    top = _top(table)
    for axis, ((experiment, source, target, way), block) in zip(axes, pairs):
        shots = sorted(block["shots"].unique())
        width = 0.84 / len(methods)
        places = [
            shots.index(row.shots) + (methods.index(row.method) - (len(methods) - 1) / 2) * width
            for row in block.itertuples()
        ]
        for method in methods:
            of = (block["method"] == method).to_numpy()
            if of.any():  # no bars would be a legend's entry without a colour
                axis.bar(
                    np.array(places)[of],
                    100 * block["accuracy"][of],
                    0.92 * width,
                    color=look(results, method).colour,
                    label=method_name(results, method),
                )
        axis.errorbar(
            places,
            100 * block["accuracy"],
            100 * block["ci95"].fillna(0),
            fmt="none",
            ecolor="black",
            elinewidth=1,
            capsize=2,
        )
        draw_seeds(axis, places, cells_of(block, cells), 0.75 * width)
        axis.axhline(100 / way, **CHANCE)
        if block["bayes"].notna().any():
            axis.axhline(100 * block["bayes"].iloc[0], **BEST)
        axis.set(xlim=(-0.55, len(shots) - 0.45), ylim=(0, top))
        axis.set_xticks(range(len(shots)), [f"{count}-shot, {way}-way" for count in shots], fontsize=NORMAL)
        axis.set_ylabel("accuracy (%)", fontsize=NORMAL)
        start = f"{experiment}: " if experiment else ""
        axis.set_title(
            arrow(start + domain_name(results, source), domain_name(results, target)), fontsize=NORMAL
        )
        quiet(axis)
    settle(
        figure,
        axes,
        f"Accuracy in the same episodes, with {intervals_in_words(table)}\n"
        "(checkpoint picked on the source's validation split)",
        legend=3,
    )
    return figure


def _transfer(results: Results, table: pd.DataFrame) -> Figure:
    """Source x target, a panel a method, on one colour scale that starts at chance."""
    shots = table["shots"].max()
    table = table[table["shots"] == shots]
    methods = in_order(results, table["method"])
    sources, targets = domains_in_order(results, table["source"]), domains_in_order(results, table["target"])
    names = [[domain_name(results, name) for name in domains] for domains in (sources, targets)]
    shown = []
    for method in methods:
        cells = table[table["method"] == method].pivot_table("accuracy", "source", "target")
        shown.append(
            Matrix(
                method_name(results, method),
                *names,
                in_percent(cells.reindex(index=sources, columns=targets).to_numpy()),
                _marked(table[table["method"] == method], sources, targets),
            )
        )
    low, high = 100 * table["chance"].min(), 100 * max(table["accuracy"].max(), table["chance"].min() + 0.01)
    exact = [
        f"{label}: {_by_target(results, table, column)}"
        for label, column in [("chance", "chance"), (BAYES, "bayes")]
        if table[column].notna().any()
    ]
    title = [
        f"Transfer from source to target, {shots}-shot accuracy in percent",
        "(checkpoint picked on the source's validation split)",
        *(fill(text, 90, break_on_hyphens=False) for text in exact),
        *([FAILED_NOTE] if (table["failed_seeds"] != "").any() else []),
    ]
    return matrices(
        shown,
        "\n".join(title),
        ("source", "target"),
        "{:.1f}",
        "cividis",
        (low, high),
        "accuracy (%), from chance up",
    )


def _marked(rows: pd.DataFrame, sources: list[str], targets: list[str]) -> np.ndarray:
    """[sources, targets]: is a training among those that did not learn?"""
    failed = set(zip(*(rows.loc[rows["failed_seeds"] != "", key] for key in ("source", "target"))))
    return np.array([[(source, target) in failed for target in targets] for source in sources])


def _by_target(results: Results, table: pd.DataFrame, column: str) -> str:
    """The exact accuracy on each target that has one, or the one of all; two numbers where it depends on the
    source.
    """
    shown = {}
    for target, numbers in table.dropna(subset=[column]).groupby("target")[column]:
        ends = [percent(number) for number in (numbers.min(), numbers.max())]
        shown[target] = " to ".join(dict.fromkeys(ends))
    if len(set(shown.values())) == 1:
        return next(iter(shown.values()))
    return ", ".join(
        f"{domain_name(results, target)} {shown[target]}" for target in domains_in_order(results, shown)
    )


def _severity(results: Results, gaps: pd.DataFrame, cells: Sequence[Cell] = ()) -> Figure:
    """Lines by method over the target's severity, with crosses where a training failed; a row of panels a
    source and recipe, a column a number of shots.
    """
    shots = sorted(gaps["shots"].unique())
    blocks = list(gaps.groupby(["source", "recipe"], sort=False))
    methods = in_order(results, gaps["method"])
    figure, axes = panels(len(shots) * len(blocks), columns=len(shots), height=3.3)
    for number, axis in enumerate(axes):
        (source, recipe), block = blocks[number // len(shots)]
        count = shots[number % len(shots)]
        block = block[block["shots"] == count]
        for place, method in enumerate(methods):
            rows = block[block["method"] == method]
            # Side by side, or the intervals of one severity would hide each other.
            shift = 0.01 * (place - (len(methods) - 1) / 2)
            axis.errorbar(
                rows["severity"] + shift,
                100 * rows["accuracy"],
                100 * rows["ci95"].fillna(0),
                color=look(results, method).colour,
                marker=MARKERS[place % len(MARKERS)],
                markersize=4,
                linewidth=1.4,
                elinewidth=1,
                capsize=2,
                label=method_name(results, method),
            )
            draw_seeds(axis, rows["severity"] + shift, cells_of(rows, cells), 0.008, dots=False)
        for column, style in [("chance", CHANCE), ("bayes", BEST)]:
            exact = block.drop_duplicates("target").dropna(subset=[column])
            if len(exact):
                axis.plot(exact["severity"], 100 * exact[column], **style)
        # The studio is its own target at severity 0.
        zero = "0\n(source itself)" if (block.loc[block["severity"] == 0, "target"] == source).any() else "0"
        axis.set_xticks([0, 0.25, 0.5, 0.75, 1], [zero, "0.25", "0.5", "0.75", "1"])
        axis.set_xlim(-0.06, 1.06)
        axis.set_ylim(0, _top(gaps))
        axis.set_xlabel(f"severity of {recipe} (rendered)", fontsize=NORMAL)
        axis.set_ylabel("accuracy (%)", fontsize=NORMAL)
        axis.set_title(
            arrow(domain_name(results, source), f"{recipe} (rendered), {count}-shot"), fontsize=NORMAL
        )
        quiet(axis)
    settle(
        figure,
        axes,
        f"Accuracy against the size of the domain gap, with {intervals_in_words(gaps)}\n"
        "(checkpoint picked on the source's validation split)",
        legend=3,
        below=0.65,
    )
    return figure


def _ranked(results: Results, cells: Sequence[Cell]) -> list[Cell]:
    return sorted(cells, key=lambda cell: rank(results, cell.method))


def _training(results: Results, logs: list[tuple[Run, pd.DataFrame]], cells: Sequence[Cell]) -> Figure:
    """Loss and validation over steps: a row an algorithm, a line a model, its colour the source; of an own
    head the UAR is shown.
    """
    trained = {run.algorithm for run, _ in logs}
    first = {cell.algorithm: cell.method for cell in reversed(_ranked(results, cells))}
    algorithms = sorted(trained, key=lambda name: rank(results, first.get(name, name)))
    heads = {run.algorithm for run, log in logs if log["val_uar"].notna().any()}
    # Experiments may share a model, or train a source in two ways.
    used = {run.model: [] for run, _ in logs}
    for run in results.runs:
        if run.model in used and run.experiment not in used[run.model]:
            used[run.model].append(run.experiment)
    lines = sorted(
        {(domain_key(results, run.source), run.source, ", ".join(used[run.model])) for run, _ in logs}
    )
    lines = [line[1:] for line in lines]
    figure, axes = panels(2 * len(algorithms), columns=2, height=1.9)
    for run, log in logs:
        told = ", ".join(used[run.model])
        row, line = algorithms.index(run.algorithm), lines.index((run.source, told))
        label = f"{told}{': ' if told else ''}trained on {domain_name(results, run.source)}"
        style = {
            "color": MUTED[line % len(MUTED)],
            "linestyle": DASHES[line % len(DASHES)],
            "linewidth": 1.2,
            "alpha": 0.8,
            "label": label,
        }
        validated = "val_uar" if run.algorithm in heads else "val_accuracy"
        for axis, column, scale, marker in [
            (axes[2 * row], "loss", 1, None),
            (axes[2 * row + 1], validated, 100, "o"),
        ]:
            logged = log.dropna(subset=[column])
            axis.plot(logged["step"], scale * logged[column], marker=marker, markersize=2.5, **style)
            if run.failed and len(logged):
                axis.plot(logged["step"].iloc[-1:], scale * logged[column].iloc[-1:], **FAILED)
    for number, axis in enumerate(axes):
        algorithm = algorithms[number // 2]
        name = training_name(results, algorithm, first.get(algorithm, algorithm))
        metric = "UAR" if algorithm in heads else "accuracy"
        axis.set_title(f"{name}: {f'validation {metric}' if number % 2 else 'loss'}", fontsize=NORMAL)
        axis.set_ylabel(f"{metric} (%)" if number % 2 else "loss", fontsize=NORMAL)
        axis.set_xlabel("training step", fontsize=NORMAL)
        quiet(axis)
    settle(
        figure,
        axes,
        "Training on the source, a line a model; validation on the source's own split",
        legend=2,
        below=0.5,
    )
    return figure


def _confusion(results: Results, cells: list[Cell]) -> Figure:
    """Row-normalised counts on one target, over all seeds: a panel a method and source."""
    experiment, target, shots = cells[0].experiment, cells[0].target, cells[0].shots
    cells = sorted(cells, key=lambda cell: (domain_key(results, cell.source), rank(results, cell.method)))
    shown = []
    for cell in cells:
        counts = pd.DataFrame(cell.confusion.sum(axis=0), EXPRESSIONS, EXPRESSIONS)
        true = sorted(counts.index[counts.sum(axis=1) > 0])
        predicted = sorted(counts.columns[(counts.sum(axis=0) > 0) | counts.columns.isin(true)])
        grid = counts.loc[true, predicted]
        title = (
            f"{method_name(results, cell.method)}{MARK if cell.failed else ''}\nfrom"
            f" {domain_name(results, cell.source)}"
        )
        shown.append(Matrix(title, true, predicted, 100 * (grid.T / grid.sum(axis=1)).T.to_numpy()))
    start = f"{experiment}: confusion" if experiment else "Confusion"
    title = (
        f"{start} on {domain_name(results, target)}, {shots}-shot, percent of each true class\n"
        "(checkpoint picked on the source's validation split)"
        + (f"\n{FAILED_NOTE}" if any(cell.failed for cell in cells) else "")
    )
    return matrices(shown, title, ("true", "predicted"), "{:.0f}", "Blues", (0, 100))


def _top(table: pd.DataFrame) -> float:
    """The upper end of an axis of accuracies in percent, with the intervals and Bayes inside."""
    return 108 * max((table["accuracy"] + table["ci95"].fillna(0)).max(), table["bayes"].fillna(0).max())
