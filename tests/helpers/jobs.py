"""Jobs for processes elsewhere, which must be able to import them."""

import os
import signal
import time
from pathlib import Path

import torch

from fer_meta.runner.executors import devices


class Once:
    """A job whose process is killed at its first model."""

    def __init__(self, job, folder: Path):
        self.job, self.folder = job, folder

    def __call__(self, model: str) -> None:
        self._unless_killed(self.job, model)

    def follow(self, model: str) -> None:
        self._unless_killed(self.job.follow, model)

    def _unless_killed(self, do, model: str) -> None:
        try:
            (self.folder / "killed").touch(exist_ok=False)
        except FileExistsError:
            do(model)
        else:
            os.kill(os.getpid(), signal.SIGKILL)


class Seen:
    """A job that notes which device its process sees, and how many threads it has."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __call__(self, model: str) -> None:
        (self.folder / model).write_text(f"{os.environ[devices.VISIBLE]} {torch.get_num_threads()}")
        time.sleep(0.5)
