"""MAFW, its clips of a single expression (11 classes): frames of faces, in five official folds.

A fold is a data set of its own, since each divides the same clips otherwise: `mafw` is fold 1, `mafw-2` to
`mafw-5` are the others. The clips of several expressions at once (32 classes) are not read. Counts of fold 1
were recounted from lists derived from the official ones.
"""

from functools import partial

from fer_meta.datasets.base import DatasetSpec
from fer_meta.datasets.clips import ListedClips, published_clips, read_pairs, scan_listed
from fer_meta.datasets.decoding import read_image

LABELS = (
    "anger",
    "disgust",
    "fear",
    "happiness",
    "neutral",
    "sadness",
    "surprise",
    "contempt",
    "anxiety",
    "helplessness",
    "disappointment",
)
FOLDS = (1, 2, 3, 4, 5)
LAYOUT = (
    "split/single/no_caption/set_{fold}/{{train,test}}.txt (also in 'Train & Test Set') beside frames in "
    "data/{{faces,frames}}/<clip>/*.jpg (films alone, data/clips/*.mp4, are not read: cut them into frames "
    "of faces first)"
)
OBTAIN = "ask its authors as https://mafw-database.github.io/MAFW says"

_COUNTS = {
    "train": (993, 1176, 910, 1112, 857, 511, 500, 188, 732, 209, 145),
    "test": (249, 294, 228, 278, 215, 128, 125, 48, 184, 53, 37),
}


def _spec(fold: int) -> DatasetSpec:
    clips = ListedClips(
        lists=tuple(
            f"{folder}/single/no_caption/set_{fold}/{{split}}.txt" for folder in ("split", "Train & Test Set")
        ),
        folders=("data/faces", "data/frames", "clips_faces"),
        read=read_pairs,
        layout=LAYOUT.format(fold=fold),
        obtain=OBTAIN,
    )
    return DatasetSpec(
        name="mafw" if fold == 1 else f"mafw-{fold}",
        title=f"MAFW, single expressions, fold {fold} of {len(FOLDS)}",
        summary=(
            "clips of films, television and short videos as frames, 11 classes (contempt, anxiety, "
            f"helplessness and disappointment among them); fold {fold} of the official five, which divide "
            "the same clips into train and test"
        ),
        obtain=OBTAIN,
        layout=clips.layout,
        licence="non-commercial research only, by agreement with the authors",
        citation=(
            "Liu et al., MAFW: A Large-scale, Multi-modal, Compound Affective Database for Dynamic Facial "
            "Expression Recognition in the Wild, ACM Multimedia 2022"
        ),
        scan=partial(scan_listed, clips=clips),
        read=read_image,
        published=published_clips(LABELS, _COUNTS, splits=fold == 1),
        listed=True,
    )


SPECS = tuple(map(_spec, FOLDS))
