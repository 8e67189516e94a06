"""A data set whose images are decoded already: `images.npy`, `index.parquet` and `meta.json` in one folder.

The cache keeps its sets so, and `fer-meta data render` writes them so; such a folder can be given as `--data NAME=PATH`.
"""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from fer_meta.datasets.base import INDEX_COLUMNS, DatasetSpec, Rendered
from fer_meta.errors import DatasetError
from fer_meta.expressions import EXPRESSIONS

IMAGES, INDEX, META = "images.npy", "index.parquet", "meta.json"
MEND = "make it again (for rendered faces: delete the folder and run `fer-meta data render`)"

_TOLD = ("title", "summary", "licence", "citation")
_KNOWN = ("size", "alignment", "fingerprint", "content", "images", "unreadable")


def is_prepared(root: Path) -> bool:
    return all((root / part).is_file() for part in (IMAGES, INDEX, META))


def prepared_spec(name: str, root: Path) -> DatasetSpec:
    """The specification of a prepared folder; what it says of its data was written into its meta.json."""
    meta = read_prepared(root, MEND)[2]
    told = {key: str(meta.get(key, "not stated")) for key in _TOLD}
    rendered = meta.get("rendered")
    try:
        rendered = rendered and Rendered(str(rendered["recipe"]), float(rendered["severity"]))
    except (KeyError, TypeError, ValueError):
        raise DatasetError(f"{root / META}: 'rendered' needs a recipe and a severity; {MEND}") from None
    return DatasetSpec(name=name, **told, obtain="prepared by fer-meta", layout=f"{IMAGES}, {INDEX} and {META}",
                       scan=scan, read=read, rendered=rendered)


def scan(root: Path) -> pd.DataFrame:
    """The folder's index, its paths being `images.npy#<row>`; beside INDEX_COLUMNS it has `digest` and `blank`."""
    index = read_prepared(root, MEND)[1]
    rows = [f"{IMAGES}#{row}" for row in range(len(index))]
    return index.assign(path=pd.array(rows, dtype="string"))


def read(root: Path, path: str) -> np.ndarray:
    row = int(path.rpartition("#")[2])
    return np.load(Path(root) / IMAGES, mmap_mode="r", allow_pickle=False)[row]


def read_prepared(place: Path, mend: str) -> tuple[np.memmap, pd.DataFrame, dict]:
    """Images (read-only memory map, uint8 [N, size, size, 3]), index and meta; DatasetError, ending in `mend`, if damaged."""
    place = Path(place)
    try:
        images = np.load(place / IMAGES, mmap_mode="r", allow_pickle=False)
        index = pd.read_parquet(place / INDEX)
        meta = json.loads((place / META).read_text(encoding="utf-8"))
        missing = [name for name in (*INDEX_COLUMNS, "digest", "blank") if name not in index]
        missing += [name for name in _KNOWN if name not in meta]
        if missing:
            raise ValueError(f"no '{missing[0]}'")
        if not len(images) == len(index) == meta["images"]:
            raise ValueError("its parts differ in length")
        if images.dtype != np.uint8 or images.shape[1:] != (meta["size"], meta["size"], 3):
            raise ValueError(f"images of {images.dtype} {images.shape[1:]}")
        unknown = sorted(set(index["label"].dropna()) - set(EXPRESSIONS))
        if unknown or index["label"].isna().any():
            raise ValueError(f"unknown label '{unknown[0]}'" if unknown else "images without a label")
    except (OSError, ValueError, TypeError, EOFError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"{place}: damaged ({reason}); {mend}") from None
    return images, index, meta


def write_prepared(folder: Path, spec: DatasetSpec, index: pd.DataFrame, **meta) -> None:
    """Write index.parquet and meta.json beside the images; `folder` is a temporary one that is renamed when whole."""
    rendered = None if spec.rendered is None else asdict(spec.rendered)
    told = {key: getattr(spec, key) for key in _TOLD}
    (folder / INDEX).write_bytes(index.to_parquet())
    (folder / META).write_text(
        json.dumps({"name": spec.name, **told, "images": len(index), "rendered": rendered, **meta}, indent=1),
        encoding="utf-8")
