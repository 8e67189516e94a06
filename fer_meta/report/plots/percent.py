"""Accuracies in percent: no axis goes below 0 or much above 100; an arrow marks an interval that does."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

GOES_ON = "an interval that goes on"


def draw_intervals(
    axis: Axes,
    places: ArrayLike,
    accuracies: ArrayLike,
    halves: ArrayLike,
    upright: bool = True,
    **look: Any,
) -> None:
    """Accuracies with their intervals, from 0 to 1 (a half width may be NaN): along y if `upright`, else
    along x. What reaches beyond 0 or 100 % ends there in an arrow. `look` is of matplotlib's `errorbar`.
    """
    places, means = np.asarray(places, float), 100 * np.asarray(accuracies, float)
    half = np.nan_to_num(100 * np.asarray(halves, float))
    below, above = np.fmin(half, means), np.fmin(half, 100 - means)
    ends = np.maximum([below, above], 0)
    if upright:
        axis.errorbar(places, means, yerr=ends, **look)
    else:
        axis.errorbar(means, places, xerr=ends, **look)
    colour = look.get("ecolor") or look.get("color")
    for end, shown, marker in ((0, below, "v<"), (100, above, "^>")):
        if (on := half > shown + 1e-9).any():
            along, across = places[on], np.full(on.sum(), end)
            axis.plot(
                *((along, across) if upright else (across, along)),
                marker[0 if upright else 1],
                color=colour,
                markersize=4,
                clip_on=False,
                label=GOES_ON,
            )


def keep_to_percent(axis: Axes, upright: bool = True) -> None:
    """The axis of accuracies from 0 at least, and to little more than 100 at most."""
    low, high = axis.get_ylim() if upright else axis.get_xlim()
    (axis.set_ylim if upright else axis.set_xlim)(max(low, 0), min(high, 101.5))
