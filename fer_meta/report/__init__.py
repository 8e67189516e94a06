"""From the runs of a bench to tables, plots and a page of text. Nothing here imports torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from fer_meta.fileio import replacing, sweep
from fer_meta.memory import keep_freed_memory
from fer_meta.report import unchanged
from fer_meta.report.aggregate import accuracy as numbers
from fer_meta.report.aggregate import comparisons as compare
from fer_meta.report.aggregate import folds, gap, leakage, per_seed, primary
from fer_meta.report.aggregate import reproduction as experiments
from fer_meta.report.aggregate.published import beside
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.formats import latex, terminal
from fer_meta.report.load import read_results
from fer_meta.report.sections import tables

__all__ = ["write_report"]

HOUR = 3600
TEXT = "table.txt"  # what the terminal shows, without the list of files

# Those that a plan may or may not give: none of an older plan may stay behind.
SOMETIMES = [
    "comparisons.csv",
    "experiments.csv",
    "folds.csv",
    "heads.csv",
    "primary.csv",
    *(
        f"plots/{name}.*"
        for name in ("confusion*", "transfer", "severity", "ranks", "leakage", "reproduction")
    ),
]


def write_report(folder: Path, published: bool = False) -> str:
    """Write the tables and `plots/` beside the `plan.json` of `folder`; return the terminal's text.

    `table.{csv,md,tex,txt}` (the last is the text), `recall.csv`, `confusion.csv` and `seeds.csv` always;
    `heads.csv`, `primary.csv`, `comparisons.csv`, `folds.csv` and `experiments.csv` where there is something
    to say. Only finished runs of the plan count; the others are listed with the command that makes them.
    Everything is computed from the runs' predictions, the stored episodes and the trainings' logs; with
    `published` the page and the text end with published figures in the same settings. Where all of these, the
    code and the files written are as they were, they stay.

    Raises:
        ResultsError: no plan, no finished run, or a damaged file in a finished run; then nothing is written.
        OSError: the folder, which it names, cannot be written, as on a full disk; each file is the new one or
            as it was.
    """
    folder = Path(folder)
    key = unchanged.fingerprint(folder, published)
    if written := unchanged.standing(folder, key):
        return (folder / TEXT).read_text(encoding="utf-8") + _listed("Unchanged", written)
    from fer_meta.report.plots import all as plots  # matplotlib takes half a second to import
    from fer_meta.report.plots import compared as plots_compared
    from fer_meta.report.plots import drawing

    keep_freed_memory()
    results, names = read_results(folder), Names()
    cells = folds.pooled(results, read_cells(results, names))
    table, heads = numbers.accuracy_table(results, cells), numbers.head_table(results, cells)
    gaps, named = gap.gap_table(results, table), primary.primary_table(results, cells)
    compared, ranked = compare.comparisons(results, cells), compare.ranks(table)
    reproduced = experiments.reproduction_table(results, table, heads)
    leaks, oracles = leakage.leak_table(results, cells, names), leakage.oracle_table(results, cells)
    figures = plots.figures(results, cells, table, gaps) | plots_compared.figures(
        results, cells, ranked, compare.failed_methods(table), leaks, reproduced
    )

    sections = [
        primary.section(results, cells, named),
        experiments.section(results, reproduced),
        leakage.section(results, leaks, oracles),
    ]
    page = tables.to_markdown(
        results, table, heads, gaps, sections, compare.section(results, compared, table, ranked)
    )
    text = terminal.to_text(results, table, primary.in_words(results, cells, named))
    if published:
        told = beside(results, table, heads)
        page, text = f"{page}\n{told}", f"{text}\n{told}"
    texts = {
        TEXT: text,
        "table.md": page,
        "table.tex": latex.to_latex(results, table),
        "table.csv": tables.to_csv(table, tables.CSV_COLUMNS),
        "recall.csv": tables.to_csv(numbers.recall_table(results, cells)),
        "confusion.csv": tables.to_csv(per_seed.confusion_table(results, cells)),
        "seeds.csv": tables.to_csv(per_seed.seed_table(results, cells)),
    }
    found = {"published": reproduced, "leak": leaks, "oracle": oracles}
    experiments_csv = [rows.assign(section=name) for name, rows in found.items() if len(rows)]
    for name, rows in {
        "heads.csv": heads,
        "primary.csv": named,
        "comparisons.csv": compared,
        "folds.csv": folds.folds_table(cells),
        "experiments.csv": pd.concat(experiments_csv) if experiments_csv else [],
    }.items():
        if len(rows):
            texts[name] = tables.to_csv(rows)

    with _naming(folder):
        sweep(folder / "plots", older_than=HOUR)  # what a killed report left; others may be writing
        written = [_write(folder / name, content) for name, content in sorted(texts.items())]
        written += drawing.write_figures(figures, folder / "plots")
        for name in SOMETIMES:
            for path in set(folder.glob(name)) - set(written):
                path.unlink()
        unchanged.note(folder, key, written)
    return text + _listed("Written", written)


@contextmanager
def _naming(folder: Path) -> Iterator[None]:
    """An error of the machine names the folder: a full disk's names no file, another's a temporary one."""
    try:
        yield
    except OSError as error:
        raise OSError(
            error.errno, f"the report cannot be written ({error.strerror or error})", str(folder)
        ) from error


def _listed(what: str, paths: list[Path]) -> str:
    return f"\n{what}:\n" + "".join(f"  {path}\n" for path in paths)


def _write(path: Path, text: str) -> Path:
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode())
    return path
