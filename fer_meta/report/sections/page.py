"""The page: which sections it has, and in which order."""

from collections.abc import Sequence

import pandas as pd

from fer_meta.report.aggregate import folds
from fer_meta.report.aggregate.divisions import one_division
from fer_meta.report.document import Code, Page, Paragraph, Section, Text, Verbatim, paragraphs
from fer_meta.report.load import Results
from fer_meta.report.sections import gap, headline, heads, missing, targets
from fer_meta.report.sections.left_out import left_out
from fer_meta.report.sections.words import interval_note, unjudged_note
from fer_meta.suites.smoke import smoke_note

SELECTED_BY = (
    "Each readout picks for itself: an own head by its recall averaged over classes (UAR) on all images of"
    " the split, all others by their accuracy in its validation episodes."
)
RENDERED_NOTE = "(rendered): faces drawn by fer-meta on the machine, not photographs."


def page(
    results: Results,
    scores: pd.DataFrame,
    once: pd.DataFrame,
    gaps: pd.DataFrame,
    first: Sequence[Section | None] = (),
    compared: Section | None = None,
    last: Sequence[Section | None] = (),
) -> Page:
    """From `accuracy_table`, `head_table` and `gap_table`; the sections `first` come before the headline,
    `compared` behind it, `last` at the end.
    """
    sections = [
        Section("", tuple(_start(results, scores))),
        *first,
        headline.section(results, scores),
        compared,
        gap.section(results, gaps),
        *targets.sections(results, one_division(results, scores)),
        heads.section(results, once),
        missing.not_run(results),
        missing.missing(results),
        *last,
    ]
    title = results.plan.get("title") or results.plan["suite"]
    return Page(title, tuple(one for one in sections if one), smoke_note(results.plan.get("preset", "")))


def _start(results: Results, scores: pd.DataFrame) -> list[Paragraph | Verbatim]:
    plan = results.plan
    picked = (
        "Mean accuracy in percent over the same queries for every method, by how the checkpoint was "
        "picked: source-val, on the source's validation split (the headline; the best method of a "
        "source is bold); last, the last one; oracle, on the target's validation split, which no one "
        f"has in practice. {SELECTED_BY} {interval_note(scores)}"
    )
    made_by: Text = "Suite ", Code(plan["suite"]), ", preset ", Code(plan.get("preset", "")), ", made by:"
    return [
        Paragraph(made_by),
        Verbatim(results.command),
        *paragraphs(
            " ".join(filter(None, [_backbones(scores), balance_note(scores)])),
            picked,
            RENDERED_NOTE if plan.get("rendered") else "",
            folds.note(results),
            unjudged_note(results, scores),
            *left_out(results),
            "The last section explains the words.",
        ),
    ]


def _backbones(scores: pd.DataFrame) -> str:
    pairs = scores[["method", "backbone"]].drop_duplicates().itertuples(index=False)
    return "Backbones: " + ", ".join(f"{method} {backbone}" for method, backbone in pairs) + "."


def balance_note(scores: pd.DataFrame) -> str:
    """How training on batches met classes of unequal size; in training episodes they are of equal size."""
    where = "experiment" if (scores["experiment"] != "").any() else "method"
    kinds = scores[scores["class_balance"] != ""].groupby("class_balance")[where].unique()
    if kinds.empty:
        return ""
    usual, *others = sorted(kinds.index, key=lambda kind: -len(kinds[kind]))
    return (
        f"Class balance in supervised training: {usual}"
        + "".join(f"; {kind} in {', '.join(kinds[kind])}" for kind in others)
        + "."
    )
