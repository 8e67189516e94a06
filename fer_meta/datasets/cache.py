"""Decode every image once, into a uint8 memory map that is named after what it was made from.

A cache is built in a temporary folder beside its place and renamed when whole, so a killed build leaves
nothing that could be taken for finished, and of two builds at once the later one finds the earlier's.
"""

import errno
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from fer_meta.datasets.base import INDEX_COLUMNS, DatasetSpec
from fer_meta.datasets.prepared import read_prepared, write_prepared
from fer_meta.errors import DatasetError

ALIGNMENT = "centre-crop"
FORMAT = 1
"""Goes up whenever this module would make other pixels or other columns from the same files."""
BUILDING = ".building-"
"""How the names of folders begin that are not whole yet."""

_DAY = 24 * 3600
_CHUNK = 512


@dataclass(frozen=True)
class CachedFaces:
    """A data set's images, decoded, square and in the order of its index.

    `images` is a read-only memory map, uint8 [N, size, size, 3], RGB. `index` has a row for each:
    INDEX_COLUMNS, `digest` (string: hash of the pixels before resizing, equal for identical images; of a rendered
    image, hash of what was drawn), `blank` (bool: all pixels are equal) and, if rendered, `units` (string: the
    action units drawn, such as "1+2+25"). `unreadable` holds (path, reason) of the images left out.
    `fingerprint` names the files it was made from, and changes when one is touched; `content` names the data
    themselves, the same on every machine.
    """

    name: str
    images: np.memmap
    index: pd.DataFrame
    fingerprint: str
    content: str
    unreadable: tuple[tuple[str, str], ...]
    spec: DatasetSpec


def cache_dir() -> Path:
    """`$FER_META_CACHE`, else `$XDG_CACHE_HOME/fer-meta`, else `~/.cache/fer-meta`."""
    if os.environ.get("FER_META_CACHE"):
        return Path(os.environ["FER_META_CACHE"]).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "fer-meta"


def load_images(spec: DatasetSpec, root: Path, size: int, progress: bool = True) -> CachedFaces:
    """The data set below `root` at `size` x `size` pixels, decoded now if it was not before.

    Images are cropped to their central square and resized with antialiasing. DatasetError if `root` does not
    hold the data set, no image can be read, or the cache cannot be written.
    """
    root = Path(root)
    index = spec.scan(root)
    fingerprint = _fingerprint(spec, root, index, size)
    place = cache_dir() / f"{spec.name}-{size}px-{fingerprint[:12]}"
    if not place.is_dir():
        with explained(place):
            remove_stale(place.parent)
            _build(spec, root, index, size, fingerprint, place, progress)
    return open_cached(spec, place)


def _fingerprint(spec: DatasetSpec, root: Path, index: pd.DataFrame, size: int) -> str:
    """Hash of the index, of the files it names (size and time) and of all else that decides the cache."""
    hasher = hashlib.blake2b(repr((FORMAT, spec.version, size, ALIGNMENT)).encode(), digest_size=16)
    hasher.update(_rows_text(index, INDEX_COLUMNS))
    for path in dict.fromkeys(re.sub(r"(\.csv|\.npy)#\d+$", r"\1", path) for path in index["path"]):
        try:
            stat = os.stat(os.path.join(root, path))
            state = (stat.st_size, stat.st_mtime_ns)
        except OSError:
            state = None
        hasher.update(repr((path, state)).encode(errors="surrogateescape"))
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


def _build(spec, root, index, size, fingerprint, place, progress) -> None:
    """Decode all images into `place`, which appears whole or not at all."""
    place.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=BUILDING, dir=place.parent))
    try:
        kept, digests, blanks, unreadable = [], [], [], []
        with (folder / "images.npy").open("wb") as file:
            write_header(file, len(index), size)
            for row, face in _decode_all(spec, root, index["path"], size, progress):
                if isinstance(face, str):
                    unreadable.append((index["path"].iloc[row], face))
                    continue
                _append(file, face.pixels)
                kept.append(row)
                digests.append(face.digest)
                blanks.append(face.blank)
            write_header(file, len(kept), size)
        if not kept:
            raise DatasetError(f"{root}: none of {len(index)} images can be read; "
                               f"first '{unreadable[0][0]}': {unreadable[0][1]}")
        index = index.iloc[kept].reset_index(drop=True)
        if "digest" not in index:  # a prepared set brings its own, made before it was resized
            index = index.assign(digest=pd.array(digests, dtype="string"), blank=np.array(blanks, dtype=bool))
        write_prepared(folder, spec, index, size=size, alignment=ALIGNMENT, fingerprint=fingerprint,
                       content=content_hash(index, size), unreadable=unreadable)
        _rename(folder, place)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _rename(folder: Path, place: Path) -> None:
    # mkdtemp makes folders private; a cache may be shared like any other file.
    mask = os.umask(0)
    os.umask(mask)
    folder.chmod(0o777 & ~mask)
    try:
        os.rename(folder, place)
    except OSError:
        # Another process built the same cache meanwhile; its files are as good as ours.
        if not place.is_dir():
            raise


@dataclass(frozen=True)
class _Face:
    pixels: np.ndarray
    digest: str
    blank: bool


def _decode_all(spec, root, paths, size, progress) -> Iterator[tuple[int, _Face | str]]:
    """(row, face or the reason why there is none), in order; in threads, since Pillow releases the lock."""
    paths = list(paths)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool, \
            tqdm(total=len(paths), desc=f"{spec.name}: decoding", unit=" images", mininterval=0.5,
                 disable=None if progress else True) as bar:
        for start in range(0, len(paths), _CHUNK):
            chunk = paths[start:start + _CHUNK]
            yield from enumerate(pool.map(lambda path: _decode(spec, root, path, size), chunk), start)
            bar.update(len(chunk))


def _decode(spec: DatasetSpec, root: Path, path: str, size: int) -> _Face | str:
    try:
        image = spec.read(root, path)
        image = (Image.fromarray(image) if isinstance(image, np.ndarray) else image).convert("RGB")
    except UnidentifiedImageError:
        return "not an image"
    except FileNotFoundError:
        return "missing"
    except Exception as error:  # noqa: BLE001  Pillow's decoders raise nearly anything on a damaged file
        return " ".join(str(error).split()) or type(error).__name__
    native = np.asarray(image)
    digest = hashlib.blake2b(repr(native.shape).encode() + native.tobytes(), digest_size=8).hexdigest()
    blank = bool((native == native[0, 0]).all())
    return _Face(np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)), digest, blank)


def write_header(file: BinaryIO, images: int, size: int) -> None:
    """The npy header, at the start of the file. Its length leaves room for a count that shrinks."""
    file.seek(0)
    np.lib.format.write_array_header_1_0(
        file, {"descr": "|u1", "fortran_order": False, "shape": (images, size, size, 3)})


def _append(file: BinaryIO, pixels: np.ndarray) -> None:
    # Written rather than assigned through a memory map, where a full disk kills the process with SIGBUS.
    file.write(pixels.tobytes())


def open_cached(spec: DatasetSpec, place: Path) -> CachedFaces:
    """The whole cache at `place`; DatasetError if it is damaged."""
    images, index, meta = read_prepared(place, "delete this folder and run again")
    unreadable = tuple((path, reason) for path, reason in meta["unreadable"])
    return CachedFaces(spec.name, images, index, meta["fingerprint"], meta["content"], unreadable, spec)


@contextmanager
def explained(place: Path, mend: str = "set FER_META_CACHE to another folder") -> Iterator[None]:
    """Turn what the disk refuses while `place` is made into one line."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DatasetError(f"{place.parent}: no space left on the disk for the decoded images; "
                               f"free some or {mend}") from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise DatasetError(f"{place.parent}: cannot be written ({error.strerror}); {mend}") from None
        raise


def remove_stale(folder: Path) -> None:
    """Remove what builds that died left behind: temporary folders in which nothing was written for a day."""
    for old in folder.glob(f"{BUILDING}*"):
        try:
            last = max(path.stat().st_mtime for path in (old, *old.iterdir()))
        except FileNotFoundError:
            continue  # that build ended just now
        if time.time() - last > _DAY:
            shutil.rmtree(old, ignore_errors=True)
