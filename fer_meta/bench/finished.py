"""A finished bench given again: if what was asked and what was read are as they were, its table is printed
again and nothing is done.

Nothing here imports torch, plans or opens an image. `finished.json` is written when a bench has done all its
runs and its report, and removed when another begins in the same folder. Any doubt (another option, a touched
data folder, a run or a file of the report that is gone or changed, another version or source of fer-meta) is
answered by None: then the bench plans and looks at its runs as ever.
"""

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

import yaml

import fer_meta
from fer_meta.datasets.scanning import files_below
from fer_meta.errors import DatasetError
from fer_meta.fileio import DONE, broken_seal, digest, write_json
from fer_meta.suites.folders import results_folder

FINISHED = "finished.json"
TABLE = "table.txt"  # which the report writes

# What computes. A plan hangs on some of them too: splits are scikit-learn's.
PACKAGES = ("torch", "torchvision", "learn2learn", "numpy", "pandas", "scikit-learn", "fer-meta")

_SOURCE = Path(fer_meta.__file__).parent


def versions() -> dict[str, str | None]:
    """The versions of what computes, by package; None for one that is not installed."""
    return {name: _version(name) for name in PACKAGES}


def hash_of_asked(suite: str, **options) -> str | None:
    """A hash of all that is asked of a bench: the suite file, the options, fer-meta's own files and the
    versions; None if there is none.
    """
    sources = sorted(path for path in _SOURCE.rglob("*") if path.suffix in (".py", ".yaml", ".csv"))
    found = hashlib.blake2b(
        repr((suite, sorted(options.items()), platform.python_version(), versions())).encode(), digest_size=16
    )
    try:
        for path in (_suite_file(suite), *sources):
            found.update(path.read_bytes())
    except OSError:
        return None
    return found.hexdigest()


def hash_with_data(asked: str | None, roots: Mapping[str, Path], known: Iterable[str]) -> str:
    """A hash of what was asked, the names of the data sets there are, and the state of the folders that are
    read (`roots`).

    A state is the names, sizes and times of all files: 36,000 take a third of a second.
    """
    found = hashlib.blake2b(repr((asked, list(known))).encode(errors="surrogateescape"), digest_size=16)
    for name, root in sorted(roots.items()):
        found.update(repr((name, str(root), sorted(_state(root)))).encode(errors="surrogateescape"))
    return found.hexdigest()


def read_finished(
    out: Path, suite: str, preset: str, asked: str | None, given: Mapping[str, Path]
) -> str | None:
    """What a finished bench has to say when the same is `asked` again; None if there is any doubt that it is
    the same and all there.
    """
    try:
        folder = results_folder(
            out, yaml.safe_load(_suite_file(suite).read_text(encoding="utf-8"))["name"], preset
        )
        told = json.loads((folder / FINISHED).read_text(encoding="utf-8"))
        # Half a second (pandas): only where a bench has finished.
        from fer_meta.datasets.registry import locate, names

        same = (
            hash_with_data(asked, {name: locate(name, given) for name in told["data"]}, names(given))
            == told["made_from"]
        )
        whole = (
            all(digest(folder / file) == kept for file, kept in told["files"].items())
            and _finished_runs(folder) == told["there"]
        )
        if not same or not whole or any(broken_seal(folder / "runs" / run) for run in told["runs"]):
            return None
        return (
            f"{len(told['runs'])} of {len(told['runs'])} runs are done"
            f" already\n\n{(folder / TABLE).read_text(encoding='utf-8')}"
        )
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError, DatasetError):
        return None


def write_finished(folder: Path, made_from: str, data: Iterable[str], runs: Iterable[str]) -> None:
    """Say that `folder` holds all of `runs` (their ids), their episodes and their report: the files that are
    there now.
    """
    report = [
        path
        for pattern in ("*.*", "plots/*", "episodes/*")
        for path in folder.glob(pattern)
        if path.is_file() and not path.name.startswith(".")
    ]
    files = {path.relative_to(folder).as_posix(): digest(path) for path in sorted(report)}
    write_json(
        folder / FINISHED,
        {
            "made_from": made_from,
            "data": sorted(data),
            "runs": list(dict.fromkeys(runs)),
            "there": _finished_runs(folder),
            "files": files,
        },
    )


def forget_finished(folder: Path) -> None:
    """Another plan is about to be written into `folder`."""
    (folder / FINISHED).unlink(missing_ok=True)


def _finished_runs(folder: Path) -> list[str]:
    """Those of other benches too: the table says which are not in it."""
    return sorted(path.parent.name for path in folder.glob(f"runs/*/{DONE}"))


def _suite_file(name: str) -> Path:
    return Path(name) if name.endswith((".yaml", ".yml")) else _SOURCE / "suites" / f"{name}.yaml"


def _state(root: Path) -> Iterable[tuple]:
    try:
        for path in files_below(root):
            try:
                stat = os.stat(os.path.join(root, path))
                yield path, stat.st_size, stat.st_mtime_ns
            except OSError:
                yield path, 0, 0
    except DatasetError as error:  # the scan says so, if it needs what cannot be listed
        yield str(error), 0, 0


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
