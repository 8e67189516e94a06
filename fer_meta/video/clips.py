"""One film to a folder of aligned faces, or one photograph to one aligned face.

A film is decoded twice: who its main face is, is known at its end, and its frames have no room in memory.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from fer_meta.datasets.decoding import damage_named, read_image
from fer_meta.datasets.scanning import unread
from fer_meta.errors import ImageError
from fer_meta.fileio import sync
from fer_meta.video.align import aligned
from fer_meta.video.faces import Detector, Face
from fer_meta.video.frames import Frame, read_frames
from fer_meta.video.tracking import Seen, is_cut, main_face, thumbnail

NO_FACE = "no face found"
OTHERS = "only faces that are not the clip's main one"

Missing = tuple[int | None, str]
"""The number of a frame, or None for all of a film or photograph, and what is wrong with it."""

_QUALITY = 95


@dataclass(frozen=True)
class Outcome:
    """What became of a film or photograph: how many frames it has, how many faces were written, and what is
    missing.
    """

    frames: int
    found: int
    missing: tuple[Missing, ...]


def frame_name(number: int) -> str:
    """The file of a frame.

    >>> frame_name(12)
    '000012.jpg'
    """
    return f"{number:06d}.jpg"


def prepare_film(path: Path, folder: Path, detect: Detector, fps: float | None, size: int) -> Outcome:
    """Write the main face of each frame of a film into `folder`, which is made if there is one. Raises
    DatasetError if the disk does not give the film.
    """
    numbers, seen, shape, fault = _watch(path, detect, fps)
    faces = dict(zip(numbers, main_face(seen, shape)))
    missing: list[Missing] = [(None, fault)] if fault else []
    if not any(faces.values()):
        return Outcome(len(numbers), 0, tuple(missing) or ((None, NO_FACE),))
    folder.mkdir()
    found = 0
    for frame in _good_frames(path, fps):
        face = faces.get(frame.number)
        try:
            if face is not None:
                _save(folder / frame_name(frame.number), frame.pixels, face, size)
                found += 1
        except ImageError as error:
            missing.append((frame.number, str(error)))
    missing += [
        (number, OTHERS if one.faces else NO_FACE)
        for number, one in zip(numbers, seen)
        if faces[number] is None
    ]
    return Outcome(len(numbers), found, tuple(missing))


def main_faces(path: Path, detect: Detector, fps: float | None) -> Iterator[tuple[Frame, Face | None, str]]:
    """Each frame of a film with its main face, or why it has none. Raises ImageError if no frame can be
    decoded, DatasetError if the disk does not give the film.
    """
    numbers, seen, shape, fault = _watch(path, detect, fps)
    if not numbers:
        raise ImageError(fault or "no frame of it can be decoded")
    faces = dict(zip(numbers, zip(main_face(seen, shape), seen)))
    for frame in _good_frames(path, fps):
        if frame.number in faces:
            face, there = faces[frame.number]
            yield frame, face, "" if face else OTHERS if there.faces else NO_FACE


def prepare_photograph(path: Path, file: Path, detect: Detector, size: int) -> Outcome:
    """Write the largest face of a photograph to `file`, if there is one. Raises DatasetError if the disk does
    not give the photograph.
    """
    try:
        picture = read_photograph(path)
        face = largest_face(picture, detect)
        if face is None:
            raise ImageError(NO_FACE)
        _save(file, picture, face, size)
    except ImageError as error:
        return Outcome(1, 0, ((None, str(error)),))
    except OSError as error:
        raise unread(path, error) from None
    return Outcome(1, 1, ())


def read_photograph(path: Path) -> np.ndarray:
    """A photograph, uint8 [H, W, 3], RGB. Raises ImageError if it is damaged, OSError if the disk does not
    give it.
    """
    with damage_named():
        return np.asarray(read_image(path.parent, path.name).convert("RGB"))


def largest_face(picture: np.ndarray, detect: Detector) -> Face | None:
    """The face of a photograph that counts."""
    (face,) = main_face([Seen(0.0, detect(picture))], (picture.shape[1], picture.shape[0]))
    return face


def _watch(
    path: Path, detect: Detector, fps: float | None
) -> tuple[list[int], list[Seen], tuple[int, int], str | None]:
    """The numbers of a film's frames, what each shows, the (width, height) of the last, and what is wrong
    with the film.
    """
    numbers: list[int] = []
    seen: list[Seen] = []
    shape, before = (0, 0), None
    try:
        for frame in read_frames(path, fps):
            now = thumbnail(frame.pixels)
            cut = before is not None and is_cut(before, now)
            before, shape = now, (frame.pixels.shape[1], frame.pixels.shape[0])
            numbers.append(frame.number)
            seen.append(Seen(frame.time, detect(frame.pixels), cut))
    except ImageError as error:
        return numbers, seen, shape, str(error)
    return numbers, seen, shape, None


def _good_frames(path: Path, fps: float | None) -> Iterator[Frame]:
    """The frames of a film whose faults were named when it was watched."""
    with suppress(ImageError):
        yield from read_frames(path, fps)


def _save(file: Path, picture: np.ndarray, face: Face, size: int) -> None:
    Image.fromarray(aligned(picture, face.landmarks, size)).save(file, quality=_QUALITY)
    sync(file)
