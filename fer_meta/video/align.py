"""Turn, scale and shift a face so that its five landmarks lie where ArcFace's do."""

import numpy as np
from PIL import Image

from fer_meta.errors import ImageError

TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Eyes, tip of the nose and corners of the mouth in a picture of 112 x 112 pixels, x and y, left before
right.

Deng, Guo, Xue and Zafeiriou, "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", 2019, arXiv
1801.07698; the numbers as in insightface, python-package/insightface/utils/face_align.py.
"""

_TEMPLATE_SIDE = 112
_MOST = 1000  # times by which no face is enlarged or made smaller


def similarity(points: np.ndarray, to: np.ndarray) -> np.ndarray:
    """The rotation, scale and shift, float64 [2, 3], that bring `points` [N, 2] closest to `to` [N, 2] in
    the mean squared distance; no reflection.

    In the plane, Umeyama's solution ("Least-Squares Estimation of Transformation Parameters Between Two Point
    Patterns", 1991) is that of complex numbers: `to = a * points + b`. Raises ImageError if all points are
    the same.
    """
    here, there = points @ np.array([1, 1j]), to @ np.array([1, 1j])
    spread = here - here.mean()
    size = np.vdot(spread, spread).real
    if not size > 0:
        raise ImageError("its landmarks are one point")
    a = np.vdot(spread, there - there.mean()) / size
    b = there.mean() - a * here.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def aligned(picture: np.ndarray, landmarks: np.ndarray, size: int) -> np.ndarray:
    """The face as uint8 [size, size, 3] whose landmarks are nearest to the template's; black beyond the edge
    of `picture` (uint8 [H, W, 3]).

    `landmarks` [5, 2] are as in `fer_meta.video.faces.Face`. Raises ImageError if they are no face's.
    """
    # From here on a pixel's middle is at .5, as Pillow has it.
    to = (TEMPLATE + 0.5) * (size / _TEMPLATE_SIDE)
    a, b = np.hsplit(similarity(landmarks + 0.5, to), [2])
    scale = float(np.hypot(*a[:, 0]))
    if not 1 / _MOST <= scale <= _MOST:
        raise ImageError("its landmarks are no face's")
    image = Image.fromarray(picture)
    # Interpolation looks at neighbours only: what is to become much smaller is averaged first.
    if scale <= 0.5:
        image = image.reduce(int(1 / scale))
        a = a * int(1 / scale)
    back = np.linalg.inv(a)
    inverse = np.hstack([back, -back @ b]).ravel()
    return np.asarray(
        image.transform((size, size), Image.Transform.AFFINE, tuple(inverse), Image.Resampling.BICUBIC)
    )
