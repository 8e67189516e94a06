"""The data sets on this machine: which are found, and which cannot be read. No image is decoded."""

import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from fer_meta.doctor import Asked
from fer_meta.doctor.findings import Finding, broken, looked_at, note, ok, warning
from fer_meta.words import many

HOME = "FER_META_DATA"


def findings(asked: Asked) -> Iterator[Finding]:
    """A line for each data set that was given, or has a folder in `$FER_META_DATA`."""
    given = asked.data
    from fer_meta.datasets.registry import data_home, is_here, names

    home = data_home()
    if home is not None:
        yield from looked_at(HOME, partial(_home_findings, home))
    here = [name for name in names(given) if name in given or is_here(name, given)]
    for name in here:
        yield from looked_at(name, partial(_set_findings, name, given))
    if not here:
        yield note(
            "no data set is on this machine; a bench renders faces",
            f"to use your own, give --data NAME=PATH or set {HOME}",
        )
    else:
        yield note("the images were not decoded; `fer-meta data check NAME` does that")


def _home_findings(home: Path) -> Iterator[Finding]:
    """What lies in `$FER_META_DATA`, or the folder itself, and is passed over in silence by a bench."""
    from fer_meta.datasets.registry import NAME
    from fer_meta.datasets.scanning import is_data, is_folder, reading

    if not is_folder(home):
        yield broken(
            f"{HOME} is set, and there is no folder {home}: a bench renders faces in place of your data",
            f"see that its disk is there, or set {HOME} to another folder",
        )
        return
    with reading(home):
        there = [home / name for name in sorted(os.listdir(home)) if is_data(name)]
    for path in there:
        if path.is_symlink() and not path.exists():
            yield warning(f"{path}: is passed over, a link that leads nowhere", "see that its disk is there")
        elif path.is_dir() and not NAME.fullmatch(path.name):
            yield warning(
                f"{path}: is passed over, for this is no name of a data set",
                "rename it; a name has at most 100 letters, digits, '.', '_', '-' and '@'",
            )


def _set_findings(name: str, given: Mapping[str, Path]) -> Iterator[Finding]:
    from fer_meta.datasets.show import look

    found = look(name, given)
    if found.fault or found.index is None:
        # The fault ends in the fix.
        yield broken(f"{name}: {(found.fault or 'cannot be read').removeprefix(f'{name}: ')}", "")
    else:
        classes = many(len(found.classes), "class", "classes")
        yield ok(f"{name}: {many(len(found.index), 'image')}, {classes}, {found.here}")
