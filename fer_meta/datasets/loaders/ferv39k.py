"""FERV39k: 38,935 clips of faces in 22 kinds of scenes, as frames, with one list for each split.

The scene is the first part of a clip's name (`Action/Sad/0010`); the index has no column for it. Counts
were recounted from the lists.
"""

from functools import partial

from fer_meta.datasets.base import DatasetSpec
from fer_meta.datasets.clips import ListedClips, published_clips, read_pairs, scan_listed
from fer_meta.datasets.decoding import read_image

LAYOUT = (
    "4_setups/All_scenes/{train,test}_All.csv and 2_ClipsforFaceCrop/<Scene>/<Emotion>/<clip>/*.jpg, the "
    "lists also in All_scenes/ or FERV39k/4_setups/All_scenes/"
)
OBTAIN = "ask its authors as https://github.com/wangyanckxx/FERV39k says, from an address of a university"

_CLIPS = ListedClips(
    lists=(
        "4_setups/All_scenes/{split}_All.csv",
        "FERV39k/4_setups/All_scenes/{split}_All.csv",
        "All_scenes/{split}_All.csv",
    ),
    # Unpacked once more than needed, the folder holds itself.
    folders=("2_ClipsforFaceCrop/2_ClipsforFaceCrop", "2_ClipsforFaceCrop"),
    read=read_pairs,
    layout=LAYOUT,
    obtain=OBTAIN,
)

_LABELS = ("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear")
_COUNTS = {
    "train": (5854, 5523, 7790, 5906, 2502, 1833, 1680),
    "test": (1473, 1393, 1958, 1487, 638, 467, 431),
}

SPEC = DatasetSpec(
    name="ferv39k",
    title="FERV39k",
    summary="clips of films, television and the web, 22 kinds of scenes, as frames of faces; 7 expressions",
    obtain=OBTAIN,
    layout=LAYOUT,
    licence="non-commercial research only, by agreement with the authors",
    citation=(
        "Wang et al., FERV39k: A Large-Scale Multi-Scene Dataset for Facial Expression Recognition in "
        "Videos, CVPR 2022"
    ),
    scan=partial(scan_listed, clips=_CLIPS),
    read=read_image,
    published=published_clips(_LABELS, _COUNTS),
    listed=True,
)
