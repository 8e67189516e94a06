"""All numbers of a report."""

from dataclasses import dataclass

import pandas as pd

from fer_meta.report.aggregate.accuracy import accuracy_table, head_table
from fer_meta.report.aggregate.answer import Answer, answer
from fer_meta.report.aggregate.best_of import best_of_table
from fer_meta.report.aggregate.comparisons import comparisons, ranks
from fer_meta.report.aggregate.divisions import division_table, one_division
from fer_meta.report.aggregate.gap import gap_table
from fer_meta.report.aggregate.leakage import leak_table, oracle_table
from fer_meta.report.aggregate.means import means_table
from fer_meta.report.aggregate.primary import primary_table
from fer_meta.report.aggregate.reproduction import reproduction_table
from fer_meta.report.aggregate.search import search_table
from fer_meta.report.aggregate.trainings import trainings_table
from fer_meta.report.aggregate.transductive import divided, rivals
from fer_meta.report.cells import Cell, Names
from fer_meta.report.load import Results
from fer_meta.statistics.ranks import Ranks


@dataclass(frozen=True)
class Found:
    """The `results`, their `cells` (folds pooled), and the tables that the functions of this package make:
    `apart` of the answers that are set apart, and the primary contrast of all; the others of `rivals`.
    """

    results: Results
    cells: list[Cell]
    scores: pd.DataFrame  # accuracy_table
    apart: pd.DataFrame  # accuracy_table
    means: pd.DataFrame  # means_table
    once: pd.DataFrame  # head_table
    divided: pd.DataFrame  # division_table
    gaps: pd.DataFrame
    primary: pd.DataFrame
    answer: Answer
    compared: pd.DataFrame
    ranked: Ranks | None
    reproduced: pd.DataFrame
    leaks: pd.DataFrame
    oracles: pd.DataFrame
    best_of: pd.DataFrame
    searched: pd.DataFrame  # search_table
    trainings: pd.DataFrame

    @property
    def whole(self) -> pd.DataFrame:
        """The `accuracy_table`, the answers that are set apart last."""
        return pd.concat([self.scores, self.apart]) if len(self.apart) else self.scores


def find(results: Results, cells: list[Cell], names: Names) -> Found:
    """Everything; `names` are those that the cells were read with."""
    compared = rivals(cells)
    scores, apart = divided(accuracy_table(results, cells))
    once = head_table(results, compared)
    return Found(
        results,
        cells,
        scores,
        apart,
        means_table(one_division(results, scores)),
        once,
        divided=division_table(results, compared, scores),
        gaps=gap_table(results, scores),
        primary=primary_table(results, cells),
        answer=answer(results, cells),
        compared=comparisons(results, compared),
        # divisions share their images: they are no blocks to rank over
        ranked=ranks(one_division(results, scores)),
        reproduced=reproduction_table(results, scores, once),
        leaks=leak_table(results, compared, names),
        oracles=oracle_table(results, compared),
        best_of=best_of_table(results, compared),
        searched=search_table(results),
        trainings=trainings_table(results),
    )
