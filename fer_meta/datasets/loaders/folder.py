"""Any folder of faces sorted by expression, with or without splits: `happy/...`, `train/happy/...`,
`happy/train/...`, in any number of folders around them. `fer_meta.datasets.settings` says what may be written
in a fer-meta.yaml beside them.
"""

import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pandas as pd

from fer_meta.datasets.base import DatasetSpec, make_index, not_found, split_of
from fer_meta.datasets.decoding import read_image
from fer_meta.datasets.scanning import image_files, is_data, is_folder, names_in
from fer_meta.datasets.settings import PATTERNS, SKIP, Settings, called, read_settings
from fer_meta.errors import DatasetError

LAYOUT = "images in <split>/<label>/... or <label>/..., a label being an expression such as 'happiness'"
OBTAIN = "your own images"

TABLES = (".csv", ".tsv", ".jsonl", ".parquet", ".csv.gz")

_DIGITS = re.compile(r"([0-9]+)")
MOST_DIGITS = 18  # of a number that fits into 64 bits
_NAMED = 4


def folder_spec(name: str, root: Path, settings: Settings | None = None) -> DatasetSpec:
    """The spec of images sorted by expression, by the fer-meta.yaml there or other settings. Raises
    DatasetError for a faulty fer-meta.yaml.
    """
    settings = settings or read_settings(root)
    return own_spec(name, settings, "a folder of images sorted by expression", LAYOUT, scan, read_image)


def own_spec(
    name: str,
    settings: Settings,
    summary: str,
    layout: str,
    scan: Callable,
    read: Callable,
    listed: bool = False,
) -> DatasetSpec:
    """The spec of a user's own data; `scan` takes the folder and the settings."""
    return DatasetSpec(
        name=name,
        title=settings.texts.get("title", name),
        summary=summary,
        obtain=OBTAIN,
        layout=layout,
        licence=settings.texts.get("licence", "not stated"),
        citation=settings.texts.get("citation", "not stated"),
        scan=partial(scan, settings=settings),
        read=read,
        listed=listed,
        vocabulary=settings.vocabulary,
    )


def scan(root: Path, settings: Settings) -> pd.DataFrame:
    """The index of a folder. Images whose label is to be skipped, or in whose path the pattern of the label
    finds nothing, are not in it. Frames of clips are in the order of their numbers.
    """
    root = Path(root)
    if settings.columns:
        raise DatasetError(
            f"{settings.where}: 'columns' is of a table, and none is here; name it by 'manifest'"
        )
    files = image_files(root)
    if not files:
        raise not_found(root, f"no images{_table_hint(root, settings)}", LAYOUT)
    level = None if "label" in settings.patterns else _label_level(root, files, settings)
    split_at = None if "split" in settings.patterns else _split_level(root, files)
    words = {
        path: settings.found("label", path) if level is None else path.split("/")[level] for path in files
    }
    rows = []
    for path, word in words.items():
        folders = path.split("/")
        label = _label(root, settings, path, word, words.values())
        if label != SKIP:
            split = _named_split(settings, path) if split_at is None else split_of(folders[split_at])
            taken = {key: called(settings.found(key, path)) for key in ("subject", "clip")}
            frame = _number(root, path, settings.found("frame", path))
            rows.append({"path": path, "label": label, "split": split, **taken, "frame": frame})
    expect_matches(settings, files, rows)
    if "clip" in settings.patterns:
        rows.sort(key=lambda row: natural(str(row["path"])))
    return make_index(rows)


def natural(path: str) -> list:
    """A key that sorts `frame_2` before `frame_10`."""
    return [int(part) if number % 2 else part for number, part in enumerate(_DIGITS.split(path))]


def _label(root: Path, settings: Settings, path: str, word: str | None, words: Iterable[str | None]) -> str:
    """`words` are those of all images, for the message."""
    if word is None:  # the pattern finds none
        return SKIP
    label = settings.label(word)
    if label is None:
        folder, _, rest = path.partition(f"{word}/")
        others = {other for other in set(words) if other and settings.label(other) is None}
        place = f"{root}/{folder}{word}" if rest else f"{root}/{path}"
        raise DatasetError(f"{settings.unknown(place, word, others)}{_table_hint(root, settings)}")
    return label


def _table_hint(root: Path, settings: Settings) -> str:
    """What to write if a table that lies there says what the images are."""
    tables = [name for name in sorted(names_in(root)) if name.lower().endswith(TABLES) and is_data(name)]
    tables = [name for name in tables if not is_folder(root / name)]
    if not tables or "manifest" in settings.texts:
        return ""
    return f"; if {tables[0]} lists the images, write manifest: {tables[0]} in {settings.where}"


def _label_level(root: Path, files: list[str], settings: Settings) -> int:
    """Which folder on the way to an image is its label, 0 the outermost. Raises DatasetError if that is not
    clear.
    """
    levels = levels_of(files)
    known = [sum(settings.label(name) is not None for name in names) / len(names) for names in levels]
    labels = [level for level, share in enumerate(known) if share == 1]
    if len(labels) > 1:
        raise not_found(root, f"'{files[0]}' is in the folders of two labels", LAYOUT)
    free = [level for level, names in enumerate(levels) if not all(map(split_of, names))]
    # of words that nobody knows yet, labels are few
    likely = max(
        free,
        key=lambda level: (known[level], len(levels[level]) > 1, -len(levels[level]), -level),
        default=len(levels),
    )
    level = labels[0] if labels else likely
    _expect_no_people(root, levels[:level], settings)
    short = next((path for path in files if path.count("/") <= level), None)
    if short is not None:
        raise not_found(root, f"'{short}' is not in a label's folder{_table_hint(root, settings)}", LAYOUT)
    return level


def _split_level(root: Path, files: list[str]) -> int | None:
    """Which folder on the way to an image is its split; None if none is."""
    for level, names in enumerate(levels_of(files)):
        splits = sorted(filter(split_of, names))
        if splits and len(splits) < len(names):
            other = min(set(names) - set(splits))
            found = f"'{other}' is not a split, but is next to the split '{splits[0]}'"
            raise not_found(root, found, LAYOUT)
        if splits:
            return level
    return None


def levels_of(files: list[str]) -> list[set[str]]:
    """The names of the folders at each level, 0 the outermost, down to where some path has no folder more."""
    folders = {path.rpartition("/")[0] for path in files}
    return [set(names) for names in zip(*(folder.split("/") if folder else [] for folder in folders))]


def _named_split(settings: Settings, path: str) -> str | None:
    found = settings.found("split", path)
    split = None if found is None else split_of(found)
    if found is not None and split is None:
        raise DatasetError(
            f"{settings.where}: 'split' finds '{found}' in '{path}', which is no split; known are train, val,"
            " test and their usual names"
        )
    return split


def _expect_no_people(root: Path, above: list[set[str]], settings: Settings) -> None:
    """Folders above the labels that are not splits are mostly people, who must not be lost."""
    if {"subject", "clip"} & settings.patterns.keys():
        return
    for level, names in enumerate(above):
        if len(names) > 1 and not any(map(split_of, names)):
            some = ", ".join(sorted(names)[:_NAMED])
            raise DatasetError(
                f"{root}: {len(names)} folders ({some} ...) are around the labels and are no splits; if they"
                f" are people, write subject: '^{'[^/]+/' * level}([^/]+)/' in {settings.where.name}, else"
                " clip: with that pattern"
            )


def _number(root: Path, path: str, digits: str | None) -> int | None:
    if digits is None:
        return None
    if not digits.isdecimal() or len(digits) > MOST_DIGITS:
        raise DatasetError(f"{root / path}: '{digits}' is no number of a frame; correct the pattern 'frame'")
    return int(digits)


def expect_matches(settings: Settings, files: list[str], rows: list[dict]) -> None:
    """Raises DatasetError for a pattern that finds nothing in any path, and if no image is left in `rows`."""
    for key in PATTERNS:
        unmatched = key in settings.patterns and all(settings.found(key, path) is None for path in files)
        if unmatched:
            raise DatasetError(
                f"{settings.where}: '{key}' matches none of {len(files)} paths, such as '{files[0]}'; correct"
                " the pattern"
            )
    if not rows:
        raise DatasetError(f"{settings.where}: 'labels' leaves out all {len(files)} images; keep some")
