"""Every accuracy of a bench in one table, to sort and to choose from, with its caveats and its origin."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pandas as pd

from fer_meta.report.aggregate.found import Found
from fer_meta.report.aggregate.trainings import images_seen, runs_by_training, weights
from fer_meta.report.cells import Cell
from fer_meta.report.document import (
    Bar,
    Block,
    Bold,
    Column,
    Items,
    Link,
    Paragraph,
    Row,
    Section,
    Table,
    Text,
    paragraphs,
)
from fer_meta.report.load import Results
from fer_meta.report.names import (
    is_own_head,
    reading_name,
    training_name,
)
from fer_meta.report.sections import glossary
from fer_meta.report.sections.words import FEW, exact, interval_note, measured
from fer_meta.report.web.made_by import anchor
from fer_meta.sources import is_rendered, parts_of

MOST_ROWS = 3000
"""A browser shows more only slowly; `table.csv` has them all."""

FIRST = "source-val"

CELL = ["experiment", "source", "target", "readout", "shots", "selection"]

HOW = (
    "Accuracy in percent on the same queries for every method. Choose above the table, and click on a head "
    "to sort. The band is the 95 % interval, the strong line the mean, each dot a training (if there are "
    "several), and the dashed line chance; the axis is 0 to 100. Two rows differ in the objective alone only "
    "where backbone, weights, images seen and readout are equal."
)
PICKED = (
    "Each accuracy is there for several checkpoints of the same training. At first you see those that the "
    f"source's validation picked ({FIRST}); choose another checkpoint, or all, to see what it changes."
)

CAVEATS = {
    "did not learn": "the training of these seeds was no better than a guess.",
    "seeds missing": "not all planned seeds are finished.",
    "one seed": "one training only; another may give another order.",
    **{word: glossary.WORDS[word] for word in ("oracle", "own head")},
    "transductive": "each answer may use the other queries of its episode.",
    "few": f"fewer than {FEW} people, clips or images were tested: the interval is a little too short.",
    "classes left out": "too few images for the episodes of this target.",
    "rendered": "faces made by fer-meta, no photographs; of some domains only, if names follow.",
}
"""What a short word in the column of caveats says."""


def section(found: Found) -> Section:
    """From the `accuracy_table`, those of transductive answers among them."""
    rows = found.whole
    shown = rows.head(MOST_ROWS)
    more = (
        f"The first {MOST_ROWS:,} of {len(rows):,} rows; table.csv has all." if len(rows) > MOST_ROWS else ""
    )
    picked = PICKED if shown["selection"].nunique() > 1 and (shown["selection"] == FIRST).any() else ""
    return Section(
        "Every result",
        (
            *paragraphs(HOW, picked, interval_note(rows), more),
            table(found.results, shown, found.cells),
            *_explained(shown, _rendered(found.results)),
        ),
    )


def _rendered(results: Results) -> Collection[str]:
    """The names of the rendered domains."""
    return results.plan.get("rendered", ())


def _explained(rows: pd.DataFrame, rendered: Collection[str]) -> list[Block]:
    """The caveats that these rows have, each once."""
    there = {word for row in rows.itertuples() for word, _ in caveats(row, rendered)}
    words = tuple((Bold(word), f": {said}") for word, said in CAVEATS.items() if word in there)
    return [Paragraph("The caveats:"), Items(words)] if words else []


def table(results: Results, rows: pd.DataFrame, cells: Iterable[Cell]) -> Table:
    """One row for each of `accuracy_table`. A phone shows the first three columns. Domains have their bare
    names: a caveat says which are rendered.
    """
    known = {tuple(getattr(cell, name) for name in CELL): cell for cell in cells}
    trained, rendered = runs_by_training(results), _rendered(results)

    def line(row: Any) -> Row:
        runs = trained[row.experiment, row.source, row.method]
        return (
            training_name(results, row.method, row.readout),
            _bar(row, known),
            reading_name(results, row.method, row.readout),
            *([row.experiment] if results.experiments else []),
            row.source,
            row.target,
            str(row.shots),
            row.selection,
            ", ".join(word + (f" ({detail})" if detail else "") for word, detail in caveats(row, rendered)),
            row.backbone,
            weights(runs),
            _number(images_seen(runs)),
            exact(row.uar),
            exact(row.chance),
            str(row.seeds),
            f"{row.episodes:,}",
            Link("runs", anchor(row.experiment, row.source, row.target, row.method)),
        )

    heads = (
        Column("method", number=False, choice=True),
        Column("accuracy, %"),
        Column("readout", number=False, choice=True),
        *([Column("experiment", number=False, choice=True)] if results.experiments else []),
        *(Column(name, number=name == "shots", choice=True) for name in ("source", "target", "shots")),
        Column("checkpoint", number=False, choice=True, chosen=FIRST),
        Column("caveats", number=False),
        *(Column(name, number=False, choice=True) for name in ("backbone", "weights")),
        *(Column(name) for name in ("images seen", "UAR, %", "chance, %", "seeds", "episodes")),
        Column("made by", number=False),
    )
    lines = tuple(line(row) for row in rows.itertuples())
    return Table(heads, (lines,), caption="Accuracy of every method, source and target")


def caveats(row: Any, rendered: Collection[str]) -> list[tuple[str, str]]:
    """What must be said with the number of a row of `accuracy_table`: words of CAVEATS, each with its detail
    or "". `rendered` are the names of the rendered domains.
    """
    seeds = row.failed_seeds.split()
    return [
        (word, detail)
        for holds, word, detail in (
            (seeds, "did not learn", f"seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}"),
            (row.seeds < row.planned_seeds, "seeds missing", f"{row.seeds} of {row.planned_seeds}"),
            (row.seeds == 1, "one seed", ""),
            (row.selection == "oracle", "oracle", ""),
            (is_own_head(row.readout), "own head", ""),
            (row.transductive, "transductive", ""),
            (row.members < FEW, "few", f"{row.members} {row.groups}"),
            (row.excluded, "classes left out", row.excluded),
            (row.rendered, "rendered", _which(row, rendered)),
        )
        if holds
    ]


def _which(row: Any, rendered: Collection[str]) -> str:
    """The rendered data sets of a row of which others are photographs; "" if all are rendered."""
    names = dict.fromkeys((*parts_of(row.source), *parts_of(row.target)))
    found = [name for name in names if is_rendered(name, rendered)]
    return ", ".join(found) if len(found) < len(names) else ""


def _bar(row: Any, known: Mapping[tuple, Cell]) -> Text:
    cell = known.get(tuple(getattr(row, name) for name in CELL))
    dots = tuple(scores.accuracy for scores in cell.scores) if cell and len(cell.seeds) > 1 else ()
    half = 0.0 if pd.isna(row.ci95) else row.ci95
    return Bar(measured(row), row.accuracy, row.accuracy - half, row.accuracy + half, dots, row.chance)


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:,.0f}"
