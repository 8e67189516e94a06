"""What each method scored: the predictions of every run, read once and reduced to what tables and statistics need.

A `full` run holds millions of queries, so rows are only ever handled as whole columns of numbers, and one block of a run at a time.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fer_meta.evaluation import metrics
from fer_meta.evaluation.metrics import Scores
from fer_meta.evaluation.statistics import Outcomes
from fer_meta.expressions import EXPRESSIONS
from fer_meta.oneline import one_line
from fer_meta.report.load import Results, Run, read_parts

ANSWERS = "predictions.parquet"
COLUMNS = {"method": "text", "shots": "whole", "selection": "text", "episode": "whole", "path": "text", "label": "text",
           "predicted": "text", "confidence": "number", "subject": "text", "clip": "text"}
NEVER_EMPTY = ("method", "selection", "path")
SELECTIONS = ("source-val", "last", "oracle")


@dataclass(frozen=True)
class Queries:
    """What is asked of every method, seed and selection of an experiment, source, target and number of shots.

    `episode`, `path`, `label` and `group` are [N] numbers; equal numbers mean equal names throughout a results folder, and `label` is
    the place in EXPRESSIONS.
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
    failed: tuple[int, ...]  # those of the seeds whose training did not learn
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
        self.known = defaultdict(lambda: pa.array([], pa.string()))

    def numbers(self, column: str, texts: pa.ChunkedArray) -> np.ndarray:
        """[N] int32 for a column of texts, -1 where one is unknown."""
        names, codes = coded(texts)
        told = pc.index_in(names, self.known[column])
        if told.null_count:
            self.known[column] = pa.concat_arrays([self.known[column], names.filter(told.is_null())])
            told = pc.index_in(names, self.known[column])
        return np.append(told.to_numpy(), np.int32(-1))[codes]


def coded(texts: pa.ChunkedArray) -> tuple[pa.StringArray, np.ndarray]:
    """The distinct texts of a column, and the place of each of its cells among them [N], -1 where it is empty."""
    column = texts.combine_chunks()
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    return column.dictionary.cast(pa.string()), column.indices.fill_null(-1).to_numpy()


def read_cells(results: Results, names: Names) -> list[Cell]:
    """Every cell of the finished runs, in the plan's order, its seeds ascending.

    Raises:
        ResultsError: a `predictions.parquet` is damaged, or two of one experiment, source and target were not asked
            the same queries.
    """
    asked, scored, kept = {}, defaultdict(list), {}
    for run in sorted(results.runs, key=lambda run: run.seed):
        for (method, shots, selection), queries, row in _read_run(run, names):
            queries = kept.setdefault(_digest(queries), queries)  # most sources of a target share them
            place = (run.experiment, run.source, run.target, shots)
            first, other = asked.setdefault(place, (queries, run))
            if first is not queries:
                raise run.damaged(ANSWERS, f"its {shots}-shot queries are not those of {other.predictions}, so the "
                              "two cannot be compared")
            scored[run.experiment, run.source, run.target, run.algorithm, method, shots, selection].append((run, row))
    places = list(dict.fromkeys((run.experiment, run.source, run.target, run.algorithm) for run in results.runs))
    cells = [_cell(key, rows, asked[(*key[:3], key[5])][0]) for key, rows in scored.items()]
    return sorted(cells, key=lambda cell: places.index((cell.experiment, cell.source, cell.target, cell.algorithm)))


def _cell(key: tuple, rows: list[tuple[Run, dict]], queries: Queries) -> Cell:
    experiment, source, target, algorithm, method, shots, selection = key
    run = rows[0][0]
    once = shots == 0 or run.protocol["queries"] == "all"
    packed, confusion, ece = (np.stack([row[name] for _, row in rows]) for name in ("packed", "confusion", "ece"))
    scores = tuple(metrics.scores(pd.DataFrame(counts, EXPRESSIONS, EXPRESSIONS)) for counts in confusion)
    return Cell(experiment, source, target, algorithm, method, run.protocol["way"], shots, selection, once, queries,
                tuple(run.seed for run, _ in rows), tuple(run.seed for run, _ in rows if run.failed), packed, confusion, scores, ece,
                pd.DataFrame([row["clips"] for _, row in rows]))


def _read_run(run: Run, names: Names) -> Iterator[tuple[tuple, Queries, dict]]:
    """(method, shots, selection), its queries and its row of a cell, for each block of a run's predictions."""
    for key, table in _blocks(run):
        once = key[1] == 0 or run.protocol["queries"] == "all"
        numbers = {name: names.numbers(name, table[name]) for name in ("path", "subject", "clip")}
        label, predicted = (_expressions(run, name, table[name]) for name in ("label", "predicted"))
        episode, confidence = table["episode"].to_numpy(), table["confidence"].to_numpy()
        if not ((confidence >= 0) & (confidence <= 1 + 1e-5) | np.isnan(confidence)).all():
            raise run.damaged(ANSWERS, "has confidences outside 0 to 1")
        kind, groups = next((kind, numbers[name]) for kind, name in [("people", "subject"), ("clips", "clip"), ("images", "path")]
                            if (numbers[name] >= 0).all())
        _check_episodes(run, key[1], episode)
        episode = episode.astype(np.int32)
        right = label == predicted
        size = len(EXPRESSIONS)
        counts = np.bincount(size * label.astype(int) + predicted, minlength=size ** 2)
        yield key, Queries(episode, numbers["path"], label, groups, kind), {
            "packed": np.packbits(right),
            "confusion": counts.reshape(size, size),
            "ece": metrics.calibration_error(confidence, right),
            "clips": once and _clips(run, table, numbers["clip"], label) or {"clips": np.nan, "vote": np.nan, "mean": np.nan},
        }


def _blocks(run: Run) -> Iterator[tuple[tuple, pa.Table]]:
    """The (method, shots, selection) and the rows of each block; they stand together."""
    seen = set()
    for key, parts in groupby(_pieces(run), key=lambda piece: piece[0]):
        if key in seen:
            raise run.damaged(ANSWERS, "its rows are out of order")
        seen.add(key)
        yield key, pa.concat_tables([part for _, part in parts]).unify_dictionaries()
    if not seen:
        raise run.damaged(ANSWERS, "empty")


def _pieces(run: Run) -> Iterator[tuple[tuple, pa.Table]]:
    """The file's parts, cut where the block changes."""
    for table in _parts(run):
        (methods, method), (selections, selection) = coded(table["method"]), coded(table["selection"])
        shots = table["shots"].to_numpy()
        changes = np.diff(method).astype(bool) | np.diff(shots).astype(bool) | np.diff(selection).astype(bool)
        starts = [0, *np.flatnonzero(changes) + 1, len(table)]
        for start, end in zip(starts, starts[1:]):
            if end > start:
                key = methods[method[start]].as_py(), int(shots[start]), selections[selection[start]].as_py()
                _check_key(run, *key)
                yield (one_line(key[0]), *key[1:]), table.slice(start, end - start)


def _parts(run: Run) -> Iterator[pa.Table]:
    try:
        for table in read_parts(run.predictions, COLUMNS, "p_"):
            empty = [name for name in NEVER_EMPTY if table[name].null_count or (coded(table[name])[1] < 0).any()]
            if empty:
                raise run.damaged(ANSWERS, f"{empty[0]}: an empty cell")
            yield table
    except ValueError as error:
        raise run.damaged(ANSWERS, str(error)) from None


def _check_key(run: Run, method: str, shots: int, selection: str) -> None:
    if selection not in SELECTIONS:
        raise run.damaged(ANSWERS, f"selection: {one_line(selection, 60)!r} is none of {', '.join(SELECTIONS)}")
    if not 0 <= shots < 2**31:
        raise run.damaged(ANSWERS, f"shots: {shots} is no number of shots")


def _check_episodes(run: Run, shots: int, episode: np.ndarray) -> None:
    """Episodes are numbered from 0, one after the other, and each has all of its queries."""
    steps = np.diff(episode)
    whole = episode[0] == 0 and ((steps == 0) | (steps == 1)).all()
    if whole and shots and run.protocol["queries"] != "all":
        whole = (np.bincount(episode) == run.protocol["way"] * run.protocol["queries"]).all()
    elif whole and run.protocol["queries"] != "all":
        whole = len(set(np.bincount(episode))) == 1
    if not whole:
        raise run.damaged(ANSWERS, f"its {shots}-shot episodes are not whole")


def _expressions(run: Run, column: str, texts: pa.ChunkedArray) -> np.ndarray:
    """[N] int8 places in EXPRESSIONS."""
    names, codes = coded(texts)
    names = names.to_pylist()
    unknown = sorted(str(name) for name in set(names) - set(EXPRESSIONS))
    if unknown or (codes < 0).any():
        raise run.damaged(ANSWERS, f"{column}: {one_line(unknown[0], 60) if unknown else 'an empty cell'} is no expression")
    return np.array([EXPRESSIONS.index(name) for name in names], np.int8)[codes]


def _clips(run: Run, table: pa.Table, clip: np.ndarray, label: np.ndarray) -> dict | None:
    """The clips and how often each decision is right.

    None where no clip has two frames, or where one has two labels, so that no decision could be right.
    """
    chances = [name for name in table.column_names if name.startswith("p_")]
    known, told = clip >= 0, np.unique(clip[clip >= 0])
    labels = np.unique(clip[known] * len(EXPRESSIONS) + label[known])
    if not chances or len(told) == known.sum() or len(labels) > len(told):
        return None
    frames = table.filter(known).select(["clip", "label", "predicted", *chances]).to_pandas()
    given = frames[chances].notna()
    if (given.any() & ~given.all()).any() or ((frames[chances] < 0) | (frames[chances] > 1 + 1e-5)).any(axis=None):
        raise run.damaged(ANSWERS, "has probabilities that are empty or outside 0 to 1")
    try:
        clips = metrics.decide_clips(frames)
    except ValueError as error:
        raise run.damaged(ANSWERS, one_line(str(error), 120)) from None
    return {"clips": len(clips), "vote": (clips["vote"] == clips["label"]).mean(), "mean": (clips["mean"] == clips["label"]).mean()}


def _digest(queries: Queries) -> bytes:
    columns = [queries.episode, queries.path, queries.label, queries.group]
    return hashlib.blake2b(b"".join(column.tobytes() for column in columns)).digest()
