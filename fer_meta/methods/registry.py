"""Which methods there are. The file's name is the method's name.

To add a method, write `fer_meta/methods/<name>.py` with

- `Config(TrainingConfig)`: its hyper-parameters, which a suite file may set, and
- `Method(FewShotMethod)`: the network and the rule (see `base.py`).
"""

import importlib
import pkgutil
from types import ModuleType

from fer_meta import methods
from fer_meta.errors import SuiteError


def names() -> list[str]:
    """The methods there are, found without importing them."""
    return sorted(
        m.name
        for m in pkgutil.iter_modules(methods.__path__)
        if m.name not in ("base", "registry") and not m.name.startswith("_")
    )


def load(name: str) -> ModuleType:
    """The module of a method, with its `Config` and `Method`. Raises SuiteError for a name that is none."""
    if name not in names():
        raise SuiteError(f"no algorithm is called {name!r}; there are {', '.join(names())}")
    return importlib.import_module(f"{methods.__name__}.{name}")


def readouts(name: str) -> tuple[str, ...]:
    """What the classifiers of a method may be called in tables. Raises SuiteError for a name that is none."""
    return load(name).Method.readouts or (name.replace("_", "-"),)
