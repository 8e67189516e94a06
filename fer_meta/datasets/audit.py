"""Leaks and faults in data sets: identical images, blank images, counts that differ from the published ones.

Identical means the same pixels before resizing. A copy that was cropped, resized or saved again with another
quality has other pixels and is not found.
"""

from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from fer_meta.datasets.cache import CachedFaces

KINDS = {
    "within_split": "within a split, or without splits",
    "across_splits": "across splits",
    "across_datasets": "across data sets",
    "different_labels": "with different labels",
}
"""The kinds of groups of identical images, and how they are called. A group can be of several kinds."""


@dataclass(frozen=True)
class Audit:
    """What was found in one or several data sets.

    `copies` has one row per image of which there is another: `group` (int), `dataset`, `path`, `label`,
    `split`, and a bool column for each of KINDS that tells what its group is. `blank` (dataset, path, label,
    split) lists images of one colour, `unreadable` (dataset, path, reason) those left out. `images` and
    `distinct` count all images and the different ones among them.
    """

    copies: pd.DataFrame
    blank: pd.DataFrame
    unreadable: pd.DataFrame
    images: int
    distinct: int

    @property
    def counts(self) -> pd.DataFrame:
        """Groups and images (columns) of each of KINDS and of `any` (rows)."""
        parts = {"any": self.copies, **{kind: self.copies[self.copies[kind]] for kind in KINDS}}
        return pd.DataFrame(
            {
                "groups": {kind: part["group"].nunique() for kind, part in parts.items()},
                "images": {kind: len(part) for kind, part in parts.items()},
            }
        )

    def also_in(self, split: str) -> pd.Series:
        """How many images of each (dataset, other split) are also in `split` of the same data set."""
        keys = ["dataset", "group"]
        there = self.copies.loc[self.copies["split"] == split, keys].drop_duplicates()
        others = self.copies[self.copies["split"].notna() & (self.copies["split"] != split)]
        return others.merge(there, on=keys).groupby(["dataset", "split"]).size()


class CountCheck(NamedTuple):
    """A published count (all accepted values, the official first) beside the one found."""

    what: str
    published: tuple[int, ...]
    found: int

    @property
    def agrees(self) -> bool:
        return self.found in self.published


def audit(*faces: CachedFaces) -> Audit:
    """Find identical and blank images in, and across, data sets."""
    columns = ["dataset", "path", "label", "split"]
    images = pd.concat([one.index.assign(dataset=one.name) for one in faces], ignore_index=True)
    copied = images[images["digest"].duplicated(keep=False)].copy()
    copied["group"] = copied.groupby("digest", sort=False).ngroup()
    copied = with_kinds(copied)
    unreadable = [(one.name, path, reason) for one in faces for path, reason in one.unreadable]
    return Audit(
        copies=copied.sort_values("group", kind="stable")[["group", *columns, *KINDS]].reset_index(drop=True),
        blank=images.loc[images["blank"], columns].reset_index(drop=True),
        unreadable=pd.DataFrame(unreadable, columns=["dataset", "path", "reason"]),
        images=len(images),
        distinct=images["digest"].nunique(),
    )


def with_kinds(copied: pd.DataFrame) -> pd.DataFrame:
    """Images of which there are copies (group, dataset, label, split), with a bool column for each of KINDS
    that says what the image's group is.
    """
    groups = copied.groupby("group")
    # NA is not a split: what has none is not in another split than what has one.
    splits = copied.dropna(subset=["split"]).groupby(["group", "dataset"])["split"]
    together = copied.groupby(["group", "dataset", copied["split"].fillna("")]).size()
    kinds = {
        "within_split": (together > 1).groupby("group").any(),
        "across_splits": (splits.nunique() > 1).groupby("group").any(),
        "across_datasets": groups["dataset"].nunique() > 1,
        "different_labels": groups["label"].nunique() > 1,
    }
    members = {kind: copied["group"].isin(kinds[kind].index[kinds[kind]]) for kind in KINDS}
    return copied.assign(**members)


def check_counts(faces: CachedFaces) -> list[CountCheck]:
    """Every published count of the data set beside what its readable images give."""
    checks = []
    for published in faces.spec.published:
        part = faces.index
        for column in ("split", "label"):
            wanted = getattr(published, column)
            if wanted is not None:
                part = part[part[column] == wanted]
        found = part["clip"].nunique() if published.unit == "clips" else len(part)
        what = " ".join(filter(None, (published.split, published.label, published.unit)))
        checks.append(CountCheck(what, published.counts, found))
    return checks
