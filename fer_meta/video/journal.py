"""`prepared.jsonl` in a folder of prepared faces: how it was made, and what is finished.

The first line holds the settings; each other line is written when a film or photograph is whole. A last line
that is torn, as a killed run leaves it, does not count.
"""

from collections.abc import Iterable
from pathlib import Path

from fer_meta.datasets.scanning import is_folder, is_there, reading
from fer_meta.datasets.tables import read_lines
from fer_meta.errors import DatasetError
from fer_meta.fileio import write_text
from fer_meta.oneline import one_line
from fer_meta.records.base import Count, Stored

JOURNAL = "prepared.jsonl"
FORMAT = 1
"""Goes up whenever the same films would give other faces."""

_ELSEWHERE = "name another folder"


class Settings(Stored):
    """What decides the faces of a folder. `fps` None is the rate of each film."""

    source: str
    fps: float | None
    size: int
    detector: str
    format: int = FORMAT


class Entry(Stored):
    """A finished film or photograph: its path below the source, how many bytes its file had, how many frames
    it has, how many faces were written, and what is missing: (frame number, or None for all of it, reason).
    """

    path: str
    bytes: Count
    frames: Count
    found: Count
    missing: tuple[tuple[int | None, str], ...]


def expect_ours(folder: Path) -> None:
    """Raises DatasetError if a folder holds something, and no journal."""
    if is_folder(folder) and not is_there(folder / JOURNAL):
        with reading(folder):
            if any(not one.name.startswith(".") for one in folder.iterdir()):
                raise DatasetError(f"{folder}: is not empty, and not from `data prepare`; {_ELSEWHERE}")


def open_journal(folder: Path, settings: Settings) -> dict[str, Entry]:
    """What is finished, by path. The journal of an empty folder is begun.

    Raises DatasetError if the folder was made with other settings, or its journal is damaged.
    """
    path = folder / JOURNAL
    if not is_there(path):
        _write(path, settings, ())
        return {}
    entries = _read(path, settings)
    _write(path, settings, entries)  # without a torn line, to which the next would be appended
    return {entry.path: entry for entry in entries}


def append(folder: Path, entry: Entry) -> None:
    """Note that a film or photograph is finished."""
    with (folder / JOURNAL).open("a", encoding="utf-8") as file:
        file.write(entry.model_dump_json() + "\n")


def _write(path: Path, settings: Settings, entries: Iterable[Entry]) -> None:
    write_text(path, "".join(f"{one.model_dump_json()}\n" for one in (settings, *entries)))


def _read(path: Path, settings: Settings) -> list[Entry]:
    lines, entries = read_lines(path) or [""], []
    for number, line in enumerate(lines, 1):
        try:
            if number == 1:
                _expect(path.parent, settings, Settings.model_validate_json(line))
            else:
                entries.append(Entry.model_validate_json(line))
        except ValueError:
            if number == 1 or number < len(lines):
                raise DatasetError(f"{path}: line {number} is damaged; {_ELSEWHERE}") from None
    return entries


def _expect(folder: Path, settings: Settings, made: Settings) -> None:
    for name, value in settings:
        before = getattr(made, name)
        if before != value:
            raise DatasetError(
                f"{folder}: was made with {name} {_shown(before)}, and this run has {_shown(value)};"
                f" {_ELSEWHERE}, or give the same as before"
            )


def _shown(value: object) -> str:
    return "of the film" if value is None else one_line(str(value), 200)
