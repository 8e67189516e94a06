"""The names of readouts, domains and experiments in the report, and the colours and order of readouts.

The bench writes it into the plan (`labels`), from the methods themselves. A plan of an older version has no
labels: then, and for a readout without a label, KNOWN says it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from zlib import crc32

import pandas as pd

from fer_meta.report.load import Results
from fer_meta.sources import PLUS, called

SELECTIONS = {"source-val": "source-val", "last": "last", "oracle": "oracle (target's validation)"}
BAYES = "Bayes-optimal AU reader"
OWN = "the method's own"
LAST = 999  # the place of a readout without a label


@dataclass(frozen=True)
class Look:
    """How tables and plots show a readout: its `label`, its `colour` (#rrggbb) and its place in tables."""

    label: str
    colour: str
    order: int


# Okabe and Ito's colours (and a violet), which colour-blind readers can tell apart.
KNOWN = {
    "protonet": Look("ProtoNet", "#0072B2", 0),
    # Of a primary contrast whose ProtoNet is not in the bench.
    "protonet-ncm": Look("ProtoNet (nearest mean)", "#4A9CCB", 0),
    "relationnet": Look("Relation Net", "#E69F00", 1),
    "relationnet-mean": Look("Relation Net (averaged maps)", "#7F3C8D", 2),
    "maml": Look("MAML", "#009E73", 3),
    "fomaml": Look("FOMAML", "#56B4E9", 4),
    "supervised-head": Look("Supervised (own head)", "#999999", 5),
    "supervised-ncm": Look("Supervised (nearest mean)", "#D55E00", 6),
    "supervised-probe": Look("Supervised (linear probe)", "#CC79A7", 7),
}
METHODS = {"fomaml": "maml"}  # readout -> its method, where it is not named after it
# Paul Tol's "muted": for readouts without a colour of their own, and for sources and experiments.
MUTED = ["#332288", "#882255", "#117733", "#999933", "#AA4499", "#44AA99", "#CC6677", "#88CCEE", "#DDCC77"]


def look(results: Results, readout: str) -> Look:
    """The look of a readout. It depends on the name of the readout alone, never on which others are there. A
    readout without a label keeps its name, comes last, and its name decides its colour.
    """
    label = results.plan.get("labels", {}).get(readout)
    if label:
        return Look(label["label"], label["colour"], label["order"])
    return KNOWN.get(readout) or Look(readout, MUTED[crc32(readout.encode()) % len(MUTED)], LAST)


def readout_name(results: Results, readout: str) -> str:
    """The label of a readout.

    In an older plan, the label of Relation Net says "summed maps" if `results` also have the variant of
    averaged maps.
    """
    old = readout not in results.plan.get("labels", {})
    if old and readout == "relationnet" and any(run.method == "relationnet_mean" for run in results.runs):
        return "Relation Net (summed maps)"
    return look(results, readout).label


def training_name(results: Results, method: str, readout: str) -> str:
    """The name of a training of `method`, from any one of its readouts: "Supervised" for each readout of a
    supervised network. A readout that is named after its method has the same label.
    """
    name = readout_name(results, readout)
    return name if method.replace("_", "-") == readout else name.rsplit(" (", 1)[0]


def reading_name(results: Results, method: str, readout: str) -> str:
    """How an answer of a training is read: what its label says after the training's name ("ridge")."""
    after = readout_name(results, readout).removeprefix(training_name(results, method, readout))
    return after.removeprefix(" (").removesuffix(")") or OWN


def is_own_head(readout: str) -> bool:
    """Whether a readout is a network's own head, which needs no support. Its name says so."""
    return readout.endswith("-head") and not readout.endswith("-finetune-head")


def rank(results: Results, readout: str) -> tuple[int, str]:
    """Sort key of a readout: its place in the tables. Those without a label come last, by name."""
    return look(results, readout).order, readout


def in_order(results: Results, readouts: Iterable[str]) -> list[str]:
    """Each readout once, in the order of the tables."""
    return sorted(set(readouts), key=partial(rank, results))


def classes_in_order(results: Results, classes: Iterable[str]) -> list[str]:
    """Classes in the order of the vocabulary that the data sets bring, such as mild before strong;
    expressions by name.
    """
    own, there = results.plan.get("vocabulary"), set(classes)
    return [name for name in own if name in there] if own else sorted(there)


ALIKE = ("happiness", "surprise", "fear", "disgust", "anger", "contempt", "sadness", "neutral")
"""Expressions so that those that people and networks confuse are side by side: around the circle of pleasure
and arousal (Russell 1980, J. Pers. Soc. Psychol. 39, 1161-1178), fear beside surprise and anger beside
disgust (Ekman and Friesen 1971).
"""


def classes_alike(results: Results, classes: Iterable[str]) -> list[str]:
    """`classes_in_order`, expressions as in ALIKE, for tables that say which is taken for which."""
    names = classes_in_order(results, classes)
    known = {name: place for place, name in enumerate(ALIKE)}
    return (
        names
        if results.plan.get("vocabulary")
        else sorted(names, key=lambda name: known.get(name, len(known)))
    )


def experiment_title(results: Results, experiment: str, end: str = ": ") -> str:
    """Key and title of an experiment with `end` after them; nothing in a suite that has none."""
    found = results.experiments.get(experiment)
    return f"{experiment}, {found['title']}{end}" if found else experiment and experiment + end


def domain_name(results: Results, domain: str) -> str:
    """The name for people: a rendered domain is always called so."""
    return called(domain, results.plan.get("rendered", ()))


def in_lines(name: str) -> str:
    """A domain's name for a plot: a long one of a source of several data sets has a line for each."""
    return name.replace(PLUS, f" {PLUS}\n") if len(name) > NARROW else name


NARROW = 28


def domain_key(results: Results, domain: str) -> str:
    """Sort key of a domain: by name; rendered ones last, recipes as the plan has them (the studio, which is
    nearest to all, first) and their severities as numbers.
    """
    places = results.plan.get("severity", {})
    if domain not in places:
        return domain
    recipes = list(dict.fromkeys(place["recipe"] for place in places.values()))
    place = places[domain]
    return f"\uffff{recipes.index(place['recipe']):06}@{place['severity']:.6f} {domain}"


def domains_in_order(results: Results, names: Iterable[str]) -> list[str]:
    """Each domain once, in the order of the tables."""
    return sorted(set(names), key=partial(domain_key, results))


def order(results: Results, column: pd.Series) -> pd.Series:
    """Sort key of a column, by the column's name: readouts, selections, domains, and experiments (as in the
    plan) have an order of their own; any other column is sorted by its values.
    """
    keys: dict[str, Callable[[str], str | int]] = {
        "readout": lambda name: "{:06}{}".format(*rank(results, name)),
        "selection": _selection_key,
        "source": partial(domain_key, results),
        "target": partial(domain_key, results),
        "experiment": partial(_experiment_key, results),
    }
    key = keys.get(str(column.name))
    return column if key is None else column.map({name: key(name) for name in column.unique()})


def _experiment_key(results: Results, name: str) -> int:
    return [*results.experiments].index(name) if name in results.experiments else -1


def _selection_key(name: str) -> str:
    return f"{[*SELECTIONS].index(name)}" if name in SELECTIONS else f"9{name}"
