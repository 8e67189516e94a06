"""What an audit found, in a few lines for a terminal of 100 columns."""

import pandas as pd

from fer_meta.datasets.audit import KINDS
from fer_meta.datasets.base import SPLITS
from fer_meta.datasets.faceless import NOT_INSTALLED
from fer_meta.datasets.findings import Findings, counts
from fer_meta.expressions import EXPRESSIONS
from fer_meta.oneline import escaped
from fer_meta.words import people

_TABLES_SHOWN = 2


def summary_lines(found: Findings) -> list[str]:
    """The numbers of each data set, the table of its classes if there are two at most, and the copies."""
    names = list(found.images["dataset"].unique())
    lines = []
    for name in names:
        lines += [escaped(name), *(f"  {what:<11} {text}" for what, text in about(found, name).items())]
        if len(names) <= _TABLES_SHOWN:
            lines += _classes(found, name)
    return [*lines, *_copies(found)]


def class_table(found: Findings, name: str) -> pd.DataFrame:
    """The images of each class (rows) in each split (columns) of a data set, and of how many people they are
    if that is known: `12`, `12 of 3 people`.
    """
    classes = found.classes[found.classes["dataset"] == name]
    classes = classes.assign(split=classes["split"].fillna("no split"))
    of = [f" of {people(number)}" if number else "" for number in classes["people"].fillna(0)]
    text = classes["images"].map("{:,}".format) + of
    table = classes.assign(text=text).pivot(index="label", columns="split", values="text").fillna("0")
    own = sorted(set(table.index) - set(EXPRESSIONS))
    rows = [*(label for label in EXPRESSIONS if label in table.index), *own]
    return table.loc[rows, [split for split in (*SPLITS, "no split") if split in table.columns]]


def about(found: Findings, name: str) -> dict[str, str]:
    """What is known of a data set without its classes and copies."""
    images = found.images[found.images["dataset"] == name]
    known = images["subject"].nunique()
    several = int((found.people["dataset"] == name).sum())
    number = {
        what: f"{int((table['dataset'] == name).sum()):,}"
        for what, table in (
            ("blank", found.blank),
            ("no face", found.faceless),
            ("unreadable", found.unreadable),
        )
        if table is not None
    }
    return {
        "images": f"{len(images):,}, {images['digest'].nunique():,} of them distinct",
        "people": f"{known:,}, {several:,} of them in several splits" if known else "not known",
        "blank": number["blank"],
        "no face": number.get("no face", NOT_INSTALLED),
        "unreadable": number["unreadable"],
    }


def copies_table(found: Findings) -> pd.DataFrame:
    """Groups and images of copies (columns: of identical, of nearly identical ones) of every kind (rows)."""
    rows = {"any": "all", **KINDS}
    near = counts(found.near).add_prefix("near ")
    table = counts(found.exact).join(near).rename(index=rows)
    mirrored = found.near["group"].isin(found.near.loc[found.near["mirrored"], "group"])
    table.loc["with a mirror image"] = [0, 0, found.near.loc[mirrored, "group"].nunique(), mirrored.sum()]
    return table


def in_train_lines(found: Findings) -> list[str]:
    return [
        f"{escaped(row.dataset)}: of {row.split}, {row.identical:,} images are also in train,"
        f" and {row.near:,} more have a near copy there"
        for row in found.in_train.itertuples()
        if row.identical or row.near
    ]


def _classes(found: Findings, name: str) -> list[str]:
    table = class_table(found, name)
    width = max(map(len, table.index))
    rows = [("", *table.columns), *table.itertuples()]
    return [f"  {label:<{width}}" + "".join(f"{text:>20}" for text in texts) for label, *texts in rows]


def _copies(found: Findings) -> list[str]:
    lines = [f"{'copies':<24}{'identical':>20}{'nearly identical':>24}"]
    lines.append(f"{'':<24}" + f"{'groups':>10}{'images':>10}" + f"{'groups':>14}{'images':>10}")
    lines += [
        f"  {what:<22}{row.iloc[0]:>10,}{row.iloc[1]:>10,}{row.iloc[2]:>14,}{row.iloc[3]:>10,}"
        for what, row in copies_table(found).iterrows()
    ]
    return [*lines, *in_train_lines(found)]
