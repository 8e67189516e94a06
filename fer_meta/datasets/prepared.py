"""A data set whose images are decoded already: `images.npy`, `index.parquet` and `meta.json` in one folder.

The cache keeps its sets so, and `fer-meta data render` writes them so; such a folder can be given as `--data
NAME=PATH`.
"""

import io
import json
import os
import zlib
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from fer_meta.datasets.base import INDEX_COLUMNS, SPLITS, DatasetSpec, Rendered
from fer_meta.datasets.scanning import unread
from fer_meta.datasets.tables import parquet_table
from fer_meta.datasets.watched import Watch, watch
from fer_meta.errors import DamagedError, DatasetError
from fer_meta.expressions import EXPRESSIONS
from fer_meta.fileio import sync
from fer_meta.oneline import UNPRINTABLE, one_line

IMAGES, INDEX, META = "images.npy", "index.parquet", "meta.json"
REMAKE = "make it again (for rendered faces: delete the folder and run `fer-meta data render`)"

_ABOUT = ("title", "summary", "licence", "citation")
_NOT_STATED = "not stated"
_KNOWN = {
    "size": int,
    "alignment": str,
    "fingerprint": str,
    "content": str,
    "images": int,
    "unreadable": list,
}
_SUMS, _SUM = "checksums", "checksum"  # of the two other files; of all else in meta.json


def is_prepared(root: Path) -> bool:
    return all(os.path.isfile(root / part) for part in (IMAGES, INDEX, META))


def prepared_spec(name: str, root: Path) -> DatasetSpec:
    """The specification of a prepared folder; what it says of its data was written into its meta.json."""
    meta = read_prepared(root, REMAKE)[2]
    said, rendered = meta.get("rendered"), None
    told = {key: one_line(str(meta.get(key, _NOT_STATED))) for key in _ABOUT}
    try:
        if said is not None:
            rendered = Rendered(one_line(str(said["recipe"])), float(said["severity"]))
        if rendered and not 0 <= rendered.severity <= 1:
            raise ValueError
    except (KeyError, TypeError, ValueError, OverflowError):
        raise DatasetError(
            f"{root / META}: 'rendered' needs a recipe and a severity of 0 to 1; {REMAKE}"
        ) from None
    return DatasetSpec(
        name=name,
        title=told["title"],
        summary=told["summary"],
        licence=told["licence"],
        citation=told["citation"],
        obtain="prepared by fer-meta",
        layout=f"{IMAGES}, {INDEX} and {META}",
        scan=scan,
        read=read,
        rendered=rendered,
        vocabulary=tuple(meta.get("vocabulary") or EXPRESSIONS),
    )


def scan(root: Path) -> pd.DataFrame:
    """The folder's index, with the paths `images.npy#<row>`. It has INDEX_COLUMNS, `digest` and `blank`."""
    index = read_prepared(root, REMAKE)[1]
    rows = [f"{IMAGES}#{row}" for row in range(len(index))]
    return index.assign(path=pd.array(rows, dtype="string"))


def read(root: Path, path: str) -> np.ndarray:
    """One image, uint8 [size, size, 3]. Read from the file and not through a memory map, where a failing disk
    kills the process with SIGBUS.
    """
    with (Path(root) / IMAGES).open("rb") as file:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        length = int(np.prod(shape[1:])) * dtype.itemsize
        file.seek(int(path.rpartition("#")[2]) * length, os.SEEK_CUR)
        return np.frombuffer(file.read(length), dtype=dtype).reshape(shape[1:])


def read_prepared(place: Path, fix: str) -> tuple[np.memmap, pd.DataFrame, dict]:
    """Images (read-only memory map, uint8 [N, size, size, 3]), index and meta.

    Raises DamagedError, which ends in `fix`, if a part is missing, is not as it was written, or does not fit
    the others. Sets of older versions hold no checksums, and nothing is compared then. Raises DatasetError if
    the disk does not give a part.
    """
    place = Path(place)
    try:
        meta = read_meta(place)
        opened = Watch(place / IMAGES)
        for part, kept in meta.get(_SUMS, {}).items():
            if part not in (IMAGES, INDEX) or checksum(place / part) != kept:
                raise ValueError(f"{part} was changed after it was written")
        images = np.load(place / IMAGES, mmap_mode="r", allow_pickle=False)
        watch(images, opened)
        index = parquet_table(io.BytesIO((place / INDEX).read_bytes()))
        _check(images, index, meta)
        index = index.astype({name: "Int64" if name == "frame" else "string" for name in INDEX_COLUMNS})
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise DamagedError(
            f"{place}: damaged ({error.strerror}: {Path(error.filename or place).name}); {fix}"
        ) from None
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise unread(place, error) from None
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DamagedError(f"{place}: damaged ({reason}); {fix}") from None
    return images, index, meta


def _check(images: np.ndarray, index: pd.DataFrame, meta: dict) -> None:
    missing = [name for name in (*INDEX_COLUMNS, "digest", "blank") if name not in index]
    if missing:
        raise ValueError(f"no '{missing[0]}'")
    if not len(images) == len(index) == meta["images"]:
        raise ValueError("its parts differ in length")
    if (
        images.dtype != np.uint8
        or images.shape[1:] != (meta["size"], meta["size"], 3)
        or not images.flags.c_contiguous
    ):
        raise ValueError(f"images of {images.dtype} {images.shape[1:]}")
    for name in ("subject", "clip"):
        if not all(map(_is_line, index[name].dropna().unique())):
            raise ValueError(f"a '{name}' that is no line of text")
    other = set(index["split"].dropna()) - set(SPLITS)
    if other:
        raise ValueError(f"a split that is none of {', '.join(SPLITS)}")
    unknown = sorted(set(index["label"].dropna()) - set(meta.get("vocabulary") or EXPRESSIONS))
    if unknown or index["label"].isna().any():
        raise ValueError(f"unknown label '{unknown[0]}'" if unknown else "images without a label")


def read_meta(place: Path) -> dict:
    """What meta.json says. Raises OSError, or ValueError if it is not as it was written."""
    meta = json.loads((place / META).read_bytes())
    if not isinstance(meta, dict):
        raise ValueError(f"{META} is not an object")
    kept = meta.pop(_SUM, None)
    if kept is not None and kept != _sum_of(meta):
        raise ValueError(f"{META} was changed after it was written")
    for name, kind in _KNOWN.items():
        if name not in meta:
            raise ValueError(f"no '{name}'")
        if not isinstance(meta[name], kind):
            raise ValueError(f"'{name}' in {META} is not of the right type")
    vocabulary = meta.get("vocabulary") or []
    if not (isinstance(vocabulary, list) and all(map(_is_line, vocabulary))):
        raise ValueError(f"'vocabulary' in {META} holds something else than texts of one line")
    if not all(_is_unreadable(one) for one in meta["unreadable"]):
        raise ValueError(f"'unreadable' in {META} holds something else than paths and reasons")
    return meta


def _is_line(value: object) -> bool:
    return isinstance(value, str) and not UNPRINTABLE.search(value)


def _is_unreadable(value: object) -> bool:
    """A path may hold whatever the name of a file can."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and _is_line(value[1])


def write_prepared(folder: Path, spec: DatasetSpec, index: pd.DataFrame, **meta) -> None:
    """Write index.parquet and meta.json beside the images, with checksums, and all three through to the disk.

    `folder` is a temporary one that is renamed when whole.
    """
    rendered = None if spec.rendered is None else asdict(spec.rendered)
    about = {key: getattr(spec, key) for key in _ABOUT}
    (folder / INDEX).write_bytes(index.to_parquet())
    sums = {part: checksum(folder / part) for part in (IMAGES, INDEX)}
    if spec.vocabulary != EXPRESSIONS:
        meta["vocabulary"] = list(spec.vocabulary)
    meta = {"name": spec.name, **about, "images": len(index), "rendered": rendered, **meta, _SUMS: sums}
    (folder / META).write_text(json.dumps({**meta, _SUM: _sum_of(meta)}, indent=1), encoding="utf-8")
    for part in (IMAGES, INDEX, META):
        sync(folder / part)


def checksum(path: Path) -> str:
    """The CRC-32 of a file, computed once a process while the file stays as it is."""
    state = os.stat(path)
    return _checksum(path, state.st_ino, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=256)
def _checksum(path: Path, *state: int) -> str:
    # Half a second for 36,000 images of 84 pixels; a cryptographic hash takes up to three times as long.
    found, part = 0, memoryview(bytearray(1 << 20))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(part):
            found = zlib.crc32(part[:size], found)
    return f"{found:08x}"


def _sum_of(meta: dict) -> str:
    return f"{zlib.crc32(json.dumps(meta, sort_keys=True).encode()):08x}"
