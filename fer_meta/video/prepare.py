"""A tree of films or photographs to a tree of aligned faces that the loaders read.

Each film or photograph is made by one process, under a hidden name in the new folder. This process renames
what is whole and notes it in the journal; so a killed run leaves nothing half-written, and the same call goes
on.
"""

import csv
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import joblib
from joblib.externals.loky.process_executor import TerminatedWorkerError

from fer_meta.datasets.cache import progress_bar
from fer_meta.datasets.places import BUILDING, explained, one_at_a_time
from fer_meta.datasets.scanning import image_files, is_folder
from fer_meta.datasets.settings import SETTINGS as FOLDER_SETTINGS
from fer_meta.errors import DatasetError, MachineError
from fer_meta.fileio import replacing, write_text
from fer_meta.oneline import escaped
from fer_meta.video.clips import Outcome, prepare_film, prepare_photograph
from fer_meta.video.faces import Detector, load_detector
from fer_meta.video.frames import FILM_SUFFIXES, film_library
from fer_meta.video.journal import JOURNAL, Entry, Settings, append, expect_ours, open_journal

NOT_FOUND = "not-found.csv"
CLIP_PATTERN = "# A clip is a folder of frames.\nclip: '^(.+)/[0-9]+[.]jpg$'\n"

_FIX = "name another folder"
_AFEW = ("train_afew", "val_afew")


@dataclass(frozen=True)
class Summary:
    """What a prepared folder holds: `films` or photographs, how many of them (`clips`), how many `frames` and
    `found` faces they have, and how many clips were made `now`. `left_out`: photographs among films. `afew`:
    whether the loader `afew` reads it.
    """

    films: bool
    clips: int
    frames: int
    found: int
    now: int
    left_out: int
    afew: bool


def prepare(
    source: Path,
    folder: Path,
    *,
    fps: float | None = None,
    size: int = 112,
    detector: str,
    jobs: int | None = None,
    progress: bool = True,
) -> Summary:
    """Write the faces of the films below `source`, or of the photographs if there are no films, to `folder`.

    `jobs` processes work, one per core if None. Raises DatasetError for what is no such tree, for a `folder`
    that was made with other settings, and if no face at all is found; FerMetaError if a package is missing;
    MachineError if a process dies.
    """
    films, names, left_out = _inputs(source)
    targets = _targets(source, names, films)
    if folder.resolve().is_relative_to(source.resolve()):
        raise DatasetError(f"{folder}: is inside the folder of the films; {_FIX}")
    load_detector(detector)
    if films:
        film_library()
    settings = Settings(source=str(source.resolve()), fps=fps, size=size, detector=detector)
    expect_ours(folder)
    with explained(folder / NOT_FOUND, _FIX):
        folder.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(folder / JOURNAL, f"{folder}: another process prepares it; waiting for its end"):
            entries = open_journal(folder, settings)
            _sweep(folder)
            entries = {name: entry for name, entry in entries.items() if name in targets}
            todo = [name for name in names if not _is_done(source, folder, name, targets[name], entries)]
            for name, built, outcome in _made(source, folder, todo, settings, films, jobs, progress):
                entries[name] = _keep(source, folder, name, targets[name], built, outcome)
            afew = films and any(part.lower() in _AFEW for name in names for part in name.split("/"))
            _describe(folder, entries, films and not afew)
    found = sum(entry.found for entry in entries.values())
    if not found:
        raise DatasetError(f"{source}: no face in any of {len(names):,} files; see {folder / NOT_FOUND}")
    frames = sum(entry.frames for entry in entries.values())
    return Summary(films, len(names), frames, found, len(todo), left_out, afew)


def _inputs(source: Path) -> tuple[bool, list[str], int]:
    """Whether `source` holds films, the paths of these or else of photographs, and the number of photographs
    among films.
    """
    if not is_folder(source):
        raise DatasetError(f"{source}: no such folder; give the folder of the films or photographs")
    films, photographs = image_files(source, FILM_SUFFIXES), image_files(source)
    if not films and not photographs:
        raise DatasetError(
            f"{source}: neither films ({', '.join(sorted(FILM_SUFFIXES))}) nor photographs in it; give the"
            " folder that holds <label>/<clip>.mp4 or <label>/<name>.jpg"
        )
    return (True, films, len(photographs)) if films else (False, photographs, 0)


def _targets(source: Path, names: list[str], films: bool) -> dict[str, str]:
    """Where the faces of each film (a folder) or photograph (a file) go."""
    targets = {name: os.path.splitext(name)[0] if films else name for name in names}
    of_target: dict[str, str] = {}
    for name, target in targets.items():
        if of_target.setdefault(target, name) != name:
            raise DatasetError(
                f"{source}: '{of_target[target]}' and '{name}' would go into one folder; rename one of them"
            )
    for name in names:
        around = next((str(one) for one in Path(name).parents if str(one) in of_target), None)
        if around is not None:
            raise DatasetError(
                f"{source}: '{name}' is in the folder for the faces of '{of_target[around]}'; move one"
            )
    return targets


def _sweep(folder: Path) -> None:
    """Remove what a killed run left."""
    for old in folder.glob(f"{BUILDING}*"):
        if old.is_dir():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.unlink(missing_ok=True)


def _is_done(source: Path, folder: Path, name: str, target: str, entries: Mapping[str, Entry]) -> bool:
    entry = entries.get(name)
    if entry is None or entry.bytes != os.stat(source / name).st_size:
        return False
    return not entry.found or (folder / target).exists()


def _made(
    source: Path, folder: Path, names: list[str], settings: Settings, films: bool, jobs: int | None, progress
) -> Iterator[tuple[str, Path, Outcome]]:
    """(name, where it was built, outcome) of each film or photograph, as they are finished."""
    jobs = max(1, min(jobs or joblib.cpu_count(), len(names)))
    tasks = (
        joblib.delayed(_make)(source, name, _building(folder, name, films), settings, films) for name in names
    )
    # A film takes seconds: none waits behind another in a batch.
    batch, unit = (1, " clips") if films else ("auto", " images")
    with (
        joblib.parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1),
        progress_bar(len(names), "finding faces", progress, unit=unit) as bar,
        closing(joblib.Parallel(return_as="generator_unordered", batch_size=batch)(tasks)) as made,
    ):
        try:
            for one in made:
                yield one
                bar.update()
        except TerminatedWorkerError:
            raise MachineError(
                f"{folder}: a process was killed, perhaps for want of memory; run again with --jobs 1"
            ) from None


def _building(folder: Path, name: str, films: bool) -> Path:
    return folder / f"{BUILDING}{uuid.uuid4().hex[:12]}{'' if films else os.path.splitext(name)[1]}"


def _make(source: Path, name: str, built: Path, settings: Settings, films: bool) -> tuple[str, Path, Outcome]:
    detect = _detector(settings.detector)
    if films:
        return name, built, prepare_film(source / name, built, detect, settings.fps, settings.size)
    return name, built, prepare_photograph(source / name, built, detect, settings.size)


@cache
def _detector(name: str) -> Detector:
    """Loaded once in each process."""
    return load_detector(name)


def _keep(source: Path, folder: Path, name: str, target: str, built: Path, outcome: Outcome) -> Entry:
    """Put what was built into its place, and note that it is finished."""
    place = folder / target
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    if outcome.found:
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(built, place)
    entry = Entry(
        path=name,
        bytes=os.stat(source / name).st_size,
        frames=outcome.frames,
        found=outcome.found,
        missing=outcome.missing,
    )
    append(folder, entry)
    return entry


def _describe(folder: Path, entries: Mapping[str, Entry], clips: bool) -> None:
    """Write what was not found and, for clips of the folder loader, which images are one clip."""
    with (
        replacing(folder / NOT_FOUND) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("path", "frame", "reason"))
        for name in sorted(entries):
            rows.writerows((escaped(name), number, reason) for number, reason in entries[name].missing)
    if clips and not (folder / FOLDER_SETTINGS).exists():
        write_text(folder / FOLDER_SETTINGS, CLIP_PATTERN)
