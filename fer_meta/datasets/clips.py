"""Clips that lie as folders of frames, and lists that say which clips there are and what they show."""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fer_meta.datasets.base import Published, make_index, not_found
from fer_meta.datasets.loaders.folder import natural
from fer_meta.datasets.scanning import image_files, is_folder, is_there
from fer_meta.datasets.tables import read_lines
from fer_meta.errors import DatasetError
from fer_meta.expressions import canonical
from fer_meta.fileio import is_below

Entry = tuple[int, str, str]
"""One row of a list: its line (from 1), the name of a clip, and its label."""

_LAST_DIGITS = re.compile(r"[0-9]+$")
_MOST_DIGITS = 18  # of a number that fits into 64 bits


@dataclass(frozen=True)
class ListedClips:
    """A data set of clips whose official splits are one list each.

    - `lists`: where the lists may be, with `{split}` for train or test, the publishers' own place first.
    - `folders`: where the frames may be, as `<clip>/*.jpg` below one of them, the best first.
    - `read` gives the rows of one list. It raises DatasetError for a faulty one.
    - `layout` and `obtain` are texts of the spec.
    """

    lists: tuple[str, ...]
    folders: tuple[str, ...]
    read: Callable[[Path], Iterator[Entry]]
    layout: str
    obtain: str


def scan_listed(root: Path, clips: ListedClips) -> pd.DataFrame:
    """The index of the frames of all listed clips, in the order of the lists (train first) and of time.

    A listed clip without frames has one row whose file is not there, so that it is reported as missing and
    not lost. Raises DatasetError if a list or the folder of frames is missing, a list is faulty or names a
    clip twice, or no listed clip has a frame.
    """
    root = Path(root)
    lists = _lists(root, clips)
    folder = next((one for one in clips.folders if is_folder(root / one)), None)
    if folder is None:
        raise not_found(root, "no folder of frames", clips.layout, clips.obtain)
    frames = frames_in(root, folder)
    rows, seen, missing = [], set(), 0
    for split, listed in lists.items():
        for line, clip, label in clips.read(listed):
            if clip in seen or not is_below(clip):
                wrong = "listed twice" if clip in seen else "no clip of this data set"
                raise DatasetError(f"{listed}: line {line}: '{clip}' is {wrong}; obtain the lists again")
            seen.add(clip)
            missing += clip not in frames
            for path, number in in_time(root, frames.get(clip, [f"{folder}/{clip}/frame"])):
                rows.append({"path": path, "label": label, "clip": clip, "frame": number, "split": split})
    if missing == len(seen):
        raise DatasetError(
            f"{root / folder}: no frame of the {len(seen):,} listed clips is in it; expected {clips.layout}"
        )
    return make_index(rows)


def _lists(root: Path, clips: ListedClips) -> dict[str, Path]:
    """The list of each split."""
    for place in clips.lists:
        here = {split: root / place.format(split=split) for split in ("train", "test")}
        found = [is_there(path) for path in here.values()]
        if all(found):
            return here
        if any(found):
            gone = here["train" if found[1] else "test"].relative_to(root)
            raise not_found(root, f"no list '{gone}'", clips.layout, clips.obtain)
    raise not_found(root, "no lists of clips", clips.layout, clips.obtain)


def frames_in(root: Path, folder: str) -> dict[str, list[str]]:
    """The paths of the frames of each clip below a folder ("" for `root`). A clip is known by its own folder,
    relative to `folder`.
    """
    start = f"{folder}/" if folder else ""
    frames = defaultdict(list)
    for path in image_files(root / folder):
        frames[path.rpartition("/")[0]].append(start + path)
    return dict(frames)


def in_time(root: Path, paths: list[str]) -> list[tuple[str, int | None]]:
    """The frames of one clip in the order of time, each with its number."""
    paths = sorted(paths, key=natural)
    numbers = [frame_number(root, path) for path in paths]
    known = len(set(numbers)) == len(numbers)  # else the number is of something else, such as a face
    return [(path, number if known else None) for path, number in zip(paths, numbers)]


def frame_number(root: Path, path: str) -> int | None:
    """The number at the end of a file's name, if any. Raises DatasetError if it is too large for an index."""
    digits = _LAST_DIGITS.search(os.path.splitext(path)[0])
    if digits is None:
        return None
    if len(digits[0].lstrip("0")) > _MOST_DIGITS:
        raise DatasetError(
            f"{root / path}: the frame number has more than {_MOST_DIGITS} digits; rename the frames"
        )
    return int(digits[0])


def read_pairs(listed: Path) -> Iterator[Entry]:
    """The rows of a list without header: a clip and a word for an expression, such as `03352.mp4 happiness`;
    a film's ending is left out. Raises DatasetError, which names the line.
    """
    for number, line in enumerate(read_lines(listed), 1):
        if not line.strip():
            continue
        fields = line.replace(",", " ").split()
        if len(fields) != 2:
            raise DatasetError(f"{listed}: line {number} is '{line.strip()}', expected '<clip> <expression>'")
        try:
            yield number, re.sub(r"[.](mp4|avi)$", "", fields[0]), canonical(fields[1])
        except ValueError:
            raise DatasetError(f"{listed}: line {number}: '{fields[1]}' is not a known expression") from None


def published_clips(
    labels: Sequence[str], counts: Mapping[str, Sequence[int]], splits: bool = True
) -> tuple[Published, ...]:
    """The published numbers of clips. `counts` has those of each split, in the order of `labels`. Without
    `splits` only their sums hold, as for another fold of the same clips.
    """
    sums = [sum(parts) for parts in zip(*counts.values())]
    of_splits: list[tuple[str | None, Sequence[int]]] = [*counts.items()] if splits else [(None, sums)]
    return (
        Published((sum(sums),), unit="clips"),
        *(Published((sum(numbers),), split, unit="clips") for split, numbers in of_splits if split),
        *(
            Published((number,), split, label, unit="clips")
            for split, numbers in of_splits
            for label, number in zip(labels, numbers)
        ),
    )
