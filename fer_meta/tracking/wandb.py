"""Weights & Biases: a run for each training, in the project WANDB_PROJECT, grouped by results folder.

https://docs.wandb.ai/ref/python
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import wandb

from fer_meta.tracking.updates import Send, Update

PROJECT = "fer-meta"

# What W&B would tell of this process says nothing of the training, which is another one.
_SETTINGS: dict[str, Any] = {
    "silent": True,
    "init_timeout": 30.0,
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "x_disable_stats": True,
    "x_disable_meta": True,
    "x_disable_machine_info": True,
}


def place(folder: Path) -> str:
    """Where runs are kept: in another place, trainings are sent anew."""
    names = ("WANDB_BASE_URL", "WANDB_ENTITY", "WANDB_PROJECT", "WANDB_MODE")
    return " ".join(os.environ.get(name, "") for name in names)


@contextmanager
def open_tracker(folder: Path) -> Iterator[Send]:
    """Curves against steps; `images` has the images seen, for another axis. The results are in the summary.
    W&B's own files lie in `wandb/` of the results folder, or in WANDB_DIR.
    """
    runs: dict[str, wandb.Run] = {}

    def send(update: Update) -> str:
        run = runs.get(update.name) or _begin(folder, update)
        runs[update.name] = run
        for point in update.points:
            images = {} if point.images is None else {"images": point.images}
            run.log(point.values | images, step=point.step)
        run.summary.update(update.results)
        if update.ended:
            runs.pop(update.name).finish(exit_code=int(update.ended == "failed"))
        return run.id

    try:
        yield send
    finally:
        for run in runs.values():
            run.finish(exit_code=1)  # a training that goes on later is running again


def _begin(folder: Path, update: Update) -> wandb.Run:
    return wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        group=folder.name,
        job_type=update.kind,
        name=update.name,
        id=update.run or uuid.uuid4().hex[:12],
        resume="allow",
        config=update.config,
        dir=os.environ.get("WANDB_DIR", folder),
        reinit="create_new",  # several trainings at a time
        settings=wandb.Settings(**_SETTINGS),
    )
