"""Whatever lies in a folder: an index or a DatasetError in one line; whatever is in an image: pixels or a
reason. Never another exception.

A few dozen examples of each; FER_META_FUZZ=10000 makes that many.
"""

import io
import json
import os
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import trees
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, features

from fer_meta.datasets.base import INDEX_COLUMNS
from fer_meta.datasets.cache import load_images
from fer_meta.datasets.decoding import face_of, read_image
from fer_meta.datasets.registry import CATALOGUE, spec_for
from fer_meta.errors import DatasetError, ImageError

many = settings(
    max_examples=int(os.environ.get("FER_META_FUZZ", 40)),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

NAMES = [*CATALOGUE, "faces"]
TEXT = st.text(st.characters(), max_size=12)
"""With surrogates, as names of odd bytes and files that are not UTF-8 have them, and line breaks."""


def one_line(error: Exception) -> bool:
    return str(error).isprintable() and bool(str(error))


def scanned(name: str, root: Path) -> pd.DataFrame | None:
    """The index, or None for a DatasetError; all else fails."""
    try:
        index = spec_for(name, root).scan(root)
    except DatasetError as error:
        assert one_line(error)
        return None
    assert (
        tuple(index.columns) == INDEX_COLUMNS
        and len(index)
        and index["label"].notna().all()
        and index["path"].is_unique
    )
    return index


def loaded(name: str, root: Path) -> None:
    """The whole way, with a cache of its own."""
    os.environ["FER_META_CACHE"] = str(root.parent / "cache")  # conftest.py puts it back after the test
    try:
        faces = load_images(spec_for(name, root), root, 8, progress=False)
    except DatasetError as error:
        assert one_line(error)
        return
    assert faces.images.shape == (len(faces.index), 8, 8, 3)
    assert all(reason and reason.isprintable() for _, reason in faces.unreadable)


# trees

PART = st.one_of(
    st.sampled_from(
        [
            "train",
            "test",
            "validation",
            "Val_AFEW",
            "Train_AFEW",
            "happy",
            "Sad",
            "anger",
            "1",
            "7",
            "000000001",
            "DATASET",
            "basic",
            "compound",
            "EmoLabel",
            "Image",
            "aligned",
            "fer2013",
            "a" * 255,
            ".hidden",
            "__MACOSX",
        ]
    ),
    TEXT,
)
FILE = st.one_of(
    st.sampled_from(
        [
            "001.jpg",
            "Training_1.png",
            "PublicTest_2.jpg",
            "train_00001_aligned.jpg",
            "99999999999999999999.png",
            "x.avi",
            "fer2013.csv",
            "list_patition_label.txt",
            "train_labels.csv",
            "fer-meta.yaml",
            "images.npy",
        ]
    ),
    TEXT.map(lambda text: text + ".png"),
    TEXT,
)
ENTRY = st.tuples(
    st.lists(PART, max_size=4),
    FILE,
    st.sampled_from(["image", "bytes", "pipe", "folder", "up", "round", "gone"]),
    st.binary(max_size=40),
)


@cache
def png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(trees.pixels("face")).save(file, "PNG")
    return file.getvalue()


def put(root: Path, folders: list[str], name: str, kind: str, data: bytes) -> None:
    """Make one entry, if the disk can hold one of that name."""
    place = root.joinpath(
        *(part.replace("/", "").replace("\0", "") for part in folders),
        name.replace("/", "").replace("\0", ""),
    )
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(place):  # to write to a pipe would wait for its reader
            return
        if kind in ("image", "bytes"):
            place.write_bytes(png() if kind == "image" else data)
        elif kind == "pipe":
            os.mkfifo(place)
        elif kind == "folder":
            place.mkdir()
        else:
            place.symlink_to({"up": "..", "round": place.name, "gone": "nowhere"}[kind])
    except (OSError, ValueError):
        pass


@many
@given(st.sampled_from(NAMES), st.lists(ENTRY, max_size=6))
def test_any_tree_becomes_an_index_or_an_error(name, entries):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "data")
        root.mkdir()
        for entry in entries:
            put(root, *entry)
        if scanned(name, root) is not None:
            loaded(name, root)


# lists


def some_bytes_changed(data: bytes, changes: list[tuple[int, bytes]]) -> bytes:
    """With each change, the byte at its place gives way to others, or to none."""
    changed = bytearray(data)
    for at, new in changes:
        at %= len(changed) + 1
        changed[at : at + 1] = new
    return bytes(changed)


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 10**6),
        st.one_of(
            st.binary(max_size=3), st.sampled_from([b",", b"\n", b'"', b" ", b"\r", b"9" * 25, b"\xff"])
        ),
    ),
    min_size=1,
    max_size=6,
)


@cache
def csv_text() -> bytes:
    rows = [
        f"{n},{' '.join(['7'] * (2304 if n else 9))},{usage}"
        for n, usage in enumerate(("Training", "PublicTest", "PrivateTest"))
    ]
    return "\n".join(["emotion,pixels,Usage", *rows, ""]).encode()


@many
@given(
    st.one_of(
        CHANGES.map(lambda changes: some_bytes_changed(csv_text(), changes)),
        # most of the text is pixels: change the rest as often
        CHANGES.map(lambda changes: some_bytes_changed(csv_text()[:40], changes) + csv_text()[40:]),
        st.lists(
            st.lists(
                st.one_of(TEXT, st.sampled_from(["emotion", "pixels", "Usage", "Training", "0"])), max_size=4
            ),
            max_size=4,
        ).map(lambda rows: "\n".join(map(",".join, rows)).encode(errors="surrogatepass")),
        st.binary(max_size=60),
    )
)
def test_any_csv_becomes_an_index_or_an_error(data):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "data")
        root.mkdir()
        (root / "fer2013.csv").write_bytes(data)
        if scanned("fer2013", root) is not None:
            loaded("fer2013", root)


LIST = b"train_00001.jpg 5\ntrain_00002.jpg 1\ntest_0001.jpg 7"
CLIPS = b"video_name,label\n1,3\n12,7\n"
FOLD = "EmoLabel_DataSplit/{}(single-labeled)/set_1.csv"
LISTS = {
    "rafdb-basic": ("Image/aligned/train_00001_aligned.jpg", "EmoLabel/list_patition_label.txt", LIST),
    "rafdb-compound": ("Image/aligned/train_00001_aligned.jpg", "EmoLabel/list_patition_label.txt", LIST),
    "dfew": ("Clip/jpg_256/00001/1.jpg", FOLD, CLIPS),
    "ferv39k": (
        "2_ClipsforFaceCrop/War/Sad/01/1.jpg",
        "All_scenes/{}_All.csv",
        b"War/Sad/01 Sad\nWar/Sad/02 Sad",
    ),
    "mafw-5": ("data/faces/01/1.jpg", "split/single/no_caption/set_5/{}.txt", b"01.mp4 anger\n02.mp4 fear"),
    "caer-s": ("train/Sad/1.png", "{}.txt", b"train/Sad/1.png,5,2,2,9,9\ntrain/Sad/2.png,5,-2,2,9,9"),
}
"""A picture of each data set that has lists, where its lists are ({}: one for each split), and one list."""


@many
@given(st.sampled_from([*LISTS]), CHANGES, st.one_of(st.none(), st.binary(max_size=60)))
def test_any_list_becomes_an_index_or_an_error(name, changes, other):
    picture, listed, whole = LISTS[name]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "data")
        for file, content in (
            (picture, png()),
            (listed.format("test"), b""),
            (listed.format("train"), some_bytes_changed(whole, changes) if other is None else other),
        ):
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_bytes(content)
        if scanned(name, root) is not None:
            loaded(name, root)


@many
@given(
    st.one_of(
        CHANGES.map(
            lambda changes: some_bytes_changed(
                b"image,label\ntrain_00001_aligned.jpg,1\nother.jpg,3\n", changes
            )
        ),
        st.binary(max_size=60),
    )
)
def test_any_table_becomes_an_index_or_an_error(data):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "train/1").mkdir(parents=True)
        (root / "train/1/train_00001_aligned.jpg").write_bytes(png())
        (root / "train_labels.csv").write_bytes(data)
        scanned("rafdb-basic", root)


YAML = (
    b"subject: '([^/]+)_[0-9]+[.]png$'\nclip: '(.)'\ntitle: \"mine\"\nlicence: !!str mine\ncitation: &a {b:"
    b" *a}\n"
)
VALUE = st.one_of(
    TEXT,
    st.sampled_from(
        [
            "!!float x",
            "!!int ''",
            "!!timestamp x",
            "!!binary ?",
            "!!python/name:os.system",
            "&a [*a]",
            "{[1]: 2}",
            "<<: 3",
            "2001-99-99",
            "'(a{9999999999})'",
            "'(' ",
            "'(?P<clip>.)'",
            "[" * 1500,
            "'" + "(" * 1500 + "'",
        ]
    ),
)


@many
@given(
    st.one_of(
        CHANGES.map(lambda changes: some_bytes_changed(YAML, changes)),
        st.binary(max_size=60),
        st.tuples(st.sampled_from(["subject", "clip", "title", "other"]), VALUE).map(
            lambda pair: ": ".join(pair).encode(errors="surrogatepass")
        ),
    )
)
def test_any_settings_become_an_index_or_an_error(data):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "happy").mkdir()
        (root / "happy/ann_1.png").write_bytes(png())
        (root / "fer-meta.yaml").write_bytes(data)
        scanned("faces", root)


# images


@cache
def pictures() -> dict[str, bytes]:
    """A small picture in every format and in several modes."""
    noise = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    ways = {
        "PNG": [{}, {"mode": "P"}, {"mode": "1"}, {"mode": "RGBA"}, {"mode": "I;16"}],
        "JPEG": [{}, {"mode": "CMYK"}, {"progressive": True}],
        "BMP": [{}, {"mode": "P"}],
        "GIF": [{"mode": "P"}],
        "WEBP": [{}, {"lossless": True}],
        "TIFF": [
            {},
            *({"compression": how} for how in ("tiff_lzw", "packbits", "jpeg", "tiff_adobe_deflate")),
        ],
        "PPM": [{}],
        "JPEG2000": [{}],
    }
    exif = Image.Exif()
    exif[0x0112] = 6
    found = {}
    for form, options in ways.items():
        if (form == "WEBP" and not features.check("webp")) or (
            form == "JPEG2000" and not features.check("jpg_2000")
        ):
            continue
        for number, option in enumerate(options):
            option = dict(option)
            mode = option.pop("mode", "RGB")
            image = (
                Image.fromarray(noise[..., 0].astype(np.uint16))
                if mode == "I;16"
                else Image.fromarray(noise).convert(mode)
            )
            file = io.BytesIO()
            image.save(
                file, form, **option, **({"exif": exif} if form in ("PNG", "JPEG", "WEBP", "TIFF") else {})
            )
            found[f"{form} {number}"] = file.getvalue()
    return found


@st.composite
def damaged_pictures(draw) -> bytes:
    data = pictures()[draw(st.sampled_from(sorted(pictures())))]
    data = some_bytes_changed(data, draw(CHANGES))
    return data[: draw(st.one_of(st.just(len(data)), st.integers(0, len(data))))]


@many
@pytest.mark.filterwarnings("ignore")
@given(st.one_of(damaged_pictures(), st.binary(max_size=80)))
def test_any_image_becomes_pixels_or_a_reason(data):
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "x.png").write_bytes(data)
        try:
            face = face_of(lambda: read_image(Path(folder), "x.png"), 8)
        except ImageError as error:
            assert one_line(error)
        else:
            assert face.pixels.shape == (8, 8, 3) and face.pixels.dtype == np.uint8


def test_every_picture_is_decoded_when_it_is_not_damaged(tmp_path):
    for name, data in pictures().items():
        (tmp_path / "x.png").write_bytes(data)
        if name != "PNG 4":  # 16 bits
            assert face_of(lambda: read_image(tmp_path, "x.png"), 8).pixels.shape == (8, 8, 3)


# decoded images


@cache
def parts() -> dict[str, bytes]:
    """The files of a decoded set, without checksums: what they would find is to be found without them."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FER_META_CACHE"] = folder + "/cache"
        load_images(
            spec_for("faces", trees.folder_labels(Path(folder, "data"))),
            Path(folder, "data"),
            8,
            progress=False,
        )
        (made,) = Path(folder, "cache").iterdir()
        files = {path.name: path.read_bytes() for path in made.iterdir()}
    meta = {
        key: value for key, value in json.loads(files["meta.json"]).items() if not key.startswith("checksum")
    }
    return {**files, "meta.json": json.dumps(meta).encode()}


@many
@given(st.sampled_from(["images.npy", "index.parquet", "meta.json"]), CHANGES)
def test_any_damage_to_decoded_images_becomes_images_or_an_error(name, changes):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "data")
        root.mkdir()
        for file, data in parts().items():
            (root / file).write_bytes(some_bytes_changed(data, changes) if file == name else data)
        loaded("faces", root)
