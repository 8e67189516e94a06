"""What a bench keeps on disk beside its models: the plan, the fixed episodes, and what was answered to each
query.

Everything a reader of results needs stands in these files in words (paths, names of expressions), not in rows
of a cache.
"""

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fer_meta.bench.plan import Run, Setting, episodes_hash, in_names
from fer_meta.datasets.base import Rendered
from fer_meta.datasets.mixing import frames_and_clips
from fer_meta.datasets.synthetic.anatomy import bayes_accuracy, bayes_episode_accuracy
from fer_meta.fileio import TEMPORARY, replacing, write_json
from fer_meta.suites.experiments import Experiment
from fer_meta.suites.schema import Suite
from fer_meta.tasks.episodes import FixedEpisodes

# Columns whose few distinct texts are stored once.
_TEXTS = pa.dictionary(pa.int32(), pa.string())

_EPISODES = pa.schema(
    [
        ("episode", pa.int32()),
        *((name, _TEXTS) for name in ("role", "label", "data", "path", "subject", "clip")),
    ]
)

# Rows that are written together, and episodes that are put into words together.
BLOCK = 200_000
EPISODES = 500


def write_plan(
    folder: Path,
    suite: Suite,
    as_written: Suite,
    settings: list[Setting],
    runs: list[Run],
    rendered: dict[str, Rendered],
    not_run: dict[str, str],
    made_by: dict[str, str],
) -> None:
    """`plan.json`: what the tables are expected to hold, and `made_by`: the `command` that fills them and its
    `bench_hashes`. `as_written` is the suite as its file has it, of which `suite` may be a part.
    """
    write_json(
        folder / "plan.json",
        {
            "suite": suite.name,
            "title": suite.title,
            "preset": suite.preset,
            **made_by,
            "rendered": list(rendered),
            "severity": {name: asdict(one) for name, one in rendered.items()},
            "bayes": _bayes(settings, rendered),
            "experiments": {
                key: _told(
                    suite,
                    suite.experiments[key],
                    [setting for setting in settings if setting.experiment == key],
                    rendered,
                )
                for key in dict.fromkeys(setting.experiment for setting in settings)
                if key
            },
            "not_run": not_run,
            "left_out": left_out(settings),
            "seeds": list(as_written.seeds),
            "methods": (
                {
                    key: list(one.algorithms or as_written.algorithms)
                    for key, one in as_written.experiments.items()
                }
                or {"": list(as_written.algorithms)}
            ),
            "readings": list(suite.readings),
            "primary": suite.primary and suite.primary.model_dump(),
            "runs": [
                {
                    "id": run.id,
                    "experiment": run.setting.experiment,
                    "algorithm": run.model.algorithm,
                    "source": run.setting.source.name,
                    "target": run.setting.target.name,
                    "fold": run.setting.fold,
                    "seed": run.model.seed,
                    "model": run.model.id,
                }
                for run in runs
            ],
        },
    )


def write_episodes(folder: Path, setting: Setting) -> None:
    """The fixed episodes of a setting, one file per number of shots. A whole file is kept: its name holds the
    hash of its content.
    """
    for shots, episodes in setting.episodes.items():
        path = folder / episodes_file(setting, shots)
        if not _is_whole(path, episodes):
            with replacing(path) as temporary, contextlib.closing(_Rows(temporary, _EPISODES)) as rows:
                for part in _episodes_in_words(setting, shots):
                    rows.add(part)


def _is_whole(path: Path, episodes: FixedEpisodes) -> bool:
    """Whether all of `episodes` can be read from a file."""
    try:
        rows = len(pq.read_table(path, page_checksum_verification=True))
    except (OSError, ValueError, pa.ArrowException):
        return False
    return rows == episodes.support.size + sum(map(len, episodes.queries))


def episodes_file(setting: Setting, shots: int) -> str:
    """Where a setting's episodes stand, from the suite's folder."""
    # The hash is of places in pools, which two folds may share.
    target = f"{setting.target.name}{in_names(setting.fold)}"
    return f"episodes/{target}-{shots}shot-{episodes_hash(setting, shots)}.parquet"


def write_predictions(
    path: Path, parts: Iterable[pd.DataFrame], setting: Setting, probabilities: bool
) -> None:
    """Answers (of `evaluation.episodes`, with `shots` and `selection`) as a table in words, block by block:
    `full` has millions of rows.

    `probabilities`: whether any of them has the probabilities of all classes.
    """
    chances = [f"p_{name}" for name in setting.test.classes] if probabilities else []
    schema = pa.schema(
        [
            ("method", _TEXTS),
            ("shots", pa.int16()),
            ("selection", _TEXTS),
            ("episode", pa.int32()),
            ("path", _TEXTS),
            ("label", _TEXTS),
            ("predicted", _TEXTS),
            ("confidence", pa.float32()),
            ("subject", _TEXTS),
            ("clip", _TEXTS),
            *((name, pa.float32()) for name in chances),
        ]
    )
    who = _texts(setting.target.index)
    keys = ["method", "shots", "selection"]
    with (
        replacing(path) as temporary,
        tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=path.parent) as folder,
    ):
        # Answers come episode by episode, of all classifiers; each block is kept in a file of its own until
        # all have come.
        blocks: dict[tuple, _Rows] = {}
        for part in parts:
            key = tuple(part[keys].iloc[0])
            if key not in blocks:
                blocks[key] = _Rows(Path(folder) / f"{len(blocks)}.parquet", schema)
            blocks[key].add(_in_words(part, who, schema))
        with contextlib.closing(_Rows(temporary, schema)) as whole:
            for block in blocks.values():
                block.close()
                for table in pq.ParquetFile(block.path).iter_batches(BLOCK):
                    whole.add(pa.Table.from_batches([table]))


class _Rows:
    """A parquet file to which small tables are added; they are written in larger row groups."""

    def __init__(self, path: Path, schema: pa.Schema):
        self.path, self.writer = (
            path,
            pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True),
        )
        self.waiting, self.rows = [], 0

    def add(self, table: pa.Table) -> None:
        self.waiting.append(table)
        self.rows += len(table)
        if self.rows >= BLOCK:
            self._write()

    def close(self) -> None:
        if self.waiting:
            self._write()
        self.writer.close()

    def _write(self) -> None:
        self.writer.write_table(pa.concat_tables(self.waiting))
        self.waiting, self.rows = [], 0


def _texts(index: pd.DataFrame) -> dict[str, tuple[np.ndarray, pa.Array]]:
    """For who is in the images of a data set: the code of each row, -1 where unknown, and the texts that the
    codes stand for.
    """
    columns = {name: index[name].astype("category") for name in ("path", "subject", "clip")}
    return {
        name: (column.cat.codes.to_numpy(), pa.array(column.cat.categories, pa.string()))
        for name, column in columns.items()
    }


def _coded(codes: np.ndarray, texts: pa.Array | list[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32(), mask=codes < 0), texts)


def _in_words(part: pd.DataFrame, who: dict, schema: pa.Schema) -> pa.Table:
    """A part of the answers with the texts of their rows: `who` holds the code of each row of the data set,
    and the texts.
    """

    def column(field: pa.Field) -> pa.Array:
        if field.name in who:
            codes, texts = who[field.name]
            return _coded(codes[part["row"].to_numpy()], texts)
        if field.name not in part:
            return pa.nulls(len(part), field.type)
        values = part[field.name]
        if isinstance(values.dtype, pd.CategoricalDtype):
            return _coded(values.cat.codes.to_numpy(), pa.array(values.cat.categories, pa.string()))
        if field.type == _TEXTS:
            return _coded(np.zeros(len(part), dtype=np.int32), [values.iloc[0]])
        return pa.array(values.to_numpy(), field.type)

    return pa.table([column(field) for field in schema], schema)


def _episodes_in_words(setting: Setting, shots: int) -> Iterator[pa.Table]:
    """The support and queries of each episode, a few episodes at a time."""
    episodes = setting.episodes[shots]
    held = (setting.support.pool, setting.source) if setting.support else (setting.test, setting.target)
    sides = [
        (role, pool, domain, _texts(domain.index))
        for role, (pool, domain) in (("support", held), ("query", (setting.test, setting.target)))
    ]
    for start in range(0, len(episodes), EPISODES):
        parts = []
        for (role, pool, domain, who), rows in zip(sides, (episodes.support, episodes.queries)):
            rows = rows[start : start + EPISODES]
            flat, same = (
                np.concatenate([one.ravel() for one in rows]),
                np.zeros(sum(one.size for one in rows), dtype=np.int32),
            )
            number = np.repeat(
                np.arange(start, start + len(rows), dtype=np.int32), [one.size for one in rows]
            )
            texts = [_coded(codes[flat], texts) for codes, texts in who.values()]
            labels = _coded(pool.class_numbers(flat), list(pool.classes))
            parts.append(
                pa.table(
                    [number, _coded(same, [role]), labels, _coded(same, [domain.name]), *texts], _EPISODES
                )
            )
        whole = pa.concat_tables(parts).unify_dictionaries()
        yield whole.take(pa.array(np.argsort(whole["episode"].to_numpy(), kind="stable")))


def _told(
    suite: Suite, experiment: Experiment, settings: list[Setting], rendered: dict[str, Rendered]
) -> dict:
    """An experiment in words, from its setting or the settings of its folds."""

    def called(name: str) -> str:
        return f"{name} (rendered)" if name in rendered else name

    mixture, setting = suite.mixtures.get(experiment.train), settings[0]
    folds = f" ({len(settings)} folds, each by a training of its own)" if setting.fold else ""
    trained_on = called(setting.source.name)
    if mixture:
        trained_on += f", {mixture.per_class:,} images a class" if mixture.per_class else ""
    return {
        "title": experiment.title,
        "trained_on": (
            f"{trained_on}, {round(np.mean([len(one.source.train) for one in settings])):,} images"
            + (
                f" (no clips called {', '.join(setting.mixture.lacking)})"
                if setting.mixture and setting.mixture.lacking
                else ""
            )
        ),
        "tested_on": (
            f"{called(setting.target.name)}, {sum(len(one.test) for one in settings):,} images{folds}"
        ),
        "published": [figure.model_dump() for figure in experiment.published],
        "faults": list(experiment.faults),
        "carries": list(experiment.carries),
        "checkpoint": experiment.checkpoint,
        "remarks": remarks(setting),
        "against": setting.against,
    }


def left_out(settings: Iterable[Setting]) -> list[str]:
    """A line for each target for which the oracle is left out, and why."""
    return list(dict.fromkeys(setting.no_oracle for setting in settings if setting.no_oracle))


def remarks(setting: Setting) -> list[str]:
    """What a reader must know of a mixture that is trained on: how it compares with the published one, and
    what of its clips is left.
    """
    lines = [setting.mixture.counts] if setting.mixture and setting.mixture.counts else []
    if mixed := setting.mixed_in:
        words = (
            "of the {frames:,} mixed-in frames of {clips} clips {trained_frames:,} frames of {trained_clips}"
            " clips are trained on"
        )
        lines.append(words.format(**mixed) + "".join(_kept_back(setting)))
    return lines


def _kept_back(setting: Setting) -> Iterator[str]:
    """For whom the other frames are: val, where it is none of the images trained on, and those held out."""
    for pool, purpose in ((setting.source.val, "validate"), (setting.source.held, "are held out as support")):
        if pool is not None and not np.array_equal(pool.rows, setting.source.train.rows):
            frames, clips = frames_and_clips(setting.source.index.iloc[pool.rows])
            yield f", {f'{frames:,} of {clips}' if frames else 'none'} {purpose}"


def _bayes(settings: list[Setting], rendered: dict[str, Rendered]) -> list[dict]:
    """How often a perfect reader of the drawn action units is right, in episodes and among all the classes of
    a rendered target.
    """
    rows = {}
    for setting in settings:
        source, target = setting.source.name, setting.target.name
        if target in rendered:
            classes, way = setting.test.classes, setting.protocol.way
            rows[source, target, way] = bayes_episode_accuracy(classes, way)
            rows[source, target, len(classes)] = bayes_accuracy(classes)
    return [
        {"source": source, "target": target, "way": way, "accuracy": accuracy}
        for (source, target, way), accuracy in rows.items()
    ]
