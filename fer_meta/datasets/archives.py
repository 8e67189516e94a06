"""Archives that are read in place. A path may lead through a .zip or .tar file: `faces.zip/happy/1.jpg`.

Nothing is unpacked, so nothing that an archive names can be written anywhere. Only regular members are read.
"""

import os
import tarfile
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fer_meta.damage import expected, reason_of
from fer_meta.errors import DatasetError, ImageError
from fer_meta.fileio import is_below

SUFFIXES = (".zip", ".tar")

PACKED = (".gz", ".bz2", ".xz", ".7z", ".rar", ".tgz")
"""Of archives in which no file can be found without all those before it, or that no library here reads."""

LARGEST = 1 << 29
"""Bytes of the largest file, in an archive or not, that is taken for an image."""


@dataclass(frozen=True)
class Archive:
    """The regular members of one archive: the bytes that each has unpacked, and a way to read one."""

    members: dict[str, int]
    read: Callable[[str], bytes]

    def inside(self, folder: str) -> list[str]:
        """The names of all members below a folder ("" for all), relative to it."""
        start = f"{folder}/" if folder else ""
        return [name[len(start) :] for name in self.members if name.startswith(start)]


def parted(path: str | Path) -> tuple[Path, str] | None:
    """The archive that a path leads to or through, and the name inside ("" for the archive itself); None for
    a path of the disk alone.
    """
    text = os.fspath(path)
    if not any(suffix in text.lower() for suffix in SUFFIXES):
        return None
    parts = Path(text).parts
    for number, part in enumerate(parts, 1):
        if part.lower().endswith(SUFFIXES) and os.path.isfile(file := Path(*parts[:number])):
            return file, "/".join(parts[number:])
    return None


def opened(file: Path) -> Archive:
    """The archive in a file, opened once while the file stays as it is. Raises DatasetError for one that is
    damaged, encrypted, or has members outside of itself; OSError if the disk does not give it.
    """
    state = os.stat(file)
    return _opened(file, state.st_size, state.st_mtime_ns)


def member(path: str | Path) -> bytes | None:
    """The bytes of a file in an archive; None for a path that leads through none. Raises FileNotFoundError if
    the archive has no such member, ImageError for a damaged or too large one.
    """
    found = parted(path)
    if found is None:
        return None
    archive, name = opened(found[0]), found[1]
    if name not in archive.members:
        raise FileNotFoundError(2, "no such file in the archive", os.fspath(path))
    if archive.members[name] > LARGEST:
        raise ImageError(f"a file of {archive.members[name]:,} bytes")
    try:
        return archive.read(name)
    except Exception as error:
        raise ImageError(f"damaged in the archive ({reason_of(error)})") from None


@lru_cache(maxsize=8)
def _opened(file: Path, size: int, mtime: int) -> Archive:
    with expected(file, "is not a whole archive"):
        return (_zip if file.suffix.lower() == ".zip" else _tar)(file)


def _zip(file: Path) -> Archive:
    archive = zipfile.ZipFile(file)
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if any(info.flag_bits & 1 for info in infos):
        raise DatasetError(f"{file}: is encrypted; unpack it with its password and give the folder")
    named = {_safe(file, info.filename): info for info in infos}

    def read(name: str) -> bytes:
        with archive.open(named[name]) as opened_member:
            # as many as the archive states: without a number all is unpacked first, however much it is
            return opened_member.read(named[name].file_size)

    return Archive({name: info.file_size for name, info in named.items()}, read)


def _tar(file: Path) -> Archive:
    with tarfile.open(file, "r:") as archive:
        infos = {_safe(file, info.name): info for info in archive if info.isreg()}
    handle, lock = open(file, "rb"), threading.Lock()  # noqa: SIM115 - open as long as the archive is known

    def read(name: str) -> bytes:
        with lock:
            handle.seek(infos[name].offset_data)
            content = handle.read(infos[name].size)
        if len(content) < infos[name].size:
            raise EOFError("the archive ends before it")
        return content

    return Archive({name: info.size for name, info in infos.items()}, read)


def _safe(file: Path, name: str) -> str:
    if not is_below(name):
        raise DatasetError(f"{file}: has a file '{name}' outside of itself; obtain the archive elsewhere")
    return name.replace("\\", "/").removeprefix("./")
