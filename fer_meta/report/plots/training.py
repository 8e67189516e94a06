"""Loss and validation over the steps of the trainings."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fer_meta.report.cells import Cell
from fer_meta.report.load import Results, Run
from fer_meta.report.names import (
    MUTED,
    domain_key,
    domain_name,
    rank,
    training_name,
)
from fer_meta.report.plots.look import DASHES, FAILED, NORMAL
from fer_meta.report.plots.panels import panels, quiet, settle
from fer_meta.report.plots.percent import keep_to_percent


def figure(results: Results, logs: list[tuple[Run, pd.DataFrame]], cells: Sequence[Cell]) -> Figure:
    """Loss and validation over steps: one row per method, one line per model, one colour per source. For an
    own head, the validation is the UAR.
    """
    read = {cell.method: cell.readout for cell in reversed(_ranked(results, cells))}
    first = {run.method: read.get(run.method, run.method) for run, _ in logs}
    methods = sorted(first, key=lambda name: rank(results, first[name]))
    heads = {run.method for run, log in logs if log["val_uar"].notna().any()}
    # Experiments may share a model, or train a source in two ways.
    used: dict[str, list[str]] = {run.model: [] for run, _ in logs}
    for run in results.runs:
        if run.model in used and run.experiment not in used[run.model]:
            used[run.model].append(run.experiment)
    lines = sorted(
        {(run.source, ", ".join(used[run.model])) for run, _ in logs},
        key=lambda line: (domain_key(results, line[0]), *line),
    )
    figure, axes = panels(2 * len(methods), columns=2, height=1.9)
    for axis in axes[3::2]:
        axis.sharey(axes[1])  # percent, of the same source's images
    for run, log in logs:
        experiments = ", ".join(used[run.model])
        row, line = methods.index(run.method), lines.index((run.source, experiments))
        label = f"{experiments}{': ' if experiments else ''}trained on {domain_name(results, run.source)}"
        style = {
            "color": MUTED[line % len(MUTED)],
            "linestyle": DASHES[line % len(DASHES)],
            "linewidth": 1.2,
            "alpha": 0.8,
            "label": label,
        }
        validated = "val_uar" if run.method in heads else "val_accuracy"
        for axis, column, scale, marker in [
            (axes[2 * row], "loss", 1, None),
            (axes[2 * row + 1], validated, 100, "o"),
        ]:
            logged = log.dropna(subset=[column])
            axis.plot(logged["step"], scale * logged[column], marker=marker, markersize=2.5, **style)
            if run.failed and len(logged):
                axis.plot(logged["step"].iloc[-1:], scale * logged[column].iloc[-1:], **FAILED)
    for number, axis in enumerate(axes):
        method = methods[number // 2]
        name = training_name(results, method, first[method])
        metric = "UAR" if method in heads else "accuracy"
        axis.set_title(f"{name}: {f'validation {metric}' if number % 2 else 'loss'}", fontsize=NORMAL)
        axis.set_ylabel(f"{metric} (%)" if number % 2 else "loss", fontsize=NORMAL)
        axis.set_xlabel("training step", fontsize=NORMAL)
        axis.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
        axis.ticklabel_format(axis="y", useOffset=False)
        if number % 2:
            keep_to_percent(axis)
        quiet(axis)
    settle(
        figure,
        axes,
        "Training on the source, one line per model; validation on the source's own split",
        legend=2,
        below=0.5,
    )
    return figure


def _ranked(results: Results, cells: Sequence[Cell]) -> list[Cell]:
    return sorted(cells, key=lambda cell: rank(results, cell.readout))
