"""RAF-ML: faces that show several of six expressions at once, each with the shares of its annotators.

The label is the expression with more than half of the votes. A blend without one is left out: its largest
share would say little (RAF-CE labels such blends as compound expressions). The shares of the
others are kept (`fer_meta.datasets.shares`).
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from fer_meta.datasets.base import DatasetSpec, expect_some, make_index, not_found, once
from fer_meta.datasets.decoding import read_image
from fer_meta.datasets.scanning import first_file, first_folder, names_in
from fer_meta.datasets.shares import majority, share_columns
from fer_meta.datasets.tables import fields, whole_number
from fer_meta.errors import DatasetError
from fer_meta.expressions import BASIC

LABELS = BASIC[:6]
"""In the order of the shares: all but neutral."""

OBTAIN = "ask its authors, see http://www.whdeng.cn/Emotion/projects.html"
LAYOUT = "EmoLabel/distribution.txt, EmoLabel/partition_label.txt and Image/aligned/<name>_aligned.jpg"
FOLDERS = ("Image/aligned/aligned", "Image/aligned", "RAF-AU/aligned", "aligned/aligned", "aligned")
"""Where the aligned images of RAF-ML and RAF-CE are; the archive holds a folder of its own name."""

_SPLITS = {"0": "train", "1": "test"}


def scan(root: Path) -> pd.DataFrame:
    """The index of the images with a majority, in the order of the list, with their shares."""
    root = Path(root)
    listed = first_file(root, ("EmoLabel/distribution.txt", "distribution.txt"))
    if listed is None:
        raise not_found(root, "no list EmoLabel/distribution.txt", LAYOUT, OBTAIN)
    parts = first_file(listed.parent, ("partition_label.txt",))
    splits = {} if parts is None else numbered(parts, _SPLITS)
    path_of = aligned(root, LAYOUT, OBTAIN)
    rows: list[dict] = []
    for line, (name, *words) in fields(listed, "<name> " + " ".join(f"<{label}>" for label in LABELS)):
        shares = _shares(listed, line, words)
        place = majority(shares)
        if place is not None:
            row = {"path": path_of(name), "label": LABELS[place], "split": splits.get(name)}
            rows.append({**row, "shares": shares})
    rows = once(rows)
    if not rows:
        raise DatasetError(f"{listed}: no image has an expression with more than half of the votes")
    expect_some(root, rows, "unpack the archive of aligned images there")
    return make_index(rows).assign(**share_columns(LABELS, [row["shares"] for row in rows]))


def numbered(listed: Path, meanings: dict[str, str]) -> dict[str, str]:
    """What the number of each name in a list means. Raises DatasetError for another number, and for a name
    with two of them.
    """
    found: dict[str, str] = {}
    for line, (name, number) in fields(listed, "<name> <number>"):
        number = whole_number(number)
        if number not in meanings:
            known = f"{min(map(int, meanings))} to {max(map(int, meanings))}"
            raise DatasetError(f"{listed}: line {line} has the number '{number[:20]}', expected {known}")
        if found.setdefault(name, meanings[number]) != meanings[number]:
            raise DatasetError(f"{listed}: line {line} contradicts another line of '{name}'; obtain it again")
    return found


def aligned(root: Path, layout: str, obtain: str) -> Callable[[str], str]:
    """A function from the name in a list (`0001.jpg`) to the path of the aligned image. Raises DatasetError
    if there is no folder of them.
    """
    folder = first_folder(root, FOLDERS)
    if folder is None:
        raise not_found(root, "no folder of aligned images", layout, obtain)
    prefix = folder.relative_to(root).as_posix()
    here = {Path(name).stem: name for name in names_in(folder)}

    def path_of(name: str) -> str:
        stem = Path(name).stem
        return f"{prefix}/{here.get(f'{stem}_aligned', here.get(stem, f'{stem}_aligned.jpg'))}"

    return path_of


def _shares(listed: Path, line: int, words: Sequence[str]) -> list[float]:
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = [math.nan]
    total = sum(numbers)
    if not (min(numbers) >= 0 and 0 < total < math.inf):
        raise DatasetError(
            f"{listed}: line {line} has the shares {' '.join(words)[:60]}, expected six numbers"
        )
    return [number / total for number in numbers]


SPEC = DatasetSpec(
    name="raf-ml",
    title="RAF-ML (Real-world Affective Faces, multi-label)",
    summary=(
        "aligned faces from the web that show several of 6 expressions; labelled with the one that has more"
        " than half of the votes, others left out; the votes as soft labels"
    ),
    obtain=OBTAIN,
    layout=LAYOUT,
    licence="non-commercial research only, by agreement with the authors",
    citation=(
        "Li and Deng, Blended Emotion in-the-Wild: Multi-label Facial Expression Recognition Using "
        "Crowdsourced Annotations and Deep Locality Feature Learning, IJCV 127, 2019"
    ),
    scan=scan,
    read=read_image,
    listed=True,
)
