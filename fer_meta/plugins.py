"""Methods and data sets from outside the package: a class in a user's file, or an entry point of an installed
package. Nothing here imports torch.
"""

import hashlib
import importlib.util
import sys
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

from fer_meta.errors import SuiteError
from fer_meta.oneline import one_line
from fer_meta.spelling import offered

GROUPS = ("fer_meta.methods", "fer_meta.datasets")


def is_file(word: str) -> bool:
    """Whether a method or a backbone is given as FILE.py:CLASS, or as FILE.py, whose class was forgotten."""
    return ".py:" in word or word.endswith(".py")


def from_file(word: str, base: type) -> object:
    """What FILE.py:NAME names, a class of `base`; the file is run. Raises SuiteError, which names the file's
    classes of `base`, for a file that cannot be imported or has no such name, and for a word without a name.
    """
    file, name = _parts(word)
    module = _module(path_of(word))
    if name and hasattr(module, name):
        return getattr(module, name)
    there = [
        key
        for key, one in vars(module).items()
        if isinstance(one, type) and issubclass(one, base) and one.__module__ == module.__name__
    ]
    has = f"it has {', '.join(there) or f'no class of {base.__module__}.{base.__qualname__}'}"
    wrong = f"has no {one_line(name, 60)!r}" if name else "names no class; give FILE.py:CLASS"
    raise SuiteError(f"{one_line(file, 300)}: {wrong}{offered(name, there, has)}")


def path_of(word: str) -> Path:
    """The file of FILE.py:NAME."""
    return Path(_parts(word)[0]).absolute()


def installed(group: str) -> dict[str, EntryPoint]:
    """The entry points of a group, by name, none of them loaded."""
    return {point.name: point for point in entry_points(group=group)}


def load_installed(point: EntryPoint) -> object:
    """What an entry point names. Raises SuiteError if it cannot be imported."""
    try:
        return point.load()
    except (Exception, SystemExit) as error:
        raise SuiteError(
            f"entry point {point.name!r} ({point.group}, {point.value}): {_failed(error)}; repair or"
            " uninstall its package"
        ) from error


def sources(words: Iterable[str] | None) -> list[Path]:
    """The files from outside whose change may change a bench: those among `words` (names of methods or
    FILE.py:CLASS), and those of installed entry points.
    """
    given = [path_of(word) for word in words or () if is_file(word)]
    points = (point for group in GROUPS for point in entry_points(group=group))
    return given + [path for point in points if (path := _path(point.module)) is not None]


def file_hash(path: Path) -> str:
    """Sixteen hexadecimal digits of a file's content."""
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()


def _parts(word: str) -> tuple[str, str]:
    file, _, name = (f"{word}:" if word.endswith(".py") else word).rpartition(":")
    return file, name


def _module(path: Path) -> ModuleType:
    name = f"fer_meta_plugin_{path.stem}_{hashlib.blake2b(str(path).encode(), digest_size=4).hexdigest()}"
    spec = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise SuiteError(f"{one_line(str(path), 300)}: no such file; give FILE.py:CLASS")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a script that exits would end a bench without a word
        del sys.modules[name]
        raise SuiteError(f"{one_line(str(path), 300)}: {_failed(error)}; repair the file") from error
    return module


def _failed(error: BaseException) -> str:
    return f"cannot be imported ({type(error).__name__}: {one_line(str(error), 200)})"


def _path(module: str) -> Path | None:
    """The file of a module, found without importing it."""
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        return None
    if not rest:
        return Path(spec.origin)
    path = Path(spec.origin).parent.joinpath(*rest)
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)
