"""Pictures that, like photographs, stay themselves when they are saved again, and are unlike each other."""

import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps

from helpers.trees import pixels

SIDE = 48


def photograph(key: str) -> Image.Image:
    """A soft picture of middle greys that depends on `key` alone."""
    return Image.fromarray(60 + pixels(key, (8, 8)) // 2).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def saved_again(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, format="JPEG", quality=85)
    return Image.open(file).convert("L")


def brighter(image: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(1.2)


def rescaled(image: Image.Image) -> Image.Image:
    return image.resize((80, 80), Image.Resampling.BICUBIC)


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "saved again": saved_again,
    "brighter": brighter,
    "rescaled": rescaled,
    "mirrored": ImageOps.mirror,
}


def write(path: Path, key: str, edit: Callable[[Image.Image], Image.Image] = lambda image: image) -> Path:
    """Write the photograph `key`, edited, without a further loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    edit(photograph(key)).save(path)
    return path
