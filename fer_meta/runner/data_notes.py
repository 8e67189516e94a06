"""What a reader of the tables must know of the data: classes that are not used, and who is on the images."""

from collections.abc import Collection, Iterable, Iterator

import pandas as pd

from fer_meta.datasets.cache import CachedFaces
from fer_meta.words import people


def data_notes(faces: Iterable[CachedFaces], classes: Collection[str]) -> list[str]:
    """A line for each fact, for all photographs; `classes` are those of the suite."""
    return [
        f"{one.name}: {line}"
        for one in faces
        if one.spec.rendered is None
        for line in (*_unused(one.index["label"], classes), *_people(one.index))
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
