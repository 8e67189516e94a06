"""Disks that are full, places that cannot be written or read."""

import errno
import os
import resource
import shutil
from collections.abc import Iterator

from .fault import STAGES, Fault, striking
from .places import Home, disk, empty_again, fill, read_only, writable

FULL = "(no space|No space).*free some space"

OF_STAGE = {
    "decoding": "cache",
    "index of the images": "cache",
    "rendering": "cache",
    "drawing of episodes": "tmp",
    "record of a model, features": "tmp",
    "answers, features": "tmp",
}
"""Where a stage writes, if not to the results."""


def full() -> Iterator[Fault]:
    for stage in [*STAGES, "checkpoint, 2 jobs", "record of a model, features", "answers, features"]:
        place = OF_STAGE.get(stage, "results")
        yield striking(
            "full disk",
            stage,
            lambda home, place=place: fill(home.folder / place),
            f"/{place}.*{FULL}",
            repair=lambda home, place=place: empty_again(home.folder / place),
            jobs=1 + ("2 jobs" in stage),
        )
    for stage in ("index of the images", "plan", "state of a training", "report"):
        yield striking("full quota", stage, quota, f"/{OF_STAGE.get(stage, 'results')}.*{FULL}")
    yield Fault(
        "no room for more files",
        "checkpoint",
        f"/results.*{FULL}",
        before=lambda home: disk(home.results, "nr_inodes=20"),
        repair=lambda home: with_room(home, "results"),
    )
    yield striking(
        "large files are forbidden (`ulimit -f`)",
        "record of a model",
        small_files,
        "File too large; raise the limit",
        failed=2,
    )


def quota(home: Home) -> None:
    """Raised, and not real: few machines have a disk at hand that counts what each user has."""
    raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))


def small_files(home: Home) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def with_room(home: Home, place: str) -> None:
    """The disk below, with what was written to the full one."""
    kept = home.folder.parent / "kept"
    shutil.copytree(home.folder / place, kept)
    writable(home.folder / place)
    shutil.copytree(kept, home.folder / place, dirs_exist_ok=True)
    shutil.rmtree(kept)


def unwritable() -> Iterator[Fault]:
    # Python takes another folder for temporary files.
    for place, status in (("results", 2), ("cache", 2), ("tmp", 0)):
        said = f"/{place}.*: cannot be written" if status else ""
        yield Fault(
            "read-only",
            f"{place}, from the start",
            said,
            status,
            before=lambda home, place=place: read_only(home.folder / place),
            repair=lambda home, place=place: writable(home.folder / place),
        )
        yield Fault(
            "not permitted",
            f"{place}, from the start",
            said,
            status,
            by_user=True,
            before=lambda home, place=place: (home.folder / place).chmod(0o555),
            repair=lambda home, place=place: (home.folder / place).chmod(0o777),
        )
    yield Fault("read-only", "data", status=0, before=lambda home: read_only(home.data), done=2)
    yield Fault(
        "not permitted",
        "a picture",
        r"happiness/3\.png: cannot be read \(Permission denied\)",
        2,
        by_user=True,
        before=lambda home: (home.day / "happiness" / "3.png").chmod(0),
        repair=lambda home: (home.day / "happiness" / "3.png").chmod(0o644),
    )
    folders = {"episodes": "episodes", "record of a model": "models", "answers": "runs", "plots": "plots"}
    for stage, folder in folders.items():
        yield striking(
            "becomes read-only",
            stage,
            lambda home, folder=folder: read_only(home.bench / folder),
            f"/results/tiny/{folder}.*Read-only file system.*; name a folder that can be written",
            repair=lambda home, folder=folder: writable(home.bench / folder),
            failed=2 * (folder == "models"),
            done=2 * (folder == "plots"),
        )
