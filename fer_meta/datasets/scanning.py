"""Find the files of a data set, in folders and in archives. If the disk cannot read something, that is an
error, and never a smaller data set. Only regular files are read: a named pipe would keep its reader waiting
for ever.
"""

import os
import re
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from errno import ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR
from pathlib import Path

from fer_meta.datasets import archives
from fer_meta.errors import DatasetError

IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".j2k", ".jpx", ".jpf", ".png", ".apng", ".bmp", ".dib"),
        *(".gif", ".tif", ".tiff", ".webp", ".avif", ".ppm", ".pgm", ".pbm", ".pnm"),
    }
)
"""The endings of what `decoding` reads."""

LITTER = frozenset(
    (
        "__MACOSX",
        "lost+found",
        "System Volume Information",
        "$RECYCLE.BIN",
        "@eaDir",
        "@Recycle",
        "#recycle",
        "#snapshot",
        "Thumbs.db",
        "desktop.ini",
    )
)
"""What archives, disks and file servers add: no data, and some of it only the administrator can list."""

_RESULTS = frozenset(("plan.json", "runs"))
"""What lies in a folder of results: its plots are no data, where somebody keeps it among them."""

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
    if found := archives.parted(path):
        return found[1] in archives.opened(found[0]).members
    mode = _mode(path)
    if mode is not None and not stat.S_ISREG(mode):
        raise DatasetError(f"{path}: is not a regular file; put the file itself there")
    return mode is not None


def is_folder(path: Path) -> bool:
    """Whether there is a folder of that name; an archive counts as one. Raises DatasetError if the disk does
    not say.
    """
    if found := archives.parted(path):
        return not found[1] or bool(archives.opened(found[0]).inside(found[1]))
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode)


def first_file(root: Path, names: Iterable[str]) -> Path | None:
    """The first of these files below `root` that is there. Raises as `is_there`."""
    return next((root / name for name in names if is_there(root / name)), None)


def first_folder(root: Path, names: Iterable[str]) -> Path | None:
    """The first of these folders below `root` that is there. Raises as `is_folder`."""
    return next((root / name for name in names if is_folder(root / name)), None)


def _mode(path: Path) -> int | None:
    with reading(path):
        try:
            return os.stat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            if os.path.islink(path):
                raise  # a link that leads nowhere
            return None
        except ValueError:  # a zero byte in the name
            return None


def image_files(root: Path, suffixes: Iterable[str] = IMAGE_SUFFIXES) -> list[str]:
    """Paths of all files below `root` that are named like an image: relative, with forward slashes, sorted.

    Hidden files and LITTER are ignored; links are followed. Raises DatasetError for a folder that cannot be
    listed, a link to a folder around it or to a folder that is gone, and a name that is not UTF-8.
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


def names_in(folder: Path) -> set[str]:
    """The names in a folder. Raises DatasetError if it cannot be listed."""
    if found := archives.parted(folder):
        return {name.split("/")[0] for name in archives.opened(found[0]).inside(found[1])}
    with reading(folder):
        return set(os.listdir(folder))


_PACKED = "csv|tsv|gz|npy|npz|mat|h5|hdf5|parquet|arrow|tfrecord|zip|tar|avi|mp4|mov|mkv|webm"
_PART = re.compile(rf"([.](?:{_PACKED}))#[^#/]*$|#box=[-0-9,]*$", re.IGNORECASE)


def file_of(path: str) -> str:
    """The file of an index path: `a.csv` of `a.csv#7`, `b.jpg` of `b.jpg#box=0,0,9,9`."""
    return _PART.sub(r"\1", path) if "#" in path else path


def state_of(path: str) -> tuple[int, int]:
    """Size and time of change of a file, or of the archive that holds it. Raises OSError."""
    found = archives.parted(path)
    if found is None or not found[1]:
        state = os.stat(path)
    else:
        state = os.stat(found[0])
        if found[1] not in archives.opened(found[0]).members:
            raise FileNotFoundError(ENOENT, "no such file in the archive", path)
    return state.st_size, state.st_mtime_ns


def other_files(root: Path, paths: Collection[str]) -> dict[str, list[str]]:
    """The files below `root` that hold none of the images of these index paths, by their ending (lower case,
    "" for none), the commonest first.
    """
    used = {file_of(path) for path in paths}
    others = sorted(path for path in files_below(root) if path not in used)
    endings = [os.path.splitext(path)[1].lower() for path in others]
    return {
        ending: [path for path, its in zip(others, endings) if its == ending]
        for ending, _ in Counter(endings).most_common()
    }


def files_below(root: Path) -> Iterator[str]:
    """All files below `root` that are neither hidden nor results of a bench, in any order. Raises as
    `image_files`.
    """
    if found := archives.parted(root):
        yield from filter(is_data, archives.opened(found[0]).inside(found[1]))
        return
    todo: list[tuple[str, frozenset[tuple[int, int]]]] = [("", frozenset())]
    while todo:
        inside, around = todo.pop()
        folder = os.path.join(root, inside)
        with reading(folder):
            state = os.stat(folder)
            with os.scandir(folder) as listing:
                entries = list(listing)
        if inside and _RESULTS.issubset(entry.name for entry in entries):
            continue
        itself = (state.st_dev, state.st_ino)
        if itself in around:
            raise DatasetError(f"{folder.rstrip('/')}: a link to a folder that contains it; remove the link")
        for entry in entries:
            if not is_data(entry.name):
                continue
            if _is_folder(entry):
                todo.append((f"{inside}{entry.name}/", around | {itself}))
            else:
                yield inside + entry.name


def is_data(path: str) -> bool:
    """Whether a name or a path belongs to the data: neither hidden nor LITTER."""
    return not any(part.startswith(".") or part in LITTER for part in path.split("/"))


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return stat.S_ISDIR(os.stat(entry.path).st_mode) if entry.is_symlink() else entry.is_dir()
    except OSError as error:
        # A link that leads nowhere: without a suffix it was a folder, and its images must not be missed
        # in silence.
        if error.errno in ABSENT and os.path.splitext(entry.name)[1]:
            return False
        raise unread(entry.path, error) from None
