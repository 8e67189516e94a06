"""SFEW 2.0: single frames of films.

The labels of the official test part are withheld. So the official validation part is the split `test` here. A
frame's name begins with its film, which is the `clip`: frames of one film are never on both sides of an
episode.
"""

import re
from pathlib import Path

import pandas as pd

from fer_meta.datasets.base import DatasetSpec, expression_folder, make_index, named_images, not_found
from fer_meta.datasets.decoding import read_image
from fer_meta.expressions import BASIC

OBTAIN = "sign the agreement at https://cs.anu.edu.au/few/AFEW.html, unpack the aligned faces"
LAYOUT = "{Train,Val}/.../<Class>/<film>_<time>_<frame>.png, or {Train,Val}_Aligned_Faces.../<Class>/..."

_SPLITS = {"train": "train", "val": "test", "validation": "test", "test": "withheld"}
_FOLDER = re.compile(r"(train|val|validation|test)(?:_.*)?", re.IGNORECASE)
_NAME = re.compile(r"(.+)_([0-9]{9})_([0-9]{1,18})[.]")


def scan(root: Path) -> pd.DataFrame:
    """The index of all labelled frames, train first. Of a part that is there both as whole frames and as
    aligned faces, the faces are taken.
    """
    rows = []
    for path, name in named_images(Path(root), _NAME, LAYOUT, OBTAIN):
        split = next((_SPLITS[found[1].lower()] for found in _folders(path)), None)
        if split is None:
            raise not_found(root, f"'{path}' is not in a train or validation folder", LAYOUT, OBTAIN)
        if split != "withheld":
            label = expression_folder(root, path.rpartition("/")[0], BASIC)
            row = {"path": path, "label": label, "clip": name[1], "frame": int(name[3]), "split": split}
            rows.append(row)
    aligned = {row["split"] for row in rows if _is_aligned(row)}
    rows = [row for row in rows if _is_aligned(row) or row["split"] not in aligned]
    if not rows:
        raise not_found(root, "no labelled frames", LAYOUT, OBTAIN)
    return make_index(sorted(rows, key=lambda row: (row["split"] != "train", row["path"])))


def _folders(path: str):
    return filter(None, map(_FOLDER.fullmatch, path.split("/")[:-1]))


def _is_aligned(row: dict) -> bool:
    return "aligned" in row["path"].rpartition("/")[0].lower()


SPEC = DatasetSpec(
    name="sfew",
    title="SFEW 2.0 (Static Facial Expressions in the Wild)",
    summary=(
        "single frames of films, 7 expressions; the official validation part is used as test, since the test "
        "labels are withheld; a clip is a film"
    ),
    obtain=OBTAIN,
    layout=LAYOUT,
    licence="research only, by signed agreement",
    citation=(
        "Dhall, Goecke, Lucey and Gedeon, Static Facial Expression Analysis in Tough Conditions: Data, "
        "Evaluation Protocol and Benchmark, ICCV Workshops 2011"
    ),
    scan=scan,
    read=read_image,
)
