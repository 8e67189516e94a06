"""What each method scored: the predictions of every run, read once and reduced to what tables and statistics need.

A `full` run holds millions of queries, so rows are only ever handled as whole columns of numbers.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from fer_meta.evaluation import metrics
from fer_meta.evaluation.metrics import Scores
from fer_meta.evaluation.statistics import Outcomes
from fer_meta.expressions import EXPRESSIONS
from fer_meta.report.load import Results, Run, damaged, read_parquet

COLUMNS = ["method", "shots", "selection", "episode", "path", "label", "predicted", "confidence", "subject", "clip"]
BLOCK = ["method", "shots", "selection"]


@dataclass(frozen=True)
class Queries:
    """What is asked of every method, seed and selection of an experiment, source, target and number of shots.

    `episode`, `path`, `label` and `group` are [N] numbers; equal numbers mean equal names throughout a results folder.
    `groups` says what a group is: "people", "clips" where not everyone is known, or else "images".
    """

    episode: np.ndarray
    path: np.ndarray
    label: np.ndarray
    group: np.ndarray
    groups: str


@dataclass(frozen=True)
class Cell:
    """What one method scored on its queries, a row a seed: S seeds, N queries."""

    experiment: str
    source: str
    target: str
    algorithm: str
    method: str
    way: int
    shots: int  # 0: a model's own head, which needs no support
    selection: str
    once: bool  # each test image is a query exactly once
    queries: Queries
    seeds: tuple[int, ...]
    packed: np.ndarray  # [S, ceil(N / 8)] uint8: bit by bit, whether the query was named right
    confusion: np.ndarray  # [S, C, C] counts, true x predicted, in the order of EXPRESSIONS
    scores: tuple[Scores, ...]  # [S]
    ece: np.ndarray  # [S] expected calibration error in 0..1, NaN where the method gives no probability
    clips: pd.DataFrame  # [S] clips, vote, mean: their number and the accuracies of the two decisions; NaN without

    @property
    def place(self) -> tuple:
        """Whoever shares it was asked the same queries."""
        return self.experiment, self.source, self.target, self.way, self.shots

    def outcomes(self, seeds: tuple[int, ...] | None = None) -> Outcomes:
        """Right or wrong for all seeds, or for these in their order."""
        rows = [self.seeds.index(seed) for seed in self.seeds if seeds is None or seed in seeds]
        right = np.unpackbits(self.packed[rows], axis=1, count=len(self.queries.path)).view(bool)
        return Outcomes(right, self.queries.episode, self.queries.group, self.queries.label)


class Names:
    """Numbers for names, the same for the same name of a column in every file."""

    def __init__(self):
        self.known = {}

    def number(self, column: str, name: str) -> int:
        return self.known.setdefault((column, name), len(self.known))

    def numbers(self, column: pd.Series) -> np.ndarray:
        """[N] int32 for a categorical column, -1 where a name is unknown."""
        told = [self.number(column.name, name) for name in column.cat.categories]
        return np.array([*told, -1], np.int32)[column.cat.codes.to_numpy()]


def read_cells(results: Results, names: Names) -> list[Cell]:
    """Every cell of the finished runs, in the plan's order, its seeds ascending.

    Raises:
        ResultsError: a `predictions.parquet` is damaged, or two of one experiment, source and target were not asked
            the same queries.
    """
    asked, scored = {}, defaultdict(list)
    for run in sorted(results.runs, key=lambda run: run.seed):
        for (method, shots, selection), queries, row in _read_run(run, names):
            place = (run.experiment, run.source, run.target, shots)
            first, other = asked.setdefault(place, (queries, run))
            if not _same(first, queries):
                raise damaged(run.predictions, f"its {shots}-shot queries are not those of {other.predictions}, so the "
                              "two cannot be compared")
            scored[run.experiment, run.source, run.target, run.algorithm, method, shots, selection].append((run, row))
    places = list(dict.fromkeys((run.experiment, run.source, run.target, run.algorithm) for run in results.runs))
    cells = [_cell(key, rows, asked[*key[:3], key[5]][0]) for key, rows in scored.items()]
    return sorted(cells, key=lambda cell: places.index((cell.experiment, cell.source, cell.target, cell.algorithm)))


def _cell(key: tuple, rows: list[tuple[Run, dict]], queries: Queries) -> Cell:
    experiment, source, target, algorithm, method, shots, selection = key
    run = rows[0][0]
    once = shots == 0 or run.protocol["queries"] == "all"
    packed, confusion, ece = (np.stack([row[name] for _, row in rows]) for name in ("packed", "confusion", "ece"))
    scores = tuple(metrics.scores(pd.DataFrame(counts, EXPRESSIONS, EXPRESSIONS)) for counts in confusion)
    return Cell(experiment, source, target, algorithm, method, run.protocol["way"], shots, selection, once, queries,
                tuple(run.seed for run, _ in rows), packed, confusion, scores, ece,
                pd.DataFrame([row["clips"] for _, row in rows]))


def _read_run(run: Run, names: Names):
    """(method, shots, selection), its queries and its row of a cell, for each block of a run's predictions."""
    table = read_parquet(run.predictions, COLUMNS)
    numbers = {name: names.numbers(table[name]) for name in ("path", "subject", "clip")}
    label, predicted = (_expressions(run, table[name]) for name in ("label", "predicted"))
    episode, confidence = table["episode"].to_numpy(np.int32), table["confidence"].to_numpy()
    if not ((confidence >= 0) & (confidence <= 1 + 1e-5) | np.isnan(confidence)).all():
        raise damaged(run.predictions, "has confidences outside 0 to 1")
    clips = _clips(run)
    for key, rows in _blocks(run, table).items():
        kind, groups = next((kind, numbers[name][rows]) for kind, name in
                            [("people", "subject"), ("clips", "clip"), ("images", "path")]
                            if (numbers[name][rows] >= 0).all())
        _check_episodes(run, key[1], episode[rows])
        right = label[rows] == predicted[rows]
        size = len(EXPRESSIONS)
        counts = np.bincount(size * label[rows] + predicted[rows], minlength=size ** 2)
        yield key, Queries(episode[rows], numbers["path"][rows], label[rows], groups, kind), {
            "packed": np.packbits(right),
            "confusion": counts.reshape(size, size),
            "ece": metrics.calibration_error(confidence[rows], right),
            "clips": clips.get(key, {"clips": np.nan, "vote": np.nan, "mean": np.nan}),
        }


def _blocks(run: Run, table: pd.DataFrame) -> dict[tuple, slice]:
    """The rows of each (method, shots, selection); they stand together."""
    codes = np.stack([table[name].cat.codes if name != "shots" else table[name] for name in BLOCK])
    starts = [0, *np.flatnonzero((np.diff(codes) != 0).any(axis=0)) + 1, len(table)]
    blocks = {tuple(table[name].iloc[start] for name in BLOCK): slice(start, end)
              for start, end in zip(starts, starts[1:]) if end > start}
    if not blocks or len(blocks) < len(starts) - 1:
        raise damaged(run.predictions, "empty, or its rows are out of order")
    return blocks


def _check_episodes(run: Run, shots: int, episode: np.ndarray) -> None:
    sizes = np.bincount(episode) if (np.diff(episode) >= 0).all() and episode[0] == 0 else np.zeros(1)
    full = sizes.min() if shots == 0 or run.protocol["queries"] == "all" else run.protocol["way"] * run.protocol["queries"]
    if sizes.min() == 0 or (sizes != full).any() and run.protocol["queries"] != "all":
        raise damaged(run.predictions, f"its {shots}-shot episodes are not whole")


def _expressions(run: Run, column: pd.Series) -> np.ndarray:
    """[N] int64 places in EXPRESSIONS."""
    unknown = sorted(set(column.cat.categories) - set(EXPRESSIONS))
    if unknown or column.isna().any():
        raise damaged(run.predictions, f"{column.name}: {unknown[0] if unknown else 'an empty cell'} is no expression")
    return np.array([EXPRESSIONS.index(name) for name in column.cat.categories], np.int64)[column.cat.codes.to_numpy()]


def _clips(run: Run) -> dict[tuple, dict]:
    """Per (method, shots, selection): the clips and how often each decision is right.

    None where no clip has two frames, or where one has two labels, so that no decision could be right.
    """
    probabilities = [name for name in pq.read_schema(run.predictions).names if name.startswith("p_")]
    if not probabilities:
        return {}
    filters = None if run.protocol["queries"] == "all" else [("shots", "==", 0)]
    table = read_parquet(run.predictions, [*BLOCK, "clip", "label", "predicted", *probabilities], filters)
    table = table.dropna(subset=["clip"])
    decided = {}
    for key, frames in table.groupby(BLOCK, sort=False, observed=True):
        labels = frames.groupby("clip", observed=True)["label"].nunique()
        if frames["clip"].duplicated().any() and labels.max() == 1:
            clips = metrics.decide_clips(frames.drop(columns=BLOCK))
            decided[key] = {"clips": len(clips), "vote": (clips["vote"] == clips["label"]).mean(),
                            "mean": (clips["mean"] == clips["label"]).mean()}
    return decided


def _same(one: Queries, other: Queries) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("episode", "path", "label", "group"))
