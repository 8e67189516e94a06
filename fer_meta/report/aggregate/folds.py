"""The folds of a cross-validation as one result: each image was tested in one fold, so its answers are those
of the whole data set.

A seed of the pooled result is the set of trainings with that seed, one per fold. Each person is in one fold
only, and people are the groups as in other protocols.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from fer_meta.errors import ResultsError
from fer_meta.report.cells import Cell
from fer_meta.report.load import Results
from fer_meta.statistics import metrics
from fer_meta.statistics.queries import Queries, Support

NOTE = (
    "Cross-validation: each image is tested in one fold, and the folds of a seed are one result. The interval"
    " knows how folds differ, but not that two trainings share most of their images; it may be too short"
    " (Bengio and Grandvalet 2004, J. Mach. Learn. Res. 5, 1089-1105)."
)
LACKING = " A seed that lacks a fold is left out."

COLUMNS = [
    "experiment",
    "readout",
    "source",
    "target",
    "way",
    "shots",
    "selection",
    "fold",
    "seed",
    "failed",
    "accuracy",
    "uar",
    "queries",
    "groups",
    "members",
]

_LABELS = 1 << 15  # more than there can be: their numbers are int16


def pooled(results: Results, cells: Sequence[Cell]) -> list[Cell]:
    """`cells` with those of folds pooled, in the order given; a seed that lacks a fold of the plan is left
    out.

    Raises ResultsError if nothing is left.
    """
    folds, together = _planned(results), defaultdict(list)
    kept: dict[tuple, Queries] = {}
    for cell in cells:
        together[
            cell.experiment,
            cell.source,
            cell.target,
            cell.method,
            cell.readout,
            cell.shots,
            cell.selection,
        ].append(cell)
    found = []
    for key, own in together.items():
        if own[0].fold is None:
            found += own
        elif whole := _pool(sorted(own, key=lambda cell: cell.fold or 0), folds[key[:4]], kept):
            found.append(whole)
    if not found:
        raise ResultsError(
            f"{results.folder}: no seed has all folds of a cross-validation yet; run `{results.command}`"
        )
    return found


def note(results: Results) -> str:
    """What a reader must know of a cross-validation; nothing where there is none."""
    if all(run["fold"] is None for run in results.plan["runs"]):
        return ""
    return NOTE + (LACKING if results.missing else "")


def folds_table(cells: Iterable[Cell]) -> pd.DataFrame:
    """A row for each fold and seed of the pooled `cells`: accuracy and UAR (0 to 1) of its `queries`, which
    are of so many `members` of `groups` (people, clips or images). `failed`: its training did not learn.
    """
    rows = [
        {name: getattr(part, name) for name in COLUMNS if hasattr(part, name)}
        | {
            "seed": seed,
            "failed": seed in part.failed,
            "accuracy": scores.accuracy,
            "uar": scores.uar,
            "queries": len(part.queries.image),
            "groups": part.queries.groups,
            "members": len(np.unique(part.queries.group)),
        }
        for cell in cells
        for part in cell.parts
        for seed, scores in zip(part.seeds, part.scores)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _planned(results: Results) -> dict[tuple, set[int]]:
    """The folds of each experiment, source, target and method."""
    found = defaultdict(set)
    for run in results.plan["runs"]:
        found[run["experiment"], run["source"], run["target"], run["method"]].add(run["fold"])
    return found


def _pool(parts: Sequence[Cell], planned: set[int], kept: dict[tuple, Queries]) -> Cell | None:
    """The cells of all folds as one, over the seeds that all of them have; None if there are no such seeds,
    or folds are missing.

    `kept`: the queries that were concatenated before, for all readouts share them.
    """
    seeds = tuple(seed for seed in parts[0].seeds if all(seed in part.seeds for part in parts))
    if not seeds or {part.fold for part in parts} != planned:
        return None
    parts = [part.of_seeds(seeds) for part in parts]
    asked = tuple(part.queries for part in parts)
    if asked not in kept:
        kept[asked] = concatenated(asked)
    counts = np.array([len(part.queries.image) for part in parts])
    confusion = np.sum([part.confusion for part in parts], axis=0)
    return replace(
        parts[0],
        fold=None,
        parts=tuple(parts),
        failed=tuple(seed for seed in seeds if any(seed in part.failed for part in parts)),
        queries=kept[asked],
        packed=np.packbits(np.concatenate([part.outcomes().right for part in parts], axis=1), axis=1),
        confusion=confusion,
        scores=tuple(
            metrics.scores(pd.DataFrame(one, parts[0].vocabulary, parts[0].vocabulary)) for one in confusion
        ),
        # Each model's own, weighted by its queries: pooled bins would set one model's errors off against
        # another's.
        ece=counts @ np.stack([part.ece for part in parts]) / counts.sum(),
        clips=_clips([part.clips for part in parts]),
    )


def concatenated(queries: Sequence[Queries]) -> Queries:
    """The queries of the folds, one after the other, their episodes numbered on; where no fold has episodes,
    there are none.
    """
    lengths = [int(one.episode.max()) + 1 for one in queries]
    starts = np.cumsum([0, *lengths[:-1]]) * (max(lengths) > 1)
    kinds = list(dict.fromkeys(one.groups for one in queries))
    # A class of a fold is a class of its own: its support comes from this fold's people alone.
    supports = [
        Support(
            one.support.episode + start,
            one.support.group,
            one.support.image,
            one.support.label.astype(int) + _LABELS * fold,
        )
        for fold, (one, start) in enumerate(zip(queries, starts))
        if one.support
    ]
    return Queries(
        np.concatenate([one.episode + start for one, start in zip(queries, starts)]),
        np.concatenate([one.label for one in queries]),
        np.concatenate([one.group for one in queries]),
        np.concatenate([one.image for one in queries]),
        (
            Support(
                *(
                    np.concatenate([getattr(one, name) for one in supports])
                    for name in ("episode", "group", "image", "label")
                )
            )
            if supports
            else None
        ),
        max(kinds, key=("people", "clips", "images").index),
        np.repeat(np.arange(len(queries)), [len(one.image) for one in queries]),
    )


def _clips(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Clips of all folds, and how many of them each decision names right; NaN where a fold has none of two
    frames.
    """
    counts = np.stack([table["clips"].to_numpy(float) for table in tables])
    shares = {
        name: (
            np.sum([one * table[name].to_numpy(float) for one, table in zip(counts, tables)], axis=0)
            / counts.sum(0)
        )
        for name in ("vote", "mean")
    }
    return pd.DataFrame({"clips": counts.sum(0), **shares})
