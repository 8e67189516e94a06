"""`--shard k/n`: the k-th of n parts of a bench's models, for machines that know nothing of each other."""

from collections.abc import Hashable, Sequence

import numpy as np

from fer_meta.runner.plan import Run


def of_shard(runs: Sequence[Run], every: Sequence[Run], shard: tuple[int, int]) -> list[Run]:
    """Those of `runs` whose models are in a shard. `every` are the runs of the whole bench: every n-th model
    of theirs is in it, whichever settings a search picks, so that all machines divide alike.
    """
    number, of = shard
    places = list(dict.fromkeys(map(_place, every)))
    mine = set(places[number - 1 :: of])
    return [run for run in runs if _place(run) in mine]


def fewest_shards(seconds: Sequence[float], limit: float, jobs: int = 1) -> int | None:
    """The smallest n for which no shard of models takes over `limit` seconds, with `jobs` models side by
    side; None if a single model does. `seconds` are those of each model, in the order of the plan.
    """
    times = np.asarray(seconds, dtype=float)
    if not len(times) or times.max() > limit:
        return None
    least, models = max(1, int(np.ceil(times.sum() / jobs / limit))), np.arange(len(times))
    return next(
        number
        for number in range(least, len(times) + 1)
        if np.bincount(models % number, times).max() <= jobs * limit
    )


def _place(run: Run) -> Hashable:
    source = run.model.source
    return run.model.key, source.name, str(source.fold), run.model.seed, run.trial and run.trial.draw
