"""A protocol in words: every field of it, for the line above a table."""

from collections import Counter
from collections.abc import Callable
from functools import partial

import pandas as pd

from fer_meta.report.aggregate.accuracy import PLACE
from fer_meta.report.document import Text, joined
from fer_meta.report.load import Results, Run
from fer_meta.report.names import SELECTIONS
from fer_meta.report.sections.words import count, domain, span
from fer_meta.sources import PLUS

BATCHNORM = {
    "eval": "stored statistics (inductive)",
    "batch": "the batch's statistics (transductive)",
    "target": "statistics of the target's test images, without their labels (AdaBN)",
}
DISJOINT = {"nothing": "support and query drawn independently, so that an image may be on both sides"}
SUPPORT_CLIPS = {"any": "of any clips", "one": "a class's from one clip"}
SEVERAL = (
    "a source of several data sets (a+b) is one training: its data sets take turns to give an episode, a"
    " supervised batch is from all"
)
TESTED = {"seen": "seen in training, those that source and target share", "unseen": "unseen in training"}


def protocol_line(results: Results, block: pd.DataFrame) -> Text:
    """The protocol of the runs in `block` (rows of one experiment, target and way); a field unknown here by
    its name.
    """
    places = set(zip(*(block[name] for name in PLACE)))
    runs = [
        run
        for run in results.runs
        if (run.experiment, run.source, run.target) in places and run.protocol["way"] == block["way"].iloc[0]
    ]

    def each(words: Callable[[dict], object]) -> str:
        return "/".join(sorted({str(words(run.protocol)) for run in runs}))

    others = sorted({key for run in runs for key in run.protocol} - _KNOWN)
    excluded = " or ".join(text or "none" for text in block["excluded"].unique())
    selections = [name for name in SELECTIONS if (block["selection"] == name).any()]
    sizes = sorted({str(run.image_size) for run in runs if run.image_size})
    parts: list[Text] = [
        f"Protocol: {block['way'].iloc[0]}-way, {each(_shots)}, {each(_queries)}",
        f"{count(block['episodes'], 'episode')}, {count(block['seeds'], 'seed')}",
        each(
            lambda p: DISJOINT.get(
                p.get("disjoint", ""), f"support and query disjoint by {p.get('disjoint', '?')}"
            )
        ),
        f"support {each(_support)}, {each(lambda p: SUPPORT_CLIPS.get(p.get('support_clips', ''), '?'))}",
        f"BatchNorm at test: {each(lambda p: BATCHNORM.get(p.get('batchnorm', ''), '?'))}",
        (
            f"classes tested ({each(lambda p: TESTED.get(p.get('tested_classes', ''), '?'))}): ",
            _classes(results, block),
        ),
        (
            f"{span(block['test_images'])} test"
            f" images{' of ' + '/'.join(sizes) + ' px' if sizes else ''}, copies"
            f" {each(lambda p: p.get('copies', '?'))} ({span(block['copies_removed'])} removed)"
        ),
        (
            f"classes too small: {each(lambda p: p.get('small_classes', '?'))}, excluded"
            f" (class:images): {excluded}"
        ),
        each(_split),
        f"trained in episodes of {each(lambda p: _shape(p.get('train', {})))}",
        f"validated on {each(lambda p: _shape(p.get('validation', {})))}",
        *([SEVERAL] if any(PLUS in run.source and not run.experiment for run in runs) else []),
        f"checkpoints: {', '.join(selections)}",
        *filter(None, [_precision(runs)]),
        *(f"{key} {each(partial(_field, key))}" for key in others),
    ]
    return joined(parts, "; "), "."


def _field(name: str, protocol: dict) -> object:
    return protocol.get(name, "?")


def _precision(runs: list[Run]) -> str:
    """computed in fp32; computed in bf16 on 2 of 3 runs, in fp32 on 1. Nothing where no run says it."""
    counts = Counter(run.precision for run in runs if run.precision)
    if len(counts) == 1 and counts.total() == len(runs):
        return f"computed in {next(iter(counts))}"
    parts = [f"in {name} on {number} of {len(runs)} runs" for name, number in sorted(counts.items())]
    return f"computed {', '.join(parts)}" if parts else ""


_KNOWN = {
    "way",
    "shots",
    "queries",
    "episodes",
    "disjoint",
    "support_from",
    "held_out",
    "support_clips",
    "tested_classes",
    "batchnorm",
    "copies",
    "small_classes",
    "split",
    "carve",
    "train",
    "validation",
}


def _shots(protocol: dict) -> str:
    return " and ".join(f"{shots}-shot" for shots in protocol["shots"])


def _queries(protocol: dict) -> str:
    queries = protocol["queries"]
    return (
        "every test image a query once"
        if queries == "all"
        else f"{queries} quer{'y' if queries == 1 else 'ies'} a class"
    )


def _support(protocol: dict) -> str:
    if protocol.get("support_from") == "source-train":
        return f"from {protocol.get('held_out', '?')} source images a class held out of training"
    return f"from the {protocol.get('support_from', '?')} (no source images held out)"


def _split(protocol: dict) -> str:
    split, carve = protocol.get("split", []), protocol.get("carve", "?")
    if isinstance(split, list):
        return (
            f"without official splits {':'.join(f'{share:g}' for share in split) or '?'} of the images are"
            f" train/val/test, with official ones {carve} of train becomes val"
        )
    folds = (
        f"in {split['folds']} folds"
        if isinstance(split, dict) and "folds" in split
        else str(split).replace("-", " ")
    )
    return (
        f"cross-validation {folds}, by person (else clip, else image) and without official splits; {carve} of"
        " the others is val, the rest train"
    )


def _shape(shape: dict) -> str:
    """5-way 5-shot 10-query episodes, and its further fields by their names. An older version had no
    `query_from` but the usual one, which goes without saying.
    """
    words = [f"{shape.get('way', '?')}-way {shape.get('shots', '?')}-shot {shape.get('queries', '?')}-query"]
    return ", ".join(
        words
        + [
            f"{key.replace('_', ' ')} {value}"
            for key, value in sorted(shape.items())
            if key not in ("way", "shots", "queries") and (key, value) != ("query_from", "same")
        ]
    )


def _classes(results: Results, block: pd.DataFrame) -> Text:
    pairs = block[["source", "classes"]].drop_duplicates().itertuples(index=False)
    return joined([(f"{classes} from ", domain(results, source)) for source, classes in pairs], ", ")
