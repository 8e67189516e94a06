"""The main face of a clip: who is seen largest and longest, followed from frame to frame.

Faces are followed by their places alone, so nobody is followed through a cut of the film: after it, another
person may be at the same place. What is lost is named; a face of somebody else under the clip's label is not
made.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from fer_meta.video.faces import Face

_OVERLAP = 0.3  # least intersection over union of a face with itself in the next frame
_PATIENCE = 1.0  # seconds for which a face may be hidden
_THUMBNAIL = 16
_SAME_SHOT = 0.5  # least correlation of the thumbnails of a shot's consecutive frames


@dataclass(frozen=True, eq=False)
class Seen:
    """What one frame shows: its time in seconds, its faces, and whether it begins another shot."""

    time: float
    faces: Sequence[Face]
    cut: bool = False


@dataclass(eq=False)
class _Track:
    """One face: frame (its place in the clip) -> the face there. `open` until a cut."""

    faces: dict[int, Face] = field(default_factory=dict)
    open: bool = True


def main_face(clip: Sequence[Seen], picture: tuple[int, int]) -> list[Face | None]:
    """For each frame the main face, or None where it is not seen.

    The main face has the largest sum of sides (roots of areas) over the frames; of two that are equal, the
    one nearer to the middle of the picture, whose (width, height) is `picture`.
    """
    tracks = _tracks(clip)
    if not tracks:
        return [None] * len(clip)
    best = max(tracks, key=lambda track: _weight(list(track.faces.values()), picture))
    return [best.faces.get(frame) for frame in range(len(clip))]


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """A picture, uint8 [H, W, 3], as few grey values, float64 [256]."""
    small = Image.fromarray(pixels).convert("L").resize((_THUMBNAIL, _THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float64).ravel()


def is_cut(before: np.ndarray, now: np.ndarray) -> bool:
    """Whether two thumbnails are so different that the frames belong to two shots."""
    before, now = before - before.mean(), now - now.mean()
    spread = np.linalg.norm(before) * np.linalg.norm(now)
    if not spread:  # one is of one grey: a cut, if the other is not
        return bool(before.any() or now.any())
    return bool(before @ now < _SAME_SHOT * spread)


def overlap(one: Face, other: Face) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    (x, y, w, h), (u, v, m, n) = one.box, other.box
    shared = max(0.0, min(x + w, u + m) - max(x, u)) * max(0.0, min(y + h, v + n) - max(y, v))
    union = w * h + m * n - shared
    return shared / union if union > 0 else 0.0


def _tracks(clip: Sequence[Seen]) -> list[_Track]:
    tracks: list[_Track] = []
    for frame, seen in enumerate(clip):
        for track in tracks:
            last = max(track.faces)
            late = last < frame - 1 and seen.time - clip[last].time > _PATIENCE
            track.open = track.open and not seen.cut and not late
        for face, known in _matched([track for track in tracks if track.open], seen.faces):
            if known is None:
                known = _Track()
                tracks.append(known)
            known.faces[frame] = face
    return tracks


def _matched(tracks: list[_Track], faces: Sequence[Face]) -> list[tuple[Face, _Track | None]]:
    """Each face with the track that it goes on, the best pairs first, or with None."""
    pairs = [
        (overlap(track.faces[max(track.faces)], face), t, f)
        for t, track in enumerate(tracks)
        for f, face in enumerate(faces)
    ]
    of_face: dict[int, int] = {}
    for share, t, f in sorted(pairs, key=lambda pair: -pair[0]):
        if share >= _OVERLAP and f not in of_face and t not in of_face.values():
            of_face[f] = t
    return [(face, tracks[of_face[f]] if f in of_face else None) for f, face in enumerate(faces)]


def _weight(faces: list[Face], picture: tuple[int, int]) -> tuple[float, float]:
    size = sum((w * h) ** 0.5 for _, _, w, h in (face.box for face in faces))
    away = [
        np.hypot(x + w / 2 - picture[0] / 2, y + h / 2 - picture[1] / 2)
        for x, y, w, h in (face.box for face in faces)
    ]
    return size, -float(np.mean(away))
