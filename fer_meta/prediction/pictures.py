"""Pictures to faces: of photographs, of whole folders, of films and of a camera."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from fer_meta.commands import with_extra
from fer_meta.datasets.decoding import digest_of, face_of
from fer_meta.datasets.scanning import IMAGE_SUFFIXES, image_files, unread
from fer_meta.errors import DatasetError, FerMetaError, ImageError
from fer_meta.video.align import aligned
from fer_meta.video.clips import NO_FACE, largest_face, main_faces, read_photograph
from fer_meta.video.faces import Detector
from fer_meta.video.frames import FILM_SUFFIXES, read_frames

_WARM = 5  # pictures after which a camera has got used to the light


class Picture(NamedTuple):
    """One photograph, or a frame of a film with its number and its time in seconds.

    `face`: uint8 [size, size, 3], or None, and then `fault` says why there is none. `digest`: equal for
    identical pictures, before a face was cut out.
    """

    name: str
    frame: int | None
    time: float | None
    face: np.ndarray | None
    fault: str = ""
    digest: str = ""


def faces_in(path: Path, size: int, detect: Detector | None, fps: float | None = None) -> Iterator[Picture]:
    """The faces of a photograph, of a film, or of all in a folder, in the order of their names. The largest
    face of a photograph and the main one of a film are cut out and aligned as by `fer-meta data prepare`;
    without `detect`, a picture is a face already, and its central square is taken.

    Raises DatasetError if there is no such file, no picture in the folder, or if the disk fails.
    """
    if path.is_dir():
        names = image_files(path, IMAGE_SUFFIXES | FILM_SUFFIXES)
        if not names:
            raise DatasetError(f"{path}: holds no pictures and no films")
        for name in names:
            yield from _of_file(path / name, name, size, detect, fps)
    elif path.exists():
        yield from _of_file(path, path.name, size, detect, fps)
    else:
        raise DatasetError(f"{path}: there is no such file or folder")


def from_camera(number: int | str, size: int, detect: Detector | None) -> Picture:
    """The face in the picture that a camera sees now, by its number (0: the first). Raises FerMetaError if
    there is no such camera.
    """
    try:
        import cv2
    except ImportError as error:
        raise FerMetaError(f"a camera needs OpenCV; run: {with_extra('video')}") from error
    camera = cv2.VideoCapture(number)
    try:
        for _ in range(_WARM):
            seen, picture = camera.read()
    finally:
        camera.release()
    if not seen:
        raise FerMetaError(f"camera {number}: gives no picture; is it connected, and used by nobody else?")
    return _cut(f"camera {number}", np.ascontiguousarray(picture[..., ::-1]), size, detect)


def _of_file(
    path: Path, name: str, size: int, detect: Detector | None, fps: float | None
) -> Iterator[Picture]:
    if path.suffix.lower() in FILM_SUFFIXES:
        yield from _of_film(path, name, size, detect, fps)
        return
    try:
        picture = read_photograph(path)
    except ImageError as error:
        yield Picture(name, None, None, None, str(error))
    except OSError as error:
        raise unread(path, error) from None
    else:
        yield _cut(name, picture, size, detect)


def _cut(name: str, picture: np.ndarray, size: int, detect: Detector | None) -> Picture:
    if detect is None:
        return Picture(name, None, None, _square(picture, size), digest=digest_of(picture))
    face = largest_face(picture, detect)
    if face is None:
        return Picture(name, None, None, None, NO_FACE)
    return Picture(name, None, None, aligned(picture, face.landmarks, size), digest=digest_of(picture))


def _of_film(
    path: Path, name: str, size: int, detect: Detector | None, fps: float | None
) -> Iterator[Picture]:
    try:
        if detect is None:
            for frame in read_frames(path, fps):
                face, digest = _square(frame.pixels, size), digest_of(frame.pixels)
                yield Picture(name, frame.number, frame.time, face, digest=digest)
        else:
            for frame, found, why in main_faces(path, detect, fps):
                cut = None if found is None else aligned(frame.pixels, found.landmarks, size)
                yield Picture(name, frame.number, frame.time, cut, why, digest_of(frame.pixels))
    except ImageError as error:
        yield Picture(name, None, None, None, str(error))


def _square(picture: np.ndarray, size: int) -> np.ndarray:
    return face_of(lambda: Image.fromarray(picture), size).pixels
