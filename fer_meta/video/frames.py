"""The frames of a film, upright and with square pixels, at its own rate or at fewer a second.

FFmpeg decodes them (PyAV). Only containers that hold their own pictures are opened: a playlist under the name
of a film could name other files, and addresses.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fer_meta.commands import with_extra
from fer_meta.datasets.scanning import reading
from fer_meta.errors import FerMetaError, ImageError
from fer_meta.oneline import one_line

FILM_SUFFIXES = frozenset(
    (".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ts")
)

_CONTAINERS = "avi,mov,matroska,webm,mpeg,mpegvideo,mpegts,asf,flv"  # as FFmpeg calls them
_ROUNDING = 0.002  # seconds by which a container that counts milliseconds may be late
_OBLONG = 4  # a pixel longer than this is a fault of the file


class Frame(NamedTuple):
    """`number`: see `read_frames`. `time`: seconds since the first frame. `pixels`: uint8 [H, W, 3], RGB."""

    number: int
    time: float
    pixels: np.ndarray


def read_frames(path: Path, fps: float | None = None) -> Iterator[Frame]:
    """The frames of a film in the order of their times.

    Without `fps` all of them, numbered from 0. With `fps`, frame n is the first one that is shown n / fps
    seconds after the start, or later; no frame is given twice, so that numbers are left out where the film
    has fewer. The times are those that the film states for each frame. Raises ImageError if no frame can be
    decoded, and, after the last good one, if a part of the film is damaged; DatasetError if the disk does not
    give the film; FerMetaError if PyAV is not installed.
    """
    last, damaged = -1, 0
    with _opened(path) as stream:
        for order, (time, picture) in enumerate(_timed(stream)):
            if picture is None:
                damaged += 1
                continue
            number = order - damaged if fps is None else math.floor((time + _ROUNDING) * fps)
            if number > last:
                last = number
                yield Frame(number, time, _upright(picture, stream.sample_aspect_ratio))
    if last < 0:
        raise ImageError("no frame of it can be decoded")
    if damaged:
        raise ImageError(f"{damaged:,} of its packets are damaged")


def film_library():
    """PyAV. Raises FerMetaError if it is not installed."""
    try:
        import av
    except ImportError as error:
        raise FerMetaError(f"films are decoded by the package av; run: {with_extra('video')}") from error
    return av


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The first video stream of a film."""
    av = film_library()
    with reading(path), path.open("rb") as file:
        try:
            with av.open(file, options={"format_whitelist": _CONTAINERS}, metadata_errors="ignore") as film:
                if not film.streams.video:
                    raise ImageError("holds no pictures")
                yield film.streams.video[0]
        except av.FFmpegError as error:
            raise ImageError(f"not readable as a film ({one_line(error.strerror, 100)})") from None


def _timed(stream) -> Iterator[tuple[float, Any]]:
    """(seconds since the first frame, frame), or (0, None) for a packet that cannot be decoded."""
    av = film_library()
    rate = stream.average_rate or Fraction(25)
    start, order = None, 0
    for packet in stream.container.demux(stream):
        try:
            pictures = packet.decode()
        except av.error.InvalidDataError:
            yield 0.0, None
            continue
        for picture in pictures:
            stamp = picture.pts if picture.pts is not None else picture.dts
            now = order / rate if stamp is None else stamp * picture.time_base
            start = now if start is None else start
            yield float(now - start), picture
            order += 1


def _upright(picture, aspect: Fraction | None) -> np.ndarray:
    """RGB as a player shows it: turned as the film says, and stretched where its pixels are not square."""
    width, height = picture.width, picture.height
    if aspect and 1 <= aspect <= _OBLONG:
        width = round(width * aspect)
    elif aspect and 1 / _OBLONG <= aspect < 1:
        height = round(height / aspect)
    pixels = picture.reformat(width=width, height=height, format="rgb24").to_ndarray()
    turns = round(picture.rotation / 90) if abs(picture.rotation) <= 360 else 0
    return np.ascontiguousarray(np.rot90(pixels, turns))
