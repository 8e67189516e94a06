"""What one training of a bench scored, by itself."""

from pathlib import Path

import pandas as pd

from fer_meta.report.aggregate.accuracy import accuracy_table, head_table
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.load import read_results

COLUMNS = ["experiment", "target", "readout", "way", "shots", "selection", "accuracy", "ci95", "chance"]


def scores_of(folder: Path, model: str) -> pd.DataFrame:
    """One row per target, readout, number of shots (0: the own head) and selection of a model (its id) in a
    results folder, with COLUMNS. `ci95` is over people and episodes, not over trainings; NaN where it is not
    known. Raises ResultsError as `read_results` does.
    """
    results = read_results(folder, models=[model])
    cells = read_cells(results, Names())
    tables = [accuracy_table(results, cells)] if any(cell.shots for cell in cells) else []
    heads = head_table(results, [cell for cell in cells if not cell.shots])
    if len(heads):
        tables.append(heads.assign(way=heads["classes"]))
    return pd.concat([table[COLUMNS] for table in tables], ignore_index=True)
