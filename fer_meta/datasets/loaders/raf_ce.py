"""RAF-CE: 14 compound expressions, and action units, of images of RAF-ML. Its numbering of the compound
expressions is not that of RAF-DB.
"""

import re
from pathlib import Path

import pandas as pd

from fer_meta.datasets.base import DatasetSpec, Published, expect_some, make_index, not_found, once
from fer_meta.datasets.decoding import read_image
from fer_meta.datasets.loaders.raf_ml import aligned, numbered
from fer_meta.datasets.scanning import first_file
from fer_meta.datasets.tables import read_lines
from fer_meta.datasets.units import UNGRADED, unit_columns
from fer_meta.errors import DatasetError

LABELS = (
    "happily_surprised",
    "happily_disgusted",
    "sadly_fearful",
    "sadly_angry",
    "sadly_surprised",
    "sadly_disgusted",
    "fearfully_angry",
    "fearfully_surprised",
    "fearfully_disgusted",
    "angrily_surprised",
    "angrily_disgusted",
    "disgustedly_surprised",
    "happily_fearful",
    "happily_sad",
)
"""In the order of the numbers 0 to 13."""

OBTAIN = "http://whdeng.cn/RAF/model4.html"
LAYOUT = "RAFCE_emolabel.txt, RAFCE_partition.txt (and RAFCE_AUlabel.txt) beside aligned/<name>_aligned.jpg"

_SPLITS = {"0": "train", "1": "test", "2": "val"}
_HOMES = ("", "EmoLabel/", "RAFCE_label/")


def scan(root: Path) -> pd.DataFrame:
    """The index of all images, in the order of the list, with the columns of action units."""
    root = Path(root)
    labels, parts, codes = (
        first_file(root, (f"{home}RAFCE_{name}.txt" for home in _HOMES))
        for name in ("emolabel", "partition", "AUlabel")
    )
    if labels is None or parts is None:
        missing = "RAFCE_emolabel.txt" if labels is None else "RAFCE_partition.txt"
        raise not_found(root, f"no list {missing}", LAYOUT, OBTAIN)
    splits, units = numbered(parts, _SPLITS), {} if codes is None else _units(codes)
    path_of = aligned(root, LAYOUT, OBTAIN)
    rows = once(
        {"path": path_of(name), "label": label, "split": splits.get(name), "units": units.get(name)}
        for name, label in numbered(labels, dict(zip(map(str, range(len(LABELS))), LABELS))).items()
    )
    expect_some(root, rows, "unpack the archive of aligned images there")
    if lacking := [row["path"] for row in rows if row["split"] is None]:
        raise DatasetError(
            f"{parts}: lacks {len(lacking)} of {len(rows)} images of {labels.name}, first '{lacking[0]}'; "
            "obtain both again"
        )
    index = make_index(rows)
    return index if codes is None else index.assign(**unit_columns([row["units"] for row in rows]))


def _units(codes: Path) -> dict[str, dict[int, float] | None]:
    """The units of each image. Those of one side (`L12`) count; `null` is unknown."""
    found: dict[str, dict[int, float] | None] = {}
    for line in read_lines(codes):
        name, _, text = line.strip().partition(" ")
        numbers = re.findall(r"(?<![0-9])[0-9]{1,2}(?![0-9])", text)
        found[name] = dict.fromkeys(map(int, numbers), UNGRADED) or None
    return found


SPEC = DatasetSpec(
    name="raf-ce",
    title="RAF-CE (Real-world Affective Faces, compound expressions)",
    summary="4,549 aligned faces from the web that show two expressions at once, 14 classes; action units",
    obtain=OBTAIN,
    layout=LAYOUT,
    licence="non-commercial research only, by agreement with the authors",
    citation=(
        "Li, Deng, Li and Li, Compound Expression Recognition In-the-Wild with AU-Assisted Meta Multi-Task "
        "Learning, CVPR Workshops 2023"
    ),
    scan=scan,
    read=read_image,
    published=(Published((4549,)),),
    listed=True,
)
