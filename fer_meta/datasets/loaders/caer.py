"""CAER (clips of television series) and CAER-S (still images of them): whole scenes, sorted by expression.

Their papers read the scene around the face too. Faces alone come from lists of boxes that others published:
`test/Anger/0001.png,0,390,110,475,195` is an image, its class, and left, top, right and bottom of the face.
The folders were seen in several public repositories; the counts of CAER-S are those that two of them state.
"""

from pathlib import Path

import pandas as pd

from fer_meta.datasets.base import (
    SPLITS,
    DatasetSpec,
    Published,
    expression_folder,
    make_index,
    not_found,
    split_of,
)
from fer_meta.datasets.clips import frames_in, in_time
from fer_meta.datasets.decoding import boxed, read_image
from fer_meta.datasets.scanning import image_files, is_there
from fer_meta.datasets.tables import read_lines, whole_number
from fer_meta.errors import DatasetError
from fer_meta.expressions import BASIC

STILLS_LAYOUT = (
    "{train,test}/<Emotion>/<number>.png, and for faces alone the lists of boxes train.txt and test.txt "
    "beside the folders, rows '<split>/<Emotion>/<number>.png,<class>,<left>,<top>,<right>,<bottom>'"
)
CLIPS_LAYOUT = (
    "frames in {train,validation,test}/<Emotion>/<clip>/*.jpg (the films <clip>.avi alone are not read: cut "
    "them into frames of faces first)"
)
OBTAIN = "download it as https://caer-dataset.github.io says"


def scan_stills(root: Path) -> pd.DataFrame:
    """The index of the still images, train first; of the faces in the boxes, if there are lists of them."""
    root = Path(root)
    files = image_files(root)
    rows = [{"path": path, **_place(root, path, 2, STILLS_LAYOUT)} for path in files]
    if not rows:
        raise not_found(root, "no images", STILLS_LAYOUT, OBTAIN)
    boxes = _boxes(root)
    if boxes is not None:
        places = {row["path"]: row for row in rows}
        rows = [
            places.get(path, _place(root, path, 2, STILLS_LAYOUT)) | {"path": box}
            for box, path in boxes.items()
        ]
        if not places.keys() & set(boxes.values()):
            raise DatasetError(
                f"{root}: none of the {len(boxes):,} images in train.txt and test.txt is there; put the "
                "lists of this data set there, or remove them to read whole scenes"
            )
    rows.sort(key=lambda row: SPLITS.index(row["split"]))
    return make_index(rows)


def scan_clips(root: Path) -> pd.DataFrame:
    """The index of the frames of all clips, train first; `clip` is `<split>/<class>/<name>`."""
    root = Path(root)
    rows = []
    for folder, frames in frames_in(root, "").items():
        place = _place(root, frames[0], 3, CLIPS_LAYOUT)
        clip = "/".join((*place.values(), folder.rpartition("/")[2]))
        rows += [
            {"path": path, **place, "clip": clip, "frame": number} for path, number in in_time(root, frames)
        ]
    if not rows:
        raise not_found(root, "no frames", CLIPS_LAYOUT, OBTAIN)
    rows.sort(key=lambda row: SPLITS.index(row["split"]))
    return make_index(rows)


def _place(root: Path, path: str, folders: int, layout: str) -> dict[str, str]:
    """Split and label of an image in that many folders."""
    parts = path.split("/")
    split = split_of(parts[0])
    if len(parts) != folders + 1 or split is None:
        raise not_found(root, f"'{path}' fits no known layout", layout, OBTAIN)
    return {"split": split, "label": expression_folder(root, "/".join(parts[:2]), BASIC)}


def _boxes(root: Path) -> dict[str, str] | None:
    """The image that each box is in, by the box's own path; None without lists of boxes."""
    lists = {split: root / f"{split}.txt" for split in ("train", "test")}
    found = [split for split, listed in lists.items() if is_there(listed)]
    if not found:
        return None
    if len(found) == 1:
        raise DatasetError(
            f"{root}: a list of boxes is there for {found[0]} alone; add the other one, or remove it to read "
            "whole scenes"
        )
    boxes = {}
    for split, listed in lists.items():
        for number, line in enumerate(read_lines(listed), 1):
            if line.strip():
                path, box = _box(listed, number, line, split)
                boxes[boxed(path, *box)] = path
    return boxes


def _box(listed: Path, number: int, line: str, split: str) -> tuple[str, list[int]]:
    """The image and the edges of one line; the image is relative to the data or to its split's folder."""
    path, *edges = (cell.strip() for cell in line.split(","))
    edges = [whole_number(edge) for edge in edges[1:]]
    if len(edges) != 4 or not all(edge.removeprefix("-").isdecimal() for edge in edges):
        raise DatasetError(
            f"{listed}: line {number} is '{line.strip()}', expected "
            "'<image>,<class>,<left>,<top>,<right>,<bottom>'"
        )
    return path if path.startswith(f"{split}/") else f"{split}/{path}", list(map(int, edges))


_CITATION = "Lee, Kim, Kim, Park and Sohn, Context-Aware Emotion Recognition Networks, ICCV 2019"
_LICENCE = "not known here; see the authors' page"

STILLS_SPEC = DatasetSpec(
    name="caer-s",
    title="CAER-S (stills of CAER's scenes)",
    summary=(
        "70,000 still images of television series, 7 expressions: whole scenes, or faces alone where lists "
        "of boxes are beside them; images of one clip are alike, and which are of one clip is not known"
    ),
    obtain=OBTAIN,
    layout=STILLS_LAYOUT,
    licence=_LICENCE,
    citation=_CITATION,
    scan=scan_stills,
    read=read_image,
    # All images, then those with a face in the boxes of larrylu0426/CAERS-Annotation.
    published=(
        Published((69999, 68834)),
        Published((49007, 47966), "train"),
        Published((20992, 20868), "test"),
    ),
    listed=True,
)

CLIPS_SPEC = DatasetSpec(
    name="caer",
    title="CAER (clips of scenes)",
    summary="clips of television series as frames that you cut from its films, 7 expressions",
    obtain=OBTAIN,
    layout=CLIPS_LAYOUT,
    licence=_LICENCE,
    citation=_CITATION,
    scan=scan_clips,
    read=read_image,
)
