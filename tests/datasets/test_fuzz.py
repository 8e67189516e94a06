"""Whatever lies in a folder is an index or a DatasetError in one line that names the folder. Never another
exception, and nothing is written beside it.

A few dozen inputs of each; `--hypothesis-profile=long` makes it ten thousand.
"""

import io
import os
import tempfile
from functools import cache
from pathlib import Path

import pandas as pd
import yaml
from helpers import layouts, trees
from helpers.fuzz import (
    CHANGES,
    TEXT,
    answer,
    as_json,
    csv_files,
    damaged,
    few,
    is_plain,
    mutated,
    room,
    some_bytes_changed,
)
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fer_meta.datasets.base import INDEX_COLUMNS
from fer_meta.datasets.cache import load_images
from fer_meta.datasets.registry import CATALOGUE, spec_for
from fer_meta.datasets.scanning import IMAGE_SUFFIXES

NAMES = [*CATALOGUE, "faces"]


def scanned(name: str, root: Path) -> pd.DataFrame | None:
    """The index, or None for an error that names the folder; all else fails."""
    index = answer(lambda: spec_for(name, root).scan(root), root)
    assert index is None or (
        tuple(index.columns)[: len(INDEX_COLUMNS)] == INDEX_COLUMNS  # and shares of votes
        and len(index)
        and index["label"].notna().all()
        and index["path"].is_unique
    )
    return index


def loaded(name: str, root: Path) -> None:
    """The whole way, with a cache of its own."""
    faces = answer(lambda: load_images(spec_for(name, root), root, 8, progress=False))
    if faces is not None:
        assert faces.images.shape == (len(faces.index), 8, 8, 3)
        assert all(reason and is_plain(reason) for _, reason in faces.unreadable)


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
        if not Path(os.path.realpath(place.parent)).is_relative_to(
            os.path.realpath(root)
        ):  # by a link that is there already
            return
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


@few(40)
@given(st.sampled_from(NAMES), st.lists(ENTRY, max_size=6))
def test_any_tree_becomes_an_index_or_an_error(name, entries):
    with room() as root:
        for entry in entries:
            put(root, *entry)
        if scanned(name, root) is not None:
            loaded(name, root)


# lists


@cache
def csv_text() -> bytes:
    rows = [
        f"{n},{' '.join(['7'] * (2304 if n else 9))},{usage}"
        for n, usage in enumerate(("Training", "PublicTest", "PrivateTest"))
    ]
    return "\n".join(["emotion,pixels,Usage", *rows, ""]).encode()


@few(40)
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
    with room() as root:
        (root / "fer2013.csv").write_bytes(data)
        if scanned("fer2013", root) is not None:
            loaded("fer2013", root)


@cache
def tree_of(layout: str) -> dict[str, bytes]:
    """The files of a layout, by their paths."""
    with tempfile.TemporaryDirectory() as folder:
        root = layouts.TREES[layout][1](Path(folder, "data"))
        return {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }


@cache
def listed() -> list[tuple[str, str]]:
    """Each file of each layout that is no image: (layout, file)."""
    files = [(layout, name) for layout in layouts.TREES for name in tree_of(layout)]
    return [(layout, name) for layout, name in files if Path(name).suffix.lower() not in IMAGE_SUFFIXES]


def changed_list(content: bytes) -> st.SearchStrategy[bytes]:
    """Other bytes, or other words in its lines."""
    try:
        lines = content.decode().splitlines()[:40]
    except UnicodeDecodeError:
        return damaged(content)
    separator = "," if "," in content.decode() else " "
    return st.one_of(
        damaged(content), csv_files([line.split(separator) for line in lines] or [[]], separator)
    )


@few(60)
@given(st.data())
def test_any_list_of_any_data_set_becomes_an_index_or_an_error(data):
    layout, changed = data.draw(st.sampled_from(listed()))
    with room() as root:
        for name, content in tree_of(layout).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data.draw(changed_list(content)) if name == changed else content)
        scanned(layouts.TREES[layout][0], root)


YAML = {
    "subject": "([^/]+)_[0-9]+[.]png$",
    "clip": "(.)",
    "title": "mine",
    "labels": {"happy": "happiness", "0": "skip"},
    "vocabulary": ["happy", "sad"],
    "columns": {"label": "emotion"},
    "manifest": "list.csv",
}
MORE = b"licence: !!str mine\ncitation: &a {b: *a}\n"


@st.composite
def yaml_files(draw) -> bytes:
    keys = draw(st.lists(st.sampled_from(sorted(YAML)), unique=True, max_size=4))
    some = {key: YAML[key] for key in keys}
    if draw(st.booleans()):
        return draw(damaged(yaml.safe_dump(some).encode() + MORE))
    return as_json(draw(mutated(some)))  # which YAML reads


LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
MAPS = "a0: &a0 {k: 1}\n" + "".join(
    f"a{n}: &a{n} {{{', '.join(f'{k}: *a{n - 1}' for k in 'bcdefghi')}}}\n" for n in range(1, 12)
)
MERGES = MAPS.replace("b: *", "<<: *")
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


@few(60)
@given(
    st.one_of(
        yaml_files(),
        st.sampled_from([LAUGHS, MAPS, MERGES])
        .flatmap(lambda bomb: st.sampled_from(sorted(YAML)).map(lambda key: f"{bomb}{key}: *a11\n"))
        .map(str.encode),
        st.tuples(st.sampled_from(["subject", "clip", "title", "labels", "vocabulary"]), VALUE).map(
            lambda pair: ": ".join(pair).encode(errors="surrogatepass")
        ),
    )
)
def test_any_settings_become_an_index_or_an_error(data):
    with room() as root:
        (root / "happy").mkdir()
        (root / "happy/ann_1.png").write_bytes(png())
        (root / "fer-meta.yaml").write_bytes(data)
        scanned("faces", root)
