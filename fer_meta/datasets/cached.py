"""What the cache holds, and how to remove it.

Only folders with the names and the files that fer-meta gives them are looked at, and links are not followed:
whatever else lies in the cache's folder is neither shown nor removed.
"""

import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import filelock

from fer_meta.datasets.cache import damage
from fer_meta.datasets.places import BUILDING, OWNED, bury, cache_dir, is_dead, one_at_a_time
from fer_meta.datasets.prepared import IMAGES, INDEX, META, read_meta
from fer_meta.datasets.scanning import reading
from fer_meta.datasets.synthetic.rendered import WRITTEN

_SET = r"(?P<name>.+)-(?P<size>\d+)px-[0-9a-f]{12}"
_WHOLE = re.compile(_SET)
_RENDERING = re.compile(rf"{re.escape(BUILDING)}(?P<place>{_SET})-[0-9a-f]{{12}}")
_OURS = {IMAGES, INDEX, META, WRITTEN, OWNED}
_DAY = 24 * 3600

WHOLE, DAMAGED, UNFINISHED, BUSY = "whole", "damaged", "unfinished", "being built"
"""What a folder of the cache may be. DAMAGED: it is made anew when it is used. UNFINISHED: its process ended;
a rendered set goes on from there, others are removed by themselves. BUSY: another process works on it.
"""


@dataclass(frozen=True)
class Kept:
    """A folder of the cache. `name`, `size` (pixels) and `images` are None if they are not known before it is
    whole. `used`: when it was last used, in seconds since 1970.
    """

    place: Path
    name: str | None
    size: int | None
    images: int | None
    bytes: int
    used: float
    state: str


def held(names: Iterable[str] = (), days: float = 0) -> list[Path]:
    """The folders of the cache, sorted; only of the data sets `names`, if any, and only what was not used
    for `days`. Raises DatasetError if the disk does not list them.
    """
    folder = cache_dir()
    if not folder.is_dir():
        return []
    names, now = set(names), time.time()
    with reading(folder), os.scandir(folder) as listing:
        return sorted(
            Path(entry)
            for entry in listing
            if entry.is_dir(follow_symlinks=False)
            and _is_ours(Path(entry))
            and (not names or _named(Path(entry))[0] in names)
            and now - entry.stat().st_mtime >= days * _DAY
        )


def look(place: Path) -> Kept:
    """One folder of `held`. Its checksums are computed, which takes a second for each gigabyte or two."""
    name, size = _named(place)
    images = None
    if place.name.startswith(BUILDING):
        state = UNFINISHED if _is_free(place) else BUSY
    elif damage(place, ""):
        state = DAMAGED
    else:
        state, images = WHOLE, read_meta(place)["images"]
    with reading(place):
        size_on_disk = sum(part.stat().st_size for part in place.iterdir())
        return Kept(place, name, size, images, size_on_disk, place.stat().st_mtime, state)


def remove(kept: Kept) -> bool:
    """Remove a folder of the cache; returns False for what another process works on. Nobody sees half of it,
    and a process that reads its images may go on.
    """
    rendering = _RENDERING.fullmatch(kept.place.name)
    if kept.place.name.startswith(BUILDING) and not rendering:
        if not is_dead(kept.place):
            return False
        bury(kept.place)
        return True
    place = kept.place.with_name(rendering["place"]) if rendering else kept.place
    try:
        with one_at_a_time(place, wait=False):
            bury(kept.place)
    except filelock.Timeout:
        return False
    return True


def _is_ours(place: Path) -> bool:
    if not (place.name.startswith(BUILDING) or _WHOLE.fullmatch(place.name)):
        return False
    return all(part.name in _OURS for part in place.iterdir())


def _named(place: Path) -> tuple[str | None, int | None]:
    found = _RENDERING.fullmatch(place.name) or (
        None if place.name.startswith(BUILDING) else _WHOLE.fullmatch(place.name)
    )
    return (found["name"], int(found["size"])) if found else (None, None)


def _is_free(building: Path) -> bool:
    """Whether no process builds there: of a rendered set, none holds the lock of its place."""
    rendering = _RENDERING.fullmatch(building.name)
    if not rendering:
        return is_dead(building)
    lock = building.with_name(f".{rendering['place']}.lock")
    if not lock.exists():
        return True
    try:
        with filelock.FileLock(lock, timeout=0):
            return True
    except (OSError, NotImplementedError):  # held (a Timeout is an OSError), or another user's
        return False
