"""Turn the bytes of one image into pixels, and distinguish a damaged image from a disk that fails.

A file is read whole before it is decoded. So an OSError that carries an errno is the disk's, and whatever
else goes wrong is the image's.
"""

import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fer_meta.errors import DatasetError, ImageError
from fer_meta.oneline import escaped

LARGEST = 1 << 29
"""Bytes of the largest file that is taken for an image."""

# Not all that Pillow reads: for some formats (EPS) it starts another program.
_FORMATS = ("AVIF", "BMP", "DIB", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
_REASON = 200


@dataclass(frozen=True)
class Face:
    """One image: its pixels (uint8 [size, size, 3], RGB), the hash of all its pixels before it was cropped,
    and whether these are all equal.
    """

    pixels: np.ndarray
    digest: str
    blank: bool


def read_image(root: Path, path: str) -> Image.Image:
    """The image in a file, upright as its EXIF data say. Raises ImageError if it is damaged, OSError if the
    disk does not give it.
    """
    where = Path(root) / path
    state = os.stat(where)
    if not stat.S_ISREG(state.st_mode):
        raise ImageError("not a regular file")
    if state.st_size > LARGEST:
        raise ImageError(f"a file of {state.st_size:,} bytes")
    data = where.read_bytes()
    with damage_named():
        return _decode(data)


def _decode(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=_formats()) as image:
        # Pillow would clip deeper pixels at 255 and call the white rest an image.
        if image.mode.startswith(("I", "F")):
            raise ValueError(f"pixels deeper than 8 bits (mode {image.mode})")
        return ImageOps.exif_transpose(image)


@cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def face_of(read: Callable[[], Image.Image | np.ndarray], size: int) -> Face:
    """What `read` returns as a face of `size` x `size` pixels: the central square, resized with antialiasing.
    Raises as `read_image`.
    """
    with damage_named():
        image = read()
        image = (Image.fromarray(image) if isinstance(image, np.ndarray) else image).convert("RGB")
        native = np.asarray(image)
        digest = hashlib.blake2b(repr(native.shape).encode() + native.tobytes(), digest_size=8).hexdigest()
        blank = bool((native == native[0, 0]).all())
        return Face(np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)), digest, blank)


@contextmanager
def damage_named() -> Iterator[None]:
    """Turn all that is raised for a damaged image into ImageError; what the disk or the memory refuses stays
    as it is.
    """
    try:
        yield
    except (DatasetError, ImageError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise ImageError("not an image") from None
    except Exception as error:
        if getattr(error, "errno", None) is not None:
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(escaped(reason)[:_REASON]) from None
