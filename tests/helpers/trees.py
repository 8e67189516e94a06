"""Tiny data sets, made on the spot in the layouts in which the real ones are handed out.

Every face is a random 12x12 picture drawn from its own path, so no two are identical unless a test makes
them so. Each tree holds `PER_CLASS` images of each class in each of its splits, and says of each image which
expression it stands for.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from helpers import truth
from helpers.painting import SIDE, picture, pixels, scaled
from helpers.truth import means

PER_CLASS = 2
AFEW_CLASSES = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
FER_CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def face(path: Path, of: str | None = None, like: str | None = None, shape=(SIDE, SIDE)) -> Path:
    """Write a picture that stands for the expression `of`; two written with the same `like` are identical."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(like or str(path), of, scaled(*shape))).save(path)
    return path


def faces_in(path: Path, faces: Mapping[tuple[int, int, int, int], str | None], shape) -> Path:
    """Write a picture with a face in each box (left, top, right, bottom), which stands for an expression."""
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas = Image.fromarray(pixels(str(path), scaled(*shape))).convert("RGB")
    for (left, top, right, bottom), of in faces.items():
        one = picture(f"{path} {left}", of, (bottom - top, right - left))
        canvas.paste(Image.fromarray(one), (left, top))
    canvas.save(path)
    return path


def csv_pixels(key: str, of: str | None) -> str:
    """A picture as FER2013's csv holds it: 48x48 greys."""
    greys = np.asarray(Image.fromarray(picture(key, of, (48, 48))).convert("L"))
    return " ".join(map(str, greys.ravel()))


def fer2013_csv(root: Path, name: str = "fer2013.csv", blanks: bool = False) -> Path:
    """The challenge's csv: emotion, pixels, Usage; `blanks` before the names as in icml_face_data.csv."""
    root.mkdir(parents=True, exist_ok=True)
    columns = ("emotion", " Usage", " pixels") if blanks else ("emotion", "pixels", "Usage")
    with (root / name).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for usage in ("Training", "PublicTest", "PrivateTest"):
            for emotion, shown in enumerate(truth.FER2013):
                for n in range(PER_CLASS):
                    row = {
                        "emotion": emotion,
                        "Usage": usage,
                        "pixels": csv_pixels(f"{usage}{emotion}{n}", shown),
                    }
                    writer.writerow([row[column.strip()] for column in columns])
    return root


def fer2013_folders(root: Path) -> Path:
    """{train,validation,test}/<emotion>/<Usage>_<number>.jpg"""
    for folder, usage in (("train", "Training"), ("validation", "PublicTest"), ("test", "PrivateTest")):
        for emotion in FER_CLASSES:
            for n in range(PER_CLASS):
                face(root / folder / emotion / f"{usage}_{n}{len(emotion)}.jpg", means(emotion))
    return root


def fer2013_merged(root: Path) -> Path:
    """The mirror with PublicTest and PrivateTest together in `test`."""
    for folder, usage in (("train", "Training"), ("test", "PublicTest"), ("test", "PrivateTest")):
        for emotion in FER_CLASSES:
            for n in range(PER_CLASS):
                face(root / folder / emotion / f"{usage}_{n}.jpg", means(emotion))
    return root


def rafdb(root: Path, subset: str, nested: bool = True, spelling: str = "patition") -> Path:
    """The authors' tree, in a folder named after the subset if `nested`; no newline ends the list."""
    home = root / subset if nested else root
    labels = dict(enumerate(truth.RAF_BASIC if subset == "basic" else truth.RAF_COMPOUND, 1))
    lines = []
    for split, digits in (("train", 5), ("test", 4)):
        for number, label in enumerate((label for label in labels for _ in range(PER_CLASS)), 1):
            stem = f"{split}_{number:0{digits}}"
            face(home / "Image/aligned" / f"{stem}_aligned.jpg", labels[label])
            lines.append(f"{stem}.jpg {label}")
    (home / "EmoLabel").mkdir()
    (home / f"EmoLabel/list_{spelling}_label.txt").write_text("\n".join(lines))
    return root


def rafdb_basic(root: Path) -> Path:
    return rafdb(root, "basic")


def rafdb_compound(root: Path) -> Path:
    return rafdb(root, "compound")


def rafdb_kaggle(root: Path) -> Path:
    """DATASET/{train,test}/1..7/ beside train_labels.csv and test_labels.csv."""
    for split, digits in (("train", 5), ("test", 4)):
        rows = ["image,label"]
        for number, label in enumerate((label for label in range(1, 8) for _ in range(PER_CLASS)), 1):
            name = f"{split}_{number:0{digits}}_aligned.jpg"
            face(root / "DATASET" / split / str(label) / name, truth.RAF_BASIC[label - 1])
            rows.append(f"{name},{label}")
        (root / f"{split}_labels.csv").write_text("\n".join(rows) + "\n")
    return root


def _afew(root: Path, folders: tuple[str, str], layout: str, films: str | None = None) -> Path:
    """A clip a class and split, of PER_CLASS frames; the fields of `layout` and `films` say where."""
    for folder in folders:
        for number, emotion in enumerate(AFEW_CLASSES):
            # The first clip has the same name in both splits, as happens in the real set.
            clip = f"{number:09}" if number == 0 else f"{number:08}{len(folder)}"
            fields = {"split": folder, "emotion": emotion, "clip": clip}
            for frame in range(1, PER_CLASS + 1):
                face(root / layout.format(**fields) / f"{frame:03}.jpg", means(emotion))
            if films:
                film = root / films.format(**fields)
                film.parent.mkdir(parents=True, exist_ok=True)
                film.write_bytes(b"RIFF")
    return root


def afew(root: Path) -> Path:
    """{train_afew,val_afew}/<Class>/<clip>/*.jpg"""
    return _afew(root, ("train_afew", "val_afew"), "{split}/{emotion}/{clip}")


def afew_background(root: Path) -> Path:
    """{images_background,images_evaluation}/<Emotion>/<clip>/*.jpg"""
    return _afew(root, ("images_background", "images_evaluation"), "{split}/{emotion}/{clip}")


def afew_unpacked(root: Path) -> Path:
    """The official archive of faces unpacked beside the films."""
    return _afew(
        root,
        ("Train_AFEW", "Val_AFEW"),
        "{split}/AlignedFaces_LBPTOP_Points/AlignedFaces_LBPTOP_Points/Faces/{clip}",
        "{split}/{emotion}/{clip}.avi",
    )


def afew_tracks(root: Path) -> Path:
    """Faces/{Train,Val}/<clip>/<frame>.jpg beside {Train,Val}/<Emotion>/<clip>.avi"""
    return _afew(root, ("Train", "Val"), "Faces/{split}/{clip}", "{split}/{emotion}/{clip}.avi")


def folder_splits(root: Path) -> Path:
    """<split>/<label>/<person>_<number>.png, with a fer-meta.yaml that takes the person as subject."""
    for split in ("training", "testing"):
        for label in ("Happy", "Contempt", "happily surprised"):
            for n in range(PER_CLASS):
                face(root / split / label / f"{split}person{n}_{n:04}.png", means(label))
    (root / "fer-meta.yaml").write_text("subject: '([^/]+)_[0-9]+[.]png$'\nlicence: mine\n")
    return root


def folder_labels(root: Path) -> Path:
    """<label>/*.png: no splits, no subjects."""
    for label in ("happy", "sad"):
        for n in range(PER_CLASS):
            face(root / label / f"{n}.png", means(label))
    return root


TREES = {
    "fer2013 csv": ("fer2013", fer2013_csv),
    "fer2013 csv, icml": ("fer2013", lambda root: fer2013_csv(root, "icml_face_data.csv", blanks=True)),
    "fer2013 folders": ("fer2013", fer2013_folders),
    "fer2013 merged": ("fer2013", fer2013_merged),
    "rafdb-basic": ("rafdb-basic", rafdb_basic),
    "rafdb-basic, flat": ("rafdb-basic", lambda root: rafdb(root, "basic", False, "partition")),
    "rafdb-basic, kaggle": ("rafdb-basic", rafdb_kaggle),
    "rafdb-compound": ("rafdb-compound", rafdb_compound),
    "afew": ("afew", afew),
    "afew background": ("afew", afew_background),
    "afew unpacked": ("afew", afew_unpacked),
    "afew tracks": ("afew", afew_tracks),
    "folder with splits": ("faces", folder_splits),
    "folder of labels": ("faces", folder_labels),
}
"""Every layout: the data set's name and the function that makes it below a root."""
