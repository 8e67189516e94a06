"""From the runs of a bench to tables, plots and a page of text. Nothing here imports torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from fer_meta.fileio import replacing, sweep
from fer_meta.memory import keep_freed_memory
from fer_meta.records.freshness import (
    PAGE,
    TABLE,
    fresh_report,
    note_report,
    report_key,
    to_look_at,
    told_again,
)
from fer_meta.report.aggregate.accuracy import CSV_COLUMNS, recall_table
from fer_meta.report.aggregate.divisions import one_division
from fer_meta.report.aggregate.folds import folds_table, pooled
from fer_meta.report.aggregate.found import Found, find
from fer_meta.report.aggregate.per_seed import confusion_table, in_parts, seed_table
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.document import Page, Section
from fer_meta.report.formats import csv, latex, markdown, terminal
from fer_meta.report.load import read_results
from fer_meta.report.sections import (
    best_of,
    comparisons,
    divisions,
    glossary,
    leakage,
    means,
    primary,
    reproduction,
    search,
    trainings,
    transductive,
)
from fer_meta.report.sections import published as published_section
from fer_meta.report.sections.brief import brief
from fer_meta.report.sections.page import page
from fer_meta.report.sections.paper import papers
from fer_meta.report.web.page import web_page

__all__ = ["tables", "write_report"]

HOUR = 3600

# Those that a plan may or may not give: none of an older plan may stay behind.
SOMETIMES = [
    "answer.csv",
    "best-of.csv",
    "comparisons.csv",
    "divisions.csv",
    "experiments.csv",
    "folds.csv",
    "heads.csv",
    "kept.csv",
    "means.csv",
    "primary.csv",
    PAGE,
    "search.csv",
    *(
        f"plots/{name}.*"
        for name in (
            "accuracy",
            "answer",
            "best-of",
            "confusion*",
            "divisions",
            "images",
            "training",
            "transfer",
            "severity",
            "ranks",
            "leakage",
            "reproduction",
            "search",
        )
    ),
]


def write_report(
    folder: Path, published: bool = False, with_page: bool = True, photographs: bool = False
) -> str:
    """Write the tables, the page and `plots/` beside the `plan.json` of `folder`; return the terminal's text.

    `table.{csv,md,tex,txt}` (the last is the text), `recall.csv`, `confusion.csv`, `seeds.csv` and
    `trainings.csv` always; `heads.csv`, `means.csv`, `primary.csv`, `comparisons.csv`, `folds.csv`,
    `search.csv` and `experiments.csv` where there is something to say. Only finished runs of the plan count;
    the others are listed with the command that makes them. Everything is computed from the runs'
    predictions, the stored episodes and the trainings' logs; with `published` table.md and the text end with
    published figures in the same settings. `report.html`, the page, has them always; it is left out without
    `with_page`, and shows photographs only with `photographs`. Where all of these, the code and the files
    written are as they were, they stay.

    Raises:
        ResultsError: no plan, no finished run, or a damaged file in a finished run; then nothing is written.
        OSError: the folder, which it names, cannot be written, as on a full disk; each file is the new one or
            as it was.
    """
    folder = Path(folder)
    key = report_key(folder, published, with_page, photographs)
    if written := fresh_report(folder, key):
        return told_again(folder) + _listed(folder, "Unchanged", written)
    from fer_meta.report.plots import writing  # matplotlib takes half a second to import
    from fer_meta.report.plots.all import figures

    keep_freed_memory()
    results, names = read_results(folder), Names()
    found = find(results, pooled(results, read_cells(results, names)), names)
    beside = published_section.section(results, found.scores, found.once)
    last = [beside] if published else []
    whole = _whole(found, last)
    texts = _documents(found, whole, last) | _numbers(found)
    drawings = figures(found)
    # of confusions the page has tables
    on_page = [name for name in drawings if with_page and not name.startswith("confusion")]

    with _naming(folder):
        sweep(folder / "plots", older_than=HOUR)  # what a killed report left; others may be writing
        written = [_write(folder / name, content) for name, content in sorted(texts.items())]
        written += writing.write_figures(drawings, folder / "plots", on_page)
        if with_page:
            whole = whole if published else _whole(found, [beside])
            written.append(_write(folder / PAGE, web_page(found, whole, on_page, photographs)))
        for name in SOMETIMES:
            for path in set(folder.glob(name)) - set(written):
                path.unlink()
        note_report(folder, key, written)
    return texts[TABLE] + _listed(folder, "Written", written)


def tables(folder: Path) -> dict[str, str]:
    """The csv files of the report on `folder`, by name; nothing is written. Raises ResultsError as
    `write_report` does.
    """
    results, names = read_results(folder), Names()
    return _numbers(find(results, pooled(results, read_cells(results, names)), names))


def _documents(found: Found, whole: Page, last: list[Section]) -> dict[str, str]:
    """The files for people, by name."""
    results, cells = found.results, found.cells
    shown = one_division(results, found.scores)
    apart = one_division(results, found.apart)
    short = brief(
        results,
        shown,
        primary.in_words(results, cells, found.primary),
        [
            transductive.section(results, apart, whole=False),
            divisions.section(results, found.divided, whole=False),
            best_of.section(results, found.best_of, whole=False),
            *last,
        ],
    )
    return {
        TABLE: terminal.render(short),
        "table.md": markdown.render(whole),
        "table.tex": "\n".join(map(latex.render, papers(results, shown, apart))),
    }


def _whole(found: Found, last: list[Section]) -> Page:
    """All sections, `last` at the end."""
    results, cells = found.results, found.cells
    shown = one_division(results, found.scores)
    return page(
        results,
        found.scores,
        found.once,
        found.gaps,
        [
            primary.section(results, cells, found.primary),
            divisions.section(results, found.divided),
            best_of.section(results, found.best_of),
            reproduction.section(results, found.reproduced),
            leakage.section(results, found.leaks, found.oracles),
            means.section(results, found.means),
        ],
        comparisons.section(results, one_division(results, found.compared), shown, found.ranked),
        [
            transductive.section(results, one_division(results, found.apart)),
            trainings.section(results, found.trainings, found.whole),
            search.section(results, found.searched),
            *last,
            glossary.section(found),
        ],
    )


def _numbers(found: Found) -> dict[str, str]:
    """The files for programs, by name; those of no rows are left out."""
    sections = {"published": found.reproduced, "leak": found.leaks, "oracle": found.oracles}
    experiments = [rows.assign(section=name) for name, rows in sections.items() if len(rows)]
    tables = {
        "table.csv": found.whole[CSV_COLUMNS],
        "recall.csv": recall_table(found.results, found.cells),
        "seeds.csv": seed_table(found.results, found.cells),
        "heads.csv": found.once,
        "primary.csv": found.primary,
        "answer.csv": found.answer.differences.drop(columns="by_seed"),
        "kept.csv": found.answer.kept.drop(columns="by_seed"),
        "comparisons.csv": found.compared,
        "means.csv": found.means,
        "best-of.csv": found.best_of,
        "divisions.csv": found.divided,
        "trainings.csv": found.trainings,
        "folds.csv": folds_table(found.cells),
        "search.csv": found.searched,
        "experiments.csv": pd.concat(experiments) if experiments else pd.DataFrame(),
    }
    counts = (confusion_table(found.results, part) for part in in_parts(found.results, found.cells))
    return {
        "confusion.csv": csv.render_parts(counts),
        **{name: csv.render(rows) for name, rows in tables.items() if len(rows)},
    }


@contextmanager
def _naming(folder: Path) -> Iterator[None]:
    """An error of the machine says what could not be written, and names the folder if it names no file."""
    try:
        yield
    except OSError as error:
        place = str(error.filename or folder)
        raise OSError(
            error.errno, f"the report cannot be written ({error.strerror or error})", place
        ) from error


def _listed(folder: Path, what: str, paths: list[Path]) -> str:
    return f"\n{what}: {len(paths)} files in {folder}\n{to_look_at(folder)}"


def _write(path: Path, text: str) -> Path:
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode())
    return path
