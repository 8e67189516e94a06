"""Validation on the source against the values of each hyper-parameter that was searched."""

import math

import pandas as pd
from matplotlib.figure import Figure

from fer_meta.report.aggregate.search import COLUMNS
from fer_meta.report.load import Results
from fer_meta.report.names import MUTED, domain_name, domains_in_order, readout_name
from fer_meta.report.plots.look import MARKERS, NORMAL
from fer_meta.report.plots.panels import panels, quiet, settle
from fer_meta.report.plots.percent import keep_to_percent

PICKED = {"linestyle": "none", "marker": "o", "markersize": 9, "markerfacecolor": "none", "color": "black"}


def figure(results: Results, table: pd.DataFrame) -> Figure:
    """A panel for each readout and setting of `search_table`: one dot per trial, a ring around the picked."""
    shown = table.dropna(subset=["validation"])
    settings = [name for name in table.columns if name not in COLUMNS]
    parts = [
        (readout, name, block[block[name] != ""])
        for readout, block in shown.groupby("readout", sort=False)
        for name in settings
        if (block[name] != "").any()
    ]
    sources = domains_in_order(results, shown["source"])
    figure, axes = panels(len(parts), columns=3, height=2.0)
    for axis, (readout, name, block) in zip(axes, parts):
        places = _places(axis, block[name])
        for number, source in enumerate(sources):
            own = (block["source"] == source).to_numpy()
            look = {"color": MUTED[number % len(MUTED)], "marker": MARKERS[number % len(MARKERS)]}
            axis.plot(
                places[own],
                100 * block["validation"][own],
                linestyle="none",
                markersize=4,
                label=f"trained on {domain_name(results, source)}",
                **look,
            )
        best = block["picked"].to_numpy()
        axis.plot(places[best], 100 * block["validation"][best], label="picked", **PICKED)
        axis.set_title(readout_name(results, str(readout)), fontsize=NORMAL)
        axis.set_xlabel(name, fontsize=NORMAL)
        axis.set_ylabel("validation (%)", fontsize=NORMAL)
        axis.margins(0.08)
        keep_to_percent(axis)
        quiet(axis)
    settle(figure, axes, "Settings tried, by their validation on the source", legend=3, below=0.5)
    return figure


def _places(axis, values: pd.Series) -> pd.Series:
    """Where texts lie along x: numbers on an axis of logarithms, 0 at its beginning; words side by side."""
    numbers = pd.to_numeric(values, errors="coerce")
    if numbers.notna().all():
        above = numbers[numbers > 0]
        if len(above) and above.max() > 10 * above.min():
            axis.set_xscale("symlog", linthresh=above.min())
            powers = range(math.ceil(math.log10(above.min())), math.floor(math.log10(above.max())) + 1)
            ticks = [10.0**power for power in powers[:: max(1, len(powers) // 2)]]
            ticks += [0.0] if (numbers == 0).any() else []
            axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        return numbers
    words = sorted(values.unique())
    axis.set_xticks(range(len(words)), words)
    return values.map(words.index)
