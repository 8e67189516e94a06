"""The answer of a suite in plain words: its primary contrast, and what it rests on."""

import math

import pandas as pd

from fer_meta.report.aggregate.found import Found
from fer_meta.report.document import Bold, Items, Link, Paragraph, Section, Text, paragraphs
from fer_meta.report.load import Results
from fer_meta.report.names import readout_name
from fer_meta.report.sections import glossary, primary
from fer_meta.report.sections.words import failed_note, unjudged_note, unlabelled_note
from fer_meta.statistics import rounding
from fer_meta.statistics.words import p_in_words
from fer_meta.suites.smoke import smoke_note

SEPARABLE = 0.05


def section(found: Found) -> Section:
    """The first part of the page."""
    results = found.results
    said = primary.in_words(results, found.cells, found.primary)
    words = _verdict(results, found.primary) if len(found.primary) else ""
    if not said:
        words = "This suite names no comparison beforehand, so it has no answer: all it shows is exploratory."
    return Section(
        "The answer of this suite",
        (
            *paragraphs(words, said),
            *([Items(tuple(caveats))] if (caveats := _caveats(found)) else []),
            Paragraph(("What the words mean: ", Link("the list at the end", glossary.PLACE), ".")),
        ),
        leads=True,
    )


def _verdict(results: Results, table: pd.DataFrame) -> Text:
    """One or two sentences on the only row of `primary_table`."""
    row = table.iloc[0]
    first, second = (readout_name(results, row[side]) for side in ("first", "second"))
    over, less = (primary.WORDS.get(row[part], row[part]) for part in ("over", "less"))
    if not row["less"]:
        found = f"On {over}, {first} is {ahead(row['advantage_over'])} {second}. This difference is "
        return (found, *_decided(results, row))
    return (
        f"On {over}, {first} is {_advantage(row, 'over', second)}. On {less}, it is"
        f" {_advantage(row, 'less', 'it')}. The difference between the two,"
        f" {rounding.points(row['value'], '+')} points, is ",
        *_decided(results, row),
    )


def _advantage(row: pd.Series, part: str, than: str) -> str:
    """How far the first method is before the other, called `than`, and whether that may be nothing."""
    value, low, high = (row[f"{name}_{part}"] for name in ("advantage", "low", "high"))
    unsure = ", which is not separable from zero" if low <= 0 <= high else ""
    return f"{ahead(value, low, high)} {than}{unsure}"


def ahead(advantage: float, low: float = math.nan, high: float = math.nan) -> str:
    """How far one method is before another, whose name follows, with its interval if that is given; 0 to
    1.
    """
    size = rounding.points(abs(advantage))
    if not float(size):
        return "level with"
    ends = sorted((-low, -high) if advantage < 0 else (low, high))
    spread = "" if math.isnan(low) else f" ({rounding.points(ends[0])} to {rounding.points(ends[1])})"
    return f"{size} points{spread} {'behind' if advantage < 0 else 'ahead of'}"


def _decided(results: Results, row: pd.Series) -> tuple[Text, ...]:
    """What the interval says: the words, then the interval."""
    if pd.isna(row["low"]):
        return (Bold("not judged"), ", for its spread is not known.")
    margin = results.plan["primary"].get("margin")
    low, high = (rounding.points(row[end], "+") for end in ("low", "high"))
    interval = f" (95 % interval {low} to {high}, {p_in_words(rounding.settled(row['p']))})."
    if margin is not None and -margin < row["low"] and row["high"] < margin:
        return (Bold(f"equivalent to none within {rounding.points(margin)} points"), interval)
    separable = row["p"] < SEPARABLE
    return (Bold("separable from zero" if separable else "not separable from zero"), interval)


def _caveats(found: Found) -> list[Text]:
    """What a reader must know before quoting the answer."""
    results = found.results
    rendered = bool(results.plan.get("rendered"))
    one_seed = found.scores["seeds"].max() == 1
    return [
        text
        for text in (
            smoke_note(results.plan.get("preset", "")),
            "Faces of the domains that are called rendered were made by fer-meta; they are no photographs."
            if rendered
            else "",
            "One seed: other trainings may give another order." if one_seed else "",
            f"{len(results.missing)} of {len(results.plan['runs'])} runs are missing."
            if results.missing
            else "",
            failed_note(results, found.scores),
            unjudged_note(results, found.scores),
            unlabelled_note(results, found.scores),
        )
        if text
    ]
