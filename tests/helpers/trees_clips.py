"""Tiny data sets of clips, of stills of clips and of characters, in the layouts in which the real ones are
handed out, with what is beside the data there. Each has `PER_CLASS` images of each class in each split.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from fer_meta.datasets.loaders import dfew, mafw
from helpers import truth
from helpers.painting import scaled
from helpers.trees import AFEW_CLASSES, PER_CLASS, afew_unpacked, face, faces_in
from helpers.truth import means

SPLITS = ("train", "test")
CAER_CLASSES = ("Anger", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
ALPHABETS = {"background": "Malay_(Jawi_-_Arabic)", "evaluation": "Aurek-Besh"}
LABELS = {"background": "malay_jawi_arabic", "evaluation": "aurek_besh"}
CHARACTERS = 3


def _clips(root: Path, labels: Sequence[str], name: str = "{n:05}/{n:05}_{frame:05}.jpg") -> None:
    """A clip of each class in each split, numbered from 1, and one more that is in no list."""
    for n, label in enumerate([*labels, *labels, None], 1):
        for frame in range(1, PER_CLASS + 1):
            face(root / name.format(n=n, frame=frame), label)


def _write(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))


def _dfew_lists(root: Path, place: str, fold: int) -> None:
    """The lists of a fold; what is train in one of them is test in the next."""
    for part, split in enumerate(SPLITS):
        rows = [f"{n + 7 * ((part + fold + 1) % 2)},{n}" for n in range(1, 8)]
        _write(root / place.format(split=split, fold=fold), ["video_name,label", *rows])


def dfew_official(root: Path, folds: Sequence[int] = dfew.FOLDS) -> Path:
    """EmoLabel_DataSplit beside Clip/clip_224x224, and the same clips with interpolated frames."""
    for fold in folds:
        _dfew_lists(root, "EmoLabel_DataSplit/{split}(single-labeled)/set_{fold}.csv", fold)
    _clips(root / "Clip/clip_224x224", truth.DFEW)
    _clips(root / "Clip/clip_224x224_16f", truth.DFEW, "{n:05}/{frame}.jpg")
    return root


def dfew_affine(root: Path) -> Path:
    """label/single_trainset_1.csv beside data/<clip>/*.jpg"""
    for fold in dfew.FOLDS:
        _dfew_lists(root, "label/single_{split}set_{fold}.csv", fold)
    _clips(root / "data", truth.DFEW)
    return root


def ferv39k(root: Path, lists: str = "4_setups/All_scenes", folder: str = "2_ClipsforFaceCrop") -> Path:
    """Lists without header; a clip's number recurs in another scene, and one clip is in no list."""
    for split, scene in zip(SPLITS, ("Action", "DailyLife")):
        rows = [f"{scene}/{emotion}/0001 {emotion}" for emotion in AFEW_CLASSES]
        _write(root / lists / f"{split}_All.csv", rows)
        for emotion in AFEW_CLASSES:
            for frame in range(1, PER_CLASS + 1):
                face(root / folder / scene / emotion / "0001" / f"{frame}_0.jpg", means(emotion))
    face(root / folder / "War/Sad/0009/1_0.jpg", "sadness")
    return root


def mafw_frames(root: Path, split_folder: str = "split", folder: str = "data/faces") -> Path:
    """Lists of films, a last line without newline, beside frames of faces; the films are there too."""
    for fold in mafw.FOLDS:
        for part, split in enumerate(SPLITS):
            rows = [f"{n + 11 * part:05}.mp4 {label}" for n, label in enumerate(truth.MAFW, 1)]
            _write(root / split_folder / f"single/no_caption/set_{fold}/{split}.txt", rows)
    _clips(root / folder, truth.MAFW, "{n:05}/{frame}.jpg")
    (root / "data/clips").mkdir(parents=True, exist_ok=True)
    (root / "data/clips/00001.mp4").write_bytes(b"")
    return root


def caer_stills(root: Path, boxes: bool = False) -> Path:
    """{train,test}/<Emotion>/0001.png, with `boxes` the lists of faces, in which one image is missing."""
    for split in SPLITS:
        rows = []
        for number, emotion in enumerate(CAER_CLASSES):
            for n in range(1, PER_CLASS + 1 + boxes):
                path = f"{split}/{emotion}/{n:04}.png"
                box = tuple(scaled(n, 2, n + 9, 14))
                if boxes:
                    faces_in(root / path, {box: means(emotion)}, shape=(20, 30))
                else:
                    face(root / path, means(emotion), shape=(20, 30))
                rows.append(f"{path},{number},{','.join(map(str, box))}")
        if boxes:
            _write(root / f"{split}.txt", [row for row in rows if "/0003.png" not in row])
    return root


def caer_faces(root: Path) -> Path:
    return caer_stills(root, boxes=True)


def caer_clips(root: Path) -> Path:
    """{train,validation,test}/<Emotion>/<clip>/*.jpg beside the films."""
    for split in ("train", "validation", "test"):
        for emotion in CAER_CLASSES:
            for frame in range(1, PER_CLASS + 1):
                face(root / split / emotion / "0001" / f"{frame}.jpg", means(emotion))
            (root / split / emotion / "0001.avi").write_bytes(b"RIFF")
    return root


def omniglot(root: Path) -> Path:
    """images_{background,evaluation}/<alphabet>/<character>/<number>_<drawer>.png, of one bit a pixel."""
    for part, alphabet in ALPHABETS.items():
        for character in range(1, CHARACTERS + 1):
            for drawer in range(1, PER_CLASS + 1):
                name = f"{700 + character:04}_{drawer:02}.png"
                path = root / f"images_{part}" / alphabet / f"character{character:02}" / name
                face(path, f"{LABELS[part]}_character{character:02}")
                Image.open(path).convert("1").save(path)
    return root


def packed(root: Path, folder: Path, archive: Path) -> Path:
    """Move what is in a folder into an archive, below the folder's name."""
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*.*")):
            if path.is_file():
                file.write(path, path.relative_to(folder.parent).as_posix())
                path.unlink()
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir()
    folder.rmdir()
    return root


def omniglot_packed(root: Path) -> Path:
    """The two archives as they are downloaded."""
    omniglot(root)
    for part in ALPHABETS:
        packed(root, root / f"images_{part}", root / f"images_{part}.zip")
    return root


def afew_packed(root: Path) -> Path:
    """The archives of faces beside the films, as they are handed out."""
    afew_unpacked(root)
    for split in ("Train_AFEW", "Val_AFEW"):
        faces = root / split / "AlignedFaces_LBPTOP_Points"
        packed(root, faces, faces.with_suffix(".zip"))
    return root


TREES = {
    "dfew": ("dfew", dfew_official),
    "dfew, fold 2": ("dfew-2", dfew_official),
    "dfew affine": ("dfew", dfew_affine),
    "ferv39k": ("ferv39k", ferv39k),
    "ferv39k, nested": (
        "ferv39k",
        lambda root: ferv39k(root, "FERV39k/4_setups/All_scenes", "2_ClipsforFaceCrop/2_ClipsforFaceCrop"),
    ),
    "mafw": ("mafw", mafw_frames),
    "mafw, fold 2": ("mafw-2", lambda root: mafw_frames(root, "Train & Test Set", "data/frames")),
    "caer-s": ("caer-s", caer_stills),
    "caer-s, faces": ("caer-s", caer_faces),
    "caer": ("caer", caer_clips),
    "omniglot": ("omniglot", omniglot),
    "omniglot, packed": ("omniglot", omniglot_packed),
    "afew, packed": ("afew", afew_packed),
}
"""Every layout: the data set's name and the function that makes it below a root."""

CLASSES = {**dict.fromkeys(("mafw", "mafw-2"), len(truth.MAFW)), "omniglot": 2 * CHARACTERS}
"""The number of classes of those that have not seven."""
