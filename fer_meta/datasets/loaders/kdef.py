"""KDEF: 70 people, 7 posed expressions, 5 angles, 2 sessions. `kdef` are the straight views, which the field
uses mostly; `kdef-all` are all.

The five views of one pose were taken in one moment, so in `kdef-all` they are one clip, and `frame` is the
angle: 1 to 5 from the full left to the full right profile. Two names of the release are faulty (AF31V,
AM31H): their expression is not known, and they are left out. Both sessions show the same people.
"""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from fer_meta.datasets.base import DatasetSpec, Published, make_index, named_images, not_found
from fer_meta.datasets.decoding import read_image

OBTAIN = "https://kdef.se/"
LAYOUT = "AF01/AF01ANS.JPG (session, sex and number of the person, expression, angle), in any folder"

ANGLES = ("FL", "HL", "S", "HR", "FR")
"""From the full left profile to the full right one; S is straight."""

_LABELS = {
    "AF": "fear",
    "AN": "anger",
    "DI": "disgust",
    "HA": "happiness",
    "NE": "neutral",
    "SA": "sadness",
    "SU": "surprise",
}
_NAME = re.compile(rf"([AB])([FM][0-9]{{2}})({'|'.join(_LABELS)})({'|'.join(ANGLES)})[.]", re.IGNORECASE)


def scan(root: Path, angles: Sequence[str]) -> pd.DataFrame:
    """The index of the views from these angles, by path."""
    rows = []
    for path, name in named_images(Path(root), _NAME, LAYOUT, OBTAIN):
        session, person, expression, angle = map(str.upper, name.groups())
        if angle in angles:
            row = {"path": path, "label": _LABELS[expression], "subject": person}
            moment = {"clip": f"{session}{person}{expression}", "frame": ANGLES.index(angle) + 1}
            rows.append({**row, **(moment if len(angles) > 1 else {})})
    if not rows:
        raise not_found(root, "no straight view (*S.JPG)", LAYOUT, OBTAIN)
    return make_index(rows)


_spec = partial(
    DatasetSpec,
    obtain=OBTAIN,
    layout=LAYOUT,
    licence="non-commercial research; may not be handed on",
    citation=(
        "Lundqvist, Flykt and Öhman, The Karolinska Directed Emotional Faces (KDEF), Karolinska Institutet, "
        "1998, ISBN 91-630-7164-9"
    ),
    read=read_image,
)

SPEC = _spec(
    name="kdef",
    title="KDEF, straight views",
    summary="980 images of 70 people who posed 7 expressions, twice each, seen from the front",
    scan=partial(scan, angles=("S",)),
    published=(Published((980,)),),
)

ALL_SPEC = _spec(
    name="kdef-all",
    title="KDEF, all angles",
    summary="4,900 images of 70 people who posed 7 expressions, twice each; the 5 views of a pose are a clip",
    scan=partial(scan, angles=ANGLES),
    published=(Published((4900, 4898)),),
)
