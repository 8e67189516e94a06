"""Any folder of faces sorted by expression: `<split>/<label>/...` or `<label>/...`.

A small file `fer-meta.yaml` in the folder may hold `title`, `licence` and `citation`, and regular
expressions `subject` and `clip` that are searched in each image's path; their first group (or the group of
that name) is the subject or clip:

    subject: '([^/]+)_[0-9]+[.]jpg$'
    licence: research only
"""

import re
from functools import partial
from pathlib import Path

import pandas as pd
import yaml

from fer_meta.datasets.base import DatasetSpec, expression_folder, make_index, not_found, split_of
from fer_meta.datasets.decoding import read_image
from fer_meta.datasets.scanning import image_files, is_there, read_lines
from fer_meta.errors import DatasetError
from fer_meta.expressions import EXPRESSIONS

SETTINGS = "fer-meta.yaml"
LAYOUT = "images in <split>/<label>/... or <label>/..., a label being an expression such as 'happiness'"
OBTAIN = "your own images"

_PATTERNS = ("subject", "clip")
_TEXTS = ("title", "licence", "citation")


def folder_spec(name: str, root: Path) -> DatasetSpec:
    """The spec of a data set outside the catalogue. Raises DatasetError for a faulty fer-meta.yaml."""
    root = Path(root)
    settings = _settings(root / SETTINGS)
    patterns = {key: _pattern(root / SETTINGS, key, settings[key]) for key in _PATTERNS if key in settings}
    return DatasetSpec(
        name=name,
        title=settings.get("title", name),
        summary="a folder of images sorted by expression",
        obtain=OBTAIN,
        layout=LAYOUT,
        licence=settings.get("licence", "not stated"),
        citation=settings.get("citation", "not stated"),
        scan=partial(scan, patterns=patterns),
        read=read_image,
    )


def scan(root: Path, patterns: dict[str, re.Pattern]) -> pd.DataFrame:
    """The index of a folder. `patterns` may take `subject` and `clip` from the path; no match is NA."""
    root = Path(root)
    files = image_files(root)
    if not files:
        raise not_found(root, "no images", LAYOUT, OBTAIN)
    depth = _label_depth(root, files)
    rows = []
    for path in files:
        parts = path.split("/")
        if len(parts) < depth + 2:
            raise not_found(root, f"'{path}' is not in a label's folder", LAYOUT, OBTAIN)
        label = expression_folder(root, "/".join(parts[: depth + 1]), EXPRESSIONS)
        split = split_of(parts[0]) if depth else None
        rows.append(
            {
                "path": path,
                "label": label,
                "split": split,
                **{key: _search(pattern, key, path) for key, pattern in patterns.items()},
            }
        )
    index = make_index(rows)
    for key in patterns:
        if index[key].isna().all():
            raise DatasetError(
                f"{root / SETTINGS}: '{key}' matches none of {len(index)} paths, such as "
                f"'{files[0]}'; correct the pattern"
            )
    return index


def _label_depth(root: Path, files: list[str]) -> int:
    """0 where the first folder is the label, 1 where it is the split."""
    tops = sorted({path.split("/")[0] for path in files})
    splits = [top for top in tops if split_of(top)]
    if splits and len(splits) < len(tops):
        other = next(top for top in tops if top not in splits)
        found = f"'{other}' is not a split, but is next to the split '{splits[0]}'"
        raise not_found(root, found, LAYOUT, OBTAIN)
    return 1 if splits else 0


def _search(pattern: re.Pattern, key: str, path: str) -> str | None:
    match = pattern.search(path)
    return match.group(key if key in pattern.groupindex else 1) if match else None


def _settings(path: Path) -> dict[str, str]:
    if not is_there(path):
        return {}
    text = "\n".join(read_lines(path))
    try:
        settings = yaml.safe_load(text) or {}
    except Exception as error:
        raise DatasetError(f"{path}: not readable as YAML ({' '.join(str(error).split())})") from None
    known = _PATTERNS + _TEXTS
    if not isinstance(settings, dict):
        raise DatasetError(f"{path}: expected lines `key: value` with the keys {', '.join(known)}")
    for key, value in settings.items():
        if key not in known:
            raise DatasetError(f"{path}: unknown key '{key}'; known are {', '.join(known)}")
        if not isinstance(value, str):
            raise DatasetError(f"{path}: '{key}' must be text; put it in quotes")
    return settings


def _pattern(path: Path, key: str, text: str) -> re.Pattern:
    try:
        pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        raise DatasetError(f"{path}: '{key}' is not a regular expression ({error})") from None
    if not pattern.groups:
        raise DatasetError(f"{path}: '{key}' needs a group, such as '([^/]+)_[0-9]+'")
    return pattern
