"""What reporting the best of N scores would have added to each readout, from its answers in each episode."""

import numpy as np
import pandas as pd

from fer_meta.report.cells import Cell
from fer_meta.report.load import Results
from fer_meta.report.names import in_order
from fer_meta.statistics.best_of import normal_gain, resampled_gains

READING = "best-of"  # a suite that has it in `readings` shows this
NUMBERS = (1, 10, 100, 1000, 10_000)
EPISODES = (15, 25, 100, 375, 600, 10_000)
PLACE = ["experiment", "source", "target", "readout", "way", "shots"]
COLUMNS = [*PLACE, "queries", "measured", "accuracy", "episodes", "sd", "number", "gain", "gain_normal"]


def best_of_table(results: Results, cells: list[Cell]) -> pd.DataFrame:
    """One row per readout, source, target and shots, `episodes` of a score and `number` of scores, the
    checkpoint picked on the source's validation split. No rows where the suite's `readings` have no best-of.

    `gain` (0 to 1) is how far the best score lies above the accuracy, on average, if all that are scored are
    equally good and each score has episodes of its own: by resampling the `measured` episodes, each of so
    many `queries`. `gain_normal` is that of normal scores with the same standard deviation, `sd`. All are
    means over seeds.
    """
    rows = []
    if READING in results.plan["readings"]:
        for cell in cells:
            if cell.selection == "source-val" and not cell.once:
                rows += _rows(cell)
    order = in_order(results, [row["readout"] for row in rows])
    rows.sort(key=lambda row: order.index(row["readout"]))
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows(cell: Cell) -> list[dict]:
    episode, measured = cell.queries.episodes
    queries = len(episode) // measured
    seeds = [np.bincount(episode[right], minlength=measured) for right in cell.outcomes().right]
    rows = []
    for episodes in EPISODES:
        gains = np.mean([resampled_gains(right, queries, episodes, NUMBERS) for right in seeds], axis=0)
        for number, gain in zip(NUMBERS, gains):
            rows.append(
                {name: getattr(cell, name) for name in PLACE}
                | {
                    "queries": queries,
                    "measured": measured,
                    "accuracy": np.mean(seeds) / queries,
                    "episodes": episodes,
                    "sd": np.mean([right.std() for right in seeds]) / queries / np.sqrt(episodes),
                    "number": number,
                    "gain": gain,
                    "gain_normal": np.mean(
                        [normal_gain(right, queries, episodes, number) for right in seeds]
                    ),
                }
            )
    return rows
