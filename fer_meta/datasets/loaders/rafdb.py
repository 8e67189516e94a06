"""RAF-DB, basic (7 classes) and compound (11 classes): aligned 100x100 faces and one list of labels each.

The numbering of the images restarts in each subset, so an image is known by its subset and its name.
Counts of the basic set were recounted from its list; of the compound set only the totals are verified.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from fer_meta.datasets.base import DatasetSpec, Published, make_index, not_found, split_of
from fer_meta.datasets.decoding import read_image
from fer_meta.datasets.scanning import image_files, is_folder, is_there, names_in
from fer_meta.datasets.tables import columns, csv_rows, fields, whole_number
from fer_meta.errors import DatasetError
from fer_meta.expressions import BASIC, COMPOUND

# The authors' spelling first.
LISTS = ("EmoLabel/list_patition_label.txt", "EmoLabel/list_partition_label.txt")
ALIGNED = "Image/aligned"
OBTAIN = "ask its authors as http://www.whdeng.cn/RAF/model1.html says"
LAYOUT = (
    "EmoLabel/list_patition_label.txt and Image/aligned/<name>_aligned.jpg, in the folder "
    "or in its folder '{subset}'"
)
BASIC_LAYOUT = LAYOUT.format(subset="basic") + ", or DATASET/{train,test}/<1 to 7>/<name>_aligned.jpg"
COMPOUND_LAYOUT = LAYOUT.format(subset="compound")

# The compound set has 3,954 images and the basic one 15,339.
_MOST_COMPOUND = 4000


def scan_basic(root: Path) -> pd.DataFrame:
    """The index of the basic set, in the order of its list (train first, by name)."""
    root = Path(root)
    home = _home(root, "basic")
    if home is not None:
        return _scan_list(root, home, BASIC, BASIC_LAYOUT)
    for top in ("DATASET", "."):
        if is_folder(root / top) and any(
            split_of(name) and is_folder(root / top / name / "1") for name in names_in(root / top)
        ):
            return _scan_kaggle(root, root / top)
    raise not_found(root, "no list of labels", BASIC_LAYOUT, OBTAIN)


def scan_compound(root: Path) -> pd.DataFrame:
    """The index of the compound set, in the order of its list."""
    root = Path(root)
    home = _home(root, "compound")
    if home is None:
        raise not_found(root, "no list of labels", COMPOUND_LAYOUT, OBTAIN)
    index = _scan_list(root, home, COMPOUND, COMPOUND_LAYOUT)
    if len(index) > _MOST_COMPOUND:
        raise DatasetError(
            f"{home}: {len(index)} images are the basic set, not the compound one (3954); "
            "give the folder of the compound set"
        )
    return index


def _home(root: Path, subset: str) -> Path | None:
    """The folder that holds the subset's list, if any."""
    other = "compound" if subset == "basic" else "basic"
    if root.name == other:
        raise DatasetError(f"{root}: this is the folder of the {other} set; give that of the {subset} set")
    return next((home for home in (root / subset, root) for name in LISTS if is_there(home / name)), None)


def _scan_list(root: Path, home: Path, labels: Sequence[str], layout: str) -> pd.DataFrame:
    listed = next(home / name for name in LISTS if is_there(home / name))
    folder = home / ALIGNED
    if not is_folder(folder):
        raise not_found(root, f"no folder {folder.relative_to(root)}", layout, OBTAIN)
    prefix = folder.relative_to(root).as_posix()
    here = {Path(name).stem: name for name in names_in(folder)}
    rows, missing = [], 0
    for number, (name, label) in fields(listed, "<name> <label>"):
        label, split = _row(listed, number, name, label, labels)
        stem = f"{Path(name).stem}_aligned"
        missing += stem not in here
        rows.append({"path": f"{prefix}/{here.get(stem, stem + '.jpg')}", "label": label, "split": split})
    index = make_index(rows)
    twice = index["path"].duplicated()
    if twice.any():
        raise DatasetError(
            f"{listed}: '{index['path'][twice].iloc[0]}' is listed twice; obtain the list again"
        )
    # Single missing files are listed as unreadable; none at all means that the archive was not unpacked.
    if missing == len(rows):
        raise DatasetError(
            f"{folder}: none of the {len(index)} listed images is in it, first "
            f"'{Path(index['path'][0]).name}'; unpack the archive of aligned images there"
        )
    return index


def _row(listed: Path, number: int, name: str, label: str, labels: Sequence[str]) -> tuple[str, str]:
    """Label and split of one line, such as `train_00001.jpg 5`."""
    label = whole_number(label)
    if label not in map(str, range(1, len(labels) + 1)):
        raise DatasetError(
            f"{listed}: line {number} has the unknown label '{label}', "
            f"expected 1 to {len(labels)}; is this the list of the right subset?"
        )
    split = name.partition("_")[0]
    if split not in ("train", "test"):
        raise DatasetError(f"{listed}: line {number}: '{name}' does not begin with 'train_' or 'test_'")
    return labels[int(label) - 1], split


def _scan_kaggle(root: Path, top: Path) -> pd.DataFrame:
    """The mirror that sorts the basic set into numbered folders."""
    prefix = "" if top == root else top.name + "/"
    rows = []
    for path in image_files(top):
        parts = path.split("/")
        split = split_of(parts[0])
        split = "test" if split == "val" else split  # the set has no third part: mirrors rename its test part
        if len(parts) != 3 or split is None or parts[1] not in map(str, range(1, 8)):
            raise not_found(root, f"'{prefix}{path}' fits no known layout", BASIC_LAYOUT, OBTAIN)
        named = parts[2].partition("_")[0]
        if named in ("train", "test") and named != split:
            raise DatasetError(
                f"{top / path}: the name says '{named}' and the folder '{split}'; "
                "move the file or remove this copy of the data"
            )
        rows.append({"path": prefix + path, "label": BASIC[int(parts[1]) - 1], "split": split})
    if not rows:
        raise not_found(root, "no images", BASIC_LAYOUT, OBTAIN)
    rows.sort(key=lambda row: (row["split"] != "train", Path(row["path"]).name))
    _hold_against_tables(root, top, rows)
    return make_index(rows)


def _hold_against_tables(root: Path, top: Path, rows: list[dict]) -> None:
    """Raises DatasetError if `train_labels.csv` or `test_labels.csv` (image, label) says otherwise."""
    for split in ("train", "test"):
        table = next(
            (
                where / f"{split}_labels.csv"
                for where in (root, top)
                if is_there(where / f"{split}_labels.csv")
            ),
            None,
        )
        if table is None:
            continue
        labels = _labels_in(table)
        for row in rows:
            *_, number, name = row["path"].split("/")
            if row["split"] == split and labels.get(name, number) != number:
                raise DatasetError(
                    f"{root / row['path']}: is in folder {number}, but {table.name} says "
                    f"{labels[name]}; one of them is wrong, obtain the data again"
                )


def _labels_in(table: Path) -> dict[str, str]:
    """The label of each image in a csv with the columns `image` and `label`."""
    header, *rows = [row.cells for row in csv_rows(table)] or [[]]
    image, label = columns(table, header, ("image", "label"))
    return {row[image]: whole_number(row[label]) for row in rows}


_LICENCE = "non-commercial research only, by agreement with the authors"
_CITATION = (
    "Li, Deng and Du, Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression "
    "Recognition in the Wild, CVPR 2017"
)
_COUNTS = {"train": (1290, 281, 717, 4772, 1982, 705, 2524), "test": (329, 74, 160, 1185, 478, 162, 680)}

_spec = partial(
    DatasetSpec, obtain=OBTAIN, licence=_LICENCE, citation=_CITATION, read=read_image, listed=True
)

BASIC_SPEC = _spec(
    name="rafdb-basic",
    title="RAF-DB, basic expressions",
    summary="15,339 aligned 100x100 faces from the web, about 40 annotators an image; 7 expressions",
    layout=BASIC_LAYOUT,
    scan=scan_basic,
    published=(
        Published((15339,)),
        *(Published((sum(counts),), split) for split, counts in _COUNTS.items()),
        *(
            Published((count,), split, label)
            for split, counts in _COUNTS.items()
            for label, count in zip(BASIC, counts)
        ),
    ),
)

COMPOUND_SPEC = _spec(
    name="rafdb-compound",
    title="RAF-DB, compound expressions",
    summary="3,954 aligned 100x100 faces from the web that show two expressions at once; 11 classes",
    layout=COMPOUND_LAYOUT,
    scan=scan_compound,
    published=(Published((3954,)), Published((3162,), "train"), Published((792,), "test")),
)
