"""Episodes and answers in words (paths, names of expressions) instead of rows of a cache, as readers of
results need them.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from fer_meta.records import episodes as stored
from fer_meta.records.answers import answers_schema, write_answers
from fer_meta.records.parquet import TEXTS, texts_of
from fer_meta.records.pictures import MOST, pictures_of, write_sheet
from fer_meta.runner.identity import episodes_hash
from fer_meta.runner.settings import Setting, in_names

# Episodes that are put into words together.
EPISODES = 500

# What a block of answers has in common.
BLOCK = ["readout", "shots", "selection"]


def write_all_episodes(folder: Path, settings: Iterable[Setting]) -> None:
    """Write the fixed episodes of `settings`; the many that share a target share its files, which are looked
    at once.
    """
    found = {tuple(episodes_file(one, shots) for shots in one.episodes): one for one in settings}
    for setting in found.values():
        write_episodes(folder, setting)


def write_episodes(folder: Path, setting: Setting) -> None:
    """The fixed episodes of a setting, one file per number of shots, and the images of the first one of the
    most shots. A whole file is kept: its name holds the hash of its content.
    """
    for shots, episodes in setting.episodes.items():
        path = folder / episodes_file(setting, shots)
        if not stored.has_episodes(path, episodes.support.size + sum(map(len, episodes.queries))):
            stored.write_episodes(path, _episodes_in_words(setting, shots))
        if shots == max(setting.episodes) and not (sheet := pictures_of(path)).is_file():
            images = _first_images(setting, shots)
            if len(images) <= MOST:
                write_sheet(sheet, images)


def _first_images(setting: Setting, shots: int) -> np.ndarray:
    """The images of the first episode, uint8 [N, H, W, 3]: its support, then its queries, as are stored."""
    episodes = setting.episodes[shots]
    held = setting.support.images if setting.support else setting.target.images
    support, queries = (np.asarray(side[0]).ravel() for side in (episodes.support, episodes.queries))
    return np.concatenate([held[support], setting.target.images[queries]])


def episodes_file(setting: Setting, shots: int) -> str:
    """Where a setting's episodes lie, from the suite's folder."""
    # The hash is of places in pools, which two folds may share.
    target = f"{setting.target.name}{in_names(setting.fold)}"
    return f"episodes/{target}-{shots}shot-{episodes_hash(setting, shots)}.parquet"


def write_predictions(
    path: Path, parts: Iterable[pd.DataFrame], setting: Setting, probabilities: bool
) -> None:
    """Answers (of `evaluation.answers`, with `shots` and `selection`) as a table in words, block by block.

    `probabilities`: whether any of them has the probabilities of all classes.
    """
    schema = answers_schema(setting.test.classes if probabilities else ())
    who = _texts(setting.target.index)
    write_answers(
        path, ((tuple(part[BLOCK].iloc[0]), _in_words(part, who, schema)) for part in parts), schema
    )


def _texts(index: pd.DataFrame) -> dict[str, tuple[np.ndarray, pa.Array]]:
    """For who is in the images of a data set: the code of each row, -1 where unknown, and the text of each
    code.
    """
    columns = {name: index[name].astype("category") for name in ("path", "subject", "clip")}
    return {
        name: (column.cat.codes.to_numpy(), pa.array(column.cat.categories, pa.string()))
        for name, column in columns.items()
    }


def _in_words(part: pd.DataFrame, who: dict, schema: pa.Schema) -> pa.Table:
    """A part of the answers with the texts of their rows: `who` holds the code of each row of the data set,
    and the texts.
    """

    def column(field: pa.Field) -> pa.Array:
        if field.name in who:
            codes, texts = who[field.name]
            return texts_of(codes[part["row"].to_numpy()], texts)
        if field.name not in part:
            return pa.nulls(len(part), field.type)
        values = part[field.name]
        if isinstance(values.dtype, pd.CategoricalDtype):
            return texts_of(values.cat.codes.to_numpy(), pa.array(values.cat.categories, pa.string()))
        if field.type == TEXTS:
            return texts_of(np.zeros(len(part), dtype=np.int32), [values.iloc[0]])
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
        end = start + EPISODES
        of_side = (list(episodes.support[start:end]), list(episodes.queries[start:end]))
        for (role, pool, domain, who), rows in zip(sides, of_side):
            flat, same = (
                np.concatenate([one.ravel() for one in rows]),
                np.zeros(sum(one.size for one in rows), dtype=np.int32),
            )
            number = np.repeat(
                np.arange(start, start + len(rows), dtype=np.int32), [one.size for one in rows]
            )
            texts = [texts_of(codes[flat], texts) for codes, texts in who.values()]
            labels = texts_of(pool.class_numbers(flat), list(pool.classes))
            parts.append(
                pa.table(
                    [number, texts_of(same, [role]), labels, texts_of(same, [domain.name]), *texts],
                    stored.SCHEMA,
                )
            )
        whole = pa.concat_tables(parts).unify_dictionaries()
        yield whole.take(pa.array(np.argsort(whole["episode"].to_numpy(), kind="stable")))
