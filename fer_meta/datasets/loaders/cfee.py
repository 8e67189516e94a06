"""CFEE: 230 people who posed a neutral face, 6 basic and 15 compound expressions.

What the two digits at the start of a name mean is read from the authors' own table: the numbers run to 26,
and not all of them are used.
"""

import re
from pathlib import Path

import pandas as pd

from fer_meta.commands import with_extra
from fer_meta.damage import expected
from fer_meta.datasets.base import DatasetSpec, make_index, named_images, not_found
from fer_meta.datasets.decoding import read_image
from fer_meta.datasets.scanning import first_file, reading
from fer_meta.datasets.tables import csv_rows, opened, whole_number
from fer_meta.errors import DatasetError
from fer_meta.expressions import canonical, lowered

OBTAIN = "ask its authors at https://cbcsl.ece.ohio-state.edu/compound.html"
LAYOUT = (
    "01-04/Images1/01_126_3963.jpg (expression, person, number), and AU_annotation_all_subjects.xls, whose "
    "sheet 'summary' names the expressions"
)

_TABLE, _SHEET = "AU_annotation_all_subjects", "summary"
_NAME = re.compile(r"([0-9]{2})_([0-9]{3})(?![0-9])")
_AS_ADVERB = {
    "happy": "happily",
    "sad": "sadly",
    "fearful": "fearfully",
    "angry": "angrily",
    "disgusted": "disgustedly",
}
_AS_HERE = {"hate": "hatred", "awe": "awed"}


def scan(root: Path) -> pd.DataFrame:
    """The index of all images, by path."""
    root = Path(root)
    images = named_images(root, _NAME, LAYOUT, OBTAIN)
    table = first_file(root, (f"{_TABLE}{ending}" for ending in (".csv", ".xls", ".xlsx")))
    if table is None:
        raise not_found(root, f"no {_TABLE}.xls", LAYOUT, OBTAIN)
    labels = _labels(table)
    rows = []
    for path, name in images:
        if name[1] not in labels:
            raise DatasetError(
                f"{root / path}: {table.name} names no expression {int(name[1])}; obtain the table again"
            )
        rows.append({"path": path, "label": labels[name[1]], "subject": name[2]})
    return make_index(rows)


def _labels(table: Path) -> dict[str, str]:
    """The expression of each number, as two digits, in the first two columns of the table."""
    labels = {}
    for number, name in _cells(table):
        if number.isdecimal():
            labels[f"{int(number):02}"] = _label(table, name)
    if not labels:
        raise DatasetError(f"{table}: has no rows '<number>, <expression>'; obtain it again")
    return labels


def _cells(table: Path) -> list[tuple[str, str]]:
    if table.suffix == ".csv":
        rows = [row.cells[:2] for row in csv_rows(table)]
    else:
        try:
            with reading(table), expected(table, f"has no readable sheet '{_SHEET}'"), opened(table) as file:
                rows = pd.read_excel(file, sheet_name=_SHEET, header=None).iloc[:, :2].to_numpy().tolist()
        except ImportError:
            raise DatasetError(
                f"{table}: cannot be read without the package xlrd; run `{with_extra('excel')}`, or"
                f" save its sheet '{_SHEET}' as {_TABLE}.csv"
            ) from None
    pairs = (map(str, row) for row in rows if len(row) == 2)
    return [(whole_number(number.strip()), name.strip()) for number, name in pairs]


def _label(table: Path, name: str) -> str:
    first, _, rest = lowered(name).partition("_")
    try:
        return canonical(f"{_AS_ADVERB.get(first, first)}_{rest}" if rest else _AS_HERE.get(first, first))
    except ValueError:
        raise DatasetError(f"{table}: '{name}' is not a known expression; correct it in the table") from None


SPEC = DatasetSpec(
    name="cfee",
    title="CFEE (Compound Facial Expressions of Emotion)",
    summary="230 people who posed 22 expressions: neutral, 6 basic ones and 15 compound ones",
    obtain=OBTAIN,
    layout=LAYOUT,
    licence="research only, on request to the authors",
    citation=(
        "Du, Tao and Martinez, Compound facial expressions of emotion, PNAS 111(15), 2014, "
        "doi 10.1073/pnas.1322355111"
    ),
    scan=scan,
    read=read_image,
)
