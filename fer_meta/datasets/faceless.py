"""Images on which a face detector finds no face."""

from importlib.util import find_spec

import numpy as np
from PIL import Image

from fer_meta.datasets.cache import CachedFaces, progress_bar

NOT_INSTALLED = "not looked for; that needs yuface: `pip install 'fer-meta[video]'`, on Python 3.10 or 3.11"

_SIDE = 192
"""Pixels: of 400 images of FER2013 a face is found on 98 % at this size, and on 84 % at their own 48."""
_CONFIDENCE = 0.5
_CHUNK = 64


def faceless(faces: CachedFaces, progress: bool = True) -> np.ndarray | None:
    """Mask (bool [N]) of images without a face; None if the detector, the package yuface (libfacedetection,
    https://github.com/ShiqiYu/libfacedetection), is not installed. Smaller images are enlarged first.
    """
    if find_spec("yuface") is None:
        return None
    # Processes and not threads: the detector keeps Python's lock. Those of joblib have one thread each.
    from joblib import Parallel, delayed

    images = faces.images
    chunks = (images[start : start + _CHUNK] for start in range(0, len(images), _CHUNK))
    found = []
    with progress_bar(len(images), f"{faces.name}: looking for faces", progress) as bar:
        for part in Parallel(n_jobs=-1, return_as="generator")(delayed(_without)(one) for one in chunks):
            found += part
            bar.update(len(part))
    return np.array(found)


def _without(images: np.ndarray) -> list[bool]:
    """Whether each of `images` (uint8 [B, H, W, 3], RGB) has no face."""
    import yuface

    side = max(_SIDE, images.shape[1])
    large = (Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC) for image in images)
    bgr = (np.ascontiguousarray(np.asarray(image)[..., ::-1]) for image in large)
    return [len(yuface.detect(image, _CONFIDENCE)[0]) == 0 for image in bgr]
