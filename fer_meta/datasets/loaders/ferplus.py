"""FERPlus: the images of FER2013 with ten new votes each.

The label is the authors' `majority`: single votes are no votes, and then more than half must be for one
expression. Images without one, or with a majority for `unknown` or `NF` (no face), are left out. All votes
are kept as shares (`fer_meta.datasets.shares`).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from fer_meta.datasets.base import DatasetSpec, expect_some, make_index, not_found, once, split_of
from fer_meta.datasets.loaders import fer2013
from fer_meta.datasets.scanning import first_file, first_folder
from fer_meta.datasets.shares import majority, share_columns
from fer_meta.datasets.tables import columns, csv_rows, file_name, whole_number
from fer_meta.errors import DatasetError

LABELS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
"""In the order of the votes; those for `unknown` and `NF` follow."""

OBTAIN = f"https://github.com/microsoft/FERPlus for the votes; for the images of FER2013, {fer2013.OBTAIN}"
LAYOUT = (
    "fer2013.csv and fer2013new.csv in one folder, or data/{FER2013Train,FER2013Valid,FER2013Test}/*.png "
    "with label.csv in each or fer2013new.csv beside data"
)

_VOTES = (*LABELS, "unknown", "NF")
_TABLE = "fer2013new.csv"
_FOLDERS = {"train": "FER2013Train", "val": "FER2013Valid", "test": "FER2013Test"}


def scan(root: Path) -> pd.DataFrame:
    """The index of the images with a majority, in the order of the votes' table, with their shares."""
    root = Path(root)
    pixels, table = first_file(root, fer2013.CSV_NAMES), first_file(root, (_TABLE,))
    voted = _of_csv(root, pixels, table) if pixels and table else _of_folders(root, table)
    rows = once({**row, "label": label} for row in voted if (label := _label(row["votes"])) is not None)
    if not rows:
        raise not_found(root, "no votes and images that belong together", LAYOUT, OBTAIN)
    expect_some(root, rows, "make the images with the authors' generate_training_data.py")
    shares = [[one / sum(row["votes"]) for one in row["votes"][: len(LABELS)]] for row in rows]
    return make_index(rows).assign(**share_columns(LABELS, shares))


def _label(votes: Sequence[int]) -> str | None:
    place = majority([one if one > 1 else 0 for one in votes])
    return LABELS[place] if place is not None and place < len(LABELS) else None


def _of_csv(root: Path, pixels: Path, table: Path) -> list[dict]:
    """Rows of both csv files, which are in the same order."""
    images = fer2013.scan_csv(root, pixels.relative_to(root).as_posix())
    voted = list(_voted(table))
    if [row["split"] for row in voted] != images["split"].tolist():
        raise DatasetError(
            f"{table}: its {len(voted)} rows are not those of {pixels.name} ({len(images)}) in the same "
            "order; obtain both again"
        )
    return [{**row, "path": path} for row, path in zip(voted, images["path"]) if row["name"]]


def _of_folders(root: Path, table: Path | None) -> list[dict]:
    """Rows of the images that the authors' script makes."""
    home = next((place for place in (root, root / "data") if first_folder(place, _FOLDERS.values())), None)
    if home is None:
        found = "votes without images" if table else "no csv files and no folder FER2013Train"
        raise not_found(root, found, LAYOUT, OBTAIN)
    if table is None:
        parts = {split: first_file(home / folder, ("label.csv",)) for split, folder in _FOLDERS.items()}
        voted = [row for split, part in parts.items() if part for row in _labelled(part, split)]
    else:
        voted = list(_voted(table))
    prefix = "" if home == root else f"{home.name}/"
    return [
        {**row, "path": f"{prefix}{_FOLDERS[row['split']]}/{row['name']}"} for row in voted if row["name"]
    ]


def _voted(table: Path) -> Iterator[dict]:
    """Split, name of the image ("" where it is of no use) and votes of each row of fer2013new.csv."""
    rows = csv_rows(table)
    header = next(rows, None)
    usage, name, *votes = columns(table, header.cells if header else [], ("Usage", "Image name", *_VOTES))
    for row in rows:
        split = split_of(row.cells[usage])
        if split is None:
            raise DatasetError(f"{table}: line {row.line} has the unknown Usage '{row.cells[usage][:20]}'")
        image = row.cells[name] and file_name(table, row.line, row.cells[name])
        counts = _counts(table, row.line, [row.cells[place] for place in votes])
        yield {"split": split, "name": image, "votes": counts}


def _labelled(part: Path, split: str) -> Iterator[dict]:
    """The same of a label.csv, which has no header: name, in most copies a box, and the votes."""
    rows = list(csv_rows(part))
    if not rows:
        raise DatasetError(f"{part}: the list is empty; obtain it again")
    for row in rows:
        if len(row.cells) <= len(_VOTES):
            raise DatasetError(
                f"{part}: line {row.line} has {len(row.cells)} cells, expected a name and {len(_VOTES)} votes"
            )
        counts = _counts(part, row.line, row.cells[-len(_VOTES) :])
        yield {"split": split, "name": file_name(part, row.line, row.cells[0]), "votes": counts}


def _counts(table: Path, line: int, cells: Sequence[str]) -> list[int]:
    numbers = [whole_number(cell) for cell in cells]
    if not all(number.isdecimal() and number.isascii() for number in numbers) or not any(map(int, numbers)):
        raise DatasetError(
            f"{table}: line {line} has the votes {', '.join(cells)[:60]}, expected whole numbers"
        )
    return list(map(int, numbers))


SPEC = DatasetSpec(
    name="ferplus",
    title="FERPlus",
    summary=(
        "FER2013 with ten votes per image, 8 expressions: the authors' majority rule, images without one "
        "left out; the votes as soft labels"
    ),
    obtain=OBTAIN,
    layout=LAYOUT,
    licence="MIT for the votes; the images as FER2013: none stated, use for research",
    citation=(
        "Barsoum, Zhang, Canton Ferrer and Zhang, Training Deep Networks for Facial Expression Recognition "
        "with Crowd-Sourced Label Distribution, ICMI 2016"
    ),
    scan=scan,
    read=fer2013.read,
    listed=True,
)
