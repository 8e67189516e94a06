"""The text of a suite file, read with care: anything but plain YAML of texts, numbers, lists and mappings is
a SuiteError of one line.

Nothing here imports torch, so that a command can say at once what is wrong with a file.
"""

import os
import re
import stat
from importlib import resources
from typing import Any, NamedTuple

import yaml

from fer_meta.errors import SuiteError
from fer_meta.oneline import one_line
from fer_meta.spelling import offered
from fer_meta.yaml_size import DEEPEST, TooMuch, check_size, children

LARGEST = 200_000  # bytes; the largest of the package's has 8,000
_PLAIN = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")}
_MERGE = "tag:yaml.org,2002:merge"
SHARED = "presets"  # suites may extend it; it is not a suite itself
_OLD = {"algorithms": "methods"}  # keys that have another name today


class Place(NamedTuple):
    """A line (from 1) of a file; as a text, how a message begins."""

    origin: str
    line: int

    def __str__(self) -> str:
        return f"{self.origin}, line {self.line}"


# The place of every key and list item, by its path of keys and numbers.
Lines = dict[tuple, Place]


class _Loader(yaml.SafeLoader):
    """1e-3 is a number, as in YAML 1.2 and in Python."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def suite_names() -> list[str]:
    """The suites that come with the package."""
    files = resources.files(__package__).iterdir()
    found = {file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml")}
    return sorted(found - {SHARED})


def is_path(name: str) -> bool:
    """Whether a suite is given as a file, and not by the name of one of the package's."""
    return name.endswith((".yaml", ".yml"))


def name_of(suite: str) -> str:
    """The name of a suite that is given by its name or as a file. Raises SuiteError for a file that cannot be
    read.
    """
    return str(parse(*suite_text(suite))[0].get("name", suite)) if is_path(suite) else suite


def suite_text(name: str, shared: bool = False) -> tuple[str, str]:
    """The text of the suite `name` (one of the package's, or the path of a .yaml file), and what to call it
    in messages. `shared`: or that of `presets.yaml`.
    """
    if not is_path(name):
        if name not in suite_names() and not (shared and name == SHARED):
            raise SuiteError(
                f"no suite is called {one_line(name, 60)!r}"
                + offered(name, suite_names(), f"there are {', '.join(suite_names())}, or give a .yaml file")
            )
        return (
            resources.files(__package__).joinpath(f"{name}.yaml").read_text(encoding="utf-8"),
            f"{name}.yaml",
        )
    return _read(name), one_line(name, 300)


def parse(text: str, origin: str) -> tuple[dict, Lines]:
    """What a suite file says, and the place of each key and list item by its path; of () that of the file.
    Raises SuiteError, which names the line.
    """
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        check_size(node)
        _rename_keys(node)
        _check_nodes(loader, node, origin)
        raw = loader.construct_document(node) if node else None
        lines = {path: Place(origin, line) for path, line in _lines(node).items()} | {(): Place(origin, 1)}
    except TooMuch as error:
        raise SuiteError(f"{origin}, line {error.line}: {error}") from error
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        where = f"{origin}, line {mark.line + 1}" if mark else origin
        raise SuiteError(f"{where}: not valid YAML ({one_line(problem or str(error), 200)})") from error
    except RecursionError as error:
        raise SuiteError(
            f"{origin}: its lists and mappings are nested too deeply; {DEEPEST} levels are read"
        ) from error
    finally:
        if loader:
            loader.dispose()
    if not isinstance(raw, dict):
        raise SuiteError(f"{origin}: a suite is a mapping of keys such as `name`, `protocol` and `methods`")
    return raw, lines


def _read(name: str) -> str:
    named = one_line(name, 300)
    try:
        found = os.stat(name)
        if not stat.S_ISREG(found.st_mode):
            raise SuiteError(
                f"{named}: cannot be read as a suite file (it is"
                f" {'a folder' if stat.S_ISDIR(found.st_mode) else 'not a regular file'})"
            )
        if found.st_size > LARGEST:
            raise SuiteError(
                f"{named}: cannot be read as a suite file (it has {found.st_size:,} bytes; a suite has at"
                f" most {LARGEST:,})"
            )
        with open(name, encoding="utf-8") as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise SuiteError(
            f"{named}: cannot be read as a suite file (byte {error.start + 1:,} is not UTF-8); save it as"
            " UTF-8"
        ) from error
    except (OSError, ValueError) as error:
        raise SuiteError(
            f"{named}: cannot be read as a suite file"
            f" ({one_line(getattr(error, 'strerror', None) or str(error))})"
        ) from error


def _rename_keys(node: yaml.Node | None) -> None:
    """Give keys of older files their names of today, in the suite, its experiments and its presets."""
    suites = [node, *_values(_value(node, "presets"))]
    experiments = [one for suite in suites for one in _values(_value(suite, "experiments"))]
    for one in [*suites, *experiments]:
        for key, _ in one.value if isinstance(one, yaml.MappingNode) else ():
            key.value = _OLD.get(key.value, key.value) if isinstance(key, yaml.ScalarNode) else key.value


def _value(node: yaml.Node | None, name: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for key, value in pairs if key.value == name), None)


def _values(node: yaml.Node | None) -> list[yaml.Node]:
    return [value for _, value in node.value] if isinstance(node, yaml.MappingNode) else []


def _check_nodes(loader: _Loader, node: yaml.Node | None, origin: str) -> None:
    """Refuse keys that are given twice or are not texts, and values that are neither text, number, list nor
    mapping.
    """
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == _MERGE:
                continue
            if not isinstance(key, yaml.ScalarNode) or not key.tag.endswith(":str"):
                shown = (
                    f"the key {one_line(key.value, 40)} is"
                    if isinstance(key, yaml.ScalarNode)
                    else "a list or mapping as a key is"
                )
                raise SuiteError(f"{_where(origin, key)}: {shown} not a text; put it in quotes")
            if key.value in seen:
                raise SuiteError(
                    f"{_where(origin, key)}: {one_line(key.value, 40)}: this key is given twice; keep one"
                )
            seen.add(key.value)
    if node and node.tag not in _PLAIN | {_MERGE}:
        kind = one_line(node.tag.rpartition(":")[2] or node.tag, 40)
        raise SuiteError(
            f"{_where(origin, node)}: not valid YAML for a suite (a value of kind {kind}); "
            "a suite holds texts, numbers, lists and mappings; put a text in quotes"
        )
    if isinstance(node, yaml.ScalarNode) and node.tag != _MERGE:
        try:
            loader.construct_object(node)
        except (ValueError, ArithmeticError) as error:
            kind = {"int": "an integer", "float": "a number"}.get(node.tag.rpartition(":")[2], "a value")
            raise SuiteError(f"{_where(origin, node)}: {one_line(node.value, 40)!r} is not {kind}") from error
    for child in children(node):
        _check_nodes(loader, child, origin)


def _where(origin: str, node: yaml.Node) -> str:
    return f"{origin}, line {node.start_mark.line + 1}"


def _lines(node: yaml.Node | None, path: tuple = ()) -> dict[tuple, int]:
    """The line (from 1) of every key and list item, by its path."""
    children: list[tuple[tuple, Any, Any]]
    if isinstance(node, yaml.MappingNode):
        children = [((*path, key.value), key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        children = [((*path, i), item, item) for i, item in enumerate(node.value)]
    else:
        return {}
    found = {where: at.start_mark.line + 1 for where, at, _ in children}
    for where, _, value in children:
        found.update(_lines(value, where))
    return found
