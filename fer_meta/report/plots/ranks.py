"""Mean ranks with the critical difference."""

from collections.abc import Sequence
from textwrap import fill

from matplotlib.figure import Figure

from fer_meta.report.load import Results
from fer_meta.report.names import readout_name
from fer_meta.report.plots.look import NORMAL, SMALL, WIDTH
from fer_meta.report.plots.panels import panels, quiet, settle
from fer_meta.report.plots.reading import MOST_NAMES, what_bars_say
from fer_meta.report.plots.texts import inches
from fer_meta.sources import parts_of
from fer_meta.statistics.ranks import Ranks

MOST_TICKS = 20
LINE = 96
"""So many letters fit into a line of the title."""


Ranked = list[tuple[float, str]]
"""Mean ranks and readouts."""


def figure(results: Results, ranked: Ranks, unranked: Sequence[str] = ()) -> Figure:
    """Demsar's diagram (2006, J. Mach. Learn. Res. 7, fig. 1): a bar joins readouts whose ranks do
    not differ significantly. Many readouts are a list instead. `unranked` are the names of trainings
    that did not learn.
    """
    places = sorted(zip(ranked.mean, ranked.names))
    if len(places) > MOST_NAMES:
        return _list(results, ranked, unranked, places)
    count, half = len(places), -(-len(places) // 2)
    bars = _joined([mean for mean, _ in places], ranked.critical_difference)
    lowest = 0.5 + 0.3 * len(bars)  # where the first readout's line ends, below the bars
    figure, [axis] = panels(1, 1, 1.2 + 0.3 * (len(bars) + half))
    axis.set_xlim(*_ends(results, places[:half], places[half:]))
    axis.set_ylim(lowest + 0.6 * half + 0.2, -1.6)
    axis.axis("off")
    axis.plot([1, count], [0, 0], color="black", linewidth=1.2)
    for tick in range(1, count + 1):
        axis.plot([tick, tick], [0, -0.15], color="black", linewidth=1.2)
        axis.text(tick, -0.25, str(tick), ha="center", va="bottom", fontsize=SMALL)
    for number, (mean, readout) in enumerate(places):
        left = number < half
        height = lowest + 0.6 * (number if left else count - 1 - number)
        edge, side = (0.9, "right") if left else (count + 0.1, "left")
        axis.plot([mean, mean, edge], [0, height, height], color="black", linewidth=0.9)
        name = (
            f"{readout_name(results, readout)}  {mean:.2f}"
            if left
            else f"{mean:.2f}  {readout_name(results, readout)}"
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
    settle(
        figure,
        [axis],
        _title(results, ranked, unranked),
        left=0.1,
        below=0.1,
        points=NORMAL + 1,
    )
    return figure


def _ends(results: Results, left: Ranked, right: Ranked) -> tuple[float, ...]:
    """The ends of the axis of ranks, so that the names left and right of it have room."""
    names = [[f"{readout_name(results, name)}  0.00" for _, name in side] for side in (left, right)]
    sides = [0.5 + NORMAL / SMALL * max(map(inches, side), default=0) for side in names]
    count = len(left) + len(right)
    rank = max((WIDTH - 0.3 - sum(sides)) / max(count - 1, 1), 0.1)  # inches
    return 1 - sides[0] / rank, count + sides[1] / rank


def _list(
    results: Results, ranked: Ranks, unranked: Sequence[str], places: Sequence[tuple[float, str]]
) -> Figure:
    """One line per readout, the best first, with a bar as long as the critical difference about its rank."""
    figure, [axis] = panels(1, 1, 0.6 + 0.2 * len(places))
    names = [readout_name(results, readout) for _, readout in places]
    reach = ranked.critical_difference / 2
    axis.errorbar(
        [mean for mean, _ in places], range(len(places)), xerr=reach, fmt="o", color="black", markersize=4
    )
    axis.set_yticks(range(len(places)), names, fontsize=SMALL)
    axis.set_ylim(len(places) - 0.5, -0.5)
    axis.set_xticks(range(1, len(places) + 1, -(-len(places) // MOST_TICKS)))
    axis.set_xlabel("mean rank", fontsize=NORMAL)
    quiet(axis)
    left = 0.2 + max(map(inches, names))
    settle(figure, [axis], _title(results, ranked, unranked), left=left, below=0.5, points=NORMAL + 1)
    return figure


def _title(results: Results, ranked: Ranks, unranked: Sequence[str]) -> str:
    domains = {
        name
        for run in results.runs
        # an experiment's mixture is one data set, whatever its name
        for name in (*([run.source] if run.experiment else parts_of(run.source)), run.target)
    }
    rendered = domains & set(results.plan.get("rendered", []))
    faces = (
        " of rendered faces" if rendered == domains else " of rendered and other faces" if rendered else ""
    )
    failed = ", ".join(unranked)
    note = f"\n{fill(f'not ranked, for a training did not learn: {failed}', LINE)}" if failed else ""
    bars = what_bars_say(len(ranked.names))
    title = (
        f"Mean ranks (1 is best) over {ranked.blocks} blocks{faces}; {bars} (Nemenyi, 5 %)."
        " Blocks of one bench share models and images: for orientation"
    )
    return fill(title, LINE) + note


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
