"""What a leak is worth: experiments that differ in what support and query share, and a checkpoint picked on
the target.
"""

import numpy as np
import pandas as pd
import pyarrow as pa

from fer_meta.records.parquet import coded
from fer_meta.report.aggregate.accuracy import half_width, in_one_text
from fer_meta.report.cells import Cell, Names
from fer_meta.report.episodes import damaged, episodes_path, read_episodes
from fer_meta.report.load import Results
from fer_meta.statistics.intervals import difference, hierarchical_interval
from fer_meta.statistics.queries import Queries

SHARED = {"image": "path", "clip": "clip", "person": "subject"}
COLUMNS = [
    "experiment",
    "against",
    "source",
    "target",
    "method",
    "readout",
    "way",
    "shots",
    "accuracy",
    "ci95",
    "difference",
    "low",
    "high",
    "p",
    "share_image",
    "share_clip",
    "share_person",
    "accuracy_shared",
    "accuracy_unshared",
    "chance",
    "seeds",
    "failed_seeds",
    "groups",
]
ORACLE_COLUMNS = [
    "experiment",
    "source",
    "target",
    "method",
    "readout",
    "way",
    "shots",
    "difference",
    "low",
    "high",
    "p",
    "seeds",
    "failed_seeds",
]


def leak_table(results: Results, cells: list[Cell], names: Names) -> pd.DataFrame:
    """One row per readout and experiment that is compared with another (`against`), or that others are
    compared with.

    The checkpoint is picked on the source's validation split. `difference` (-1 to 1) is the accuracy less
    that in `against`, with its 95 % interval `low` to `high` and its p value; the two have other episodes of
    the same images. It is NaN if one of the trainings did not learn (`failed_seeds`).

    `share_image`, `share_clip` and `share_person` (0 to 1) are the shares of queries whose image, clip or
    person is also in the support of their class, by the stored episodes; NaN if the clips or people of all
    images are unknown. `accuracy_shared` is the accuracy on the queries that share any of these, and
    `accuracy_unshared` that on the others; NaN if there are none. Without such experiments there are no rows.
    """
    against = {key: one["against"] for key, one in results.experiments.items() if one["against"]}
    family = set(against) | set(against.values())
    shown = {
        _key(cell): cell
        for cell in cells
        if cell.experiment in family and cell.shots > 0 and cell.selection == "source-val"
    }
    rows, known = [], {}
    for cell in shown.values():
        if cell.place not in known:
            known[cell.place] = _shared(results, cell, names)
        shared, right = known[cell.place], cell.outcomes().right.mean(axis=0)
        any_shared = np.logical_or.reduce(list(shared.values()))  # the image is always known
        other = against.get(cell.experiment)
        row = _fields(cell, COLUMNS) | {
            "against": other,
            "accuracy": right.mean(),
            "ci95": half_width(hierarchical_interval(cell.outcomes())),
            "chance": 1 / cell.way,
            "groups": cell.queries.groups,
            **{f"share_{kind}": on.mean() for kind, on in shared.items()},
            "accuracy_shared": right[any_shared].mean() if any_shared.any() else np.nan,
            "accuracy_unshared": right[~any_shared].mean() if not any_shared.all() else np.nan,
        }
        base = shown.get((other, *_key(cell)[1:]))
        rows.append(row | (_between(cell, base) if base else {}))
    return pd.DataFrame(rows).reindex(columns=COLUMNS) if rows else pd.DataFrame(columns=COLUMNS)


def oracle_table(results: Results, cells: list[Cell]) -> pd.DataFrame:
    """What it is worth to pick the checkpoint on the target's validation split: the accuracy of `oracle` less
    that of `source-val` on the same queries.

    One row per readout of the experiment that all others lead back to by `against`. There are no rows if no
    checkpoint was picked on the target.
    """
    against = {key: one["against"] for key, one in results.experiments.items()}
    bases = {other for other in against.values() if other and not against.get(other)}
    shown = [cell for cell in cells if cell.experiment in bases and cell.shots > 0]
    picked = {_key(cell): cell for cell in shown if cell.selection == "source-val"}
    rows = [
        _fields(cell, ORACLE_COLUMNS) | _between(cell, picked[_key(cell)])
        for cell in shown
        if cell.selection == "oracle" and _key(cell) in picked
    ]
    return pd.DataFrame(rows, columns=ORACLE_COLUMNS)


def _key(cell: Cell) -> tuple:
    return cell.experiment, cell.source, cell.target, cell.readout, cell.shots


def _fields(cell: Cell, columns: list[str]) -> dict:
    return {name: getattr(cell, name) for name in columns if name != "seeds" and hasattr(cell, name)} | {
        "seeds": len(cell.seeds),
        "failed_seeds": in_one_text(cell.failed),
    }


def _between(cell: Cell, base: Cell) -> dict:
    """`cell` less `base` over the seeds that both have; nothing if they have none in common, or a training of
    these did not learn.
    """
    seeds = tuple(seed for seed in cell.seeds if seed in base.seeds)
    if not seeds or {*cell.failed, *base.failed} & {*seeds}:
        return {}
    found = difference(cell.outcomes(seeds), base.outcomes(seeds))
    return {"difference": found.value, "low": found.low, "high": found.high, "p": found.p}


def _shared(results: Results, cell: Cell, names: Names) -> dict[str, np.ndarray]:
    """Per kind, for each query [N]: is the same image, clip or person in its own class's support? Without a
    kind that is known of no image.
    """
    parts = [_shared_in(results, part, names) for part in cell.parts or [cell]]
    return {
        kind: np.concatenate([part[kind] for part in parts])
        for kind in SHARED
        if all(kind in part for part in parts)
    }


def _shared_in(results: Results, cell: Cell, names: Names) -> dict[str, np.ndarray]:
    """The same, of a cell that is no pool of folds."""
    run = next(
        run
        for run in results.runs
        if (run.experiment, run.source, run.target, run.fold) == (*cell.place[:3], cell.fold)
    )
    path = episodes_path(results, run, cell.shots)
    rows, support = read_episodes(path, run.command)
    place = _place_of_queries(rows.filter(pa.array(~support)), cell.queries, names, run.target)
    if place is None:
        raise damaged(path, "does not hold the queries that were predicted", run.command)
    own_class = rows["episode"].to_numpy().astype(np.int64)
    for column in ("label", "data"):
        texts, codes = coded(rows[column])
        own_class = own_class * len(texts) + codes
    shared = {}
    for kind, column in SHARED.items():
        texts, codes = coded(rows[column])
        if not (codes >= 0).any():
            continue
        # -1 where the clip or the person is unknown
        member = np.where(codes < 0, -1, own_class * len(texts) + codes)
        shared[kind] = (np.isin(member[~support], member[support]) & (member[~support] >= 0))[place]
    return shared


def _place_of_queries(rows: pa.Table, queries: Queries, names: Names, target: str) -> np.ndarray | None:
    """[N] where in `rows` each query is (either place, if an episode has it twice); None if one is not
    there.
    """
    stored, asked = (
        episode.astype(np.int64) << 32 | image % (1 << 32)
        for episode, image in (
            (rows["episode"].to_numpy(), names.numbers("path", rows["path"], target)),
            (queries.episode, queries.image),
        )
    )
    if not len(stored):
        return None
    by_key = np.argsort(stored, kind="stable")
    place = by_key[np.minimum(np.searchsorted(stored, asked, sorter=by_key), len(stored) - 1)]
    return place if np.array_equal(stored[place], asked) else None
