"""Files that are complete or not there, and arrays in files."""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np

TEMPORARY = ".tmp"
"""How the names of all temporary files and folders begin: what a killed process left behind is known by it
(safetensors' begin so too).
"""


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path in the folder of `path`. After the block it is written to the disk and renamed to
    `path`; after an error it is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}-{uuid.uuid4().hex[:12]}{path.suffix}")
    try:
        with naming(path.parent, temporary):
            yield temporary
            sync(temporary)
            _rename(temporary, path)
        sync(path.parent)
    finally:
        with contextlib.suppress(OSError):  # a disk that cannot be written now has said so above
            temporary.unlink(missing_ok=True)


def _rename(temporary: Path, path: Path) -> None:
    try:
        os.replace(temporary, path)
    except IsADirectoryError as error:  # it would name both
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextlib.contextmanager
def naming(place: Path | str, temporary: Path | None = None) -> Iterator[None]:
    """Let an OSError of the block say where it happened: one of writing to an open file does not, and the
    name of a `temporary` file says nothing to the user.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(temporary), temporary):
            raise
        # in the system's words: pyarrow's own name the temporary file
        raise OSError(error.errno, os.strerror(error.errno), str(place)) from error


def full_disk(place: Path | str) -> str:
    """What is wrong at `place`, and the fix, where an error's number is in FULL."""
    other = " or set TMPDIR to another folder" if str(place) == tempfile.gettempdir() else ""
    return f"no space left on this disk; free some space{other}"


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk: after a power cut, no file shall be
    empty.
    """
    if os.name == "nt" and path.is_dir():  # Windows opens no folders
        return
    file = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network drives cannot
            raise
    finally:
        os.close(file)


def sweep(folder: Path, older_than: float = 0) -> None:
    """Remove what killed processes left in `folder` and below, if it was last written more than `older_than`
    seconds ago. 0 removes all: only while no other process writes there.
    """
    for left in sorted(folder.rglob(f"{TEMPORARY}*"), reverse=True):
        # its owner lives: it has removed it, or Windows says that it is open
        with contextlib.suppress(OSError):
            if older_than and time.time() - left.stat().st_mtime < older_than:
                continue
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink()


def is_below(name: str) -> bool:
    """Whether a path that somebody wrote into a file leads to something below the folder that it is relative
    to, on any system.
    """
    path = name.replace("\\", "/")
    return bool(path) and not re.match("/|[A-Za-z]:/", path) and ".." not in path.split("/")


def digest(path: Path) -> str:
    """A hash of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        found = hashlib.blake2b(digest_size=16)
        while part := file.read(1 << 20):
            found.update(part)
    return found.hexdigest()


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def mapped(shape: tuple[int, ...], dtype) -> np.ndarray:
    """An array of zeros that lies in a nameless temporary file: the kernel may drop its pages, so that it
    does not count as memory in use.

    Raises OSError if the temporary folder has no room for it: later, writing through the map would kill the
    process.
    """
    with naming(tempfile.gettempdir()), tempfile.TemporaryFile() as file:
        size = max(1, int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
        return np.asarray(np.memmap(file, dtype=dtype, mode="r+", shape=shape))
