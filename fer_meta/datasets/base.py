"""What every data set offers: a specification, an index and a way to read one image."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from fer_meta.datasets.scanning import file_of, image_files, is_there
from fer_meta.errors import DatasetError
from fer_meta.expressions import EXPRESSIONS, canonical

INDEX_COLUMNS = ("path", "label", "subject", "clip", "frame", "split")
SPLITS = ("train", "val", "test")

NEAR = "near_digest"
"""A column that an index may have (see `fer_meta.datasets.near_copies`): near copies are copies then."""

_SPLIT = re.compile(
    r"(?:fer2013|ferplus)?[_ -]*"
    r"(?:(?P<train>train|training|images_background)"
    r"|(?P<val>val|valid|validation|dev|devel|development|publictest)"
    r"|(?P<test>test|testing|privatetest|images_evaluation))"
    r"[_ -]*(?:set|data|images|faces|split)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Published:
    """A published count, with which `data check` compares what it finds.

    `counts` holds every accepted value, the official one first. `split` and `label` narrow what is
    counted (None: all). `unit` is "images" or "clips".
    """

    counts: tuple[int, ...]
    split: str | None = None
    label: str | None = None
    unit: str = "images"


@dataclass(frozen=True)
class Rendered:
    """How a data set was rendered: its recipe, and its severity from 0 (studio) to 1 (the recipe itself)."""

    recipe: str
    severity: float


@dataclass(frozen=True)
class OnHub:
    """Where on the Hugging Face hub a data set lies that may be downloaded: `files` of the data set `repo`.

    `revision` is a commit if one is known to be right, else a branch: its newest commit is then taken.
    """

    repo: str
    files: tuple[str, ...]
    revision: str = "main"


@dataclass(frozen=True)
class DatasetSpec:
    """A data set: what it is, how to get it, and how to index and read it.

    - `scan(root)` returns the index (see `make_index`). It decodes no image. It raises DatasetError for an
      unknown layout, a missing label file, an unknown label or zero images.
    - `read(root, path)` returns the image of one index path: a PIL image, or a uint8 array [H, W] or
      [H, W, 3]. It raises OSError with an errno if the disk cannot read the file, and DatasetError for what
      concerns all images. It may raise anything else for a damaged image, which is then left out.
    - `title`, `summary`, `obtain`, `layout`, `licence` and `citation` are texts for `data list` and errors.
    - `published` holds the counts that `data check` compares.
    - `version` goes up whenever `scan` or `read` would return something else.
    - `rendered` is None for photographs.
    - `vocabulary`: its labels, in the order in which they are printed.
    - `listed`: `scan` takes the files from a list, so some of them may be missing.
    - `hub`: where `fer-meta data get` downloads it; None where that is not allowed, or nobody offers it.
    """

    name: str
    title: str
    summary: str
    obtain: str
    layout: str
    licence: str
    citation: str
    scan: Callable[[Path], pd.DataFrame]
    read: Callable[[Path, str], Image.Image | np.ndarray]
    published: tuple[Published, ...] = ()
    version: int = 1
    rendered: Rendered | None = None
    listed: bool = False
    vocabulary: tuple[str, ...] = EXPRESSIONS
    hub: OnHub | None = None


def make_index(rows: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """An index with the columns of INDEX_COLUMNS: one row per image, in the given order. Unknown is NA.

    - `path` (string): relative to the data set's root, with forward slashes (`fer2013.csv#<row>` for a row
      of a csv).
    - `label` (string): a canonical expression.
    - `subject` and `clip` (string): unique within the data set.
    - `frame` (Int64).
    - `split` (string): one of SPLITS.
    """
    index = pd.DataFrame(list(rows), columns=list(INDEX_COLUMNS))
    return index.astype({c: "Int64" if c == "frame" else "string" for c in INDEX_COLUMNS})


def copies_of(index: pd.DataFrame) -> pd.Series:
    """What names an image and all of its copies, one value per row of an index with digests."""
    return index[NEAR if NEAR in index else "digest"]


@lru_cache(maxsize=1024)  # asked for each file's folder
def split_of(folder: str) -> str | None:
    """The split that a folder is named after, or None: `Validation`, `dev`, `val_set` and FER2013's
    `PublicTest` are `val`.
    """
    found = _SPLIT.fullmatch(folder.strip())
    return found.lastgroup if found else None


def expression_folder(root: Path, folder: str, allowed: Sequence[str]) -> str:
    """The expression that a folder is named after. Raises DatasetError if it is not in `allowed`."""
    with suppress(ValueError):
        label = canonical(folder.rpartition("/")[2])
        if label in allowed:
            return label
    raise DatasetError(
        f"{Path(root) / folder}: the folder's name is not a known expression; "
        f"rename or remove it (known: {', '.join(allowed)})"
    )


def not_found(root: Path, found: str, layout: str, obtain: str = "") -> DatasetError:
    """The error for data not laid out as expected: what was found, what was expected, and of a known
    data set (`obtain`) where to get it.
    """
    known = (
        f"; to obtain it: {obtain}; if these are images of your own, give them another name" if obtain else ""
    )
    return DatasetError(f"{root}: {found}; expected {layout}{known}")


def named_images(
    root: Path, pattern: re.Pattern[str], layout: str, obtain: str
) -> list[tuple[str, re.Match[str]]]:
    """The images below `root` whose names the pattern matches from their start, each with its match. What
    else is there `data check` names. Raises DatasetError if there is none.
    """
    files = image_files(root)
    found = [(path, match) for path in files if (match := pattern.match(path.rpartition("/")[2]))]
    if not found:
        what = f"none of {len(files)} images has such a name, first '{files[0]}'" if files else "no images"
        raise not_found(root, what, layout, obtain)
    return found


def expect_some(root: Path, rows: Sequence[Mapping[str, object]], fix: str) -> None:
    """Raises DatasetError if not one of the listed images is there: then an archive was not unpacked. Single
    missing files are counted as unreadable later.
    """
    files = [file_of(str(row["path"])) for row in rows]
    if files and not any(is_there(root / file) for file in files):
        raise DatasetError(
            f"{root}: none of the {len(files)} listed images is there, first '{files[0]}'; {fix}"
        )


def once(rows: Iterable[dict]) -> list[dict]:
    """The rows without those that repeat an image, and without all those of an image that two rows label
    differently.
    """
    labels: dict[str, set[str]] = {}
    kept: dict[str, dict] = {}
    for row in rows:
        labels.setdefault(row["path"], set()).add(row["label"])
        kept.setdefault(row["path"], row)
    return [row for path, row in kept.items() if len(labels[path]) == 1]
