"""A page that ranks the readouts of several bundles."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd

from fer_meta.commit import short
from fer_meta.report.aggregate.leaderboard import Entry, Group, episodes_of
from fer_meta.report.aggregate.trainings import UNKNOWN, backbone, images_seen, weights
from fer_meta.report.document import (
    Bar,
    Block,
    Code,
    Column,
    Items,
    Measured,
    Page,
    Paragraph,
    Row,
    Section,
    Table,
    Text,
    paragraphs,
)
from fer_meta.report.names import domain_name, experiment_title, is_own_head, reading_name, training_name
from fer_meta.report.sections.words import domain, interval_note
from fer_meta.statistics.failed import MARK
from fer_meta.statistics.rounding import percent, points, settled
from fer_meta.suites.smoke import smoke_note

SHORT = 10
"""Letters of a hash in a table."""

WORDS = (
    "Rows of one table answered the same episodes, image by image. A rank compares trained systems: only rows"
    " that are equal in backbone, initial weights, images seen and readout compare objectives. The checkpoint"
    " was picked on the source's validation images."
)
BEHIND = (
    "Behind is how many points a row is behind the first, paired by seed, episode and person. The"
    " intervals of 95 % hold together for all pairs of rows of a table, for the first is picked by the same"
    " answers. Where one holds 0, the two are not separable. The first is the best of many, so its own"
    " accuracy is a little too high."
)

OWN_HEAD = "An own head uses no support: it names the classes that it was trained on."

COLUMNS = (
    Column("method", number=False, choice=True),
    Column("accuracy"),
    Column("behind"),
    *(Column(name, number=False, choice=True) for name in ("readout", "source")),
    Column("backbone", number=False, choice=True),
    Column("initial weights", number=False),
    Column("images seen"),
    Column("seeds"),
    Column("episodes"),
    Column("bundle", number=False),
    Column("commit", number=False),
)


class Shown(NamedTuple):
    """A bundle for people."""

    name: str
    sha256: str
    title: str
    runs: int
    missing: int
    preset: str = ""


def page(bundles: Sequence[Shown], found: Sequence[Group]) -> Page:
    """One table for each set of episodes, and the bundles that they are of."""
    scores = pd.DataFrame([entry.score for group in found for entry in group.entries])
    notes = [WORDS, BEHIND, interval_note(scores)]
    if any(is_own_head(entry.cell.readout) for group in found for entry in group.entries):
        notes.append(OWN_HEAD)
    if any(entry.cell.failed for group in found for entry in group.entries):
        notes.append(f"{MARK} a training did not learn; nothing is claimed of it, and it has no rank.")
    if (scores["seeds"] < scores["planned_seeds"]).any():
        notes.append("* Not all of its seeds are finished.")
    sections, parts = [], Counter[str]()
    for group in found:
        title = _title(group)
        parts[title] += 1
        number = f" ({parts[title]})" if parts[title] > 1 else ""
        sections.append(Section(title + number, _blocks(bundles, group)))
    blocks = (Section("", tuple(map(Paragraph, notes))), *sections, _bundles(bundles))
    return Page("Leaderboard", blocks, _warning(bundles))


def _warning(bundles: Sequence[Shown]) -> str:
    """What must be said of some bundles before all else."""
    found = {one.name: note for one in bundles if (note := smoke_note(one.preset))}
    return f"{', '.join(found)}: {next(iter(found.values()))}" if found else ""


def _title(group: Group) -> str:
    """The task, and what sets it apart from the first table of this task."""
    cell = group.first.cell
    task = f"{domain_name(group.first.results, cell.target)}: {cell.way}-way {cell.shots}-shot"
    return ", ".join([task, *(reason.name for reason in group.apart)])


def _blocks(bundles: Sequence[Shown], group: Group) -> tuple[Block, ...]:
    first = group.first
    reasons = "; ".join(reason.why for reason in group.apart)
    why = f"Not ranked with the first table of this target and these shots: {reasons}."
    several = any(entry.cell.experiment for entry in group.entries)
    rows = tuple(
        (
            rank,
            *_cells(bundles, entry, best=rank == "1"),
            *([experiment_title(entry.results, entry.cell.experiment, "")] if several else []),
        )
        for rank, entry in zip(_ranks(group), group.entries)
    )
    experiment = [Column("experiment", number=False, choice=True)] if several else []
    columns = (Column("rank"), *COLUMNS, *experiment)
    hashes = _each(map(_hash, episodes_of(first)))
    note = Paragraph(("Episodes: ", Code(hashes), f"; chance is {percent(1 / first.cell.way)} %."))
    return (*paragraphs(why if group.apart else ""), Table(columns, (rows,)), note)


def _ranks(group: Group) -> list[str]:
    """Equal accuracies have the same rank, and one of which a training did not learn has none."""
    scores = [None if entry.cell.failed else settled(entry.score.accuracy) for entry in group.entries]
    learned = [score for score in scores if score is not None]
    return ["" if score is None else str(1 + sum(other > score for other in learned)) for score in scores]


def _cells(bundles: Sequence[Shown], entry: Entry, best: bool) -> Row:
    """Those of COLUMNS."""
    cell, score, results = entry.cell, entry.score, entry.results
    images = images_seen(entry.runs)
    half = "" if pd.isna(score.ci95) else percent(score.ci95)
    words = Measured(
        percent(score.accuracy),
        half,
        best=best,
        failed=bool(cell.failed),
        lacking=score.seeds < score.planned_seeds,
    )
    spread = 0 if pd.isna(score.ci95) else score.ci95
    dots = tuple(scores.accuracy for scores in cell.scores)
    return (
        training_name(results, cell.method, cell.readout),
        Bar(words, score.accuracy, score.accuracy - spread, score.accuracy + spread, dots, 1 / cell.way),
        _behind(entry),
        reading_name(results, cell.method, cell.readout),
        domain(results, cell.source),
        backbone(entry.runs),
        weights(entry.runs),
        UNKNOWN if pd.isna(images) else f"{images:,.0f}",
        str(score.seeds),
        f"{score.episodes:,.0f}",
        Code(", ".join(bundles[place].sha256[:SHORT] for place in entry.places)),
        Code(_each(short(run.made_by.get("commit", "")) for run in entry.runs) or UNKNOWN),
    )


def _behind(entry: Entry) -> Text:
    if entry.behind is None:
        return ""
    numbers = entry.behind.value, entry.behind.low, entry.behind.high
    value, low, high = map(points, numbers)
    return f"{value} ({low} to {high})"


def _bundles(bundles: Sequence[Shown]) -> Section:
    columns = (
        Column("bundle", number=False),
        Column("SHA-256", number=False),
        Column("suite", number=False),
        Column("runs"),
        Column("not finished"),
    )
    rows = tuple(
        (Code(one.name), Code(one.sha256), one.title, str(one.runs), str(one.missing)) for one in bundles
    )
    twice = [name for name, number in Counter(one.sha256 for one in bundles).items() if number > 1]
    note = (Items(tuple(f"{name[:SHORT]} was given more than once." for name in twice)),) if twice else ()
    return Section("Bundles", (Table(columns, (rows,)), *note))


def _each(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(filter(None, texts)))


def _hash(path: str) -> str:
    """That of the episodes, which ends the name of their file."""
    return path.removesuffix(".parquet").rpartition("-")[2]
