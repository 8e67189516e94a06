"""Training sets made of other data sets: take named clips, concatenate, balance the classes, hold images out.

All work on decoded faces or their index and say which rows; only `concatenate` copies pixels. A mixture is
only for training: what is tested on stays a data set of its own.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fer_meta.datasets.base import DatasetSpec, Rendered, copies_of
from fer_meta.datasets.cache import CachedFaces
from fer_meta.errors import DatasetError, ProtocolError


@dataclass(frozen=True)
class Taken:
    """Rows of a data set (int64, ascending), and the named clips that it lacks, as `<class>/<name>`."""

    rows: np.ndarray
    missing: tuple[str, ...] = ()


def take(
    faces: CachedFaces,
    splits: Collection[str] | None = None,
    clips: Mapping[str, Sequence[str]] | None = None,
) -> Taken:
    """The images of `faces` in these official splits and, with `clips`, in these clips of these classes.
    None, or all three splits: all images, also of a data set that has no official splits.

    `clips` gives the names of clips for each class; a name is the last component of the index's `clip`. The
    clips of rendered faces have no such names: the first of each class in those splits, as many as are named,
    stand in. Raises DatasetError if not one image is found.
    """
    index = faces.index
    wanted, where = np.ones(len(index), dtype=bool), ""
    if splits is not None and set(splits) != {"train", "val", "test"}:
        wanted, where = index["split"].isin(list(splits)).to_numpy(dtype=bool), f" in {', '.join(splits)}"
    if clips is None:
        if not wanted.any():
            raise DatasetError(
                f"{faces.name}: no images{where}; name other splits, or all three to take all images"
            )
        return Taken(np.flatnonzero(wanted))
    chosen, missing = np.zeros(len(index), dtype=bool), []
    for label, names in clips.items():
        of_class = wanted & (index["label"] == label).to_numpy(dtype=bool)
        there = index["clip"][of_class].dropna().drop_duplicates()
        if faces.spec.rendered:
            found, lacking = there[: len(names)], names[len(there) :]
        else:
            last = there.str.rpartition("/")[2]
            found, lacking = there[last.isin(list(names))], [name for name in names if name not in set(last)]
        chosen |= of_class & index["clip"].isin(found).to_numpy(dtype=bool)
        missing += [f"{label}/{name}" for name in lacking]
    if not chosen.any():
        raise DatasetError(
            f"{faces.name}: has none of the {len(missing)} named clips{where} "
            f"(such as {', '.join(missing[:3]) or 'none'}); name clips that it has"
        )
    return Taken(np.flatnonzero(chosen), tuple(missing))


def concatenate(name: str, parts: Sequence[tuple[CachedFaces, np.ndarray]]) -> CachedFaces:
    """A data set of these rows of these data sets, in this order, all in the split `train`. A row may come
    repeatedly.

    Its images lie in memory, not on disk. Paths, subjects and clips begin with `<data set>/`, except for
    rendered people, who are the same in every rendered set. If some image has a clip, an image without one is
    a clip of its own, together with its copies; else unknown stays unknown. It counts as rendered if any part
    is: its recipe names all parts, its severity is the largest of theirs. `content`, also its fingerprint, is
    the same on every machine. Raises ValueError for images of different sizes.
    """
    index = joined_index(parts)
    index["split"] = pd.array(["train"] * len(index), dtype="string")
    images = np.empty((len(index), *parts[0][0].images.shape[1:]), dtype=np.uint8)
    # One at a time: to index with all rows at once would copy them twice.
    pixels = (faces.images[row] for faces, rows in parts for row in rows)
    for place, image in enumerate(pixels):
        images[place] = image
    images.flags.writeable = False
    content = hashlib.blake2b(digest_size=16)
    for faces, rows in parts:
        content.update(f"{faces.content} {len(rows)}\n".encode() + np.asarray(rows, dtype="<i8").tobytes())
    unreadable = tuple(
        (f"{faces.name}/{path}", reason) for faces, _ in parts for path, reason in faces.unreadable
    )
    named = content.hexdigest()
    return CachedFaces(name, images, index, named, named, unreadable, _spec(name, parts, len(index)))


def joined_index(parts: Sequence[tuple[CachedFaces, np.ndarray]]) -> pd.DataFrame:
    """The index of these rows of these data sets, in this order, with paths, subjects and clips as
    `concatenate` names them.
    """
    index = pd.concat([_renamed(faces, rows) for faces, rows in parts], ignore_index=True)
    if index["clip"].notna().any():
        # Named by the pixels and not by the path, so that copies cannot come to lie on both sides of a split.
        index["clip"] = index["clip"].fillna(copies_of(index))
    return index


def balance(index: pd.DataFrame, per_class: int, seed: int = 0) -> np.ndarray:
    """Rows of `index` (int64, ascending) of which each class has exactly `per_class`.

    Of a larger class a random subset; of a smaller one all images, each as often as any other or once more.
    What is drawn of a class depends on `seed` and that class alone.
    """
    # np.resize repeats an array from its start, or cuts it.
    drawn = [
        np.resize(_generator("balance", seed, label).permutation(rows), per_class)
        for label, rows in _classes(index["label"].to_numpy())
    ]
    return np.sort(np.concatenate(drawn))


def hold_out(
    labels: np.ndarray,
    per_class: int,
    seed: int = 0,
    groups: np.ndarray | None = None,
    spare: np.ndarray | None = None,
    fewest: int | None = None,
    tested: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Masks (bool [N]) of `per_class` images of each class, held out of training, and of those left to train
    on.

    `groups` ([N], or [N, K] for K kinds at once, such as clip, digest and subject; unknown is NA) make
    families: images that share a group, directly or through others. A family is held out whole: what of it is
    not among the `per_class` images is in neither mask, so that no image trained on shares a group with a
    held-out one. The images of a class, the rarest first, come from the families that cost least: from those
    already held out for another class, then from those with the fewest images of `spare` (bool [N], such as
    the frames of films), then from those that lose the fewest images for each one gained; among equals at
    random, by `seed` and class. None of `tested` (bool [N], images of clips and people that are tested) is
    held out. Raises ProtocolError if fewer of a class are left than held out; with
    `fewest` such classes, the smallest first, are in neither mask, as long as so many others are left.
    """
    labels = np.asarray(labels)
    family, spare = (
        _families(groups, len(labels)),
        (np.zeros(len(labels)) if spare is None else np.asarray(spare, dtype=float)),
    )
    able = np.ones(len(labels), dtype=bool) if tested is None else ~np.asarray(tested, dtype=bool)
    taken = np.ones(len(labels), dtype=bool)
    small: list[tuple[int, str, int]] = []
    while True:
        held, kept = np.zeros((2, len(labels)), dtype=bool)
        held[taken], kept[taken] = _held_and_kept(
            labels[taken], per_class, seed, family[taken], spare[taken], able[taken]
        )
        counts = [
            (int((able & rows).sum()), label, int((kept & rows).sum()))
            for label in sorted(set(labels[taken]))
            for rows in [labels == label]
        ]
        lacking = [one for one in counts if min(one[0], one[2]) < per_class]
        if not lacking:
            return held, kept
        small = small or lacking
        if fewest is None or len(counts) <= fewest:
            untested = " of clips and people that are not tested" if tested is not None else ""
            named = ", ".join(
                f"{label} ({count} images{untested}, {left} left)" for count, label, left in small
            )
            raise ProtocolError(
                f"if {per_class} images per class are held out of training, with what shares a clip, copy or"
                f" person with them, fewer are left of {named}; lower `held_out` in the suite file (or a copy"
                " of it)"
            )
        taken &= labels != min(lacking)[1]


def _held_and_kept(
    labels: np.ndarray,
    per_class: int,
    seed: int,
    family: np.ndarray,
    spare: np.ndarray,
    able: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The masks of `hold_out`, whatever is left of a class."""
    held, sizes, spared = np.zeros(len(labels), dtype=bool), np.bincount(family), np.bincount(family, spare)
    for label, rows in sorted(_classes(labels), key=lambda one: len(one[1])):
        rows = _generator("hold out", seed, label).permutation(rows)
        rows = rows[able[rows]]
        of, gained = family[rows], np.bincount(family[rows], minlength=len(sizes))
        _, first, place = np.unique(of, return_index=True, return_inverse=True)
        new = ~np.isin(of, family[held])  # what is held out already costs nothing more
        costs = first[place], new * sizes[of], new * sizes[of] / gained[of], new * spared[of]
        held[rows[np.lexsort(costs)[:per_class]]] = True
    return held, ~np.isin(family, family[held])


def _families(groups: np.ndarray | None, images: int) -> np.ndarray:
    """The number of each image's family ([N]): the connected parts of the graph of images and groups."""
    columns = () if groups is None else np.asarray(groups, dtype=object).reshape(images, -1).T
    ends, nodes = [np.empty((2, 0), dtype=np.int64)], images
    for column in columns:
        codes, names = pd.factorize(column)  # unknown is -1
        ends.append(np.stack([np.flatnonzero(codes >= 0), nodes + codes[codes >= 0]]))
        nodes += len(names)
    image, group = np.concatenate(ends, axis=1)
    return connected_components(
        coo_array((np.ones(len(image)), (image, group)), shape=(nodes, nodes)), directed=False
    )[1][:images]


def of_films(index: pd.DataFrame) -> np.ndarray:
    """Mask (bool [N]) of frames of clips. In a mixture a photograph is a clip of its own, which is named
    after its copies.
    """
    return (index["clip"].notna() & (index["clip"] != copies_of(index)).fillna(False)).to_numpy(dtype=bool)


def frames_and_clips(index: pd.DataFrame) -> tuple[int, int]:
    """How many frames of how many clips; a row that a mixture repeats counts once."""
    films = index[of_films(index)]
    return films["path"].nunique(), films["clip"].nunique()


def all_tested(faces: CachedFaces) -> CachedFaces:
    """`faces` with all of its images, whatever their official split, in the split `test`."""
    return replace(
        faces, index=faces.index.assign(split=pd.array(["test"] * len(faces.index), dtype="string"))
    )


def _renamed(faces: CachedFaces, rows: np.ndarray) -> pd.DataFrame:
    part = faces.index.iloc[rows]
    # The person 0-0007 is the same in every rendered set, which must not look like several.
    people = "rendered" if faces.spec.rendered else faces.name
    return part.assign(
        path=f"{faces.name}/" + part["path"],
        subject=f"{people}/" + part["subject"],
        clip=part["clip"].mask(of_films(part), f"{faces.name}/" + part["clip"]),
    )


def _spec(name: str, parts: Sequence[tuple[CachedFaces, np.ndarray]], images: int) -> DatasetSpec:
    specs = [faces.spec for faces, _ in parts]
    rendered = [spec.rendered for spec in specs if spec.rendered]
    recipe = _joined("+", (spec.rendered.recipe if spec.rendered else spec.name for spec in specs))
    return DatasetSpec(
        name=name,
        title=_joined(" + ", (spec.title for spec in specs)),
        summary=(
            f"{images:,} images of {_joined(', ', (faces.name for faces, _ in parts))}, mixed for training"
        ),
        obtain=_joined("; ", (spec.obtain for spec in specs)),
        layout="",
        licence=_joined("; ", (spec.licence for spec in specs)),
        citation=_joined("; ", (spec.citation for spec in specs)),
        scan=_in_no_folder,
        read=_in_no_folder,
        vocabulary=tuple(dict.fromkeys(label for spec in specs for label in spec.vocabulary)),
        rendered=Rendered(recipe, max(one.severity for one in rendered)) if rendered else None,
    )


def _joined(separator: str, texts: Iterable[str]) -> str:
    return separator.join(dict.fromkeys(texts))


def _in_no_folder(root: Path, *path: str):
    raise DatasetError(f"{root}: a mixture of data sets has no folder; give its parts")


def _classes(labels: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Each class and its rows, ascending."""
    return ((label, np.flatnonzero(labels == label)) for label in sorted(set(labels)))


def _generator(purpose: str, seed: int, label: str) -> np.random.Generator:
    """A generator for one class: it moves neither with the other classes nor with another purpose's draws."""
    return np.random.default_rng(list(f"{purpose}/{seed}/{label}".encode()))
