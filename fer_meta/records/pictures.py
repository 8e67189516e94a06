"""`episodes/*.jpg`: the images of the first episode of a file of episodes, side by side in its order.

A report's page shows them. They are copies of images of the data set: whoever hands out a results folder
looks at the agreement of the data set first.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from fer_meta.fileio import replacing

ACROSS = 20
"""Images in a row of the sheet."""

SIDE = 64
"""Pixels of an image, at most."""

MOST = 600
"""Images on a sheet; an episode of more has none."""


def pictures_of(episodes: Path) -> Path:
    """Where the sheet of a file of episodes lies."""
    return episodes.with_suffix(".jpg")


def rows_of_sheet(images: int) -> int:
    return -(-images // ACROSS)


def write_sheet(path: Path, images: np.ndarray) -> None:
    """Write uint8 [N, side, side, 3], RGB, as one JPEG."""
    side = min(images.shape[1], SIDE)
    sheet = Image.new("RGB", (ACROSS * side, rows_of_sheet(len(images)) * side))
    for place, image in enumerate(images):
        tile = Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)
        sheet.paste(tile, (place % ACROSS * side, place // ACROSS * side))
    with replacing(path) as temporary:
        sheet.save(temporary, format="JPEG", quality=88)
