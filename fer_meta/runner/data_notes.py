"""What a reader of the tables must know of the data: classes that are not used, and who is on the images."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import pandas as pd

from fer_meta.datasets.cache import CachedFaces
from fer_meta.datasets.prepared import is_prepared
from fer_meta.datasets.registry import catalogue
from fer_meta.datasets.scanning import IMAGE_SUFFIXES, other_files
from fer_meta.oneline import escaped
from fer_meta.words import people

_MAYBE_IMAGES = IMAGE_SUFFIXES | {
    "",
    ".heic",
    ".heif",
    ".raw",
    ".dng",
    ".nef",
    ".cr2",
    ".tga",
    ".pcx",
    ".psd",
}


def data_notes(
    faces: Iterable[CachedFaces], classes: Collection[str], roots: Mapping[str, Path | None]
) -> list[str]:
    """A line for each fact, for all photographs; `classes` are those of the suite, `roots` the folders of the
    data sets.
    """
    return [
        f"{one.name}: {line}"
        for one in faces
        if one.spec.rendered is None
        for line in (
            *_unused(one.index["label"], classes),
            *_people(one.index),
            *_passed_over(one, roots.get(one.name)),
        )
    ]


def _unused(labels: pd.Series, classes: Collection[str]) -> Iterator[str]:
    counts = labels[~labels.isin(list(classes))].value_counts(sort=False)
    if len(counts):
        named = ", ".join(f"{label} ({count:,} images)" for label, count in counts.items())
        yield f"{named} {'is no class' if len(counts) == 1 else 'are no classes'} of the suite and left out."


def _people(index: pd.DataFrame) -> Iterator[str]:
    known = index.dropna(subset=["subject"])
    unknown = len(index) - len(known)
    if len(known) and unknown:
        yield f"the person is not known for {unknown:,} of {len(index):,} images."
    splits = known.groupby("subject")["split"].nunique()
    shared = int((splits > 1).sum())
    if shared:
        yield f"{people(shared)} of {len(splits):,} are in several of its splits."


def _passed_over(faces: CachedFaces, root: Path | None) -> Iterator[str]:
    """Of a user's own folder: what may be an image and is none of the data set, as it has no ending, one that
    is not read, or a label to skip. Known data sets have more pictures than faces.
    """
    if root is None or faces.name in catalogue() or is_prepared(root):
        return
    others = other_files(root, [*faces.index["path"], *(path for path, _ in faces.unreadable)])
    found = [path for ending in others if ending in _MAYBE_IMAGES for path in others[ending]]
    if found:
        yield f"{len(found):,} files that may be images are passed over, first '{escaped(min(found))}'."
