"""From the runs of a bench to tables, plots and a page of text. Nothing here imports torch."""

from pathlib import Path

from fer_meta.files import replacing
from fer_meta.report import gap, numbers, tables
from fer_meta.report.load import read_results

__all__ = ["write_report"]


def write_report(folder: Path) -> str:
    """Write `table.{csv,md,tex}` and `plots/` beside the `plan.json` of `folder`; return the terminal's text.

    Only finished runs of the plan count; the others are listed with the command that makes them.

    Raises:
        ResultsError: no plan, no finished run, or a damaged file in a finished run; then nothing is written.
    """
    from fer_meta.report import plots  # matplotlib takes half a second to import

    results = read_results(Path(folder))
    table, heads = numbers.accuracy_table(results), numbers.head_table(results)
    gaps = gap.gap_table(results, table)
    figures = plots.figures(results, table, gaps)
    texts = {"table.csv": tables.to_csv(table), "table.md": tables.to_markdown(results, table, heads, gaps),
             "table.tex": tables.to_latex(results, table)}

    written = [_write(results.folder / name, text.encode()) for name, text in texts.items()]
    written += [_write(results.folder / "plots" / (name + suffix), plots.render(figure, suffix))
                for name, figure in figures.items() for suffix in plots.FORMATS]
    # Which plots there are depends on the targets: none of an older plan may stay behind.
    for name in ("confusion*", "severity.*"):
        for path in (results.folder / "plots").glob(name):
            if path.suffix in plots.FORMATS and path not in written:
                path.unlink()
    return tables.to_text(results, table) + "\nWritten:\n" + "".join(f"  {path}\n" for path in written)


def _write(path: Path, content: bytes) -> Path:
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return path
