"""Whether decoded images are still those that were opened.

A memory map shows what is written into its file. If somebody overwrites a cache under a running bench, its
numbers would change in silence. A file that is removed or replaced changes nothing: the map keeps the old
one.
"""

import os
import weakref
from pathlib import Path

import numpy as np

from fer_meta.datasets.stacked import Images, Stacked
from fer_meta.errors import DamagedError


class Watch:
    """The open file of some images, and its state when it was opened: before it is read."""

    def __init__(self, path: Path):
        self.path = path
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        self._opened = self._state()

    def changed(self) -> bool:
        return self._state() != self._opened

    def _state(self) -> tuple[int, int]:
        state = os.fstat(self._file)
        return state.st_size, state.st_mtime_ns


def watch(images: np.memmap, opened: Watch) -> None:
    """Let `expect_unchanged` know of these images."""
    images.watch = opened  # type: ignore[attr-defined]  # it lives as long as the map


def expect_unchanged(images: Images) -> None:
    """Raises DamagedError if the file of some of `images` was written to since it was opened."""
    for array in images.arrays if isinstance(images, Stacked) else [images]:
        opened: Watch | None = getattr(array, "watch", None)
        if opened and opened.changed():
            raise DamagedError(
                f"{opened.path}: was changed while it was in use; run the same command again, which makes it"
                " anew"
            )
