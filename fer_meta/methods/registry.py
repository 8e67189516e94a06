"""Which methods there are.

To add a method to the package, write `fer_meta/methods/<name>.py` with a class `Method(FewShotMethod)` (see
`base.py`), and name it in a suite. A class from outside is given as FILE.py:CLASS, by `register_method`, or
by an entry point of the group `fer_meta.methods`.
"""

import functools
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fer_meta import methods, plugins
from fer_meta.errors import SuiteError
from fer_meta.methods.labels import Label, answer_in, colour_of, label_in
from fer_meta.oneline import one_line
from fer_meta.records.plan import COLOUR
from fer_meta.spelling import offered

if TYPE_CHECKING:
    from fer_meta.methods.base import FewShotMethod, TrainingConfig

GROUP = "fer_meta.methods"
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_SHARED = {
    "as_published",
    "base",
    "distances",
    "distributions",
    "inner_loop",
    "labels",
    "readouts",
    "registry",
    "settings",
    "solved",
}

_registered: dict[str, "type[FewShotMethod]"] = {}


@functools.cache  # a plan asks for each of its runs, of which there may be many thousands
def built_in() -> tuple[str, ...]:
    """The methods of the package, found without importing them."""
    found = pkgutil.iter_modules(methods.__path__)
    return tuple(sorted(one.name for one in found if one.name not in _SHARED))


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
    if plugins.is_file(name):
        raise SuiteError(
            f"{one_line(name, 300)}: a suite file names no file; give --methods FILE.py:CLASS"
            " and write here the `name` of the class"
        )
    if name not in _registered:
        raise SuiteError(
            f"no method is called {one_line(name, 60)!r}"
            + offered(name, names(), f"there are {', '.join(names())}, or give --methods FILE.py:CLASS")
        )
    return _registered[name]


def register_method(method: object, where: str = "") -> "type[FewShotMethod]":
    """Make a method from outside known by its `name`, and return it. `where` it comes from is for messages.

    Raises SuiteError for what is not a class of a method, or has the name of another method.
    """
    place = one_line(where or getattr(method, "__qualname__", repr(method)), 300)
    method = check_class(method, place)
    name = method.name
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


def check_class(method: object, place: str) -> "type[FewShotMethod]":
    """`method`, if all that the class says of itself can be used; else SuiteError, which begins with
    `place`.
    """
    from fer_meta.methods.base import FewShotMethod

    if not (isinstance(method, type) and issubclass(method, FewShotMethod)):
        raise SuiteError(f"{place}: is not a subclass of fer_meta.methods.base.FewShotMethod; make it one")
    for fault in (_name_fault(method), _config_fault(method), _answers_fault(method), _missing(method)):
        if fault:
            raise SuiteError(f"{place}: {fault}")
    return method


def names_of(words: Iterable[str]) -> list[str]:
    """The names of methods that are given by name or as FILE.py:CLASS; such a class is registered. An unknown
    name stays as it is. Raises SuiteError for a file that holds no such method.
    """
    return [register_method(_own_class(word), word).name if plugins.is_file(word) else word for word in words]


def labels(key: str, config: "TrainingConfig", readouts: Sequence[str] | None = None) -> dict[str, Label]:
    """What the answers of a training with `config`, which a suite calls `key`, are called in tables, by their
    names on disk. It is read by `readouts`, or as its class says (None).
    """
    name = config.method or key
    method = load(name)
    gives = {*method.answers(config), *map(method.read_as, readouts or ())}
    known = {answer: label for answer, label in method.labels(readouts).items() if answer in gives}
    if name == key and not config.label:
        return known
    old = method.label or next(iter(known.values())).label
    named = {answer_in(key, name, answer): label for answer, label in known.items()}
    return {
        answer: label_in(label, colour_of(key, number), old, config.label or key)
        for number, (answer, label) in enumerate(named.items())
    }


def answers(name: str, readouts: Sequence[str] | None = None) -> tuple[str, ...]:
    """The names of all answers that a method may give, read by `readouts` or as its class says (None).
    Raises SuiteError for an unknown name.
    """
    return tuple(load(name).labels(readouts))


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


def _own_class(word: str) -> object:
    from fer_meta.methods.base import FewShotMethod

    return plugins.from_file(word, FewShotMethod)


def _name_fault(method: "type[FewShotMethod]") -> str:
    name = getattr(method, "name", None)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        return (
            "`name` must be at most 40 small letters, digits and underscores, such as 'my_method', and is"
            f" {one_line(repr(name), 60)}"
        )
    return "" if isinstance(method.label, str) else "`label` must be a text, the name in tables"


def _config_fault(method: "type[FewShotMethod]") -> str:
    from fer_meta.methods.base import SupervisedConfig, TrainingConfig

    base, config = TrainingConfig if method.episodic else SupervisedConfig, getattr(method, "Config", None)
    if isinstance(config, type) and issubclass(config, base):
        return ""
    return f"`Config` must be a subclass of fer_meta.methods.base.{base.__name__}"


def _answers_fault(method: "type[FewShotMethod]") -> str:
    from fer_meta.methods.readouts import READOUTS

    own, readouts = method.own, method.readouts
    if not isinstance(own, Mapping) or not all(isinstance(one, str) for one in (*own, *own.values())):
        return "`own` must map the name of each answer to its name in tables: {'cosine': 'Cosine'}"
    if isinstance(readouts, str) or not set(readouts) <= set(READOUTS):
        return f"`readouts` must be a tuple of names from {', '.join(READOUTS)}"
    if method.head_name and method.head_name not in own:
        return (
            f"`head_name` is {one_line(repr(method.head_name), 60)}, which `own` does not name; add it there"
        )
    return "" if own or readouts else "gives no answers; name some in `own` or in `readouts`"


def _missing(method: "type[FewShotMethod]") -> str:
    from fer_meta.methods.base import FewShotMethod

    needed = ("embed", "loss") if method.trained else ("embed",)
    missing = [name for name in needed if getattr(method, name) is getattr(FewShotMethod, name)]
    return f"has no `{missing[0]}`; write it" if missing else ""


def _check_answers(method: "type[FewShotMethod]", place: str) -> None:
    """Answers are found by name in tables, so that no two methods may share one."""
    others = [*map(load, built_in()), *(one for one in _registered.values() if one.name != method.name)]
    taken = {answer for other in others for answer in _possible(other)}
    shared = sorted(taken & _possible(method))
    if shared:
        raise SuiteError(f"{place}: another method's answers are called {shared[0]!r}; rename them in `own`")
    wrong = [one for one in method.colours.values() if not re.fullmatch(COLOUR, str(one))]
    if wrong:
        raise SuiteError(f"{place}: the colour {one_line(str(wrong[0]), 40)!r} is not of the form #RRGGBB")


def _possible(method: "type[FewShotMethod]") -> set[str]:
    """The names of the answers that it may give in any suite."""
    from fer_meta.methods.readouts import READOUTS

    return {*method.labels(), *method.labels(tuple(READOUTS))}
