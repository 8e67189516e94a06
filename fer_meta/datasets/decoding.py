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

from fer_meta.damage import reason_of
from fer_meta.datasets import archives
from fer_meta.errors import DatasetError, ImageError

# Not all that Pillow reads: for some formats (EPS) it starts another program.
_FORMATS = ("AVIF", "BMP", "DIB", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
_BOX = "#box="


@dataclass(frozen=True)
class Face:
    """One image: its pixels (uint8 [size, size, 3], RGB), the hash of all its pixels before it was cropped,
    and whether these are all equal.
    """

    pixels: np.ndarray
    digest: str
    blank: bool


def read_image(root: Path, path: str) -> Image.Image:
    """The image in a file or a member of an archive, upright as its EXIF data say; of a path that `boxed`
    made, what is in the box. Raises ImageError if it is damaged, OSError if the disk does not give it.
    """
    file, _, box = path.partition(_BOX)
    where = Path(root) / file
    data = archives.member(where)
    data = _bytes(where) if data is None else data
    with damage_named():
        image = decoded(data)
        return _cut(image, tuple(map(int, box.split(",")))) if box else image


def boxed(path: str, left: float, top: float, right: float, bottom: float) -> str:
    """The index path of one face in an image; the box in pixels, its right and bottom edge outside of it."""
    return f"{path}{_BOX}{left:.0f},{top:.0f},{right:.0f},{bottom:.0f}"


def _bytes(where: Path) -> bytes:
    state = os.stat(where)
    if not stat.S_ISREG(state.st_mode):
        raise ImageError("not a regular file")
    if state.st_size > archives.LARGEST:
        raise ImageError(f"a file of {state.st_size:,} bytes")
    return where.read_bytes()


def _cut(image: Image.Image, box: tuple[int, ...]) -> Image.Image:
    left, top, right, bottom = box
    inside = max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height)
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        raise ValueError(f"the box {left}, {top}, {right}, {bottom} is empty or outside of the image")
    return image.crop(inside)


def decoded(data: bytes) -> Image.Image:
    """The image in these bytes, upright, of 8 bits a channel, on black where it is transparent."""
    with Image.open(io.BytesIO(data), formats=_formats()) as image:
        upright = ImageOps.exif_transpose(image)
        if image.mode.startswith(("I", "F")):
            return Image.fromarray(_eight_bits(np.asarray(upright)))
        return _opaque(upright)


def _eight_bits(deep: np.ndarray) -> np.ndarray:
    """Pixels of 16 or 32 bits or floats as uint8. Pillow would clip them at 255 and call the white rest an
    image. Those of 0 to 1 and of 0 to 255 are known by their values, those of 16 bits by their type.
    """
    low, high = deep.min(), deep.max()
    whole = np.issubdtype(deep.dtype, np.integer)
    scale = 1.0 if high <= 255 else 255 / 65535 if whole and high <= 65535 else 0.0
    scale = 255.0 if not whole and high <= 1 else scale
    if not (low >= 0 and scale):  # NaN too
        raise ValueError(f"pixels of {low:g} to {high:g}, where 0 to 1, 0 to 255 or 0 to 65535 is expected")
    return np.rint(deep * scale).astype(np.uint8)


def _opaque(image: Image.Image) -> Image.Image:
    # What lies under transparent pixels is arbitrary, often left over from another picture.
    if not image.has_transparency_data:
        return image.convert("L") if image.mode == "1" else image
    over = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "black"), over).convert("RGB")


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
        image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
        image = image if image.mode == "RGB" else image.convert("RGB")
        native = np.asarray(image)
        # The first row says of nearly all images that they are not blank.
        blank = bool((native[0] == native[0, 0]).all() and (native == native[0, 0]).all())
        if image.size != (size, size):
            image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
        return Face(np.asarray(image), digest_of(native), blank)


def digest_of(pixels: np.ndarray) -> str:
    """Sixteen hexadecimal digits that are equal for identical images, uint8 [H, W, 3]."""
    hasher = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=8)
    hasher.update(np.ascontiguousarray(pixels).data)
    return hasher.hexdigest()


@contextmanager
def damage_named() -> Iterator[None]:
    """Turn all that is raised for a damaged image into ImageError; what the disk or the memory refuses stays
    as it is.
    """
    try:
        yield
    except (DatasetError, ImageError):
        raise
    except UnidentifiedImageError:
        raise ImageError("not an image") from None
    except Exception as error:
        raise ImageError(reason_of(error)) from None
