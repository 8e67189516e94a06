"""From a results folder to a bundle."""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import fer_meta
from fer_meta.bundles.archive import file_sha256, pack
from fer_meta.bundles.contents import WEIGHTS, facts, files_of, models_of, photographed
from fer_meta.bundles.private import without_paths
from fer_meta.errors import ResultsError
from fer_meta.fileio import TEMPORARY, digest, naming, write_json, write_text
from fer_meta.records.bundle import Facts, may_hold
from fer_meta.records.seals import DONE, FAILED, broken_seal, sealed_files
from fer_meta.report import tables
from fer_meta.report.load import Results, read_results


@dataclass(frozen=True)
class Exported:
    """A bundle that was written. `rewritten` are the files out of which paths of this machine were taken;
    `photographed` the data sets that are not rendered.
    """

    path: Path
    sha256: str
    facts: Facts
    models: int
    rewritten: list[str]
    photographed: list[str]


def export(folder: Path, to: Path, weights: bool = False) -> Exported:
    """Write the finished runs of a results folder as one file: plan, records, answers, episodes, logs, seals,
    and the tables that they give; the models' `weights` only if wanted. It has no image, and no path of
    this machine.

    While it is made, a folder beside `to` may take as much room as the file.

    Raises ResultsError if no run is finished, or if a file is damaged; then nothing is written.
    """
    results = read_results(folder)
    _check_models(results, weights)
    to.parent.mkdir(parents=True, exist_ok=True)
    with (
        naming(to.parent),
        tempfile.TemporaryDirectory(prefix=f"{TEMPORARY}-", dir=to.parent) as temporary,
    ):
        staged = Path(temporary)
        rewritten = [name for name in files_of(results, weights) if _staged(folder, staged, name)]
        _renew_seals(staged, rewritten)
        try:
            for name, text in tables(staged).items():
                write_text(staged / name, text)
        except ResultsError as error:
            raise ResultsError(str(error).replace(str(staged), str(folder))) from None
        shown = read_results(staged)
        found = facts(shown)
        pack(staged, to, found, fer_meta.__version__, weights, rewritten)
    others = photographed(found, shown.plan["rendered"])
    return Exported(to, file_sha256(to), found, len(models_of(results)), rewritten, others)


def _check_models(results: Results, weights: bool) -> None:
    for model in models_of(results):
        home = results.folder / "models" / model
        broken = (home / DONE).is_file() and broken_seal(home, may_lack="" if weights else WEIGHTS)
        if broken:
            raise ResultsError(
                f"{home}: {broken}; delete it and run the bench again"
                + (", or give --no-models" if broken.startswith(WEIGHTS) else "")
            )


def _staged(folder: Path, staged: Path, name: str) -> bool:
    """Put a file into the bundle's folder; whether paths of this machine were taken out of it."""
    if not may_hold(name):
        raise ResultsError(f"{folder / name}: a bundle cannot hold a file of this name; rename what it is of")
    source, target = folder / name, staged / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".json"):
        said = _read(source)
        shown = without_paths(said)
        if name.endswith(f"/{FAILED}"):
            shown["traceback"] = ""
        if shown != said:
            write_json(target, shown)
            return True
    if not source.is_file():
        raise ResultsError(f"{source}: is missing; run the bench again, which makes it anew")
    try:
        os.link(source.resolve(), target)
    except OSError:  # another disk, or one without hard links
        shutil.copyfile(source, target)
    return False


def _read(path: Path) -> dict:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise ResultsError(f"{path}: cannot be read; delete its folder and run the bench again")
    return said


def _renew_seals(staged: Path, rewritten: list[str]) -> None:
    """Seal the files that are now others than those that were sealed."""
    for path in (staged / name for name in rewritten):
        seal = path.parent / DONE
        kept = sealed_files(path.parent) if seal.is_file() else {}
        if path.name in kept:
            seal.unlink()  # it may be one file with that of the results
            write_json(seal, {**kept, path.name: digest(path)})
