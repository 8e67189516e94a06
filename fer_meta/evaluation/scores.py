"""From answers in memory to accuracy with its interval, for one model, as `fer_meta.evaluate` returns it."""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import pandas as pd

from fer_meta.statistics.intervals import Outcomes, hierarchical_interval
from fer_meta.statistics.queries import Queries, Support
from fer_meta.tasks.episodes import FixedEpisodes
from fer_meta.tasks.pools import Pool

GROUPS = {"people": "subject", "clips": "clip", "images": "path"}


def score(
    answers: Iterable[pd.DataFrame], episodes: FixedEpisodes, pool: Pool, index: pd.DataFrame
) -> dict[str, dict]:
    """The accuracy of each readout, 0 to 1, with its 95 % interval over groups and episodes.

    `answers` are those of `answer_episodes` to `episodes` of `pool`, rows of a data set with this `index`.
    A group is a person where all are known, else a clip, else an image.
    """
    parts = defaultdict(list)
    for part in answers:
        right = part["label"].cat.codes.to_numpy() == part["predicted"].cat.codes.to_numpy()
        parts[part["readout"].iloc[0]].append((part["episode"].to_numpy(), part["row"].to_numpy(), right))
    found = {}
    for readout, own in parts.items():
        episode, row, right = (np.concatenate(column) for column in zip(*own))
        found[readout] = _scored(episode, row, right, episodes, pool, index)
    return found


def _scored(episode, row, right, episodes: FixedEpisodes, pool: Pool, index: pd.DataFrame) -> dict:
    groups, column = next(
        (name, column) for name, column in GROUPS.items() if index[column].iloc[pool.rows].notna().all()
    )
    group = pd.factorize(index[column])[0]
    shown = episodes.support.reshape(len(episodes), -1)
    support = Support(
        np.repeat(np.arange(len(episodes)), shown.shape[1]),
        group[shown].ravel(),
        shown.ravel(),
        pool.class_numbers(shown.ravel()),
    )
    queries = Queries(episode, pool.class_numbers(row), group[row], row, support, groups)
    found = hierarchical_interval(Outcomes(right[None], queries))
    return {
        "accuracy": found.value,
        "low": found.low,
        "high": found.high,
        "episodes": found.counts["episodes"],
        "tested_on": f"{found.counts['groups']:,} {groups}",
    }
