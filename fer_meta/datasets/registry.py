"""Which data sets there are, and where they lie on this machine."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from fer_meta.datasets.base import DatasetSpec
from fer_meta.datasets.cache import CachedFaces, load_images
from fer_meta.datasets.loaders import afew, fer2013, rafdb
from fer_meta.datasets.loaders.folder import folder_spec
from fer_meta.datasets.prepared import is_prepared, prepared_spec
from fer_meta.datasets.scanning import expanded, is_folder, reading
from fer_meta.datasets.synthetic.recipes import RECIPES
from fer_meta.datasets.synthetic.rendered import PREFIX, load_rendered, rendered_spec
from fer_meta.errors import DatasetError

CATALOGUE: dict[str, DatasetSpec] = {
    spec.name: spec for spec in (fer2013.SPEC, rafdb.BASIC_SPEC, rafdb.COMPOUND_SPEC, afew.SPEC)
}

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")
"""What a data set may be called: its name becomes part of file names."""


def data_home() -> Path | None:
    """The folder that holds data sets by name: `$FER_META_DATA`, if set."""
    home = os.environ.get("FER_META_DATA")
    return expanded(home, "FER_META_DATA") if home else None


def names(given: Mapping[str, Path]) -> list[str]:
    """Every data set known by name: those rendered, the catalogue, the folders of `$FER_META_DATA`, then
    those given.
    """
    home = data_home()
    here = []
    if home is not None and is_folder(home):
        with reading(home):
            here = sorted(
                name for name in os.listdir(home) if NAME.fullmatch(name) and (home / name).is_dir()
            )
    return list(dict.fromkeys([*RECIPES, *CATALOGUE, *here, *given]))


def is_here(name: str, given: Mapping[str, Path]) -> bool:
    """Whether a data set was given or has a folder in `$FER_META_DATA`."""
    home = data_home()
    return name in given or (home is not None and NAME.fullmatch(name) is not None and is_folder(home / name))


def resolve(wanted: Iterable[str], given: Mapping[str, Path]) -> dict[str, Path | None]:
    """Each data set's folder, by name; None for one that fer-meta renders, its name brought into its one
    form.

    A folder wins over a recipe of its name. DatasetError for the first name that is neither.
    """
    found = {}
    for name in wanted:
        if not is_here(name, given) and (name.startswith(PREFIX) or "@" in name):
            found[rendered_spec(name).name] = None
        else:
            found[name] = locate(name, given)
    return found


def locate(name: str, given: Mapping[str, Path]) -> Path:
    """The folder of a data set: the one given, else `$FER_META_DATA/<name>`; else DatasetError."""
    if not NAME.fullmatch(name):
        raise DatasetError(
            f"'{name}' is no name for a data set: use at most 100 letters, digits, '.', '_', '-' and '@'"
        )
    home = data_home()
    if name in given:
        root = expanded(given[name], name)
    elif home is not None:
        root = home / name
    else:
        root = None
    if root is not None and is_folder(root):
        return root
    if root is not None and root.exists():
        raise DatasetError(f"{root}: this is a file; give the folder that holds it")
    where = f"no folder {root}" if root is not None else "no folder was given"
    obtain = f"; to obtain it: {CATALOGUE[name].obtain}" if name in CATALOGUE else ""
    raise DatasetError(f"{name}: {where}; give --data {name}=PATH or put it in $FER_META_DATA/{name}{obtain}")


def spec_for(name: str, root: Path) -> DatasetSpec:
    """What lies at `root`: images that are decoded already, the catalogue's data set of that name, or
    expressions' folders.
    """
    if is_prepared(root):
        return prepared_spec(name, root)
    return CATALOGUE[name] if name in CATALOGUE else folder_spec(name, root)


def load(name: str, root: Path | None, size: int, **rendering) -> CachedFaces:
    """A data set that `resolve` found, at `size` x `size` pixels: decoded, or rendered with the arguments of
    `load_rendered`, once.
    """
    if root is None:
        return load_rendered(name, size=size, **rendering)
    return load_images(spec_for(name, root), root, size)
