"""What each readout scored: the predictions of every run, read once and reduced to what tables and statistics
need.

A `full` run holds millions of queries, so rows are only ever handled as whole columns of numbers, and one
block of a run at a time.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fer_meta.expressions import EXPRESSIONS
from fer_meta.oneline import one_line
from fer_meta.records.answers import ANSWERS, read_answers
from fer_meta.records.parquet import coded
from fer_meta.report.episodes import damaged, episodes_path, read_episodes
from fer_meta.report.load import Results, Run
from fer_meta.report.names import is_own_head
from fer_meta.statistics import metrics
from fer_meta.statistics.intervals import Outcomes
from fer_meta.statistics.metrics import Scores
from fer_meta.statistics.queries import Queries, Support

SELECTIONS = ("source-val", "last", "oracle")


# Who a group is, and the column that says it: the first that is known of all.
GROUPS = [("people", "subject"), ("clips", "clip"), ("images", "path")]


@dataclass(frozen=True)
class Cell:
    """What one readout scored on its queries, one row per seed: S seeds, N queries."""

    experiment: str
    source: str
    target: str
    method: str
    readout: str
    way: int
    shots: int  # 0: a model's own head, which needs no support
    selection: str
    once: bool  # each test image is a query exactly once
    queries: Queries
    seeds: tuple[int, ...]
    failed: tuple[int, ...]  # those of the seeds whose training did not learn
    packed: np.ndarray  # [S, ceil(N / 8)] uint8: bit by bit, whether the query was named right
    confusion: np.ndarray  # [S, C, C] counts, true x predicted, in the order of `vocabulary`
    scores: tuple[Scores, ...]  # [S]
    ece: np.ndarray  # [S] expected calibration error in 0..1, NaN where the readout gives no probability
    # [S] clips, vote, mean: their number and the accuracies of the two decisions; NaN without
    clips: pd.DataFrame
    transductive: bool = False  # each answer may use the other queries of its episode
    fold: int | None = None  # of a cross-validation, until its folds are pooled
    parts: tuple["Cell", ...] = ()  # the folds that are pooled
    vocabulary: tuple[str, ...] = EXPRESSIONS

    @property
    def place(self) -> tuple:
        """Cells of one place answered the same queries."""
        return self.experiment, self.source, self.target, self.way, self.shots

    def seeds_with(self, other: "Cell") -> tuple[int, ...]:
        """The seeds that both have."""
        return tuple(seed for seed in self.seeds if seed in other.seeds)

    def failed_with(self, other: "Cell") -> list[int]:
        """Those of them whose training did not learn, of one or the other."""
        return sorted({*self.failed, *other.failed} & {*self.seeds_with(other)})

    def of_seeds(self, seeds: tuple[int, ...]) -> "Cell":
        """The same for these of its seeds alone."""
        rows = [self.seeds.index(seed) for seed in seeds]
        failed = tuple(seed for seed in self.failed if seed in seeds)
        return replace(
            self,
            seeds=seeds,
            failed=failed,
            packed=self.packed[rows],
            confusion=self.confusion[rows],
            scores=tuple(self.scores[row] for row in rows),
            ece=self.ece[rows],
            clips=self.clips.iloc[rows],
        )

    def outcomes(self, seeds: tuple[int, ...] | None = None) -> Outcomes:
        """Right or wrong for all seeds, or for these in their order."""
        rows = [self.seeds.index(seed) for seed in self.seeds if seeds is None or seed in seeds]
        return Outcomes(
            np.unpackbits(self.packed[rows], axis=1, count=len(self.queries.image)).view(bool), self.queries
        )


class Names:
    """Numbers for names, the same for the same name of a column of a data set in every file, and different
    for all others.
    """

    def __init__(self):
        self.known: dict[tuple[str, str], pa.Array] = {}

    def numbers(self, column: str, texts: pa.ChunkedArray, home: str) -> np.ndarray:
        """[N] int64 for a column of texts of the data set `home`, -1 where one is unknown."""
        names, codes = coded(texts)
        known = self.known.setdefault((column, home), pa.array([], pa.string()))
        places = pc.index_in(names, known)
        if places.null_count:
            known = self.known[column, home] = pa.concat_arrays([known, names.filter(places.is_null())])
            places = pc.index_in(names, known)
        first = list(self.known).index((column, home)) << 32
        return np.append(places.to_numpy().astype(np.int64) + first, -1).take(codes)


def read_cells(results: Results, names: Names) -> list[Cell]:
    """Every cell of the finished runs (of a cross-validation one for each fold), in the plan's order, its
    seeds ascending.

    Raises:
        ResultsError: a `predictions.parquet` is damaged, or two of one experiment, source and target do
            not answer the same queries.
    """
    asked: dict[tuple, tuple[Queries, Run]] = {}
    scored: dict[tuple, list[tuple[Run, dict, Queries]]] = defaultdict(list)
    kept: dict[tuple, list[Queries]] = defaultdict(list)
    supports: dict[Path | None, Support] = {}
    for run in sorted(results.runs, key=lambda run: run.seed):
        for (readout, shots, selection), queries, row in _read_run(results, run, names):
            path = episodes_path(results, run, shots) if shots and not is_own_head(readout) else None
            if path and path not in supports:
                supports[path] = _support(results, run, path, names)
            queries = _once(queries, supports.get(path), kept[path, run.target])
            if path and not np.isin(queries.episode[[0, -1]], supports[path].episode).all():
                raise damaged(path, "does not hold the episodes that were answered", run.command)
            place = (run.experiment, run.source, run.target, shots, run.fold)
            first, other = asked.setdefault(place, (queries, run))
            if not _equal(first, queries):
                raise run.damaged(
                    ANSWERS,
                    f"its {shots}-shot queries are not those of {other.predictions}, so the "
                    "two cannot be compared",
                )
            scored[
                run.experiment, run.source, run.target, run.method, readout, shots, selection, run.fold
            ].append((run, row, queries))
    places = list(dict.fromkeys((run.experiment, run.source, run.target, run.method) for run in results.runs))
    cells = [_cell(key, rows, results.vocabulary) for key, rows in scored.items()]
    return sorted(
        cells, key=lambda cell: places.index((cell.experiment, cell.source, cell.target, cell.method))
    )


def _cell(key: tuple, rows: list[tuple[Run, dict, Queries]], vocabulary: tuple[str, ...]) -> Cell:
    experiment, source, target, method, readout, shots, selection, fold = key
    run, _, queries = rows[0]
    once = shots == 0 or run.protocol["queries"] == "all"
    packed, confusion, ece = (
        np.stack([row[name] for _, row, _ in rows]) for name in ("packed", "confusion", "ece")
    )
    scores = tuple(metrics.scores(pd.DataFrame(counts, vocabulary, vocabulary)) for counts in confusion)
    return Cell(
        experiment,
        source,
        target,
        method,
        readout,
        run.protocol["way"],
        shots,
        selection,
        once,
        queries,
        tuple(run.seed for run, _, _ in rows),
        tuple(run.seed for run, _, _ in rows if run.failed),
        packed,
        confusion,
        scores,
        ece,
        pd.DataFrame([row["clips"] for _, row, _ in rows]),
        any(run.is_transductive(readout) for run, _, _ in rows),
        fold,
        vocabulary=vocabulary,
    )


def _read_run(results: Results, run: Run, names: Names) -> Iterator[tuple[tuple, Queries, dict]]:
    """(readout, shots, selection), its queries and its row of a cell, for each block of a run's
    predictions.
    """
    for key, table in _blocks(run):
        once = key[1] == 0 or run.protocol["queries"] == "all"
        number = _numbering(results, names, table, run.target)
        label, predicted = (
            _places(run, name, table[name], results.vocabulary) for name in ("label", "predicted")
        )
        episode, confidence = table["episode"].to_numpy(), table["confidence"].to_numpy()
        if not ((confidence >= 0) & (confidence <= 1 + 1e-5) | np.isnan(confidence)).all():
            raise run.damaged(ANSWERS, "has confidences outside 0 to 1")
        kind, group = _group(number)
        _check_episodes(run, key[1], episode)
        episode = episode.astype(np.int32)
        right = label == predicted
        size = len(results.vocabulary)
        counts = np.bincount(size * label.astype(int) + predicted, minlength=size**2)
        yield (
            key,
            Queries(episode, label, group, number("path"), None, kind),
            {
                "packed": np.packbits(right),
                "confusion": counts.reshape(size, size),
                "ece": metrics.calibration_error(confidence, right),
                "clips": (
                    (once and _clips(run, table, number("clip"), label))
                    or {"clips": np.nan, "vote": np.nan, "mean": np.nan}
                ),
            },
        )


def _support(results: Results, run: Run, path: Path, names: Names) -> Support:
    """Who is in the support of the stored episodes of a run; a group is a person where all are known, else a
    clip, else an image.
    """
    rows, is_support = read_episodes(path, run.command)
    rows = rows.filter(pa.array(is_support))
    data = coded(rows["data"])[0].to_pylist()
    number = _numbering(results, names, rows, data[0] if len(data) == 1 else "")
    labels, codes = coded(rows["label"])
    unknown = set(labels.to_pylist()) - set(results.vocabulary)
    if unknown:
        raise damaged(path, f"has the unknown label {one_line(str(min(unknown)), 60)!r}", run.command)
    label = np.array([results.vocabulary.index(name) for name in labels.to_pylist()], np.int16)[codes]
    return Support(rows["episode"].to_numpy(), _group(number)[1], number("path"), label)


def _numbering(results: Results, names: Names, table: pa.Table, data: str) -> Callable[[str], np.ndarray]:
    """Gives the image ("path"), person ("subject") or clip of each row of a data set as numbers. Rendered
    people are the same in every rendered set; images never are.
    """
    people = "rendered" if data in results.plan.get("rendered", ()) else data
    return lambda column: names.numbers(column, table[column], people if column == "subject" else data)


def _group(number: Callable[[str], np.ndarray]) -> tuple[str, np.ndarray]:
    """Who a row's group is, and its number [N]: a person where all are known, else a clip, else an image."""
    numbers = ((kind, number(column)) for kind, column in GROUPS)
    return next((kind, group) for kind, group in numbers if (group >= 0).all())


def _blocks(run: Run) -> Iterator[tuple[tuple, pa.Table]]:
    """The (readout, shots, selection) and the rows of each block; they stand together."""
    seen = set()
    for key, parts in groupby(_pieces(run), key=lambda piece: piece[0]):
        if key in seen:
            raise run.damaged(ANSWERS, "its rows are out of order")
        seen.add(key)
        yield (
            key,
            pa.concat_tables([part for _, part in parts], promote_options="default").unify_dictionaries(),
        )
    if not seen:
        raise run.damaged(ANSWERS, "empty")


def _pieces(run: Run) -> Iterator[tuple[tuple, pa.Table]]:
    """The file's parts, cut where the block changes."""
    for table in _parts(run):
        (readouts, readout), (selections, selection) = coded(table["readout"]), coded(table["selection"])
        shots = table["shots"].to_numpy()
        changes = (
            (readout[1:] != readout[:-1]) | (shots[1:] != shots[:-1]) | (selection[1:] != selection[:-1])
        )
        starts = [0, *np.flatnonzero(changes) + 1, len(table)]
        for start, end in pairwise(starts):
            if end > start:
                key = (
                    readouts[readout[start]].as_py(),
                    int(shots[start]),
                    selections[selection[start]].as_py(),
                )
                _check_key(run, *key)
                yield (one_line(key[0]), *key[1:]), table.slice(start, end - start)


def _parts(run: Run) -> Iterator[pa.Table]:
    try:
        yield from read_answers(run.predictions)
    except ValueError as error:
        raise run.damaged(ANSWERS, str(error)) from None


def _check_key(run: Run, readout: str, shots: int, selection: str) -> None:
    if selection not in SELECTIONS:
        raise run.damaged(
            ANSWERS, f"selection: {one_line(selection, 60)!r} is none of {', '.join(SELECTIONS)}"
        )
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


def _places(run: Run, column: str, texts: pa.ChunkedArray, vocabulary: tuple[str, ...]) -> np.ndarray:
    """[N] int16 places in the vocabulary."""
    names, codes = coded(texts)
    names = names.to_pylist()
    unknown = sorted(str(name) for name in set(names) - set(vocabulary))
    if unknown or (codes < 0).any():
        raise run.damaged(
            ANSWERS, f"{column}: {one_line(unknown[0], 60) if unknown else 'an empty cell'} is no label"
        )
    return np.array([vocabulary.index(name) for name in names], np.int16).take(codes)


def _clips(run: Run, table: pa.Table, clip: np.ndarray, label: np.ndarray) -> dict | None:
    """The clips and how often each decision is right.

    None where no clip has two frames, or where one has two labels, so that no decision could be right.
    """
    chances = [name for name in table.column_names if name.startswith("p_")]
    known, clips = clip >= 0, np.unique(clip[clip >= 0])
    labels = np.unique(clip[known] * (int(label.max()) + 1) + label[known])
    if not chances or len(clips) == known.sum() or len(labels) > len(clips):
        return None
    frames = table.filter(known).select(["clip", "label", "predicted", *chances]).to_pandas()
    given = frames[chances].notna()
    if (given.any() & ~given.all()).any() or ((frames[chances] < 0) | (frames[chances] > 1 + 1e-5)).any(
        axis=None
    ):
        raise run.damaged(ANSWERS, "has probabilities that are empty or outside 0 to 1")
    try:
        decided = metrics.decide_clips(frames)
    except ValueError as error:
        raise run.damaged(ANSWERS, one_line(str(error), 120)) from None
    return {
        "clips": len(decided),
        "vote": (decided["vote"] == decided["label"]).mean(),
        "mean": (decided["mean"] == decided["label"]).mean(),
    }


def _once(queries: Queries, support: Support | None, kept: list[Queries]) -> Queries:
    """The same queries as read before and `kept`, for most sources and seeds of a target share them; else
    these with their support.
    """
    for known in kept:
        if _equal(known, queries):
            return known
    kept.append(replace(queries, support=support))
    return kept[-1]


def _equal(one: Queries, other: Queries) -> bool:
    return one is other or all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("episode", "image", "label", "group")
    )
