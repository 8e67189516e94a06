"""`fer-meta.yaml`, a small file in a data set's folder that says what its names mean:

    labels: {'0': neutral, NE: neutral, Ahegao: skip}     # words to expressions; skip leaves the images out
    vocabulary: [none, mild, strong]                      # labels of one's own in place of expressions
    subject: '/([a-z]+)_[0-9]+[.]jpg$'                    # a pattern; also clip, frame, label, split
    manifest: list.csv                                    # a table of the images in place of folders
    title: My faces                                       # also licence, citation

A pattern is a regular expression that is searched in each image's path. Its first group, or the group of the
key's name, is what is taken.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import yaml

from fer_meta.datasets.scanning import is_there
from fer_meta.datasets.tables import read_lines
from fer_meta.errors import DatasetError
from fer_meta.expressions import EXPRESSIONS, canonical, lowered

SETTINGS = "fer-meta.yaml"
SKIP = "skip"
"""The label of images that are left out."""

PATTERNS = ("label", "split", "subject", "clip", "frame")
TEXTS = ("title", "licence", "citation", "manifest")
_KNOWN = ("labels", "vocabulary", *PATTERNS, *TEXTS)


@dataclass(frozen=True)
class Settings:
    """What a fer-meta.yaml says; `where` is its path, whether it exists or not."""

    where: Path
    texts: Mapping[str, str] = field(default_factory=dict)
    patterns: Mapping[str, re.Pattern] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    vocabulary: tuple[str, ...] = EXPRESSIONS

    @cached_property
    def _names(self) -> dict[str, str]:
        named = {**{name: name for name in self.vocabulary}, **self.labels}
        return {lowered(word): label for word, label in named.items()}

    def label(self, word: str) -> str | None:
        """The label that a word means, SKIP included; None for an unknown word."""
        found = self.labels.get(word) or self._names.get(lowered(word))
        if found is None and self.vocabulary == EXPRESSIONS:
            with suppress(ValueError):
                return canonical(word)
        return found

    def unknown(self, place: str, word: str) -> DatasetError:
        """The error for a word that is no label, found at `place`."""
        number = (
            "" if not word.strip().isdigit() else " (every data set numbers differently: none is guessed)"
        )
        return DatasetError(
            f"{place}: '{word}' is not a known expression{number}; say in {self.where} what it means, such as"
            f" labels: {{'{word}': {self.vocabulary[0]}}} or labels: {{'{word}': {SKIP}}} to leave it out"
        )

    def found(self, key: str, path: str) -> str | None:
        """What the pattern `key` finds in a path; None without a pattern or a match."""
        pattern = self.patterns.get(key)
        match = pattern.search(path) if pattern else None
        return match.group(key if key in match.re.groupindex else 1) if match else None


def read_settings(root: Path) -> Settings:
    """The settings of the data set in a folder; those of none if there is no fer-meta.yaml. Raises
    DatasetError for a faulty one.
    """
    where = Path(root) / SETTINGS
    if not is_there(where):
        return Settings(where)
    return settings_of(where, _mapping(where))


def settings_of(where: Path, raw: Mapping) -> Settings:
    """The settings that a fer-meta.yaml at `where` holds. Raises DatasetError for faulty ones."""
    unknown = [key for key in raw if key not in _KNOWN]
    if unknown:
        raise DatasetError(f"{where}: unknown key '{unknown[0]}'; known are {', '.join(_KNOWN)}")
    vocabulary = _vocabulary(where, raw.get("vocabulary"))
    for key in (*PATTERNS, *TEXTS):
        if key in raw and not isinstance(raw[key], str):
            raise DatasetError(f"{where}: '{key}' must be text; put it in quotes")
    return Settings(
        where,
        {key: raw[key] for key in TEXTS if key in raw},
        {key: _pattern(where, key, raw[key]) for key in PATTERNS if key in raw},
        _labels(where, raw.get("labels", {}), vocabulary),
        vocabulary,
    )


def _mapping(where: Path) -> dict:
    text = "\n".join(read_lines(where))
    try:
        raw = yaml.safe_load(text) or {}
    except Exception as error:
        raise DatasetError(f"{where}: not readable as YAML ({' '.join(str(error).split())})") from None
    if not isinstance(raw, dict):
        raise DatasetError(f"{where}: expected lines `key: value` with the keys {', '.join(_KNOWN)}")
    return raw


def _vocabulary(where: Path, raw: object) -> tuple[str, ...]:
    if raw is None:
        return EXPRESSIONS
    if not (isinstance(raw, list) and len(raw) > 1 and all(isinstance(one, str) for one in raw)):
        raise DatasetError(f"{where}: 'vocabulary' must be a list of at least two labels, each of them text")
    names = tuple(map(lowered, raw))
    faulty = [one for one, name in zip(raw, names) if not re.fullmatch(r"\w{1,40}", name) or name == SKIP]
    if faulty or len(set(names)) < len(names):
        wrong = f"'{faulty[0]}'" if faulty else "a label that comes twice"
        raise DatasetError(
            f"{where}: 'vocabulary' has {wrong}; a label is a name of its own of letters, digits and _"
        )
    return names


def _labels(where: Path, raw: object, vocabulary: tuple[str, ...]) -> dict[str, str]:
    if not isinstance(raw, dict):
        raise DatasetError(f"{where}: 'labels' must be a mapping, such as {{'0': {vocabulary[0]}}}")
    labels, own = {}, Settings(where, vocabulary=vocabulary)
    for word, name in raw.items():
        # YAML reads 0 as a number and `no` as false: only the number is still known as it was written.
        if type(word) not in (str, int) or not isinstance(name, str):
            raise DatasetError(f"{where}: 'labels': {word!r}: {name!r} must be text; put both in quotes")
        meant = SKIP if name.strip().lower() == SKIP else own.label(name)
        if meant is None:
            raise DatasetError(
                f"{where}: 'labels': '{name}' is not a known expression; known are"
                f" {', '.join(vocabulary)}, {SKIP}"
            )
        labels[str(word)] = meant
    return labels


def _pattern(where: Path, key: str, text: str) -> re.Pattern:
    try:
        pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        raise DatasetError(f"{where}: '{key}' is not a regular expression ({error})") from None
    if not pattern.groups:
        raise DatasetError(f"{where}: '{key}' needs a group, such as '([^/]+)_[0-9]+'")
    return pattern
