"""Posed sequences, from a neutral face to the peak of an expression, as the images that the field makes of
them: the first frame is neutral, the last three show the expression.
"""

from collections.abc import Iterable
from pathlib import Path

from fer_meta.errors import DatasetError

PEAK = 3
"""Frames of a sequence that show its expression."""


def neutral_and_peak(root: Path, clip: str, frames: Iterable[tuple[int, str]], label: str) -> list[dict]:
    """Rows of the first and the last frames of a sequence, in the order of time; a frame is its number and
    path. Raises DatasetError for a sequence of one frame, which may be either.
    """
    first, *rest = sorted(frames)
    if not rest:
        raise DatasetError(f"{root / first[1]}: is the only frame of its sequence; unpack all images again")
    shown = [(*first, "neutral"), *((*frame, label) for frame in rest[-PEAK:])]
    return [{"path": path, "label": name, "clip": clip, "frame": number} for number, path, name in shown]
