"""What the pictures of the tiny data sets show, and which of them an image is that was read.

A picture is noise, drawn from its own key: no two are alike. An album keeps those that are painted while it
is open, each with the expression that it stands for. A benchmark opens one that paints faces.
"""

import zlib
from collections.abc import Callable

import numpy as np

from fer_meta.datasets.decoding import face_of

SIDE = 12

_open: list["Album"] = []


def pixels(key: str, shape=(SIDE, SIDE)) -> np.ndarray:
    """Random uint8 pixels that depend on `key` alone."""
    return np.random.default_rng(zlib.crc32(key.encode())).integers(0, 256, shape, dtype=np.uint8)


def picture(key: str, of: str | None, shape=(SIDE, SIDE)) -> np.ndarray:
    """A picture that stands for the expression `of`, None if no label says so."""
    return _open[-1].paint(key, of, shape) if _open else pixels(key, shape)


def scaled(*lengths: int) -> list[int]:
    """Lengths in pixels as they are in the album that is open."""
    return [length * (_open[-1].scale if _open else 1) for length in lengths]


class Album:
    """The pictures painted while it is open. `paint` makes one of its key, its expression and its shape;
    `scale` is how many times as large all are.
    """

    def __init__(self, paint: Callable[[str, str | None, tuple], np.ndarray] | None = None, scale: int = 1):
        self.pictures: list[np.ndarray] = []
        self.shown: list[str | None] = []
        self.scale, self._paint = scale, paint or (lambda key, of, shape: pixels(key, shape))

    def __enter__(self) -> "Album":
        _open.append(self)
        return self

    def __exit__(self, *error) -> None:
        _open.remove(self)

    def paint(self, key: str, of: str | None, shape: tuple) -> np.ndarray:
        self.pictures.append(self._paint(key, of, shape))
        self.shown.append(of)
        return self.pictures[-1]

    def nearest(self, images: np.ndarray) -> list[int]:
        """The number of the picture that each image [N, S, S, 3] is: the one whose greys differ least. None
        is equal, for JPEG changes pixels.
        """
        size = images.shape[1]
        painted = np.stack([face_of(lambda one=one: one, size).pixels for one in self.pictures])
        ours, theirs = (_greys(pictures) for pictures in (painted, np.asarray(images)))
        # |a - b|^2 without |a|^2, which is the same for all pictures
        return ((ours**2).sum(1) - 2 * theirs @ ours.T).argmin(1).tolist()


def _greys(pictures: np.ndarray) -> np.ndarray:
    return pictures.mean(-1).reshape(len(pictures), -1)
