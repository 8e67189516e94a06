"""Records without the paths of the machine that they were made on: of a file, the last part stays."""

import re
import shlex
from typing import Any

from fer_meta.commands import with_option

COMMAND = "command"

# A path that is not relative, or leads elsewhere.
_WHOLE = re.compile(r"(?:~[\w.-]*|[A-Za-z]:|\.{1,2})?[/\\]")

# The folders of such a path within a text. What comes before is no part of a word (km/h), and it is no URL.
_ONE = r"[^\s'\"`,;()|<>/\\]+[/\\]+"
_FOLDERS = re.compile(
    rf"(?<![\w.~/\\<-])(?!(?<=:)//)(?:(?:~[\w.-]*|[A-Za-z]:)[/\\]+(?:{_ONE})*|\.{{0,2}}[/\\]+(?:{_ONE})+)"
    r"(?=[^\s/\\])"
)

# A file of code, weights or a suite, wherever it lies.
_FILE = re.compile(r"[^\s'\"=,]*[/\\](?=[^\s/\\'\"]+\.(?:py|safetensors|pth?|ya?ml)\b)")


def without_paths(value: Any, name: str = "") -> Any:
    """A value of JSON, the `name` of which its parent gives. Keys stay as they are.

    >>> without_paths({"weights": "/home/anna/my weights.safetensors", "backbone": "timm/resnet18"})
    {'weights': 'my weights.safetensors', 'backbone': 'timm/resnet18'}
    """
    if isinstance(value, str):
        return _command(value) if name == COMMAND else _text(value)
    if isinstance(value, list):
        return [without_paths(one) for one in value]
    if isinstance(value, dict):
        return {key: without_paths(one, key) for key, one in value.items()}
    return value


def _text(text: str) -> str:
    if _WHOLE.match(text) and ": " not in text:  # a path alone may have spaces
        return _last(text)
    return _FILE.sub("", _FOLDERS.sub("", text))


def _command(text: str) -> str:
    """A command as others would type it: where the results are kept is left out."""
    words = shlex.split(with_option(text, "--out", None))
    return shlex.join(map(_word, words))


def _word(word: str) -> str:
    option, equals, value = word.rpartition("=")
    return option + equals + _text(value)


def _last(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]
