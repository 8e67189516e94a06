"""Which methods there are.

To add a method to the package, write `fer_meta/methods/<name>.py` with a class `Method(FewShotMethod)` (see
`base.py`), and name it in a suite. A class from outside is given as FILE.py:CLASS, by `register_method`, or
by an entry point of the group `fer_meta.methods`.
"""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fer_meta import methods, plugins
from fer_meta.errors import SuiteError
from fer_meta.methods.labels import Label
from fer_meta.oneline import one_line

if TYPE_CHECKING:
    from fer_meta.methods.base import FewShotMethod, TrainingConfig

GROUP = "fer_meta.methods"
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_SHARED = {"base", "distances", "labels", "readouts", "registry"}

_registered: dict[str, "type[FewShotMethod]"] = {}


def built_in() -> list[str]:
    """The methods of the package, found without importing them."""
    return sorted(one.name for one in pkgutil.iter_modules(methods.__path__) if one.name not in _SHARED)


def names() -> list[str]:
    """The methods there are: those of the package, then those from outside."""
    return list(dict.fromkeys([*built_in(), *sorted({*_registered, *plugins.installed(GROUP)})]))


def load(name: str) -> "type[FewShotMethod]":
    """The class of a method. Raises SuiteError for an unknown name."""
    if name in built_in():
        return importlib.import_module(f"{methods.__name__}.{name}").Method
    if name not in _registered and name in (points := plugins.installed(GROUP)):
        point = points[name]
        method = register_method(plugins.load_installed(point), point.value)
        if method.name != name:
            raise SuiteError(
                f"entry point {name!r} ({point.value}): its class has the name {method.name!r}; make the two"
                " equal"
            )
    if name not in _registered:
        raise SuiteError(
            f"no method is called {one_line(name, 60)!r}; there are {', '.join(names())}, or give --methods"
            " FILE.py:CLASS"
        )
    return _registered[name]


def register_method(method: object, where: str = "") -> "type[FewShotMethod]":
    """Make a method from outside known by its `name`, and return it. `where` it comes from is for messages.

    Raises SuiteError for what is not a class of a method, or has the name of another method.
    """
    from fer_meta.methods.base import FewShotMethod, SupervisedConfig, TrainingConfig

    place = one_line(where or getattr(method, "__qualname__", repr(method)), 300)
    if not (isinstance(method, type) and issubclass(method, FewShotMethod)):
        raise SuiteError(f"{place}: is not a subclass of fer_meta.methods.base.FewShotMethod; make it one")
    name, config = getattr(method, "name", None), getattr(method, "Config", None)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise SuiteError(
            f"{place}: `name` must be at most 40 small letters, digits and underscores, such as"
            f" 'my_method', and is {one_line(repr(name), 60)}"
        )
    base = TrainingConfig if method.episodic else SupervisedConfig
    if not (isinstance(config, type) and issubclass(config, base)):
        raise SuiteError(f"{place}: `Config` must be a subclass of fer_meta.methods.base.{base.__name__}")
    if name in built_in():
        raise SuiteError(f"{place}: fer-meta has a method called {name!r}; give this one another `name`")
    known = _registered.get(name)
    if known is not None and (known.__module__, known.__qualname__) != (
        method.__module__,
        method.__qualname__,
    ):
        raise SuiteError(
            f"{place}: {known.__module__}.{known.__qualname__} is called {name!r} too; give one of them"
            " another `name`"
        )
    _check_answers(method, place)
    _registered[name] = method
    return method


def names_of(words: Iterable[str]) -> list[str]:
    """The names of methods that are given by name or as FILE.py:CLASS; such a class is registered. An unknown
    name stays as it is. Raises SuiteError for a file that holds no such method.
    """
    return [
        register_method(plugins.from_file(word), word).name if plugins.is_file(word) else word
        for word in words
    ]


def labels(name: str, config: "TrainingConfig") -> dict[str, Label]:
    """What the answers of a training with `config` are called in tables, by their names on disk."""
    method = load(name)
    known = method.labels()
    return {answer: known[answer] for answer in method.answers(config)}


def answers(name: str) -> tuple[str, ...]:
    """The names of all answers that a method may give. Raises SuiteError for an unknown name."""
    return tuple(load(name).labels())


def kind(name: str) -> str:
    """Whose settings in `suites/presets.yaml` a method takes."""
    method = load(name)
    return method.kind or ("episodic" if method.episodic else "supervised")


def source_hash(name: str) -> str | None:
    """A hash of the source file of a method from outside, which is part of its models' identity; None for a
    method of the package.
    """
    if name in built_in():
        return None
    try:
        return plugins.file_hash(Path(inspect.getfile(load(name))))
    except (OSError, TypeError):  # a class typed into an interpreter
        return "no file"


def _check_answers(method: "type[FewShotMethod]", place: str) -> None:
    """Answers are found by name in tables, so that no two methods may share one."""
    taken = {answer for other in built_in() for answer in answers(other)}
    for other, known in _registered.items():
        taken |= set() if other == method.name else set(known.labels())
    shared = sorted(taken & set(method.labels()))
    if shared:
        raise SuiteError(f"{place}: another method's answers are called {shared[0]!r}; rename them in `own`")
