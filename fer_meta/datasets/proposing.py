"""Look at a folder of images and propose its fer-meta.yaml: which words are labels, which may be people.

Nothing is decided here: a proposal is shown to the user, who knows the data.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import yaml

from fer_meta.datasets.base import split_of
from fer_meta.datasets.loaders.folder import levels_of
from fer_meta.datasets.settings import SKIP, Settings
from fer_meta.expressions import ALIASES, EXPRESSIONS, canonical

CODES = {
    "an": "anger",
    "ang": "anger",
    "di": "disgust",
    "dis": "disgust",
    "af": "fear",
    "fe": "fear",
    "fea": "fear",
    "ha": "happiness",
    "hap": "happiness",
    "ne": "neutral",
    "neu": "neutral",
    "sa": "sadness",
    "sad": "sadness",
    "su": "surprise",
    "sur": "surprise",
    "co": "contempt",
    "con": "contempt",
}
"""Short words for expressions in file names, as in JAFFE and KDEF."""

_FEWEST_KNOWN = 0.5  # of the words of a place in file names, so that it is taken for the label
_FEWEST_EACH = 1.2  # images of each name, on average, so that names before numbers may be people
_SEPARATED = "[._ -]"


@dataclass(frozen=True)
class People:
    """Names in the paths that may be people: the pattern that finds them, and the images of each."""

    pattern: str
    images: Mapping[str, int]


def label_pattern(files: Iterable[str]) -> str | None:
    """A pattern for labels that are a part of the file names, as AN in `KA.AN1.39.tiff`; None if no part of
    the names is mostly expressions.
    """
    names = [re.split(_SEPARATED, path.rpartition("/")[2]) for path in files]
    for place in range(max(map(len, names), default=0) - 1):
        words = Counter(found.group() for name in names if (found := _letters(name, place)))
        known = sum(count for word, count in words.items() if guess(word) is not None)
        if len(words) > 1 and known >= _FEWEST_KNOWN * len(names):
            return rf"(?:^|/)(?:[^/._ -]*{_SEPARATED}){{{place}}}([A-Za-z]+)[^/]*$"
    return None


def _letters(name: list[str], place: int) -> re.Match | None:
    return re.match("[A-Za-z]+", name[place]) if place < len(name) - 1 else None


def guess(word: str) -> str | None:
    """The expression that a word may stand for; None without a guess, as for every number."""
    known = Settings(Path()).label(word) or CODES.get(word.lower())
    near = get_close_matches(word.lower(), [*EXPRESSIONS, *ALIASES], 1, cutoff=0.7)
    return known or (canonical(near[0]) if near else None)


def words_of(files: Iterable[str], settings: Settings, level: int | None) -> dict[str, list[str]]:
    """The words for labels and the images of each: folders at a level, or what the pattern finds."""
    words: dict[str, list[str]] = {}
    for path in files:
        word = settings.found("label", path) if level is None else path.split("/")[level]
        if word is not None:
            words.setdefault(word, []).append(path)
    return words


def likely_level(files: list[str]) -> int | None:
    """The folders that are most likely the labels: those of which most names are known, and that are no
    splits; None if all images lie in one folder.
    """
    levels = levels_of(files)
    free = [level for level, names in enumerate(levels) if len(names) > 1 and not all(map(split_of, names))]
    shares = {
        level: sum(guess(name) is not None for name in levels[level]) / len(levels[level]) for level in free
    }
    return max(free, key=lambda level: (shares[level], -len(levels[level])), default=None)


def people_in_folders(files: list[str], label_level: int | None) -> People | None:
    """The folders that are neither labels nor splits, the outermost of them."""
    for level, names in enumerate(levels_of(files)):
        if level != label_level and len(names) > 1 and not any(map(split_of, names)):
            return People(rf"^{'[^/]+/' * level}([^/]+)/", Counter(path.split("/")[level] for path in files))
    return None


def people_in_names(files: list[str]) -> People | None:
    """What stands before the first separator and the number of a file's name, if several images share it and
    there are several of them.
    """
    pattern = r"([^/]*?[A-Za-z][^/]*?)[._ -]+[0-9]+[.][^./]+$"
    found = Counter(match.group(1) for path in files if (match := re.search(f"(?:^|/){pattern}", path)))
    if len(found) < 2 or sum(found.values()) < _FEWEST_EACH * len(found) or guess(min(found)) is not None:
        return None
    return People(f"(?:^|/){pattern}", found)


def as_yaml(labels: Mapping[str, str], patterns: Mapping[str, str]) -> str:
    """The text of a fer-meta.yaml. Words that are their own label are left out."""
    said: dict[str, object] = dict(patterns)
    meant = {word: label for word, label in labels.items() if Settings(Path()).label(word) != label}
    if meant:
        said = {"labels": meant, **said}
    return yaml.safe_dump(said, sort_keys=False, allow_unicode=True, default_flow_style=False) if said else ""


def is_label(text: str) -> bool:
    """Whether a user's answer is a label: an expression under a usual name, or SKIP."""
    return text.strip().lower() == SKIP or Settings(Path()).label(text) is not None
