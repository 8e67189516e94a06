"""All that an audit finds in data sets: copies and near copies, people in several splits, images without
a face.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from fer_meta.datasets.audit import KINDS, with_kinds
from fer_meta.datasets.base import NEAR
from fer_meta.datasets.cache import CachedFaces
from fer_meta.datasets.faceless import faceless
from fer_meta.datasets.near_copies import near_copies
from fer_meta.errors import DatasetError
from fer_meta.fileio import replacing

_SHOWN = ["dataset", "path", "label", "split"]


@dataclass(frozen=True)
class Findings:
    """What was found, as tables. A row that is an image has the row label that it has in `images`.

    - `images`: all images: `dataset`, the columns of their indexes and those of `near_copies`.
    - `exact`: one row per image of which there is an identical one: `group`, `dataset`, `path`, `label`,
      `split` and a bool column for each of `fer_meta.datasets.audit.KINDS` that says what its group is.
    - `near`: as `exact`, groups of near copies, some of them perhaps identical; also `bits` and `mirrored`.
    - `labels`: as `near`, the groups of either kind whose images have several labels.
    - `people`: `dataset`, `subject`, `splits` and `images` of each person in several splits.
    - `blank`, `faceless` (None: no detector is installed): `dataset`, `path`, `label`, `split`.
    - `unreadable`: `dataset`, `path`, `reason`.
    - `classes`: `dataset`, `label`, `split`, `images` and `people` (NA: not known).
    """

    images: pd.DataFrame
    exact: pd.DataFrame
    near: pd.DataFrame
    labels: pd.DataFrame
    people: pd.DataFrame
    blank: pd.DataFrame
    faceless: pd.DataFrame | None
    unreadable: pd.DataFrame
    classes: pd.DataFrame

    @property
    def in_train(self) -> pd.DataFrame:
        """How many images of each `dataset` and other `split` have an identical image in train (`identical`),
        and how many have none but a near copy there (`near`).
        """
        images = self.images
        others = images[images["split"].notna() & (images["split"] != "train")]
        train = images[images["split"] == "train"]
        same, like = (
            pd.MultiIndex.from_frame(others[["dataset", name]]).isin(
                pd.MultiIndex.from_frame(train[["dataset", name]])
            )
            for name in ("digest", NEAR)
        )
        found = others.assign(identical=same, near=like & ~same)
        return found.groupby(["dataset", "split"])[["identical", "near"]].sum().reset_index()


def find(faces: Sequence[CachedFaces], progress: bool = True) -> Findings:
    """Look at `faces` in every way. Raises DatasetError as `near_copies` does."""
    images = pd.concat([one.index.assign(dataset=one.name) for one in faces], ignore_index=True)
    images = images.join(near_copies(*faces, progress=progress))
    alike = _groups(images, NEAR).join(images[["bits", "mirrored", "digest"]])
    several = alike.groupby("group")["digest"].transform("nunique") > 1
    alike = alike.drop(columns="digest")
    unreadable = [(one.name, path, reason) for one in faces for path, reason in one.unreadable]
    return Findings(
        images=images,
        exact=_groups(images, "digest"),
        near=_renumbered(alike[several]),
        labels=_renumbered(alike[alike["different_labels"]]),
        people=_people_in_several_splits(images),
        blank=images.loc[images["blank"], _SHOWN],
        faceless=_faceless(images, faces, progress),
        unreadable=pd.DataFrame(unreadable, columns=["dataset", "path", "reason"]),
        classes=_classes(images),
    )


def counts(groups: pd.DataFrame) -> pd.DataFrame:
    """Groups and images (columns) of each of KINDS and of `any` (rows)."""
    parts = {"any": groups, **{kind: groups[groups[kind]] for kind in KINDS}}
    return pd.DataFrame(
        {
            "groups": {kind: part["group"].nunique() for kind, part in parts.items()},
            "images": {kind: len(part) for kind, part in parts.items()},
        }
    )


def write_tables(found: Findings, folder: Path) -> list[Path]:
    """Write each table but `images` to `folder` as csv, and name the files. Raises DatasetError if that
    cannot be done.
    """
    written = []
    try:
        for field in fields(found):
            table = getattr(found, field.name)
            if field.name == "images" or table is None:
                continue
            with replacing(folder / f"{field.name}.csv") as temporary:
                table.to_csv(temporary, index=False, errors="surrogateescape")
            written.append(folder / f"{field.name}.csv")
    except OSError as error:
        reason = error.strerror or error
        raise DatasetError(
            f"{folder}: cannot be written ({reason}); name another folder with --csv"
        ) from None
    return written


def _groups(images: pd.DataFrame, by: str) -> pd.DataFrame:
    """The images that share their value of the column `by` with others, group by group."""
    copied = images.loc[images[by].duplicated(keep=False), [*_SHOWN, by]]
    copied.insert(0, "group", copied.groupby(by, sort=False).ngroup())
    return with_kinds(copied.drop(columns=by)).sort_values("group", kind="stable")


def _renumbered(groups: pd.DataFrame) -> pd.DataFrame:
    return groups.assign(group=pd.factorize(groups["group"])[0])


def _people_in_several_splits(images: pd.DataFrame) -> pd.DataFrame:
    known = images.dropna(subset=["subject", "split"]).groupby(["dataset", "subject"])
    people = known["split"].agg(splits=lambda split: ", ".join(sorted(set(split))), images="size")
    return people[known["split"].nunique() > 1].reset_index()


def _faceless(images: pd.DataFrame, faces: Sequence[CachedFaces], progress: bool) -> pd.DataFrame | None:
    """Blank images have a table of their own."""
    masks = [mask for one in faces if (mask := faceless(one, progress)) is not None]
    if len(masks) < len(faces):
        return None
    return images.loc[np.concatenate(masks) & ~images["blank"], _SHOWN]


def _classes(images: pd.DataFrame) -> pd.DataFrame:
    parts = images.groupby(["dataset", "label", "split"], dropna=False, sort=False)
    table = parts.agg(images=("path", "size"), people=("subject", "nunique")).reset_index()
    return table.assign(people=table["people"].astype("Int64").mask(table["people"] == 0))
