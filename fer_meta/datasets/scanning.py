"""Find the files of a data set, and read its lists. If the disk cannot read something, that is an error, and
never a smaller data set. Only regular files are read: a named pipe would keep its reader waiting for ever.
"""

import csv
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from errno import ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR
from pathlib import Path

from fer_meta.errors import DatasetError

IMAGE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"))

LITTER = ("__MACOSX", "lost+found", "System Volume Information")
"""Folders of archives and disks that hold no data; the last two only the administrator can list."""

ABSENT = (ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG)
"""The disk's error numbers for a place where no file can be."""

_AGAIN = "see that the disk is there and the file may be read, then run again"


def unread(path: str | Path, error: OSError, fix: str = _AGAIN) -> DatasetError:
    """The error for what the disk does not give."""
    return DatasetError(f"{path}: cannot be read ({error.strerror or error}); {fix}")


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turn what the disk refuses while `path` is read into one line."""
    try:
        yield
    except OSError as error:
        raise unread(path, error) from None


def expanded(path: str | Path, named: str) -> Path:
    """`path` with `~` replaced by the home folder. Raises DatasetError, which begins with `named`, if there
    is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise DatasetError(
            f"{named}: '{path}' begins with ~, and that home folder is not known; write the whole path"
        ) from None


def is_there(path: Path) -> bool:
    """Whether there is a regular file of that name. Raises DatasetError if it is something else, or if the
    disk does not say.
    """
    mode = _mode(path)
    if mode is not None and not stat.S_ISREG(mode):
        raise DatasetError(f"{path}: is not a regular file; put the file itself there")
    return mode is not None


def is_folder(path: Path) -> bool:
    """Whether there is a folder of that name. Raises DatasetError if the disk does not say."""
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode)


def _mode(path: Path) -> int | None:
    with reading(path):
        try:
            return os.stat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            if os.path.islink(path):
                raise  # a link that leads nowhere
            return None


def image_files(root: Path, suffixes: Iterable[str] = IMAGE_SUFFIXES) -> list[str]:
    """Paths of all files below `root` that are named like an image: relative, with forward slashes, sorted.

    Hidden files and the litter of archives (`__MACOSX`) are ignored; links are followed. Raises DatasetError
    for a folder that cannot be listed, a link to a folder around it or to a folder that is gone, and a name
    that is not UTF-8.
    """
    suffixes = frozenset(suffixes)
    found = sorted(path for path in files_below(root) if os.path.splitext(path)[1].lower() in suffixes)
    for path in found:
        try:
            path.encode()
        except UnicodeEncodeError:
            raise DatasetError(
                f"{root}: the name '{path}' is not UTF-8; rename this file or folder"
            ) from None
    return found


def files_below(root: Path) -> Iterator[str]:
    """All files below `root` that are not hidden, in any order. Raises as `image_files`."""
    todo: list[tuple[str, frozenset[tuple[int, int]]]] = [("", frozenset())]
    while todo:
        inside, around = todo.pop()
        folder = os.path.join(root, inside)
        with reading(folder):
            state = os.stat(folder)
            with os.scandir(folder) as listing:
                entries = list(listing)
        itself = (state.st_dev, state.st_ino)
        if itself in around:
            raise DatasetError(f"{folder.rstrip('/')}: a link to a folder that contains it; remove the link")
        for entry in entries:
            if entry.name.startswith(".") or entry.name in LITTER:
                continue
            if _is_folder(entry):
                todo.append((f"{inside}{entry.name}/", around | {itself}))
            else:
                yield inside + entry.name


def _is_folder(entry: os.DirEntry) -> bool:
    with reading(entry.path):
        if not entry.is_symlink():
            return entry.is_dir()
        try:
            return stat.S_ISDIR(os.stat(entry.path).st_mode)
        except OSError as error:
            # A link that leads nowhere: without a suffix it was a folder, and its images must not be missed
            # in silence.
            if error.errno in ABSENT and os.path.splitext(entry.name)[1]:
                return False
            raise


def read_lines(path: Path) -> list[str]:
    """The lines of a text file. Raises DatasetError if it cannot be read, or if a line (which it names) is
    not UTF-8.
    """
    with reading(path):
        lines = path.read_bytes().splitlines()
    return [_decoded(path, number, line) for number, line in enumerate(lines, 1)]


def csv_rows(path: Path) -> Iterator[tuple[int, int, list[str]]]:
    """Line number (from 1), first byte and cells of each row of a csv, one row per line; the first is the
    header, without blanks.

    Blank lines are ignored. Raises DatasetError, which names the line, if a row is not UTF-8, has unbalanced
    quotes or has another number of cells than the header.
    """
    width, at = 0, 0
    with reading(path), open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                cells = csv_cells(path, number, line)
                if not width:
                    width, cells = len(cells), [cell.strip() for cell in cells]
                if len(cells) != width:
                    raise DatasetError(
                        f"{path}: line {number} has {len(cells)} cells and the header has {width}; obtain the"
                        " file again"
                    )
                yield number, at, cells
            at += len(line)


def csv_cells(path: Path, number: int, line: bytes) -> list[str]:
    """The cells of line `number`. Raises DatasetError if it is not UTF-8 or not a row of a csv."""
    try:
        return next(
            csv.reader([_decoded(path, number, line).removesuffix("\n").removesuffix("\r")], strict=True), []
        )
    except csv.Error as error:
        raise DatasetError(
            f"{path}: line {number} is not a row of a csv ({error}); obtain the file again"
        ) from None


def _decoded(path: Path, number: int, line: bytes) -> str:
    try:
        return line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError:
        raise DatasetError(
            f"{path}: line {number} is not UTF-8; save the file as UTF-8 or obtain it again"
        ) from None
