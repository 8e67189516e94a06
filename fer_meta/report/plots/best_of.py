"""What the best of N scores adds by chance alone."""

import pandas as pd
from matplotlib.figure import Figure

from fer_meta.report.load import Results
from fer_meta.report.names import MUTED, domain_name, readout_name
from fer_meta.report.plots.look import MARKERS, NORMAL
from fer_meta.report.plots.panels import arrow, panels, quiet, settle
from fer_meta.statistics.rounding import percent


def figure(results: Results, gains: pd.DataFrame) -> Figure:
    """Points over N, one line per number of episodes of a score, and one panel per source, target, shots and
    readout. Marks are resampled, dashed lines are normal.
    """
    blocks = list(gains.groupby(["experiment", "source", "target", "shots", "readout"], sort=False))
    figure, axes = panels(len(blocks), 2, 3.0)
    for axis, ((_, source, target, shots, readout), block) in zip(axes, blocks):
        for place, (episodes, own) in enumerate(block.groupby("episodes")):
            axis.plot(
                own["number"],
                100 * own["gain"],
                MARKERS[place % len(MARKERS)],
                color=MUTED[place % len(MUTED)],
                markersize=5,
                label=f"{episodes:,} episodes of a score",
            )
            axis.plot(
                own["number"],
                100 * own["gain_normal"],
                "--",
                color=MUTED[place % len(MUTED)],
                linewidth=1,
            )
        axis.set_xscale("log")
        axis.set_xticks(
            sorted(gains["number"].unique()), [f"{n:,}" for n in sorted(gains["number"].unique())]
        )
        axis.minorticks_off()
        axis.set_ylim(0, max(1.0, 105 * gains["gain"].max()))
        axis.set_xlabel("N, scores of which the best is reported", fontsize=NORMAL)
        axis.set_ylabel("points above the accuracy", fontsize=NORMAL)
        pair = arrow(domain_name(results, source), f"{domain_name(results, target)}, {shots}-shot")
        axis.set_title(f"{readout_name(results, readout)}, {percent(block['accuracy'].iloc[0])} %\n{pair}")
        quiet(axis)
    settle(
        figure,
        axes,
        "What the best of N equally good scores adds by chance\n(marks: episodes resampled; dashed: normal)",
        legend=3,
        below=0.5,
    )
    return figure
