"""A folder as one zip file, the same bytes from the same files; and back, whatever somebody wrote into it."""

import errno
import hashlib
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pydantic import ValidationError
from tqdm import tqdm

from fer_meta.commands import command
from fer_meta.damage import expected, reason_of
from fer_meta.errors import ResultsError
from fer_meta.fileio import replacing, write_json
from fer_meta.oneline import escaped
from fer_meta.records.base import in_words, read_json
from fer_meta.records.bundle import FORMAT, MANIFEST, Facts, Manifest, Member, may_hold
from fer_meta.spelling import close
from fer_meta.streams import unwatched

AGAIN = "obtain it again, or let it be exported again"

# What was compressed when it was written.
_PACKED = (".parquet", ".safetensors")

# The first day that a zip file can name: a bundle does not say when it was made.
_DAY = (1980, 1, 1, 0, 0, 0)

_PART = 1 << 20
_LARGEST_MANIFEST = 1 << 26

# More times as large as the file than any results are, beside SMALL bytes.
_MOST, _SMALL = 100, 1 << 24


class NoBundleError(ResultsError):
    """There is no file of this name."""


def pack(folder: Path, to: Path, facts: Facts, made_with: str, weights: bool, rewritten: list[str]) -> None:
    """Write all files of `folder` and a manifest of them as one file, which is whole or not there."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files: dict[str, Member] = {}
    with (
        replacing(to) as temporary,
        zipfile.ZipFile(temporary, "w") as archive,
        _bar("packing", sum(path.stat().st_size for path in paths)) as bar,
    ):
        for path in paths:
            name = path.relative_to(folder).as_posix()
            files[name] = _add(archive, name, path, bar)
        manifest = Manifest(
            format=FORMAT,
            fer_meta=made_with,
            facts=facts,
            weights=weights,
            rewritten=rewritten,
            files=dict(sorted(files.items())),
        )
        write_json(folder / MANIFEST, manifest.model_dump(mode="json"))
        _add(archive, MANIFEST, folder / MANIFEST, bar)


def _add(archive: zipfile.ZipFile, name: str, path: Path, bar: tqdm) -> Member:
    info = zipfile.ZipInfo(name, _DAY)
    info.create_system, info.external_attr = 3, (stat.S_IFREG | 0o644) << 16  # as under Linux, on any system
    info.compress_type = zipfile.ZIP_STORED if name.endswith(_PACKED) else zipfile.ZIP_DEFLATED
    info.file_size = path.stat().st_size
    with path.open("rb") as source, archive.open(info, "w") as target:
        return _copied(source, target, bar)


def _copied(source: IO[bytes], target: IO[bytes], bar: tqdm) -> Member:
    found, size = hashlib.sha256(), 0
    while part := source.read(_PART):
        found.update(part)
        size += len(part)
        target.write(part)
        bar.update(len(part))
    return Member(sha256=found.hexdigest(), size=size)


def unpack(path: Path, into: Path) -> tuple[Manifest | None, list[str]]:
    """Write the files of a bundle into an empty folder, and say what is wrong with them, a line for each
    fault. The manifest is None where it cannot be read. Nothing is written where a name is at fault.

    Raises ResultsError if the file is no zip file.
    """
    with _opened(path) as archive:
        members = archive.infolist()
        if faults := _faults_of_names(members, path.stat().st_size):
            return None, faults
        infos = {info.filename: info for info in members}
        try:
            manifest = _manifest(archive, infos, into)
        except ValueError as error:
            return None, [f"{MANIFEST} {error}"]
        faults = [f"{escaped(name)} is not in {MANIFEST}" for name in infos if name not in _known(manifest)]
        with _bar("checking", sum(info.file_size for info in members)) as bar:
            for name, member in manifest.files.items():
                if fault := _unpacked(archive, infos.get(name), member, into / name, bar):
                    faults.append(f"{escaped(name)} {fault}")
        return manifest, faults


def _known(manifest: Manifest) -> set[str]:
    return {MANIFEST, *manifest.files}


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    if path.is_dir():
        raise NoBundleError(
            f"{path}: is a folder; `{command('fer-meta', 'export', str(path))}` makes a bundle of it"
        )
    if not path.is_file():
        there = [one.name for one in sorted(path.parent.glob("*.zip"))]
        meant = [str(path.with_name(name)) for name in close(path.name, there)]
        fix = f"did you mean {' or '.join(meant)}?" if meant else "give a bundle that `fer-meta export` wrote"
        raise NoBundleError(f"{path}: no such file; {fix}")
    with expected(path, "is no bundle", AGAIN, ResultsError):
        archive = zipfile.ZipFile(path)
    with archive:
        yield archive


def _faults_of_names(members: list[zipfile.ZipInfo], size: int) -> list[str]:
    """What is wrong before anything is read: where a file would be written, and how large it would be."""
    faults = []
    for info in members:
        name, kind = escaped(info.filename), stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            faults.append(f"{name} is a link or something else that is no file")
        elif info.flag_bits & 1:
            faults.append(f"{name} is encrypted")
        elif info.filename != MANIFEST and not may_hold(info.filename):
            faults.append(f"{name} is no file of results, or leads out of the bundle")
    times = Counter(info.filename.casefold() for info in members)
    faults += [f"{escaped(name)} is there {number} times" for name, number in times.items() if number > 1]
    whole = sum(info.file_size for info in members)
    if whole > _MOST * size + _SMALL or sum(info.compress_size for info in members) > size:
        faults.append(f"it would unpack to {whole:,} bytes, which its {size:,} bytes cannot hold")
    return faults


def _manifest(archive: zipfile.ZipFile, infos: dict[str, zipfile.ZipInfo], into: Path) -> Manifest:
    """Raises ValueError: what is wrong with it."""
    info = infos.get(MANIFEST)
    if info is None:
        raise ValueError("is missing")
    if info.file_size > _LARGEST_MANIFEST:
        raise ValueError("is too large")
    path = into / MANIFEST
    try:
        path.write_bytes(archive.read(info))
    except Exception as error:
        raise ValueError(_unreadable(error)) from None
    said: Any = read_json(path)
    path.unlink()
    number = said.get("format") if isinstance(said, dict) else None
    if isinstance(number, int) and number > FORMAT:
        raise ValueError(
            f"is of a newer fer-meta (format {number}, this one reads {FORMAT}); update fer-meta"
        )
    try:
        manifest = Manifest.model_validate(said)
    except ValidationError as error:
        raise ValueError(in_words(error)) from None
    if strange := [name for name in manifest.files if not may_hold(name)]:
        raise ValueError(f"names {escaped(strange[0])}, which is no file of results")
    return manifest


def _unpacked(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo | None, member: Member, to: Path, bar: tqdm
) -> str:
    """Write one file; what is wrong with it, in words, or nothing."""
    if info is None:
        return "is missing"
    if info.file_size != member.size:
        return f"has {info.file_size:,} bytes, {member.size:,} were exported"
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as source, to.open("xb") as target:
            found = _copied(source, target, bar)
    except Exception as error:
        return _unreadable(error)
    return "" if found == member else f"was changed: its SHA-256 is not that of {MANIFEST}"


def _unreadable(error: Exception) -> str:
    """In words. Raises the error itself if it is the machine's, such as a full disk."""
    if isinstance(error, (zipfile.BadZipFile, zlib.error, EOFError)):
        return "is damaged: its bytes are not those that were written"
    if isinstance(error, OSError) and error.errno == errno.EINVAL:  # it is said to begin before the file does
        return "is damaged: it is not where it should be in the bundle"
    return f"cannot be read ({reason_of(error)})"


def file_sha256(path: Path) -> str:
    """As `sha256sum` prints it."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_PART):
            found.update(part)
    return found.hexdigest()


def _bar(what: str, size: int) -> tqdm:
    """In a terminal, and there only if it takes a moment."""
    return tqdm(total=size, desc=what, unit="B", unit_scale=True, leave=False, disable=unwatched(), delay=1)
