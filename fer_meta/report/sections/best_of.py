"""What reporting the best of N scores adds by chance alone."""

import pandas as pd

from fer_meta.report.aggregate.best_of import NUMBERS
from fer_meta.report.document import Block, Figure, Paragraph, Section, Table, Text, by_column, joined
from fer_meta.report.load import Results
from fer_meta.report.names import experiment_title, readout_name
from fer_meta.report.sections.words import domain
from fer_meta.statistics.rounding import points

SHORT = (
    "Points that the best of N equally good scores lies above the accuracy, by chance alone. Where the scored"
    " differ, this is the most that the noise in the best score comes to, on average."
)
WORDS = (
    "Points that the best of N test scores lies above the accuracy, on average, if all that are scored are"
    " equally good and each score has episodes of its own: noise alone, found by resampling the answers in"
    " the episodes of this bench. Checkpoints that differ have a best score that is higher still. That part"
    " is real: score the chosen checkpoint again, and it stays. The noise in the best score does not stay,"
    " and is at most what this table says, on average. Scores in the same episodes share much of their noise,"
    " and gain less."
)
FIGURE = Figure("plots/best-of", "What the best of N scores adds, by the episodes of a score")


def section(results: Results, gains: pd.DataFrame, whole: bool = True) -> Section | None:
    """From the rows of `best_of_table`; nothing without rows. `whole`: with the figure, as on the page."""
    if gains.empty:
        return None
    blocks: list[Block] = [Paragraph(f"{WORDS} {_check(gains)}" if whole else SHORT)]
    for (experiment, source, target, shots), block in gains.groupby(
        ["experiment", "source", "target", "shots"], sort=False
    ):
        first = block.iloc[0]
        title, names = (
            experiment_title(results, experiment),
            (domain(results, one) for one in (source, target)),
        )
        pair: Text = (title, joined([*names], " → "))
        asked = first["queries"] // first["way"]
        what = (
            f", {first['way']}-way {shots}-shot, {asked} {'query' if asked == 1 else 'queries'} of a class,"
            f" {first['measured']:,} episodes measured:"
        )
        blocks += [Paragraph((pair, what)), _table(results, block)]
    return Section("The best of N scores", (*blocks, *([FIGURE] if whole else [])))


def _check(gains: pd.DataFrame) -> str:
    """How far the normal distribution is from the resampled one."""
    off = (gains["gain"] - gains["gain_normal"]).abs()
    few = gains["episodes"] < 100
    return (
        "A normal distribution with the episodes' standard deviation gives the same within"
        f" {points(off[few].max())} points for fewer than 100 episodes, and {points(off[~few].max())} for"
        " more."
    )


def _table(results: Results, block: pd.DataFrame) -> Table:
    """One row per readout and number of episodes, one column per number of scores."""
    rows = list(block.groupby(["readout", "accuracy", "episodes", "sd"], sort=False))
    gains = [dict(zip(own["number"], own["gain"])) for _, own in rows]
    return by_column(
        {"method": [readout_name(results, readout) for (readout, *_), _ in rows]},
        {
            "accuracy": [points(accuracy) for (_, accuracy, *_), _ in rows],
            "episodes of a score": [f"{episodes:,}" for (*_, episodes, _), _ in rows],
            "sd of a score": [points(sd) for (*_, sd), _ in rows],
            **{f"best of {number:,}": [points(own[number], "+") for own in gains] for number in NUMBERS},
        },
    )
