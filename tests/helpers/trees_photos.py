"""Tiny data sets of photographs in the layouts in which the real ones are handed out, with their traps:
faulty names, empty folders, missing numbers, several faces in one picture, parts without labels.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from helpers import truth
from helpers.painting import SIDE, scaled
from helpers.trees import AFEW_CLASSES, PER_CLASS, csv_pixels, face, faces_in
from helpers.truth import means

CK_PLUS = ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")
OULU = ("Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise")
CFEE = {
    1: "Neutral",
    2: "Happy",
    3: "Sad",
    6: "Surprised",
    8: "Happily surprised",
    10: "Happy disgusted",
    12: "Sadly angry",
    23: "Appalled",
    25: "Hate",
    26: "Awe",
}
"""Some of the numbers: not all of 1 to 26 are used."""

EIGHT = 8
"""The classes of FERPlus, CK+ and AffectNet."""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _in_sequence(frames: Sequence[int], of: str | None) -> dict[int, str | None]:
    """What each frame of a posed sequence shows: the first is neutral, the last three are the peak, and those
    between are neither.
    """
    known = {frames[0]: "neutral", **dict.fromkeys(frames[-3:], of)}
    return {frame: known.get(frame) for frame in frames}


def ckplus(root: Path) -> Path:
    """Sequences of 6 frames (one of 4, from 2) and labels of the last; one sequence has no label."""
    for number in range(1, EIGHT):
        person = f"S{number:03}"
        frames = range(2, 6) if number == 3 else range(1, 7)
        for frame, of in _in_sequence(frames, truth.CK_PLUS[number]).items():
            face(root / f"cohn-kanade-images/{person}/001/{person}_001_{frame:08}.png", of)
            face(root / f"cohn-kanade-images/{person}/002/{person}_002_{frame:08}.png")
        last = f"{person}_001_{frames[-1]:08}"
        write(root / f"Emotion/{person}/001/{last}_emotion.txt", f"   {number}.0000000e+00\n")
        (root / f"Emotion/{person}/002").mkdir()
    units = "   1.0000000e+00   0.0000000e+00\n   1.2000000e+01   5.0000000e+00\n   6.2e+01   1.0e+00\n"
    write(root / "FACS/S001/001/S001_001_00000006_facs.txt", units)
    write(root / "cohn-kanade-images/S001/001/.DS_Store", "")
    return root


def ckplus48(root: Path) -> Path:
    """<expression>/<subject>_<sequence>_<frame>.png: the last frames of one sequence per class."""
    for number, label in enumerate(CK_PLUS):
        for frame in range(17, 17 + PER_CLASS):
            face(root / label / f"S{number:03}_004_{frame:08}.png", means(label))
    return root


def jaffe(root: Path) -> Path:
    """Flat, beside a text; the second part of a name is the expression, and a person's name may hold one."""
    for person in ("NE", "KA"):
        for number, (code, of) in enumerate(truth.JAFFE.items(), 39):
            face(root / f"{person}.{code}1.{number}.tiff", of)
    write(root / "README_FIRST.txt", "...")
    return root


def kdef(root: Path, angles=("FL", "HL", "S", "HR", "FR")) -> Path:
    """Two sessions of two people; two names of the release are faulty."""
    for person in ("AF01", "BF01"):
        for code, of in truth.KDEF.items():
            for angle in angles:
                face(root / "KDEF" / person / f"{person}{code}{angle}.JPG", of)
    face(root / "KDEF/AF31/AF31V.JPG")
    face(root / "KDEF/AM31/AM31H.JPG")
    return root


def oulu_casia(root: Path, home: str = "VL_Acropped") -> Path:
    """Strong and weak light; 5 frames per sequence."""
    for light in ("Strong", "Weak"):
        for label in OULU:
            for frame, of in _in_sequence(range(5), means(label)).items():
                face(root / home / light / "P001" / label / f"{frame:03}.jpeg", of)
    face(root / "NI_Acropped/Strong/P001/Anger/000.jpeg")
    return root


def sfew(root: Path) -> Path:
    """Train both as whole frames and as aligned faces, validation as aligned faces, and a test part."""
    for part, folders in (
        ("Train", ("Train", "Train/Train_Aligned_Faces")),
        ("Val", ("Val/Val_Aligned_Faces_new/Val_Aligned_Faces",)),
    ):
        for folder in folders:
            for label in AFEW_CLASSES:
                for n in range(PER_CLASS):
                    face(root / folder / label / f"{part}_Film_00451201{n}_0000000{n}.png", means(label))
    face(root / "Test/Test_Aligned_Faces/Film_004512014_00000002.png")
    return root


def cfee(root: Path) -> Path:
    """<range>/Images<n>/<expression>_<person>_<number>.jpg; some lack the number, or shout the ending."""
    for number, name in CFEE.items():
        home = root / ("01-04/Images1" if number < 5 else "21-26/Images6")
        face(home / f"{number:02}_126_{number}963.JPG", means(name))
        face(home / f"{number:02}_221.jpg", means(name))
    rows = [f"{number},{name}" for number, name in CFEE.items()]
    write(root / "AU_annotation_all_subjects.csv", "\n".join(["id,emotion", *rows]))
    return root


def affectnet_lists(root: Path, headed: tuple[bool, bool] = (True, False)) -> Path:
    """The old release: lists, of which that of validation may have no header, and a box per picture."""
    columns = ("face_x", "face_y", "face_width", "face_height", "facial_landmarks", "expression")
    header = ",".join(["subDirectory_filePath", *columns, "valence", "arousal"])
    for part, wanted in zip(("training", "validation"), headed):
        rows = [header] if wanted else []
        for number, of in enumerate([*truth.AFFECTNET, None, None, None]):
            for n in range(PER_CLASS):
                name = f"{number}/{part}{n}.jpg"
                left, top, side = scaled(2, 3, SIDE)
                boxes = {(left, top, left + side, top + side): of} if number < 10 else {}
                faces_in(root / "Manually_Annotated_Images" / name, boxes, shape=(24, 24))
                box = f"{left},{top},{side},{side}" if boxes else "NULL,NULL,NULL,NULL"
                rows.append(f"{name},{box},1.5;2.5,{number},-2,-2")
        rows.append(rows[-PER_CLASS * 11])  # some rows come twice
        write(root / f"Manually_Annotated_file_lists/{part}.csv", "\n".join(rows) + "\n")
    return root


def affectnet_files(root: Path) -> Path:
    """The new release: a label file per picture, a text or a number of no dimension."""
    for part in ("train_set", "val_set"):
        (root / part / "annotations").mkdir(parents=True)
        for number, of in enumerate([*truth.AFFECTNET, None]):
            for n in range(PER_CLASS):
                name = f"{number}{n}"
                face(root / part / "images" / f"{name}.jpg", of)
                label = np.array(str(number) if n else number)
                np.save(root / part / "annotations" / f"{name}_exp.npy", label)
    return root


def expw(root: Path) -> Path:
    """Two faces in each picture; one row comes twice, and one face has two labels."""
    rows = []
    for label, of in enumerate(truth.FER2013):
        boxes = [tuple(scaled(10 * n, 2, 10 * n + 10, 12)) for n in range(PER_CLASS)]
        faces_in(root / f"image/origin/{label}.jpg", dict.fromkeys(boxes, of), shape=(24, 24))
        for n, (left, top, right, bottom) in enumerate(boxes):
            rows.append(f"{label}.jpg {n} {top} {left} {right} {bottom} {30 * n}.5 {label}")
    rows += [rows[0], "6.jpg 2 0 0 4 4 99 1", "6.jpg 2 0 0 4 4 99 2"]
    write(root / "label/label.lst", "\n".join(rows))
    return root


def _votes() -> list[tuple[str | None, list[int]]]:
    """A clear vote for each class, split by single votes; then a tie, a half, unknown and no face."""
    clear = [[6 if place == label else int(place < 4) for place in range(10)] for label in range(EIGHT)]
    return [
        *((of, votes) for of, votes in zip(truth.FERPLUS, clear) for _ in range(PER_CLASS)),
        (None, [5, 5, *[0] * 8]),
        (None, [4, 2, 2, *[0] * 7]),
        (None, [*[0] * 8, 9, 1]),
        (None, [*[0] * 8, 0, 10]),
    ]


HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
USAGES = {"Training": "FER2013Train", "PublicTest": "FER2013Valid", "PrivateTest": "FER2013Test"}


def _voted() -> list[tuple[str, str, str | None, list[int]]]:
    """Usage, name, expression and votes; one name in each part is empty, which means: of no use."""
    rows = []
    for usage in USAGES:
        for of, votes in _votes():
            rows.append((usage, f"fer{len(rows):07}.png", of, votes))
        rows.append((usage, "", None, [10, *[0] * 9]))
    return rows


def _table(root: Path) -> Path:
    rows = [",".join([usage, name, *map(str, votes)]) for usage, name, _, votes in _voted()]
    return write(root / "fer2013new.csv", "\n".join([HEADER, *rows]))


def ferplus_csv(root: Path) -> Path:
    """fer2013.csv and fer2013new.csv, row for row."""
    root.mkdir(parents=True)
    with (root / "fer2013.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("emotion", "pixels", "Usage"))
        for number, (usage, _, of, _) in enumerate(_voted()):
            writer.writerow((0, csv_pixels(f"fer{number}", of), usage))
    _table(root)
    return root


def ferplus_folders(root: Path) -> Path:
    """The images and lists of the authors' script."""
    lists: dict[str, list[str]] = {}
    for usage, name, of, votes in _voted():
        if name:
            face(root / "data" / USAGES[usage] / name, of)
            row = f'{name},"(0, 0, 48, 48)",{",".join(map(str, votes))}'
            lists.setdefault(USAGES[usage], []).append(row)
    for folder, rows in lists.items():
        write(root / "data" / folder / "label.csv", "\n".join(rows))
    return root


def ferplus_table(root: Path) -> Path:
    """The images of the authors' script, with fer2013new.csv in place of the lists."""
    ferplus_folders(root)
    for folder in USAGES.values():
        (root / "data" / folder / "label.csv").unlink()
    _table(root)
    return root


def raf_ml(root: Path) -> Path:
    """Images with a majority, and a blend in each part."""
    shares, parts = [], []
    for part in (0, 1):
        for label, of in enumerate([*truth.RAF_BASIC[:6], None]):
            for n in range(PER_CLASS):
                name = f"{part}{label}{n}.jpg"
                face(root / "Image/aligned" / f"{part}{label}{n}_aligned.jpg", of)
                values = [0.5, 0.5, 0, 0, 0, 0] if label == 6 else [0.08] * 6
                if label < 6:
                    values[label] = 0.6
                shares.append(" ".join([name, *map(str, values)]))
                parts.append(f"{name} {part}")
    write(root / "EmoLabel/distribution.txt", "\n".join(shares))
    write(root / "EmoLabel/partition_label.txt", "\n".join(parts))
    return root


def raf_ce(root: Path) -> Path:
    """Three lists, of labels from 0 and of parts 0, 1 and 2 (train, test, validation)."""
    labels, parts, units = [], [], []
    for part in range(3):
        for label, of in enumerate(truth.RAF_CE):
            for n in range(PER_CLASS):
                name = f"{len(labels):04}.jpg"
                face(root / "aligned" / name.replace(".jpg", "_aligned.jpg"), of)
                labels.append(f"{name} {label}")
                parts.append(f"{name} {part}")
                units.append(f"{name} {'null' if n else 'L12+1+25'}")
    for kind, rows in (("emolabel", labels), ("partition", parts), ("AUlabel", units)):
        write(root / f"RAFCE_{kind}.txt", "\n".join(rows))
    return root


TREES = {
    "ckplus": ("ckplus", ckplus),
    "ckplus48": ("ckplus48", ckplus48),
    "jaffe": ("jaffe", jaffe),
    "kdef": ("kdef", kdef),
    "kdef-all": ("kdef-all", kdef),
    "oulu-casia": ("oulu-casia", oulu_casia),
    "oulu-casia, whole": ("oulu-casia", lambda root: oulu_casia(root, "OriginalImg/VL")),
    "sfew": ("sfew", sfew),
    "cfee": ("cfee", cfee),
    "affectnet lists": ("affectnet", affectnet_lists),
    "affectnet files": ("affectnet", affectnet_files),
    "expw": ("expw", expw),
    "ferplus csv": ("ferplus", ferplus_csv),
    "ferplus folders": ("ferplus", ferplus_folders),
    "ferplus table": ("ferplus", ferplus_table),
    "raf-ml": ("raf-ml", raf_ml),
    "raf-ce": ("raf-ce", raf_ce),
}

CLASSES = {
    "ckplus": EIGHT,
    "cfee": len(CFEE),
    "affectnet": EIGHT,
    "ferplus": EIGHT,
    "raf-ml": 6,
    "raf-ce": 14,
}
"""How many classes a data set's trees have, where these are not seven."""

SIZES = {
    "ckplus": {"neutral": 7, None: 3},
    "oulu-casia": {"neutral": 6, None: 3},
    "kdef-all": {None: 2 * 5},
}
"""How many images each class of each split has, where that is not PER_CLASS; None is any other class."""
