"""Validation on the source against the images that a training has seen: which method learns most from as many
images.
"""

from collections import Counter
from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from fer_meta.report.cells import Cell
from fer_meta.report.load import Results, Run
from fer_meta.report.names import domain_name, domains_in_order, rank, training_name
from fer_meta.report.plots.look import FAILED_NOTE, MARKERS, METHOD_COLOURS, NORMAL
from fer_meta.report.plots.panels import panels, quiet, settle
from fer_meta.report.plots.percent import keep_to_percent
from fer_meta.statistics.failed import MARK


def once_each(logs: Sequence[tuple[Run, pd.DataFrame]]) -> bool:
    """Whether each source, method, seed and fold has a single training. Those of several experiments may be
    of other classes, or validated in other episodes: their mean says nothing.
    """
    return max(Counter((run.source, run.method, run.seed, run.fold) for run, _ in logs).values()) == 1


def curves(logs: Sequence[tuple[Run, pd.DataFrame]]) -> pd.DataFrame:
    """One row per source, method and number of images: `images`, and `accuracy` in the source's validation
    episodes, 0 to 1, the mean over trainings; `failed` where one of them did not learn. Points that not every
    training of the method has are left out, as is a method that was not trained or whose log does not count
    images.
    """
    points = pd.concat(
        [
            log.loc[log["images"] > 0, ["images", "val_accuracy"]].assign(
                source=run.source, method=run.method, model=run.model, failed=run.failed is not None
            )
            for run, log in logs
        ]
    ).dropna()
    keys = ["source", "method"]
    found = points.groupby([*keys, "images"], sort=False).agg(
        accuracy=("val_accuracy", "mean"), trainings=("model", "nunique"), failed=("failed", "any")
    )
    of_all = points.groupby(keys)["model"].nunique()
    found = found.reset_index()
    whole = found["trainings"].to_numpy() == of_all.loc[pd.MultiIndex.from_frame(found[keys])].to_numpy()
    return found[whole].sort_values([*keys, "images"], ignore_index=True)


def figure(results: Results, table: pd.DataFrame, cells: Sequence[Cell]) -> Figure:
    """A panel for each source of `curves`, a line for each method."""
    first: dict[str, str] = {name: name for name in table["method"].unique()}
    for cell in sorted(cells, key=lambda cell: rank(results, cell.readout), reverse=True):
        first[cell.method] = cell.readout
    methods = [name for name in first if name in set(table["method"])]
    methods.sort(key=lambda name: rank(results, first[name]))
    sources = domains_in_order(results, table["source"])
    figure, axes = panels(len(sources), columns=2, height=2.6)
    for axis, source in zip(axes, sources):
        for number, method in enumerate(methods):
            own = table[(table["source"] == source) & (table["method"] == method)]
            axis.plot(
                own["images"],
                100 * own["accuracy"],
                marker=MARKERS[number % len(MARKERS)],
                markersize=3.5,
                linewidth=1.2,
                color=METHOD_COLOURS[number % len(METHOD_COLOURS)],
                label=training_name(results, method, first[method]) + MARK * bool(own["failed"].any()),
            )
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter(lambda images, _: f"{images:,.0f}")
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_title(f"trained on {domain_name(results, source)}", fontsize=NORMAL)
        axis.set_xlabel("images seen", fontsize=NORMAL)
        axis.set_ylabel("validation accuracy (%)", fontsize=NORMAL)
        keep_to_percent(axis)
        quiet(axis)
    title = [
        "What a method makes of the images it sees: its validation episodes on the source, mean over seeds",
        *([FAILED_NOTE] if table["failed"].any() else []),
    ]
    settle(figure, axes, "\n".join(title), legend=3, below=0.5)
    return figure
