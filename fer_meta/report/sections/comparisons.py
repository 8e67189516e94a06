"""Method against method: the best one of each place against the others, and the mean ranks."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from fer_meta.report.aggregate.comparisons import BLOCK, FEWEST_PAIRS, failed_readouts, to_rank
from fer_meta.report.aggregate.means import WIDE
from fer_meta.report.document import (
    Block,
    Code,
    Column,
    Figure,
    Measured,
    Number,
    Paragraph,
    Section,
    Table,
    Text,
)
from fer_meta.report.load import Results
from fer_meta.report.names import experiment_title, readout_name
from fer_meta.report.sections.words import domain, failed_note, p_value
from fer_meta.statistics import rounding
from fer_meta.statistics.failed import MARK
from fer_meta.statistics.intervals import ALPHA
from fer_meta.statistics.ranks import Ranks
from fer_meta.statistics.rounding import settled

INTRODUCTION = (
    "Exploratory, for no one of these pairs was named beforehand. On the same queries, by the checkpoint "
    "picked on the source's validation split: the best method less each other one, in points. Intervals "
    "and p-values are over seeds, people (clips, images) and episodes, and simultaneous for all pairs of "
    "methods of the same source, target and shots (Bonferroni): two methods are separable where p is "
    "below 0.05, and the difference is bold. Episodes needed: how many would separate a difference of "
    "this size in 80 of 100 benchmarks; none would do where the spread over seeds, people, clips or "
    "images is too large. Not equal: which of backbone, initial weights, images seen and readout the two "
    "do not share; their difference is then not an effect of the objective alone. All pairs: "
)
ONE_SEED = "With one seed, none of this says anything about other trainings."


def section(
    results: Results, compared: pd.DataFrame, scores: pd.DataFrame, ranked: Ranks | None
) -> Section | None:
    """From the rows of `comparisons` and `accuracy_table`, and `ranks`; nothing without rows. Of more than
    WIDE readouts the statements are hundreds, which `comparisons.csv` has.
    """
    if compared.empty:
        return None
    few = to_rank(scores)[1] < FEWEST_PAIRS
    end = f"; no mean ranks, for they need {FEWEST_PAIRS} pairs of source and target." if few else "."
    many = scores["readout"].nunique() > WIDE
    only = f" (only there, for a bench of more than {WIDE} readouts)" if many else ""
    blocks: list[Block] = [Paragraph((INTRODUCTION, Code("comparisons.csv"), only + end))]
    for place, block in compared.groupby(BLOCK, sort=False) if not many else ():
        blocks += [
            Paragraph(_title(results, *place)),
            *_against_best(results, place, block, scores),
        ]
    if ranked:
        words = _ranks_in_words(results, scores, ranked)
        plot = Figure("plots/ranks", "Mean ranks with the critical difference")
        blocks.append(Section("Mean ranks", (Paragraph(words), plot)))
    return Section("Method against method", tuple(blocks))


def _title(results: Results, experiment: str, source: str, target: str, way: int, shots: int) -> Text:
    pair: Text = domain(results, source), " → ", domain(results, target)
    return experiment_title(results, experiment), pair, f", {way}-way {shots}-shot:"


def _against_best(
    results: Results, place: tuple, block: pd.DataFrame, scores: pd.DataFrame
) -> Iterator[Block]:
    """The best method less each other one, and whether something is not claimed."""
    claimed, unclaimed = block[block["failed_seeds"] == ""], block[block["failed_seeds"] != ""]
    if len(claimed):
        best = claimed[claimed["first"] == claimed["first"].iloc[0]]
        name = readout_name(results, best["first"].iloc[0])
        rows = list(best.itertuples())
        columns: dict[Column, list[Text]] = {
            Column(f"{name} less", number=False): [readout_name(results, row.second) for row in rows],
            Column("difference"): [_points(row) for row in rows],
            Column("95 % interval"): [_interval(row) for row in rows],
            Column("p"): [p_value(settled(row.p_corrected)) for row in rows],
            Column("episodes needed"): [_needed(row) for row in rows],
            Column("not equal", number=False): [row.differs for row in rows],
        }
        columns = {column: cells for column, cells in columns.items() if any(cells)}
        yield Table((*columns,), (tuple(zip(*columns.values())),))
        if (best["seeds"] == 1).all():
            yield Paragraph(ONE_SEED)
    if len(unclaimed):
        here = (scores[BLOCK] == pd.Series(place, BLOCK)).all(axis=1)
        note = failed_note(results, scores[(scores["selection"] == "source-val") & here])
        yield Paragraph(f"no claim where a training failed: {note}")


def _points(row: Any) -> Text:
    return Measured(rounding.points(row.difference, "+"), best=settled(row.p_corrected) < ALPHA)


def _interval(row: Any) -> Text:
    """Of accuracies, so that no end is beyond 100 points; empty where nothing shows a spread."""
    if pd.isna(row.low):
        return ""
    return Number(" to ".join(rounding.points(min(max(end, -1.0), 1.0), "+") for end in (row.low, row.high)))


def _needed(row: Any) -> str:
    if settled(row.p_corrected) < ALPHA:
        return ""
    return "none would do" if pd.isna(row.episodes_needed) else f"{row.episodes_needed:,.0f}"


def _ranks_in_words(results: Results, scores: pd.DataFrame, ranked: Ranks) -> str:
    places = sorted(zip(ranked.mean, ranked.names))
    listed = ", ".join(f"{readout_name(results, name)} {mean:.2f}" for mean, name in places)
    failed = failed_readouts(scores)
    others = [name for name in scores["readout"].drop_duplicates() if name not in {*ranked.names, *failed}]
    friedman = "< 0.001" if ranked.friedman_p < 0.001 else f"= {ranked.friedman_p:.3f}"
    words = (
        f"{listed} (1 is best; {ranked.blocks} blocks: experiments, sources, targets and shots). Friedman's"
        f" test: p {friedman}; mean ranks are separable where they differ by {ranked.critical_difference:.2f}"
        " (Nemenyi, 5 %). For orientation only: blocks of one bench share models and images and are no"
        " independent data sets."
    )
    for why, names in [
        ("because not in most blocks", others),
        (f"because a training did not learn ({MARK})", failed),
    ]:
        if names:
            words += f" Not ranked, {why}: {', '.join(readout_name(results, name) for name in names)}."
    return words
