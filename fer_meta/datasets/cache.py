"""Decode every image once, into a uint8 memory map that is named after what it was made from.

A cache is built in a temporary folder and renamed when it is complete. So a killed build leaves nothing that
looks finished, and of two builds at the same time the later one finds the earlier one's cache.
"""

import hashlib
import os
import pickle
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import filelock
import numpy as np
import pandas as pd
from joblib import Parallel, cpu_count, delayed
from tqdm import tqdm

from fer_meta.commands import command
from fer_meta.datasets import shares, units
from fer_meta.datasets.base import INDEX_COLUMNS, DatasetSpec
from fer_meta.datasets.decoding import Face, face_of
from fer_meta.datasets.places import BUILDING, OWNED, appear, cache_dir, explained, remove_stale, retire
from fer_meta.datasets.prepared import read_prepared, write_prepared
from fer_meta.datasets.scanning import ABSENT, file_of, state_of, unread
from fer_meta.errors import DamagedError, DatasetError, ImageError, MachineError
from fer_meta.oneline import escaped
from fer_meta.streams import unwatched

ALIGNMENT = "centre-crop"
FORMAT = 1
"""Goes up whenever this module would make other pixels or other columns from the same files."""

DECODING = 2
"""Goes up whenever `decoding` would make other pixels of some photographs. The name of the data themselves
changes with the pixels, so that results of all others stay what they are.
"""

_CHUNK = 256
_WORTH_PROCESSES = 4096
"""With so many images, processes are worth the second that they take to start. Threads would wait for each
other: of a small image, most is done under Python's lock.
"""


@dataclass(frozen=True)
class CachedFaces:
    """A data set's images, decoded, square and in the order of its index.

    `images` is read-only, mostly a memory map, uint8 [N, size, size, 3], RGB. `index` has one row per image:
    INDEX_COLUMNS, `digest` (string: hash of the pixels before resizing, equal for identical images; of a
    rendered image, hash of what was drawn), `blank` (bool: all pixels are equal) and, if rendered, `units`
    (string: the action units shown, such as "1+2+25"); columns such as AU12 if how strongly each unit is
    shown is known (`fer_meta.datasets.units`), and such as share_fear if the votes of the annotators are
    (`fer_meta.datasets.shares`). `unreadable` holds (path, reason) of the images left
    out. `fingerprint` names the files it was made from, and changes when one is touched; `content` names the
    data themselves, the same on every machine.
    """

    name: str
    images: np.ndarray
    index: pd.DataFrame
    fingerprint: str
    content: str
    unreadable: tuple[tuple[str, str], ...]
    spec: DatasetSpec


def unreadable_line(faces: CachedFaces) -> str | None:
    """How many images are left out, in one line with the first of them; None if none is."""
    if not faces.unreadable:
        return None
    path, reason = faces.unreadable[0]
    left, every = len(faces.unreadable), len(faces.unreadable) + len(faces.index)
    return (
        f"{faces.name}: {left:,} of {every:,} images {'is' if left == 1 else 'are'} unreadable and left out,"
        f" first '{escaped(path)}': {reason}; see"
        f" `{command('fer-meta', 'data', 'check', faces.name, '--data', f'{faces.name}=PATH')}`"
    )


def load_images(spec: DatasetSpec, root: Path, size: int, progress: bool = True) -> CachedFaces:
    """The data set below `root` at `size` x `size` pixels, decoded now if it was not before, or if its cache
    is damaged.

    Images are cropped to their central square and resized with antialiasing. Raises DatasetError if `root`
    does not hold the data set, the disk cannot read one of its files, a file changes meanwhile, no image can
    be read, or the cache cannot be written; nothing is kept then. Only damaged images are left out, and named
    in `unreadable`.
    """
    root = Path(root)
    index = spec.scan(root)
    states = _states(spec, root, index)
    fingerprint = _fingerprint(spec, index, size, states)
    place = cache_dir() / f"{spec.name}-{size}px-{fingerprint[:12]}"
    with explained(place):
        remove_stale(place.parent)
        faces = reopened(spec, place, "decoding the images again")
        if faces is None:
            place.parent.mkdir(parents=True, exist_ok=True)
            _build(spec, root, index, size, fingerprint, states, place, progress)
    return faces or open_cached(spec, place)


def _states(spec: DatasetSpec, root: Path, index: pd.DataFrame) -> dict[str, tuple[int, int] | None]:
    """Size and time of change of each file of the data set, None for a link that leads nowhere and a listed
    file that is missing.
    """
    folder = os.fspath(root)
    files = dict.fromkeys(map(file_of, index["path"].tolist()))
    return {file: _state(spec, os.path.join(folder, file)) for file in files}


def _state(spec: DatasetSpec, file: str) -> tuple[int, int] | None:
    try:
        return state_of(file)
    except ValueError:  # a list that names something with a zero byte
        return None
    except OSError as error:
        if error.errno in ABSENT and (spec.listed or os.path.islink(file)):
            return None
        raise unread(file, error) from None


def _fingerprint(spec: DatasetSpec, index: pd.DataFrame, size: int, states: dict) -> str:
    """Hash of the index, of the states of its files and of all else that decides the cache."""
    hasher = hashlib.blake2b(repr((FORMAT, DECODING, spec.version, size, ALIGNMENT)).encode(), digest_size=16)
    extra = (column for column in index if column in (*units.COLUMNS, *shares.COLUMNS))
    hasher.update(_rows_text(index, (*INDEX_COLUMNS, *extra)))
    for file_and_state in states.items():
        hasher.update(repr(file_and_state).encode(errors="surrogateescape"))
    return hasher.hexdigest()


def content_hash(index: pd.DataFrame, size: int) -> str:
    """The name of the data themselves, wherever they lie: of labels, subjects, clips, splits and digests."""
    columns = ("label", "subject", "clip", "split", "digest")
    text = repr((FORMAT, size, ALIGNMENT)).encode() + _rows_text(index, columns)
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _rows_text(index: pd.DataFrame, columns: Iterable[str]) -> bytes:
    # repr keeps NA apart from an empty text and fields apart from each other.
    parts = (index[column].astype(object).where(index[column].notna(), None) for column in columns)
    return "\n".join(map(repr, zip(*parts))).encode(errors="surrogateescape")


def _build(spec, root, index, size, fingerprint, states, place, progress) -> None:
    """Decode all images into `place`, which is then complete or not there."""
    folder = Path(tempfile.mkdtemp(prefix=BUILDING, dir=place.parent))
    owned = filelock.FileLock(folder / OWNED)
    try:
        with suppress(NotImplementedError):  # a disk without locks
            owned.acquire()
        kept, digests, blanks, unreadable = [], [], [], []
        with (folder / "images.npy").open("wb") as file:
            write_header(file, len(index), size)
            for row, face in _decode_all(spec, root, index["path"], size, states, progress):
                if isinstance(face, str):
                    unreadable.append((index["path"].iloc[row], face))
                    continue
                _append(file, face.pixels)
                kept.append(row)
                digests.append(face.digest)
                blanks.append(face.blank)
            write_header(file, len(kept), size)
        _expect_unchanged(spec, root, index, states)
        if not kept:
            raise DatasetError(
                f"{root}: none of {len(index)} images can be read; "
                f"first '{unreadable[0][0]}': {unreadable[0][1]}"
            )
        index = index.iloc[kept].reset_index(drop=True)
        if "digest" not in index:  # a prepared set brings its own, made before it was resized
            index = index.assign(digest=pd.array(digests, dtype="string"), blank=np.array(blanks, dtype=bool))
        write_prepared(
            folder,
            spec,
            index,
            size=size,
            alignment=ALIGNMENT,
            fingerprint=fingerprint,
            content=content_hash(index, size),
            unreadable=unreadable,
        )
        _share(folder)
        owned.release()
        (folder / OWNED).unlink(missing_ok=True)
        try:
            appear(folder, place)
        except OSError:
            # Another process built the same cache meanwhile; its files are as good as ours.
            if not place.is_dir():
                raise
    finally:
        owned.release()
        shutil.rmtree(folder, ignore_errors=True)


def _expect_unchanged(spec: DatasetSpec, root: Path, index: pd.DataFrame, states: dict) -> None:
    after = _states(spec, root, index)
    changed = [file for file, state in states.items() if after[file] != state]
    if changed:
        files = "file" if len(changed) == 1 else "files"
        raise DatasetError(
            f"{root}: {len(changed):,} {files} changed during decoding, first '{changed[0]}'; "
            "nothing was kept, run again when no file changes any more"
        )


def _share(folder: Path) -> None:
    # mkdtemp makes folders private; a cache may be shared like any other file.
    mask = os.umask(0)
    os.umask(mask)
    folder.chmod(0o777 & ~mask)


def _decode_all(spec, root, paths, size, states, progress) -> Iterator[tuple[int, Face | str]]:
    """(row, face or the reason why there is none), in order, on all cores."""
    paths = list(paths)
    missing = {path for path in paths if states[file_of(path)] is None}
    decode = delayed(partial(_decode_chunk, spec, root, size, missing, os.getpid()))
    processes = len(paths) >= _WORTH_PROCESSES and _can_travel(spec)
    parallel = Parallel(
        min(8, cpu_count()),
        prefer="processes" if processes else "threads",
        batch_size=1,
        return_as="generator",
        idle_worker_timeout=10,
    )
    chunks = parallel(decode(paths[start : start + _CHUNK]) for start in range(0, len(paths), _CHUNK))
    with progress_bar(len(paths), f"{spec.name}: decoding", progress) as bar:
        for row, face in enumerate(chain.from_iterable(chunks)):
            yield row, face
            bar.update()


def _can_travel(spec: DatasetSpec) -> bool:
    """Whether a process can hand `spec` to another one: not one that holds an open file, say."""
    try:
        pickle.dumps(spec)
    except Exception:
        return False
    return True


def _decode_chunk(spec, root, size, missing: set, parent: int, paths: list) -> list[Face | str]:
    if os.getpid() != parent:
        _end_with(parent)
    return ["missing" if path in missing else _decode(spec, root, size, path) for path in paths]


@lru_cache(maxsize=1)
def _end_with(parent: int) -> None:
    """Let this process end when the one it works for was killed: joblib's would wait for ever."""

    def watch():
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    if os.name == "posix":
        threading.Thread(target=watch, daemon=True).start()


def _decode(spec: DatasetSpec, root: Path, size: int, path: str) -> Face | str:
    try:
        return face_of(lambda: spec.read(root, path), size)
    except ImageError as error:
        return str(error)
    except OSError as error:
        raise unread(root / path, error) from None
    except MemoryError:
        raise MachineError(
            f"{root / path}: not enough memory to decode it; free some, or remove the image"
        ) from None


def progress_bar(images: int, about: str, progress: bool, initial: int = 0, unit: str = " images") -> tqdm:
    """A bar on standard error, with the time left, if somebody sees it."""
    return tqdm(
        total=images,
        initial=initial,
        desc=about,
        unit=unit,
        mininterval=0.5,
        disable=not progress or unwatched(),
    )


def write_header(file: BinaryIO, images: int, size: int) -> None:
    """The npy header, at the start of the file. Its length leaves room for a count that shrinks."""
    file.seek(0)
    np.lib.format.write_array_header_1_0(
        file, {"descr": "|u1", "fortran_order": False, "shape": (images, size, size, 3)}
    )


def _append(file: BinaryIO, pixels: np.ndarray) -> None:
    # Written rather than assigned through a memory map, where a full disk kills the process with SIGBUS.
    file.write(pixels.tobytes())


def open_cached(spec: DatasetSpec, place: Path) -> CachedFaces:
    """The whole cache at `place`. Raises DamagedError if its files are not as they were written."""
    images, index, meta = read_prepared(place, "run again, and it is made anew")
    unreadable = tuple((str(path), str(reason)) for path, reason in meta["unreadable"])
    return CachedFaces(spec.name, images, index, meta["fingerprint"], meta["content"], unreadable, spec)


def reopened(spec: DatasetSpec, place: Path, doing: str) -> CachedFaces | None:
    """The cache at `place`, if any. A damaged one is removed, in one line that ends in `doing`: it can be
    made again.
    """
    if not place.is_dir():
        return None
    try:
        faces = open_cached(spec, place)
        with suppress(OSError):  # another user's
            os.utime(place)  # when it was last used, for `data cache`
        return faces
    except DamagedError:
        retire(place, lambda: damage(place, doing))
        return None


def damage(place: Path, doing: str) -> DamagedError | None:
    """What is wrong with the cache at `place`, as an error that ends in `doing`."""
    try:
        read_prepared(place, doing)
    except DamagedError as error:
        return error
    return None
