"""Whether a report, or a whole bench, need not be made again: what it was made of, and what was written, is
as it was.

Each leaves a note: `report.json` says of which files (by a hash of their bytes, of the code and of the
libraries) and `finished.json` by which options and data. A bench is finished as long as its report is as it
was. Any doubt (another option, a touched data folder, a file that is gone or changed, another version or
source of fer-meta) is answered by "no": then the report is written, or the bench plans and looks at its runs.
Nothing here imports torch or opens an image.
"""

import hashlib
import os
import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

import fer_meta
from fer_meta.datasets.scanning import files_below
from fer_meta.errors import DatasetError
from fer_meta.fileio import digest
from fer_meta.oneline import UNPRINTABLE
from fer_meta.records.base import Below, Count, Stored, read_record, write_record

REPORT = "report.json"
FINISHED = "finished.json"
TABLE = "table.txt"  # the terminal's text, which the report writes
PAGE = "report.html"

MADE_OF = [
    "plan.json",
    "runs/*",
    "runs/*/DONE",
    "runs/*/FAILED.json",
    "runs/*/run.json",
    "runs/*/predictions.parquet",
    "episodes/*.parquet",
    "episodes/*.jpg",
    "models/*/history.jsonl",
    "models/*/FAILED.json",
    "models/*/DONE",
]

# What computes in a bench: splits, too, are scikit-learn's.
PACKAGES = ("torch", "torchvision", "learn2learn", "numpy", "pandas", "scikit-learn", "fer-meta")
REPORTS_BY = ("numpy", "pandas", "pyarrow", "scipy", "matplotlib")

_SOURCE = Path(fer_meta.__file__).parent


class ReportNote(Stored):
    """`report.json`."""

    made_of: str
    written: dict[Below, str]  # file -> its digest


class FinishedNote(Stored):
    """`finished.json`; it is there while no other bench began in the folder."""

    made_from: str
    data: list[str]  # the data sets that were read
    done: Count  # runs


def report_key(
    folder: Path, published: bool = False, with_page: bool = True, photographs: bool = False
) -> str:
    """A hash of all that a report is made of: the names and bytes of the files it reads, its code, and its
    libraries' versions.
    """
    found = _hash(published, with_page, photographs, versions(REPORTS_BY), _code())
    for path in (path for pattern in MADE_OF for path in sorted(folder.glob(pattern))):
        content = digest(path) if path.is_file() else ""
        name = path.relative_to(folder).as_posix()
        found.update(f"\n{name}\n{content}".encode(errors="surrogateescape"))
    return found.hexdigest()


def fresh_report(folder: Path, key: str) -> list[Path]:
    """The files of the report of this `report_key`; none if there is no such report, or one of its files is
    not as it was written.
    """
    try:
        note = read_record(folder / REPORT, ReportNote)
        written = {folder / name: kept for name, kept in note.written.items()}
        same = note.made_of == key and all(map(_is_as_written, written.items()))
    except (OSError, ValueError):
        return []
    return list(written) if same else []


def _is_as_written(file: tuple[Path, str]) -> bool:
    path, kept = file
    return path.is_file() and digest(path) == kept  # a pipe would keep its reader waiting


def note_report(folder: Path, key: str, written: Iterable[Path]) -> None:
    """Keep what a report was made of, and what was written."""
    files = {path.relative_to(folder).as_posix(): digest(path) for path in written}
    write_record(folder / REPORT, ReportNote(made_of=key, written=files))


def bench_key(options: str, suite_text: str, folders: Mapping[str, Path], known: Iterable[str]) -> str:
    """A hash of what a bench is given: its options (`BenchOptions.key`), the text of its suite, the state of
    the `folders` that it reads, and the names of all data sets there are.

    A state is the names, sizes and times of all files: 36,000 take a third of a second.
    """
    python = platform.python_version(), versions(PACKAGES)
    found = _hash(options, suite_text, list(known), python, _code())
    for name, root in sorted(folders.items()):
        found.update(repr((name, str(root), sorted(_state(root)))).encode(errors="surrogateescape"))
    return found.hexdigest()


def read_finished(folder: Path) -> FinishedNote | None:
    """The note of the bench that finished in `folder`; None if none did, or if it cannot be read."""
    try:
        return read_record(folder / FINISHED, FinishedNote)
    except (OSError, ValueError):
        return None


def finished_text(folder: Path, note: FinishedNote) -> str | None:
    """What the bench of a note has to say once more; None if its results or its report are not as they
    were.
    """
    try:
        if not fresh_report(folder, report_key(folder)):
            return None
        table = told_again(folder)
    except (OSError, ValueError):
        return None
    return f"{note.done} of {note.done} runs are done already\n\n{table}\n{to_look_at(folder)}"


def to_look_at(folder: Path) -> str:
    """Where a report is to be looked at, in a line."""
    page = folder / PAGE
    return f"To look at in a browser: {page}" if page.is_file() else f"The tables: {folder / 'table.md'}"


def told_again(folder: Path) -> str:
    """The text of a report that stands. Whoever made the folder may have written anything into it, so no
    control character of it reaches a terminal.
    """
    lines = (folder / TABLE).read_text(encoding="utf-8").split("\n")
    return "\n".join(UNPRINTABLE.sub(" ", line) for line in lines)


def note_finished(folder: Path, key: str, data: Iterable[str], done: int) -> None:
    """Say that the bench of this `bench_key` has done all its runs and its report."""
    write_record(folder / FINISHED, FinishedNote(made_from=key, data=sorted(data), done=done))


def forget_finished(folder: Path) -> None:
    """Another bench begins in `folder`."""
    (folder / FINISHED).unlink(missing_ok=True)


def _state(root: Path) -> Iterable[tuple[str, int, int]]:
    try:
        for path in files_below(root):
            try:
                stat = os.stat(os.path.join(root, path))
                yield path, stat.st_size, stat.st_mtime_ns
            except OSError:
                yield path, 0, 0
    except DatasetError as error:  # the scan says so, if it needs what cannot be listed
        yield str(error), 0, 0


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str | None]:
    """The installed versions by package; None for one that is not installed."""
    return {name: _version(name) for name in packages}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _code() -> list[tuple[str, str]]:
    """The files of fer-meta and their digests."""
    sources = sorted(
        path for path in _SOURCE.rglob("*") if path.suffix in (".py", ".yaml", ".csv", ".css", ".js")
    )
    return [(path.relative_to(_SOURCE).as_posix(), digest(path)) for path in sources]


def _hash(*parts: object) -> "hashlib.blake2b":
    return hashlib.blake2b(repr(parts).encode(errors="surrogateescape"), digest_size=16)
