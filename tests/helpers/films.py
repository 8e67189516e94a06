"""Small films, made on the spot, and pictures with rendered faces to put into them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np

RATE = 25


def grey(level: int, width: int = 64, height: int = 48) -> np.ndarray:
    return np.full((height, width, 3), level, dtype=np.uint8)


def write_film(
    path: Path,
    pictures: Iterable[np.ndarray],
    times: Sequence[float] | None = None,
    codec: str = "mpeg4",
    aspect: Fraction | None = None,
) -> Path:
    """A film of pictures (uint8 [H, W, 3]), RATE a second or, in a container that can, at `times`."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as film:
        stream = film.add_stream(codec, rate=RATE)
        stream.pix_fmt = "rgb24" if codec == "png" else "yuv420p"
        stream.options = {"qscale": "2", "g": "1"}
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, picture in enumerate(pictures):
            if not number:
                stream.height, stream.width = picture.shape[:2]
                if aspect:
                    stream.codec_context.sample_aspect_ratio = aspect
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts = number if times is None else round(1000 * times[number])
            frame.time_base = Fraction(1, RATE) if times is None else Fraction(1, 1000)
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
    return path


def turned(path: Path, clockwise: bool = True) -> Path:
    """An mp4 film whose header says that players turn it by 90 degrees."""
    data = bytearray(path.read_bytes())
    one = 1 << 16 if clockwise else -(1 << 16)
    matrix = (0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
    at = data.index(b"tkhd") + 44  # of the nine numbers of its matrix (ISO/IEC 14496-12, 8.3.2)
    data[at : at + 36] = b"".join(number.to_bytes(4, "big", signed=True) for number in matrix)
    path.write_bytes(data)
    return path


@cache
def rendered_clip(person: int = 0, frames: int = 4, size: int = 160) -> np.ndarray:
    """A clip of one rendered face that fills half of the picture's height, uint8 [frames, size, size, 3]."""
    from fer_meta.datasets.synthetic.people import draw_person
    from fer_meta.datasets.synthetic.recipes import RECIPES, conditions_at
    from fer_meta.datasets.synthetic.scenes import draw_shot

    conditions = replace(conditions_at(RECIPES["synthetic-film"], 0.5), hat=0, hand=0, blocker=0, yaw=5)
    shots = draw_shot(conditions, draw_person(0, person), "happiness", [1, person], frames)
    return _renderer(size)([replace(scene, zoom=2.0) for scene, _ in shots])


@cache
def _renderer(size: int):
    from fer_meta.datasets.synthetic.renderer import Renderer

    return Renderer(size)


def beside(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Two clips of equal height in one picture."""
    return np.concatenate([left, right], axis=2)


def shrunk(clip: np.ndarray) -> np.ndarray:
    """A clip at half its size, on grey of the same height."""
    small = clip[:, ::2, ::2]
    return np.pad(small, ((0, 0), (0, clip.shape[1] - small.shape[1]), (0, 0), (0, 0)), constant_values=90)
