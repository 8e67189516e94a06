"""TensorBoard: a folder of event files for each training, in `tensorboard/` of the results folder.

https://docs.pytorch.org/docs/stable/tensorboard.html
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from fer_meta.tracking.updates import Send, Update

FOLDER = "tensorboard"
BY_IMAGES = "by images/"


def place(folder: Path) -> str:
    """Where runs are kept."""
    return FOLDER


@contextmanager
def open_tracker(folder: Path) -> Iterator[Send]:
    """Curves against steps, and once more against the images seen (`by images/...`); at the end, the results
    beside the settings, as the page HParams compares them.
    """
    writers: dict[str, SummaryWriter] = {}
    last: dict[str, int] = {}

    def send(update: Update) -> str:
        home = folder / FOLDER / update.name
        if update.name not in writers:
            last[update.name] = _last_step(home)
            writers[update.name] = _begin(home, update)
        writer = writers[update.name]
        for point in update.points:
            if point.step <= last[update.name]:  # written by a process that was killed before it noted so
                continue
            for name, value in point.values.items():
                writer.add_scalar(name, value, point.step, point.time)
                if point.images is not None:
                    writer.add_scalar(BY_IMAGES + name, value, point.images, point.time)
        if update.results:
            writer.add_hparams(update.config, update.results, run_name=".")
        writer.flush()
        if update.ended:
            writers.pop(update.name).close()
        return update.name

    try:
        yield send
    finally:
        for writer in writers.values():
            writer.close()


def _begin(home: Path, update: Update) -> SummaryWriter:
    writer = SummaryWriter(home)
    if update.run is None:
        settings = json.dumps(update.config, indent=2)
        writer.add_text("settings", "\n".join(f"    {line}" for line in settings.splitlines()))
    return writer


def _last_step(home: Path) -> int:
    """Of the points that lie in a folder; -1 if there are none."""
    if not home.exists():
        return -1
    there = EventAccumulator(str(home)).Reload()
    tags = [tag for tag in there.Tags()["scalars"] if not tag.startswith(BY_IMAGES)]
    return max((there.Scalars(tag)[-1].step for tag in tags), default=-1)
