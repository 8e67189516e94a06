"""The primary contrast, in words."""

import pandas as pd

from fer_meta.report.aggregate.planned import planned
from fer_meta.report.aggregate.primary import why_not
from fer_meta.report.aggregate.trainings import Side, runs_by_training, shared
from fer_meta.report.cells import Cell
from fer_meta.report.document import Items, Paragraph, Section
from fer_meta.report.load import Results
from fer_meta.report.names import readout_name
from fer_meta.report.sections.trainings import held_equal
from fer_meta.statistics import rounding
from fer_meta.statistics.words import p_in_words
from fer_meta.suites.smoke import smoke_note

WORDS = {"across": "domains that it was not trained on", "within": "its own domain's test images"}


def section(results: Results, cells: list[Cell], primary: pd.DataFrame) -> Section | None:
    """Nothing where the suite names no primary contrast."""
    words = in_words(results, cells, primary)
    note = smoke_note(results.plan.get("preset", ""))
    items = [Items((note,))] if note else []
    return Section("Primary contrast", (Paragraph(words), *items)) if words else None


def in_words(results: Results, cells: list[Cell], primary: pd.DataFrame) -> str:
    """What was named beforehand and what came of it; nothing where the suite names nothing."""
    named = results.plan.get("primary")
    if not named:
        return ""
    first, second = (readout_name(results, named[side]) for side in ("first", "second"))
    over, less = (WORDS.get(named[part], named[part]) for part in ("over", "less"))
    what = f"Named before the runs: {first} less {second}, {named['shots']}-shot, on {over}" + (
        f", less the same on {less}." if named["less"] else "."
    )
    if primary.empty:
        return (
            f"{what} Found: {why_not(results, planned(results, cells))}. All else on this page is"
            " exploratory."
        )
    row = primary.iloc[0]
    points, low, high = (
        rounding.points(row[name], "+") if pd.notna(row[name]) else "" for name in ("value", "low", "high")
    )
    one, other = (_advantage(row, part) for part in ("over", "less"))
    parts = f"{one} less {other} is {points} points" if named["less"] else f"{points} points"
    spread = (
        f" (95 % interval {low} to {high}, {p_in_words(rounding.settled(row['p']))}"
        if low
        else " (its spread is not known"
    )
    equal = held_equal(shared(results, _sides(results, cells)), first, second)
    seeds = f"{row['seeds']} seeds" if row["seeds"] > 1 else "one seed: nothing is said about other trainings"
    each = ", those of each division counted apart" if len(results.plan["divisions"]) > 1 else ""
    pairs = f"{row['pairs']} pairs of source and target{each}, " if row["pairs"] > 1 else ""
    found = f"{what} Found: {parts}{spread}; {pairs}{seeds})."
    margin = beside_margin(named.get("margin"), row, "change" if named["less"] else "difference")
    return " ".join(filter(None, [found, margin, equal, "All else on this page is exploratory."]))


def _advantage(row: pd.Series, part: str) -> str:
    """`over` or `less` in points, with its interval; nothing where the contrast has no such part."""
    value, low, high = (row[f"{name}_{part}"] for name in ("advantage", "low", "high"))
    if pd.isna(value):
        return ""
    points = f"{rounding.points(value, '+')} points"
    return points if pd.isna(low) else f"{points} ({rounding.interval(low, high)})"


def beside_margin(margin: float | None, row: pd.Series, what: str) -> str:
    """What the interval says of equivalence: nothing without a margin or an interval. Both ends of a 95 %
    interval within the margin are two one-sided tests at 2.5 % (Schuirmann 1987, J. Pharmacokinet. Biopharm.
    15, 657-680). `what` was named: a "difference" of two readouts, or its "change" from one place to another,
    which says nothing of how far apart the two are.
    """
    if margin is None or pd.isna(row["low"]):
        return ""
    named = f"Named beforehand too: up to {rounding.points(margin)} points either way count as no {what}."
    if -margin < row["low"] and row["high"] < margin:
        found = "the difference is the same in both places" if what == "change" else "the two are equivalent"
        return f"{named} The interval lies within them: {found}."
    if row["low"] > margin or row["high"] < -margin:
        found = "the difference changes" if what == "change" else "the two differ"
        return f"{named} The interval lies beyond them: {found}."
    return f"{named} The interval reaches beyond them and holds smaller ones too: neither is shown."


def _sides(results: Results, cells: list[Cell]) -> list[tuple[Side, Side]]:
    """The two readouts in each pair of source and target that the contrast is over."""
    trained, found = runs_by_training(results), planned(results, cells)

    def side(cell: Cell) -> Side:
        return Side(cell.readout, trained[cell.experiment, cell.source, cell.method])

    return [(side(one), side(other)) for one, other in (*found.over, *found.less)]
