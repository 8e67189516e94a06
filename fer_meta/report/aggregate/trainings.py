"""What was trained: backbone, initial weights, images seen, steps and seconds; and what of it two readouts do
not share, so that their difference is not taken for an effect of the objective.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from fer_meta.report.load import Results, Run
from fer_meta.report.names import order, readout_name

COLUMNS = ["experiment", "source", "method", "backbone", "weights", "images", "steps", "seconds", "trainings"]
# What a comparison of objectives holds equal.
ASPECTS = ("backbone", "initial weights", "images seen", "readout")
SAME_IMAGES = 0.02  # numbers of images that differ by less count as equal
UNKNOWN = "not recorded"
OWN = "its own"

# (experiment, source, method)
Trained = dict[tuple[str, str, str], list[Run]]


class Side(NamedTuple):
    """A readout in a comparison, and the runs that it is of."""

    readout: str
    runs: list[Run]


class Shared(NamedTuple):
    """What two readouts have in common, aspect -> what it is, and what not, aspect -> that of each."""

    equal: dict[str, str]
    differs: dict[str, tuple[str, str]]


def trainings_table(results: Results) -> pd.DataFrame:
    """One row per method and source; experiments that share its trainings are named together.

    `images`, `steps` and `seconds` (without validation) are means over the `trainings` (seeds and folds), NaN
    where they were not recorded.
    """
    used: dict[str, dict[str, Run]] = defaultdict(dict)
    for run in results.runs:
        used[run.model].setdefault(run.experiment, run)
    groups: dict[tuple, list[Run]] = defaultdict(list)
    for own in used.values():
        run = next(iter(own.values()))
        groups[", ".join(own), run.source, run.method].append(run)
    rows = [
        dict(zip(COLUMNS, key))
        | {
            "backbone": backbone(runs),
            "weights": weights(runs),
            "images": _mean(runs, "images"),
            "steps": _mean(runs, "steps"),
            "seconds": _mean(runs, "seconds"),
            "trainings": len(runs),
        }
        for key, runs in groups.items()
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    sources = table["source"].map(dict(zip(table["source"], order(results, table["source"]))))
    return table.iloc[sources.argsort(kind="stable")].reset_index(drop=True)


def runs_by_training(results: Results) -> Trained:
    """The runs of each method on each source, by experiment."""
    found: Trained = defaultdict(list)
    for run in results.runs:
        found[run.experiment, run.source, run.method].append(run)
    return found


def shared(results: Results, pairs: Iterable[tuple[Side, Side]]) -> Shared:
    """What the two sides have in common in each of `pairs`, which are of one readout each, as on several
    sources.
    """
    pairs = list(pairs)
    equal: dict[str, str] = {}
    differs: dict[str, tuple[str, str]] = {}
    for aspect in ASPECTS:
        # each once, in order
        first, second = (
            ", ".join(dict.fromkeys(_said(results, aspect, pair[number]) for pair in pairs))
            for number in (0, 1)
        )
        if all(_same(results, aspect, *pair) for pair in pairs):
            equal[aspect] = first
        else:
            differs[aspect] = first, second
    return Shared(equal, differs)


def differs_in(found: Shared) -> str:
    """backbone (resnet18, conv4), readout (nearest mean, its own); nothing where all is equal."""
    return ", ".join(f"{aspect} ({_both(*values)})" for aspect, values in found.differs.items())


def _both(one: str, other: str) -> str:
    if one != other:
        return f"{one}, {other}"
    return f"each {one}" if one == OWN else one


def backbone(runs: Iterable[Run]) -> str:
    return ", ".join(sorted({str(run.config["backbone"]) for run in runs}))


def weights(runs: Iterable[Run]) -> str:
    return ", ".join(sorted({str(run.config.get("weights", "none")) for run in runs}))


def images_seen(runs: list[Run]) -> float:
    """The mean over trainings; NaN where one did not record it."""
    return _mean(list({run.model: run for run in runs}.values()), "images")


def _same(results: Results, aspect: str, first: Side, second: Side) -> bool:
    if aspect == "images seen":
        ours, theirs = images_seen(first.runs), images_seen(second.runs)
        return abs(ours - theirs) <= SAME_IMAGES * max(ours, theirs)  # NaN is equal to nothing
    one, other = (_said(results, aspect, side) for side in (first, second))
    if aspect == "readout" and one == OWN:
        return other == OWN and _method(first) == _method(second)
    # a method from outside may have a network that has no name
    return one == other and not (aspect == "backbone" and one == "own" and _method(first) != _method(second))


def _said(results: Results, aspect: str, side: Side) -> str:
    if aspect == "backbone":
        return backbone(side.runs)
    if aspect == "initial weights":
        return weights(side.runs)
    if aspect == "images seen":
        images = images_seen(side.runs)
        return UNKNOWN if pd.isna(images) else f"{images:,.0f}"
    if not side.readout.startswith(f"{side.runs[0].method.replace('_', '-')}-"):
        return OWN
    return readout_name(results, side.readout).rpartition("(")[2].removesuffix(")")


def _method(side: Side) -> str:
    """The method, also where a suite has several settings of it under names of their own."""
    run = side.runs[0]
    return str(run.config.get("method") or run.method)


def _mean(runs: list[Run], name: str) -> float:
    values = [(run.trained or {}).get(name) for run in runs]
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else float("nan")
