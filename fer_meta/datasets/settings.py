"""`fer-meta.yaml`, a small file in a data set's folder that says what its names mean:

    labels: {'0': neutral, NE: neutral, Ahegao: skip}     # words to expressions; skip leaves the images out
    vocabulary: [none, mild, strong]                      # labels of one's own in place of expressions
    subject: '/([a-z]+)_[0-9]+[.]jpg$'                    # a pattern; also clip, frame, label, split
    manifest: list.csv                                    # a table of the images in place of folders
    columns: {label: emotion}                             # which of its columns hold what
    title: My faces                                       # also licence, citation

A pattern is a regular expression that is searched in each image's path. Its first group, or the group of the
key's name, is what is taken.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import yaml

from fer_meta.damage import expected
from fer_meta.datasets.scanning import is_there
from fer_meta.datasets.tables import read_lines
from fer_meta.errors import DatasetError
from fer_meta.expressions import EXPRESSIONS, canonical, lowered
from fer_meta.oneline import one_line
from fer_meta.yaml_size import check_size

SETTINGS = "fer-meta.yaml"
SKIP = "skip"
"""The label of images that are left out."""

_SHOWN = 8  # words in a message

PATTERNS = ("label", "split", "subject", "clip", "frame")
TEXTS = ("title", "licence", "citation", "manifest")
COLUMNS = ("path", "label", "subject", "clip", "frame", "split", "box")
"""What the columns of a table may hold."""

_KNOWN = ("labels", "vocabulary", "columns", *PATTERNS, *TEXTS)


@dataclass(frozen=True)
class Settings:
    """What a fer-meta.yaml says; `where` is its path, whether it exists or not."""

    where: Path
    texts: Mapping[str, str] = field(default_factory=dict)
    patterns: Mapping[str, re.Pattern] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    vocabulary: tuple[str, ...] = EXPRESSIONS
    columns: Mapping[str, str] = field(default_factory=dict)  # one of COLUMNS -> its name in the table

    @cached_property
    def _names(self) -> dict[str, str]:
        named = {**{name: name for name in self.vocabulary}, **self.labels}
        return {lowered(composed(word)): label for word, label in named.items()}

    def label(self, word: str) -> str | None:
        """The label that a word means, SKIP included; None for an unknown word."""
        word = composed(word)
        found = self.labels.get(word) or self._names.get(lowered(word))
        if found is None and self.vocabulary == EXPRESSIONS:
            with suppress(ValueError):
                return canonical(word)
        return found

    def unknown(self, place: str, word: str, others: Iterable[str] = ()) -> DatasetError:
        """The error for a word that is no label, found at `place`; `others` are more such words."""
        own = self.vocabulary != EXPRESSIONS
        kind = "in the vocabulary" if own else "a known expression"
        number = " (every data set numbers differently: none is guessed)" if word.strip().isdigit() else ""
        more = [f"'{one}'" for one in sorted(set(others) - {word})]
        too = f"; nor known: {_some(more)}" if more else ""
        return DatasetError(
            f"{place}: '{word}' is not {kind}{number}{too}; write in {self.where} what it means:"
            f" labels: {{'{word}': LABEL}}, with LABEL one of {_some(self.vocabulary)}, or {SKIP} to leave it"
            f" out{'' if own else ' (labels of your own: vocabulary)'}"
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
        misnamed = where.with_suffix(".yml")
        if is_there(misnamed):
            raise DatasetError(f"{misnamed}: is not read under this name; rename it to {SETTINGS}")
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
        _columns(where, raw.get("columns", {})),
    )


def _mapping(where: Path) -> dict:
    with expected(where, "not readable as YAML", "put patterns in single quotes"):
        loader = yaml.SafeLoader("\n".join(read_lines(where)))
        node = loader.get_single_node()
        check_size(node)
        twice = _key_twice(node)
        raw = loader.construct_document(node) or {} if node else {}
    if twice is not None:
        raise DatasetError(f"{where}: the key '{twice}' is there twice; keep one")
    if not isinstance(raw, dict):
        raise DatasetError(f"{where}: expected lines `key: value` with the keys {', '.join(_KNOWN)}")
    return raw


def _some(words: Sequence[str]) -> str:
    rest = len(words) - _SHOWN
    return ", ".join(words[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _shown(value: object) -> str:
    return one_line(repr(value), 80)


def _key_twice(node: yaml.Node | None) -> str | None:
    """A key that a mapping has twice, of which YAML would take the last."""
    if not isinstance(node, yaml.MappingNode):
        return None
    times = Counter(str(key.value) for key, _ in node.value)
    again = next((key for key, number in times.items() if number > 1), None)
    return again or next(filter(None, (_key_twice(value) for _, value in node.value)), None)


def _vocabulary(where: Path, raw: object) -> tuple[str, ...]:
    if raw is None:
        return EXPRESSIONS
    if not (isinstance(raw, list) and len(raw) > 1):
        raise DatasetError(f"{where}: 'vocabulary' must be a list of at least two labels")
    if no_text := [one for one in raw if not isinstance(one, str)]:
        # YAML reads 0 as a number and `no` as false
        raise DatasetError(
            f"{where}: 'vocabulary' has {_shown(no_text[0])}, which is no text; put it in quotes"
        )
    names = tuple(lowered(composed(one)) for one in raw)
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
            raise DatasetError(
                f"{where}: 'labels': {_shown(word)}: {_shown(name)} must be text; put both in quotes"
            )
        meant = SKIP if name.strip().lower() == SKIP else own.label(name)
        if meant is None:
            raise DatasetError(
                f"{where}: 'labels': '{name}' is not a known expression; known are"
                f" {', '.join(vocabulary)}, {SKIP}"
            )
        labels[composed(str(word))] = meant
    return labels


def _columns(where: Path, raw: object) -> dict[str, str]:
    if not isinstance(raw, dict) or any(not isinstance(name, str) for name in raw.values()):
        raise DatasetError(
            f"{where}: 'columns' must be a mapping to names of columns, such as {{label: emotion}}"
        )
    unknown = [key for key in raw if key not in COLUMNS]
    if unknown:
        raise DatasetError(f"{where}: 'columns': unknown key '{unknown[0]}'; known are {', '.join(COLUMNS)}")
    return raw


def composed(text: str) -> str:
    """A text whose accents are parts of their letters (NFC): macOS stores names with them apart."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def called(name: str | None) -> str | None:
    """What a person or a clip is called: one line of text, None for an empty one."""
    return one_line(composed(name)) or None if name else None


def _pattern(where: Path, key: str, text: str) -> re.Pattern:
    try:
        pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        raise DatasetError(f"{where}: '{key}' is not a regular expression ({error})") from None
    if not pattern.groups:
        raise DatasetError(f"{where}: '{key}' needs a group, such as '([^/]+)_[0-9]+'")
    return pattern
