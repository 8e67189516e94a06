"""The cache of decoded and rendered images: its disk, and the sets in it that are not whole."""

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from fer_meta.doctor import Asked
from fer_meta.doctor.disk import disk_findings
from fer_meta.doctor.findings import Finding, looked_at, note, ok, warning
from fer_meta.fileio import TEMPORARY
from fer_meta.words import many, storage

SECONDS = 2.0
"""How long sets are compared with their checksums; the first one is at any rate."""


def findings(asked: Asked) -> Iterator[Finding]:
    """The disks of the cache and of temporary files, and the sets in the cache."""
    from fer_meta.datasets.places import BUILDING, ELSEWHERE, cache_dir

    yield from looked_at("the cache", lambda: disk_findings(cache_dir(), BUILDING, ELSEWHERE))
    yield from cached_findings()
    yield from looked_at(
        "temporary files",
        lambda: disk_findings(Path(tempfile.gettempdir()), TEMPORARY, "set TMPDIR to another folder"),
    )


def cached_findings(seconds: float = SECONDS) -> Iterator[Finding]:
    """How many sets there are, and which are damaged or were left half-built."""
    from fer_meta.datasets.cached import held

    end = time.monotonic() + seconds
    places = held()
    for number, place in enumerate(places):
        if number and time.monotonic() > end:
            left = len(places) - number
            yield note(
                f"{left} of its {len(places)} sets were not looked at", "`fer-meta data cache` looks at all"
            )
            break
        yield from looked_at(str(place), partial(_set_findings, place))
    if places:
        yield ok(f"{many(len(places), 'set')} of images in it, {storage(sum(map(_size, places)))}")
    else:
        yield note("nothing is in it yet")


def _set_findings(place: Path) -> Iterator[Finding]:
    """What is wrong with a set of the cache; nothing if it is whole."""
    from fer_meta.datasets.cached import BUSY, DAMAGED, UNFINISHED, look

    found = look(place)
    line = f"{found.name or place.name}, {storage(found.bytes)}"
    if found.state == DAMAGED:
        yield warning(
            f"{line}: is damaged ({place})",
            "nothing to do: it is made again when it is used; if this comes again, have the disk checked",
        )
    elif found.state == UNFINISHED:
        yield note(
            f"{line}: was left half-built by a killed process",
            "nothing to do: a rendered set goes on from there, others are removed by the next bench",
        )
    elif found.state == BUSY:
        yield note(f"{line}: is being built by another process")


def _size(place: Path) -> int:
    try:
        return sum(part.stat().st_size for part in place.iterdir())
    except OSError:  # it is gone by now, or cannot be read, which is found already
        return 0
