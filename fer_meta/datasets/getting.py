"""Download a data set from the Hugging Face hub, into a folder that is complete or not there.

What is verified: every file arrived as the hub has it, by its size and, where the hub states a SHA-256 (for
all large files), by that. The file LOCK in the folder then holds the commit and the SHA-256 of each file,
and a later run compares the folder with it. What is not verified: that the hub's copy is what the authors
published. No checksum of theirs is known; `fer-meta data check` compares the published counts.
"""

import hashlib
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType

from pydantic import Field

from fer_meta.datasets.base import OnHub
from fer_meta.datasets.places import appear, explained, one_at_a_time
from fer_meta.datasets.scanning import is_there, reading
from fer_meta.errors import DatasetError
from fer_meta.fileio import sync, write_json
from fer_meta.hub.library import library
from fer_meta.records.base import Below, Count, Stored

LOCK = "fer-meta-download.json"
"""In a downloaded folder: repo, revision (the commit), and `bytes` and `sha256` of each file."""


GETTING = ".getting-"
"""How the name of the folder beside the place begins in which files arrive."""

_ELSEWHERE = "name another folder with --out"
_PAGE = "https://huggingface.co/datasets/{}"


class Arrived(Stored):
    """A file that was downloaded."""

    bytes: Count
    sha256: str


class Lock(Stored):
    """The file LOCK."""

    repo: str
    revision: str = Field(pattern="^[0-9a-f]{1,64}$")
    files: dict[Below, Arrived]


def page(hub: OnHub) -> str:
    """The address of a data set's page, where its owner may state terms."""
    return _PAGE.format(hub.repo)


def download(hub: OnHub, folder: Path, revision: str | None = None) -> tuple[dict, bool]:
    """Download into `folder`, or compare what lies there with its LOCK; returns what LOCK says, and whether
    anything was downloaded.

    A file that had arrived whole when another download of the same commit was stopped is kept. Raises
    DatasetError for a folder that holds something else, another revision or damaged files, for a data set,
    revision or file that the hub does not give, and for a wrong checksum; MachineError if the hub cannot be
    reached, the disk is full or huggingface_hub is not installed.
    """
    folder = Path(folder).absolute()
    with explained(folder, _ELSEWHERE):
        if _is_empty(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            waiting = f"{folder.name} is being downloaded by another process; waiting for it"
            with one_at_a_time(folder, waiting):
                if _is_empty(folder):  # else another process downloaded it meanwhile
                    return _download(hub, folder, revision or hub.revision), True
        return _verified(hub, folder, revision), False


def _is_empty(folder: Path) -> bool:
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def _download(hub: OnHub, folder: Path, revision: str) -> dict:
    building = folder.with_name(GETTING + folder.name)
    commit, stated = _stated(hub, revision)
    building.mkdir(exist_ok=True)
    files = {}
    for name in hub.files:
        path = _fetch(hub, commit, name, building)
        found = sha256(path)
        if stated[name] not in (None, found):
            path.unlink()
            raise DatasetError(
                f"{page(hub)}: {name} did not arrive as the hub states (SHA-256 {found[:12]}..., not"
                f" {str(stated[name])[:12]}...); run again, and it is downloaded anew"
            )
        files[name] = {"bytes": path.stat().st_size, "sha256": found}
        sync(path)
    lock = {"repo": hub.repo, "revision": commit, "files": files}
    shutil.rmtree(building / ".cache", ignore_errors=True)  # huggingface_hub's notes
    write_json(building / LOCK, lock)
    if folder.exists():
        folder.rmdir()  # empty
    appear(building, folder)
    return lock


def _stated(hub: OnHub, revision: str) -> tuple[str, dict[str, str | None]]:
    """The commit of a revision, and the SHA-256 that the hub states for each file, if it does."""
    with _explained(hub, revision) as library:
        info = library.HfApi().dataset_info(hub.repo, revision=revision, files_metadata=True, timeout=30)
    listed = {file.rfilename: file.lfs.sha256 if file.lfs else None for file in info.siblings or ()}
    missing = [name for name in hub.files if name not in listed]
    if missing:
        raise DatasetError(
            f"{page(hub)}: has no {missing[0]} at revision {info.sha}; name an older one with --revision"
        )
    return info.sha, {name: listed[name] for name in hub.files}


def _fetch(hub: OnHub, commit: str, name: str, building: Path) -> Path:
    """One file at its place in `building`, with a progress bar; nothing is fetched that is whole already."""
    with _explained(hub, commit) as library:
        found = library.hf_hub_download(
            hub.repo, name, repo_type="dataset", revision=commit, local_dir=building
        )
    return Path(found)


def _explained(hub: OnHub, revision: str) -> AbstractContextManager[ModuleType]:
    return library(page(hub), what="data set", command="data get", revision=revision, refused=DatasetError)


def _verified(hub: OnHub, folder: Path, revision: str | None) -> dict:
    """What LOCK says, after all files were compared with it."""
    lock = _read_lock(folder)
    if lock["repo"] != hub.repo or (revision is not None and not lock["revision"].startswith(revision)):
        raise DatasetError(
            f"{folder}: holds {lock['repo']} at revision {lock['revision']}; {_ELSEWHERE}, or delete it"
        )
    for name, kept in lock["files"].items():
        path = folder / name
        if not is_there(path) or sha256(path) != kept["sha256"]:
            raise DatasetError(
                f"{path}: is not the file that was downloaded; delete the folder {folder} and run again"
            )
    return lock


def _read_lock(folder: Path) -> dict:
    path = folder / LOCK
    if not folder.is_dir() or not is_there(path):
        raise DatasetError(f"{folder}: holds something that was not downloaded; {_ELSEWHERE}")
    try:
        with reading(path):
            return Lock.model_validate_json(path.read_bytes()).model_dump()
    except ValueError:
        raise DatasetError(f"{path}: damaged; delete the folder and run again") from None


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    found = hashlib.sha256()
    with reading(path), path.open("rb") as file:
        while part := file.read(1 << 20):
            found.update(part)
    return found.hexdigest()
