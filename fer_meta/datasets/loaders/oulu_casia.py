"""Oulu-CASIA: posed sequences. Those in visible, strong light are read, which the field uses mostly."""

import re
from pathlib import Path

import pandas as pd

from fer_meta.datasets.base import DatasetSpec, Published, expression_folder, make_index, not_found
from fer_meta.datasets.decoding import read_image
from fer_meta.datasets.scanning import first_folder, image_files
from fer_meta.datasets.sequences import neutral_and_peak
from fer_meta.expressions import BASIC

OBTAIN = "sign the agreement of the Center for Machine Vision, University of Oulu"
LAYOUT = "VL_Acropped/Strong/P001/<Expression>/000.jpeg, or OriginalImg/VL/Strong/P001/<Expression>/000.jpeg"

LABELS = tuple(name for name in BASIC if name != "neutral")

# Cropped faces first: whoever has both has cropped them to be used.
_FOLDERS = tuple(
    f"{home}{folder}/Strong"
    for folder in ("VL_Acropped", "OriginalImg/VL", "B_OriginalImg/VL", "VL")
    for home in ("", "PreProcess_Img/", "B_PreProcess_Img/")
)
_FRAME = re.compile(r"(?:.*/)?(P[0-9]{3})/([^/]+)/([0-9]{1,18})[.][a-z0-9]+", re.IGNORECASE)


def scan(root: Path) -> pd.DataFrame:
    """The index of the sequences, by person and expression; `clip` is `P001/anger`."""
    root = Path(root)
    folder = first_folder(root, _FOLDERS)
    if folder is None:
        raise not_found(root, "no folder of the sequences in strong visible light", LAYOUT, OBTAIN)
    prefix = folder.relative_to(root).as_posix()
    clips: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for path in image_files(folder):
        frame = _FRAME.fullmatch(path)
        if frame is None:
            raise not_found(root, f"'{prefix}/{path}' fits no known layout", LAYOUT, OBTAIN)
        label = expression_folder(folder, path.rpartition("/")[0], LABELS)
        clips.setdefault((frame[1].upper(), label), []).append((int(frame[3]), f"{prefix}/{path}"))
    if not clips:
        raise not_found(root, f"no images in '{prefix}'", LAYOUT, OBTAIN)
    return make_index(
        {**row, "subject": person}
        for (person, label), frames in sorted(clips.items())
        for row in neutral_and_peak(root, f"{person}/{label}", frames, label)
    )


SPEC = DatasetSpec(
    name="oulu-casia",
    title="Oulu-CASIA (VL, strong light)",
    summary=(
        "480 posed sequences of 80 people in visible, strong light; of each the first frame as neutral and "
        "the last three frames under its label, 7 classes"
    ),
    obtain=OBTAIN,
    layout=LAYOUT,
    licence="research only, by agreement",
    citation=(
        "Zhao, Huang, Taini, Li and Pietikäinen, Facial expression recognition from near-infrared videos, "
        "Image and Vision Computing 29(9), 2011"
    ),
    scan=scan,
    read=read_image,
    published=(
        Published((480,), unit="clips"),
        *(Published((80,), label=label, unit="clips") for label in LABELS),
    ),
)
