"""JAFFE: ten Japanese women, each of whom posed each expression several times."""

import re
from pathlib import Path

import pandas as pd

from fer_meta.datasets.base import DatasetSpec, Published, make_index, named_images
from fer_meta.datasets.decoding import read_image

OBTAIN = "ask for access at https://zenodo.org/record/3451524"
LAYOUT = "KA.AN1.39.tiff (person, expression and its number, number of the image), in any folder"

_LABELS = {
    "AN": "anger",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}
_NAME = re.compile(rf"([A-Z]{{2}})[.]({'|'.join(_LABELS)})[0-9]+[.][0-9]+[.]", re.IGNORECASE)


def scan(root: Path) -> pd.DataFrame:
    """The index of all images, by path."""
    return make_index(
        {"path": path, "label": _LABELS[name[2].upper()], "subject": name[1].upper()}
        for path, name in named_images(Path(root), _NAME, LAYOUT, OBTAIN)
    )


SPEC = DatasetSpec(
    name="jaffe",
    title="JAFFE (Japanese Female Facial Expression)",
    summary="213 grey 256x256 images of 10 women who posed 7 expressions",
    obtain=OBTAIN,
    layout=LAYOUT,
    licence="non-commercial scientific research",
    citation=(
        "Lyons, Akamatsu, Kamachi and Gyoba, Coding Facial Expressions with Gabor Wavelets, 3rd IEEE "
        "International Conference on Automatic Face and Gesture Recognition, 1998"
    ),
    scan=scan,
    read=read_image,
    published=(Published((213,)),),
)
