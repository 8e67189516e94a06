"""Omniglot: 1,623 handwritten characters of 50 alphabets, each drawn once by 20 people.

No faces: the data set on which few-shot methods are compared with what their papers publish. Its labels are
its characters. A person is known within one alphabet only, so a subject is an alphabet and a number.
"""

import re
from pathlib import Path

import pandas as pd

from fer_meta.datasets.base import DatasetSpec, Published, make_index, not_found
from fer_meta.datasets.decoding import read_image
from fer_meta.datasets.scanning import image_files, is_folder
from fer_meta.expressions import lowered

LAYOUT = (
    "images_background/<alphabet>/<character>/<number>_<drawer>.png and images_evaluation/..., unpacked or "
    "as images_background.zip and images_evaluation.zip"
)
OBTAIN = "images_background.zip and images_evaluation.zip of https://github.com/brendenlake/omniglot, python/"

CHARACTERS = {
    "train": (
        "Alphabet_of_the_Magi 20, Anglo-Saxon_Futhorc 29, Arcadian 26, Armenian 41, "
        "Asomtavruli_(Georgian) 40, Balinese 24, Bengali 46, Blackfoot_(Canadian_Aboriginal_Syllabics) "
        "14, Braille 26, Burmese_(Myanmar) 34, Cyrillic 33, Early_Aramaic 22, Futurama 26, Grantha 43, "
        "Greek 24, Gujarati 48, Hebrew 22, Inuktitut_(Canadian_Aboriginal_Syllabics) 16, "
        "Japanese_(hiragana) 52, Japanese_(katakana) 47, Korean 40, Latin 26, Malay_(Jawi_-_Arabic) 40, "
        "Mkhedruli_(Georgian) 41, N_Ko 33, Ojibwe_(Canadian_Aboriginal_Syllabics) 14, Sanskrit 42, "
        "Syriac_(Estrangelo) 23, Tagalog 17, Tifinagh 55"
    ),
    "test": (
        "Angelic 20, Atemayar_Qelisayer 26, Atlantean 26, Aurek-Besh 26, Avesta 26, Ge_ez 26, Glagolitic "
        "45, Gurmukhi 45, Kannada 41, Keble 26, Malayalam 47, Manipuri 40, Mongolian 30, "
        "Old_Church_Slavonic_(Cyrillic) 45, Oriya 46, Sylheti 28, Syriac_(Serto) 23, Tengwar 25, Tibetan "
        "42, ULOG 26"
    ),
}
"""The alphabets of each split and how many characters each has, as counted in the official archives."""

DRAWERS = 20

_PARTS = {"train": "images_background", "test": "images_evaluation"}
_DRAWING = re.compile(r"([^/]+)/(character[0-9]+)/[0-9]+_([0-9]+)[.]png", re.IGNORECASE)


def label_of(alphabet: str, character: str) -> str:
    """The label of a character: `Malay_(Jawi_-_Arabic)`, `character01` is `malay_jawi_arabic_character01`."""
    return lowered(re.sub(r"[^A-Za-z0-9]+", "_", f"{alphabet} {character}"))


def _vocabulary() -> dict[str, tuple[str, ...]]:
    """The labels of each split."""
    return {
        split: tuple(
            label_of(alphabet, f"character{number:02}")
            for alphabet, characters in (entry.split() for entry in alphabets.split(","))
            for number in range(1, int(characters) + 1)
        )
        for split, alphabets in CHARACTERS.items()
    }


VOCABULARY = _vocabulary()


def scan(root: Path) -> pd.DataFrame:
    """The index of all drawings, by alphabet and character; the background set is `train`, the evaluation set
    `test`.
    """
    root = Path(root)
    rows = []
    for split, part in _PARTS.items():
        folder = next((one for one in (part, f"{part}.zip/{part}") if is_folder(root / one)), None)
        if folder is None:
            raise not_found(root, f"no folder {part}", LAYOUT, OBTAIN)
        known = frozenset(VOCABULARY[split])
        for path in image_files(root / folder):
            drawing = _DRAWING.fullmatch(path)
            if drawing is None or label_of(drawing[1], drawing[2]) not in known:
                found = f"'{folder}/{path}' is no drawing of a character of {part}"
                raise not_found(root, found, LAYOUT, OBTAIN)
            alphabet, character, drawer = drawing.groups()
            rows.append(
                {
                    "path": f"{folder}/{path}",
                    "label": label_of(alphabet, character),
                    "subject": label_of(alphabet, drawer),
                    "split": split,
                }
            )
    if not rows:
        raise not_found(root, "no images", LAYOUT, OBTAIN)
    return make_index(rows)


SPEC = DatasetSpec(
    name="omniglot",
    title="Omniglot",
    summary="32,460 drawings, 105x105, of 1,623 characters of 50 alphabets by 20 people each: no faces",
    obtain=OBTAIN,
    layout=LAYOUT,
    licence="MIT",
    citation=(
        "Lake, Salakhutdinov and Tenenbaum, Human-level concept learning through probabilistic program "
        "induction, Science 350(6266), 2015"
    ),
    scan=scan,
    read=read_image,
    published=(
        Published((DRAWERS * sum(map(len, VOCABULARY.values())),)),
        *(Published((DRAWERS * len(labels),), split) for split, labels in VOCABULARY.items()),
    ),
    vocabulary=(*VOCABULARY["train"], *VOCABULARY["test"]),
)
