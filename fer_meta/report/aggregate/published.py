"""What others have published, and which of it may be set beside a result of ours. Needs no torch.

`published.csv` has one row per figure. `value` and `interval` (a half width) are percent as printed; an empty
cell is not stated there. `scored` says what is right or wrong: each test image once, each clip once, or the
queries of episodes, which have a `way` and `shots`. A figure is `verified` when it was read where its authors
put it (`where`), and `re-printed` when it was read in the work of others.
"""

from importlib import resources
from typing import NamedTuple

import pandas as pd

from fer_meta.sources import is_rendered

COUNTS = ["image_size", "classes", "way", "shots"]
PERCENT = ["value", "interval"]
METRICS = {"accuracy": "accuracy", "uar": "UAR"}
NOT_TRAINED = ("none", "not stated")  # sources: people and zero-shot models, and figures that do not say
# What we do too, so that it is no difference.
USUAL = ("", "official split", "source images only")
# The labels of AFEW's test clips are withheld: its official validation part is what everybody tests on.
TESTED_ON = {"afew": "validation"}


class Setting(NamedTuple):
    """What a published figure must share with a result of ours to be comparable with it."""

    source: str
    target: str
    classes: int
    metric: str  # accuracy | uar
    way: int | None  # None: each test image scored once, by a network's own head
    shots: int | None


def read_published() -> pd.DataFrame:
    """The figures in the file's order: `COUNTS` are Int64, `PERCENT` float, all else str ("" is not
    stated).
    """
    with (resources.files("fer_meta.report") / "published.csv").open(encoding="utf-8") as file:
        figures = pd.read_csv(file, dtype=str, keep_default_na=False)
    return figures.assign(
        **{name: pd.to_numeric(figures[name]).astype("Int64") for name in COUNTS},
        **{name: pd.to_numeric(figures[name]) for name in PERCENT},
    )


def same_setting(figures: pd.DataFrame, ours: Setting) -> pd.DataFrame:
    """The figures of the same source, target, number of classes and metric, and of the same way and shots.

    Without a way, those of each test image or clip once. A number of classes that is not stated is not the
    same.
    """
    same = (figures["source"] == ours.source) & (figures["target"] == ours.target)
    same &= (figures["metric"] == ours.metric) & (figures["classes"] == ours.classes).fillna(False)
    if ours.way is None:
        return figures[same & (figures["scored"] != "episode")]
    return figures[
        same & (figures["way"] == ours.way).fillna(False) & (figures["shots"] == ours.shots).fillna(False)
    ]


def why_none(figures: pd.DataFrame, ours: Setting, rendered: list[str]) -> str:
    """In words, why no figure has the setting of ours."""
    if is_rendered(ours.source, rendered) or is_rendered(ours.target, rendered):
        return "rendered faces, on which nobody has published"
    near = figures[(figures["target"] == ours.target) & (figures["way"].isna() == (ours.way is None))]
    pair = near[near["source"] == ours.source]
    if ours.way is not None:
        known = dict.fromkeys(f"{way}-way {shots}-shot" for way, shots in zip(pair["way"], pair["shots"]))
        other = f"; there are {', '.join(known)} ones" if known else ""
        return f"no figure of {ours.way}-way {ours.shots}-shot episodes of these could be verified{other}"
    if len(pair):
        counts = " and ".join(
            sorted({"an unstated number of" if pd.isna(count) else str(count) for count in pair["classes"]})
        )
        return f"published with {counts} classes, not {ours.classes}"
    trained = near["source"][~near["source"].isin(NOT_TRAINED)].unique()
    if len(trained):
        return f"published on this target only for models trained on {', '.join(trained)}"
    return "no published figure on this target is known here"


def differs_in(figure: pd.Series, ours: pd.DataFrame) -> list[str]:
    """In words, what a figure is known to share with none of our results (`_ours`) beside it."""
    named = {"backbone": "backbone", "init": "init", "image_size": "image size", "selection": "selection"}
    words = [
        word
        for column, word in named.items()
        if stated(figure[column]) and figure[column] not in set(ours[column])
    ]
    if ours["cross_validated"].all():
        words.append("split (ours: cross-validation)")
    elif figure["split"] not in (TESTED_ON.get(figure["target"], "test"), ""):
        words.append(f"split ({figure['split']})")
    if figure["scored"] not in set(ours["scored"]):
        words.append(f"{figure['scored']}s, where ours are {ours['scored'].iloc[0]}s")
    if figure["protocol"] not in USUAL:
        words.append(figure["protocol"])
    if (ours["copies_removed"] > 0).all():
        words.append(f"copies (ours: {ours['copies_removed'].max()} removed)")
    return words


def stated(cell) -> bool:
    return not pd.isna(cell) and cell != ""
