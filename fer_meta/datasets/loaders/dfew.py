"""DFEW: 11,697 film clips of one expression each, as frames, in five official folds.

A fold is a data set of its own, since each divides the same clips otherwise: `dfew` is fold 1, `dfew-2` to
`dfew-5` are the others. Publications give the mean over all five. Clips that are in no list show no single
expression by the annotators' vote, and are left out. Counts of fold 1 were recounted from its lists.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from fer_meta.datasets.base import DatasetSpec
from fer_meta.datasets.clips import Entry, ListedClips, published_clips, scan_listed
from fer_meta.datasets.decoding import read_image
from fer_meta.datasets.tables import columns, csv_rows, whole_number
from fer_meta.errors import DatasetError

LABELS = ("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear")
"""In the order of the lists' numbers 1 to 7."""

FOLDS = (1, 2, 3, 4, 5)
LAYOUT = (
    "EmoLabel_DataSplit/{{train,test}}(single-labeled)/set_{fold}.csv beside "
    "Clip/{{clip_224x224,jpg_256,clip_224x224_16f}}/<clip>/*.jpg, or "
    "label/single_{{train,test}}set_{fold}.csv beside data/<clip>/*.jpg (films alone are not "
    "read: cut them into frames of faces first)"
)
OBTAIN = "ask its authors as https://dfew-dataset.github.io says, for the clips and EmoLabel_DataSplit"

# {{split}} is filled in later.
_LISTS = (
    "EmoLabel_DataSplit/{{split}}(single-labeled)/set_{fold}.csv",
    "EmoLabel_DataSplit/{{split}}(single-labeled)/{{split}}_set_{fold}.csv",
    "EmoLabel_DataSplit/{{split}}/set_{fold}.csv",
    "label/single_{{split}}set_{fold}.csv",
    "data_affine/single_label/label/single_{{split}}set_{fold}.csv",
)

# Those with 16 frames a clip come last: their publishers interpolated between the frames of the film.
_FOLDERS = (
    "Clip/clip_224x224",
    "Clip/jpg_256",
    "Clip/clip_224x224_16f",
    "data",
    "data_affine/single_label/data",
)

_COUNTS = {"train": (1956, 1515, 2135, 1738, 1175, 116, 721), "test": (489, 379, 534, 435, 294, 29, 181)}


def read_list(listed: Path) -> Iterator[Entry]:
    """The clips of a csv with the columns `video_name` and `label`, whose names have lost their zeros."""
    rows = csv_rows(listed)
    header = next(rows, None)
    name, label = columns(listed, header.cells if header else [], ("video_name", "label"))
    for row in rows:
        number = whole_number(row.cells[label])
        if number not in map(str, range(1, len(LABELS) + 1)):
            raise DatasetError(
                f"{listed}: line {row.line} has the unknown label '{number}', expected 1 to {len(LABELS)}"
            )
        yield row.line, whole_number(row.cells[name]).zfill(5), LABELS[int(number) - 1]


def _spec(fold: int) -> DatasetSpec:
    clips = ListedClips(
        lists=tuple(place.format(fold=fold) for place in _LISTS),
        folders=_FOLDERS,
        read=read_list,
        layout=LAYOUT.format(fold=fold),
        obtain=OBTAIN,
    )
    return DatasetSpec(
        name="dfew" if fold == 1 else f"dfew-{fold}",
        title=f"DFEW, fold {fold} of {len(FOLDS)}",
        summary=(
            f"film clips as frames, 7 expressions; fold {fold} of the official five, which divide the same "
            "clips into train and test"
        ),
        obtain=OBTAIN,
        layout=clips.layout,
        licence="research only, by agreement with the authors",
        citation=(
            "Jiang et al., DFEW: A Large-Scale Database for Recognizing Dynamic Facial Expressions in the "
            "Wild, ACM Multimedia 2020"
        ),
        scan=partial(scan_listed, clips=clips),
        read=read_image,
        published=published_clips(LABELS, _COUNTS, splits=fold == 1),
        listed=True,
    )


SPECS = tuple(map(_spec, FOLDS))
