"""Whatever is in a user's own table, in a Hugging Face data set, in an archive or in a note of a download is
read, or is an error in one line that names the file.
"""

import gzip
import io
import json
import tarfile
import zipfile
from contextlib import suppress
from functools import cache, partial
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pytest
from helpers.fuzz import (
    answer,
    csv_files,
    damaged,
    few,
    is_plain,
    json_files,
    jsonl_files,
    parquet_files,
    room,
)
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fer_meta.datasets import archives
from fer_meta.datasets.base import OnHub
from fer_meta.datasets.decoding import face_of
from fer_meta.datasets.getting import LOCK, download
from fer_meta.datasets.registry import spec_for
from fer_meta.datasets.show import listing
from fer_meta.datasets.tables import read_lines
from fer_meta.errors import ImageError


@cache
def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (9, 9), "red").save(file, "PNG")
    return file.getvalue()


def used(root: Path) -> None:
    """Read the folder as a data set, and each of its images."""
    assert all(is_plain(line) for line in listing("faces", {"faces": root}))
    spec = spec_for("faces", root)
    for path in spec.scan(root)["path"]:
        with suppress(ImageError, OSError):  # damaged, or missing
            face_of(partial(spec.read, root, path), 8)


ROWS = [
    ["path", "label", "subject", "clip", "frame", "split", "box"],
    ["a.png", "happy", "ann", "c1", "1", "train", "0 0 9 9"],
    ["b/c.png", "sad", "bob", "", "2", "test", "[1, 1, 8, 8]"],
]
COLUMNS = {name: [row[number] for row in ROWS[1:]] for number, name in enumerate(ROWS[0])}
TABLES = {
    "manifest.csv": csv_files(ROWS),
    "metadata.csv": csv_files(ROWS, ";"),
    "metadata.jsonl": jsonl_files([dict(zip(ROWS[0], row)) for row in ROWS[1:]]),
    "manifest.parquet": parquet_files(COLUMNS),
}


@few(80)
@given(st.sampled_from(sorted(TABLES)), st.data())
def test_any_table_of_a_user_becomes_images_or_an_error(name, data):
    with room() as root:
        (root / "b").mkdir()
        for image in ("a.png", "b/c.png"):
            (root / image).write_bytes(png())
        (root / name).write_bytes(data.draw(TABLES[name]))
        answer(lambda: used(root), root)


# Hugging Face

HUB = {
    "image": [{"bytes": png(), "path": "a.png"}, {"bytes": png(), "path": None}],
    "label": [0, 1],
    "subject": ["ann", "bob"],
}
ABOUT = {"info": {"features": {"label": {"names": ["happy", "sad"], "_type": "ClassLabel"}}}}


def arrow_file(about: bytes) -> bytes:
    file = io.BytesIO()
    table = pa.table(HUB).replace_schema_metadata({"huggingface": about})
    with pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    return file.getvalue()


ARROWS = st.one_of(json_files(ABOUT).map(arrow_file), damaged(arrow_file(json.dumps(ABOUT).encode())))


@few(60)
@given(
    st.one_of(st.tuples(st.just("train.arrow"), ARROWS), st.tuples(st.just("x.parquet"), parquet_files(HUB)))
)
def test_any_file_of_hugging_face_becomes_images_or_an_error(file):
    name, content = file
    with room() as root:
        (root / name).write_bytes(content)
        answer(lambda: used(root), root)


@pytest.mark.parametrize("name", ["subject", "image", "bytes"])
def test_a_column_whose_name_is_no_text_is_one_line(tmp_path, name):
    whole = arrow_file(json.dumps(ABOUT).encode())
    assert name.encode() in whole
    (tmp_path / "train.arrow").write_bytes(whole.replace(name.encode(), name[:-1].encode() + b"\xc8"))
    answer(lambda: used(tmp_path), tmp_path)


def test_a_length_that_leads_beyond_an_arrow_file_is_not_followed(tmp_path):
    whole = arrow_file(json.dumps(ABOUT).encode())
    at = whole.index(b"annbob") - 16  # where the names of people begin and end: 0, 3, 6
    for place in range(at - 64, at + 16, 4):
        for other in (b"\xff\xff\xff\x7f", b"\xf0\xff\xff\xff"):
            (tmp_path / "train.arrow").write_bytes(whole[:place] + other + whole[place + 4 :])
            answer(lambda: used(tmp_path), tmp_path)


# archives


@cache
def packed(kind: str) -> bytes:
    """Two images and a table in an archive."""
    file = io.BytesIO()
    members = {"happy/a.png": png(), "sad/b.png": png(), "fer-meta.yaml": b"subject: '(.)[.]png'\n"}
    if kind.startswith("zip"):
        with zipfile.ZipFile(file, "w", int(kind.removeprefix("zip "))) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        form = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}[kind]
        with tarfile.open(fileobj=file, mode="w", format=form) as archive:
            for name, content in members.items():
                about = tarfile.TarInfo(name if kind != "gnu" else "x" * 120 + "/" + name)
                about.size, about.pax_headers = len(content), {"comment": "ä"}
                archive.addfile(about, io.BytesIO(content))
    return file.getvalue()


KINDS = [f"zip {number}" for number in (zipfile.ZIP_STORED, 8, 12, 14)] + ["ustar", "gnu", "pax"]


@few(80)
@given(st.sampled_from(KINDS).flatmap(lambda kind: st.tuples(st.just(kind), damaged(packed(kind)))))
def test_any_archive_becomes_images_or_an_error(made):
    kind, content = made
    with room() as folder:
        root = folder / f"faces.{'zip' if kind.startswith('zip') else 'tar'}"
        root.write_bytes(content)
        answer(lambda: used(root), folder)
        archives._opened.cache_clear()  # closes it


NAMES = st.one_of(
    st.sampled_from(
        ["../x.png", "/x.png", "a/../../x.png", "..\\x.png", "C:\\x.png", "happy/", "", "./a.png"]
    ),
    st.text(max_size=12),
)


@few(40)
@given(st.lists(NAMES, min_size=1, max_size=3), st.sampled_from(["file", "link", "hard", "device", "pipe"]))
def test_no_member_of_an_archive_leads_out_of_it(names, kind):
    types = {"file": tarfile.REGTYPE, "link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE}
    types |= {"device": tarfile.CHRTYPE, "pipe": tarfile.FIFOTYPE}
    with room() as folder:
        root = folder / "faces.tar"
        with tarfile.open(root, "w") as archive:
            for name in ("happy/a.png", "sad/b.png", *names):
                about = tarfile.TarInfo(name)
                about.linkname, about.size = "/etc/passwd", len(png())
                about.type = types[kind] if name in names else tarfile.REGTYPE
                archive.addfile(about, io.BytesIO(png()))
        opened = answer(lambda: archives.opened(root), folder)
        if opened is not None:
            assert not any(".." in name.split("/") or name.startswith("/") for name in opened.members)
            answer(lambda: used(root), folder)
        archives._opened.cache_clear()


# notes of a download, and packed lists

SHA = "0" * 64
NOTE = {
    "repo": "someone/faces",
    "revision": "1234",
    "files": {"data/train.parquet": {"bytes": 9, "sha256": SHA}, "README.md": {"bytes": 1, "sha256": SHA}},
}


@few(60)
@given(st.one_of(json_files(NOTE), json_files(NOTE | {"files": {}})))
def test_any_note_of_a_download_is_held_against_the_files_or_an_error(content):
    with room() as root:
        (root / LOCK).write_bytes(content)
        told = answer(lambda: download(OnHub("someone/faces", ()), root), root)
        if told:  # all that `data get` prints
            lock, new = told
            assert not new and sum(file["bytes"] for file in lock["files"].values()) >= 0
            assert is_plain(lock["revision"])


@cache
def packed_list() -> bytes:
    return gzip.compress(b"a.png,happy\n" * 9)


@few(40)
@given(damaged(packed_list()))
def test_any_packed_list_is_its_lines_or_an_error(content):
    with room() as root:
        (root / "list.csv.gz").write_bytes(content)
        answer(lambda: read_lines(root / "list.csv.gz"), root)
