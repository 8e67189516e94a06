"""Trainings shown in TensorBoard, MLflow or Weights & Biases, through their own clients.

A tracker follows the files of a results folder (`follow`), in a process of its own. No training knows of it,
so it changes no number and can stop none, and it does not matter which process or machine trains. Nothing
here imports torch or a tracker's package when it is imported.
"""

from collections.abc import Sequence
from importlib.util import find_spec

from fer_meta.commands import with_extra
from fer_meta.errors import FerMetaError
from fer_meta.oneline import one_line

TRACKERS = {
    "tensorboard": ("tensorboard",),
    "mlflow": ("mlflow", "sqlalchemy", "alembic"),
    "wandb": ("wandb",),
}
"""Tracker -> the modules that it needs. Its extra has the same name."""


def require(trackers: Sequence[str]) -> None:
    """Raise FerMetaError for a tracker that is unknown, or whose package is not installed."""
    for name in trackers:
        if name not in TRACKERS:
            raise FerMetaError(
                f"no tracker is called {one_line(name, 60)!r}; there are {', '.join(TRACKERS)}"
            )
        missing = [module for module in TRACKERS[name] if find_spec(module) is None]
        if missing:
            raise FerMetaError(f"{name} needs the package {missing[0]}; run: {with_extra(name)}")
