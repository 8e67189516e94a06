"""Which expressions are taken for which."""

import pandas as pd
from matplotlib.figure import Figure

from fer_meta.report.cells import Cell
from fer_meta.report.load import Results
from fer_meta.report.names import (
    classes_alike,
    domain_key,
    domain_name,
    in_lines,
    rank,
    readout_name,
)
from fer_meta.report.plots.look import FAILED_NOTE
from fer_meta.report.plots.matrix import Matrix, in_two_lines, matrices
from fer_meta.statistics.failed import MARK


def figure(results: Results, cells: list[Cell]) -> Figure:
    """Row-normalised counts on one target, over all seeds: one panel per readout and source."""
    experiment, target, shots = cells[0].experiment, cells[0].target, cells[0].shots
    cells = sorted(cells, key=lambda cell: (domain_key(results, cell.source), rank(results, cell.readout)))
    shown = []
    for cell in cells:
        counts = pd.DataFrame(cell.confusion.sum(axis=0), cell.vocabulary, cell.vocabulary)
        true = classes_alike(results, counts.index[counts.sum(axis=1) > 0])
        answered = counts.columns[(counts.sum(axis=0) > 0) | counts.columns.isin(true)]
        predicted = classes_alike(results, answered)
        grid = counts.loc[true, predicted]
        title = (
            f"{in_two_lines(readout_name(results, cell.readout))}{MARK if cell.failed else ''}\nfrom"
            f" {in_lines(domain_name(results, cell.source))}"
        )
        shown.append(Matrix(title, true, predicted, 100 * (grid.T / grid.sum(axis=1)).T.to_numpy()))
    start = f"{experiment}: confusion" if experiment else "Confusion"
    title = (
        f"{start} on {domain_name(results, target)}, {shots}-shot, percent of each true class\n"
        "(checkpoint picked on the source's validation split)"
        + (f"\n{FAILED_NOTE}" if any(cell.failed for cell in cells) else "")
    )
    return matrices(shown, title, ("true", "predicted"), "{:.0f}", "Blues", (0, 100))
