"""Sizes, lines and markers of all plots."""

from fer_meta.report.names import BAYES
from fer_meta.statistics.failed import MARK

WIDTH = 9.0  # inches; at 150 dpi it shrinks to a README's 900 pixels with 9 pt text still readable
SMALL, NORMAL = 8, 9  # points
DASHES = ["-", "--", ":", "-."]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
# Okabe and Ito's, for methods that a plot tells apart by colour alone.
METHOD_COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F3C8D", "#666666"]
# What is known exactly: black lines, last in the legend.
CHANCE = {"color": "black", "linestyle": "--", "linewidth": 1, "label": "chance"}
BEST = {"color": "black", "linestyle": ":", "linewidth": 1.5, "label": BAYES}
# Trainings beside their mean.
SEED = {
    "linestyle": "none",
    "marker": "o",
    "markersize": 3,
    "markerfacecolor": "white",
    "markeredgecolor": "black",
    "markeredgewidth": 0.6,
    "label": "one training",
    "zorder": 4,
}
FAILED = {
    "linestyle": "none",
    "marker": "x",
    "markersize": 5,
    "color": "black",
    "markeredgewidth": 1.3,
    "label": "a training that did not learn",
    "zorder": 5,
}
FAILED_NOTE = f"{MARK}: at least one of the trainings did not learn"
