"""Which data sets there are, and where they lie on this machine."""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from fer_meta import plugins
from fer_meta.datasets.base import DatasetSpec
from fer_meta.datasets.cache import CachedFaces, load_images
from fer_meta.datasets.loaders import (
    afew,
    affectnet,
    caer,
    cfee,
    ckplus,
    dfew,
    expw,
    fer2013,
    ferplus,
    ferv39k,
    hub_parquet,
    jaffe,
    kdef,
    mafw,
    manifest,
    omniglot,
    oulu_casia,
    raf_ce,
    raf_ml,
    rafdb,
    sfew,
)
from fer_meta.datasets.loaders.folder import folder_spec
from fer_meta.datasets.prepared import is_prepared, prepared_spec
from fer_meta.datasets.scanning import expanded, is_data, is_folder, names_in, reading
from fer_meta.datasets.settings import Settings, read_settings
from fer_meta.datasets.synthetic.recipes import RECIPES
from fer_meta.datasets.synthetic.rendered import PREFIX, load_rendered, rendered_spec
from fer_meta.errors import DatasetError
from fer_meta.spelling import did_you_mean, same

CATALOGUE: dict[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        affectnet.SPEC,
        afew.SPEC,
        caer.STILLS_SPEC,
        caer.CLIPS_SPEC,
        cfee.SPEC,
        ckplus.SPEC,
        ckplus.SPEC_48,
        *dfew.SPECS,
        expw.SPEC,
        fer2013.SPEC,
        ferplus.SPEC,
        ferv39k.SPEC,
        jaffe.SPEC,
        kdef.SPEC,
        kdef.ALL_SPEC,
        *mafw.SPECS,
        omniglot.SPEC,
        oulu_casia.SPEC,
        raf_ce.SPEC,
        raf_ml.SPEC,
        rafdb.BASIC_SPEC,
        rafdb.COMPOUND_SPEC,
        sfew.SPEC,
    )
}

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")
"""What a data set may be called: its name becomes part of file names."""

GROUP = "fer_meta.datasets"

_registered: dict[str, DatasetSpec] = {}
_loaded: set[str] = set()  # entry points


def catalogue() -> dict[str, DatasetSpec]:
    """The data sets of known layout, by name: those of the package, then those from outside.

    Raises SuiteError for an entry point that cannot be loaded.
    """
    for point in plugins.installed(GROUP).values():
        if point.value not in _loaded:
            register_dataset(plugins.load_installed(point), point.value)
            _loaded.add(point.value)
    return {**CATALOGUE, **_registered}


def register_dataset(spec: object, where: str = "") -> None:
    """Make a data set from outside known by its name. `where` it comes from is for messages. Raises
    DatasetError for what is not a DatasetSpec, or has the name of another data set.
    """
    if not isinstance(spec, DatasetSpec):
        raise DatasetError(f"{where or repr(spec)}: is not a fer_meta.datasets.base.DatasetSpec; make it one")
    place = where or f"data set {spec.name!r}"
    if not NAME.fullmatch(spec.name):
        raise DatasetError(f"{place}: a name has at most 100 letters, digits, '.', '_', '-' and '@'")
    if spec.name in CATALOGUE or spec.name.startswith(PREFIX):
        raise DatasetError(
            f"{place}: fer-meta has a data set called {spec.name!r}; give this one another name"
        )
    known = _registered.get(spec.name)
    if known is not None and _origin(known.scan) != _origin(spec.scan):
        raise DatasetError(f"{place}: another data set is called {spec.name!r} too; rename one of them")
    _registered[spec.name] = spec


def _origin(scan: Callable) -> tuple[str, str]:
    """Where a function was written. It stays the same when a file is run again, as in a notebook."""
    made = type(scan)  # of a callable object, such as a partial
    return (
        getattr(scan, "__module__", made.__module__),
        getattr(scan, "__qualname__", made.__qualname__),
    )


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
    return list(dict.fromkeys([*RECIPES, *catalogue(), *here, *given]))


def is_here(name: str, given: Mapping[str, Path]) -> bool:
    """Whether a data set was given or has a folder in `$FER_META_DATA`."""
    home = data_home()
    return name in given or (home is not None and NAME.fullmatch(name) is not None and is_folder(home / name))


def resolve(wanted: Iterable[str], given: Mapping[str, Path]) -> dict[str, Path | None]:
    """Each data set's folder, by name; None for one that fer-meta renders, its name in its standard form. A
    folder comes before a recipe of its name. Raises DatasetError for the first name that is neither.
    """
    found: dict[str, Path | None] = {}
    for name in wanted:
        if not is_here(name, given) and (name.startswith(PREFIX) or "@" in name):
            found[rendered_spec(name).name] = None
        else:
            found[name] = locate(name, given)
    return found


def locate(name: str, given: Mapping[str, Path]) -> Path:
    """The folder of a data set: the one given, else `$FER_META_DATA/<name>`. Raises DatasetError if there is
    none.
    """
    if not NAME.fullmatch(name):
        raise DatasetError(
            f"'{name}' is not a valid name for a data set; use at most 100 letters, digits, '.', '_', '-'"
            f" and '@'{did_you_mean(name, names({}))}"
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
        raise DatasetError(
            f"{root}: this is a file; give the folder that holds it, or a .zip or .tar archive"
        )
    where = f"no folder {root}" if root is not None else "no folder was given"
    known = catalogue().get(name)
    more = f"; to obtain it: {known.obtain}" if known else did_you_mean(name, names(given))
    raise DatasetError(f"{name}: {where}; give --data {name}=PATH or put it in $FER_META_DATA/{name}{more}")


def spec_for(name: str, root: Path) -> DatasetSpec:
    """What lies at `root`: images that are decoded already, a Hugging Face data set, the catalogue's data set
    of that name, images in a table, or expressions' folders.

    Raises DatasetError for a faulty fer-meta.yaml, and for a name that differs from a known one in its
    spelling alone: its images would be read another way, and nobody would notice.
    """
    if is_prepared(root):
        return prepared_spec(name, root)
    known, settings = catalogue(), read_settings(root)
    for meant in same(name, known) if name not in known else ():
        raise DatasetError(
            f"{name}: the known data set is called {meant}; give --data {meant}={root}, or another name if "
            "these are images of your own"
        )
    if name in known:
        on_hub = hub_parquet.files_in(root)
        return hub_parquet.hub_spec(name, settings, known[name]) if on_hub else known[name]
    spec = own_data(name, root, settings)
    return replace(spec, scan=partial(_scan_own, spec.scan, did_you_mean(name, known)))


def own_data(name: str, root: Path, settings: Settings) -> DatasetSpec:
    """What lies at `root` if it is nothing that fer-meta knows by its name. Raises DatasetError if the table
    that the settings name is not there.
    """
    if hub_parquet.files_in(root):
        return hub_parquet.hub_spec(name, settings)
    tables = manifest.tables_in(root, settings)
    return manifest.table_spec(name, settings) if tables else folder_spec(name, root, settings)


def listed_in(root: Path, settings: Settings) -> list[tuple[str, str, dict[str, str]]] | None:
    """The rows of what lists a user's own images, a Hugging Face data set or tables, as `manifest.listed_in`;
    None where folders say what they are.
    """
    if hub_parquet.files_in(root):
        return hub_parquet.listed_in(root, settings)
    return manifest.listed_in(root, settings) if manifest.tables_in(root, settings) else None


def own_name(root: Path) -> str:
    """A name for a user's own folder: its own as far as that is one, and no known data set's."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", root.resolve().name).strip("-._")[:90]
    known = catalogue()
    taken = not plain or plain in known or plain.startswith(PREFIX) or any(same(plain, known))
    return f"my-{plain or 'faces'}" if taken else plain


def _scan_own(scan: Callable[[Path], pd.DataFrame], hint: str, root: Path) -> pd.DataFrame:
    """The index of a folder; if it cannot be read, the error ends in `hint`."""
    try:
        return scan(root)
    except DatasetError as error:
        raise DatasetError(f"{error}{hint}") from None


def home_of(spec: DatasetSpec, root: Path) -> Path:
    """Where a data set of known layout lies: in `root`, or in the folder that alone is in it, as archives are
    often packed.
    """
    inside = [name for name in names_in(root) if is_data(name)]
    if spec.name not in catalogue() or len(inside) != 1 or not is_folder(root / inside[0]):
        return root
    try:
        spec.scan(root)
    except DatasetError as fault:
        with suppress(DatasetError):
            spec.scan(root / inside[0])
            return root / inside[0]
        raise fault
    return root


def load(name: str, root: Path | None, size: int, **rendering) -> CachedFaces:
    """A data set that `resolve` found, at `size` x `size` pixels: decoded, or rendered with the arguments of
    `load_rendered`, once.
    """
    if root is None:
        return load_rendered(name, size=size, **rendering)
    spec = spec_for(name, root)
    return load_images(spec, home_of(spec, root), size)
