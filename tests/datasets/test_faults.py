"""Faults while data are found, decoded and kept: an error in one line and nothing kept, or the same images as
without the fault.
"""

import errno
import os
import socket
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from helpers import trees
from PIL import Image

from fer_meta.cli.data import data
from fer_meta.datasets import decoding, places, prepared, scanning
from fer_meta.datasets.cache import load_images, unreadable_line
from fer_meta.datasets.registry import is_here, locate, names, spec_for
from fer_meta.errors import DatasetError, MachineError

SIZE = 12


@pytest.fixture
def place(tmp_path):
    """The cache, as conftest.py sets it."""
    return tmp_path / "cache"


@pytest.fixture
def root(tmp_path):
    return trees.folder_labels(tmp_path / "data")


def load(root, name="faces", size=SIZE):
    return load_images(spec_for(name, root), root, size, progress=False)


def refused(*words):
    """One line, without control characters, that holds all the words."""

    class Refused:
        def __enter__(self):
            self.raises = pytest.raises((DatasetError, MachineError))
            self.caught = self.raises.__enter__()

        def __exit__(self, *error):
            done = self.raises.__exit__(*error)
            message = str(self.caught.value)
            assert message.isprintable()
            for word in words:
                assert word in message
            return done

    return Refused()


def failing(number, name):
    """A function that opens or reads as `os` does, but fails with this errno for paths that end in `name`."""

    def wrap(function):
        def call(path, *arguments, **options):
            if str(path).endswith(name):
                raise OSError(number, os.strerror(number), str(path))
            return function(path, *arguments, **options)

        return call

    return wrap


# the disk fails while images are decoded


@pytest.mark.parametrize(
    "number", [errno.EIO, errno.ENOENT, errno.EMFILE, errno.ESTALE, errno.EACCES, errno.ENOMEM]
)
@pytest.mark.parametrize(
    "name, make, file",
    [
        ("faces", trees.folder_labels, "sad/1.png"),
        ("rafdb-basic", trees.rafdb_basic, "train_00003_aligned.jpg"),
        ("afew", trees.afew, "002.jpg"),
    ],
)
def test_a_file_that_the_disk_does_not_give_is_an_error_and_nothing_is_kept(
    name, make, file, number, tmp_path, place, monkeypatch
):
    root = make(tmp_path / "data")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", failing(number, file)(Path.read_bytes))
        with refused(file, os.strerror(number), "run again"):
            load(root, name)
    assert not list(place.iterdir())
    assert not load(root, name).unreadable


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOENT, errno.EMFILE])
def test_a_csv_that_the_disk_does_not_give_is_an_error_and_nothing_is_kept(
    tmp_path, place, monkeypatch, number
):
    root = trees.fer2013_csv(tmp_path / "data")
    spec = spec_for("fer2013", root)
    spec.scan(root)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", failing(number, "fer2013.csv")(Path.open))
        with refused("fer2013.csv", os.strerror(number)):
            load_images(spec, root, SIZE, progress=False)
    assert not list(place.iterdir()) and not load(root, "fer2013").unreadable


def test_prepared_images_that_the_disk_does_not_give_are_an_error_and_nothing_is_kept(
    root, tmp_path, place, monkeypatch
):
    load(root)
    (made,) = place.iterdir()
    made.rename(tmp_path / "made")
    spec = spec_for("made", tmp_path / "made")
    monkeypatch.setattr(Path, "open", failing(errno.EIO, "made/images.npy")(Path.open))
    with refused("images.npy", os.strerror(errno.EIO)):
        load_images(spec, tmp_path / "made", 8, progress=False)
    assert not list(place.iterdir())


def test_a_folder_that_is_gone_for_a_moment_is_an_error_and_the_next_start_finds_all(root, place):
    spec = spec_for("faces", root)

    def read(root, path):
        if path == "happy/1.png":
            (root / "sad").rename(root / ".away")
            try:
                return spec.read(root, "sad/0.png")
            finally:
                (root / ".away").rename(root / "sad")
        return spec.read(root, path)

    with refused("happy/1.png", "cannot be read", "No such file"):
        load_images(replace(spec, read=read), root, SIZE, progress=False)
    assert not list(place.iterdir())
    assert len(load(root).images) == 4


def test_a_folder_that_is_gone_since_it_was_listed_is_an_error(root, place):
    spec = spec_for("faces", root)

    def scan(root):
        index = spec.scan(root)
        (root / "sad").rename(root / ".away")
        return index

    with refused("sad/0.png", "cannot be read"):
        load_images(replace(spec, scan=scan), root, SIZE, progress=False)
    assert not place.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda file: trees.face(file, like="another"),
        lambda file: file.write_bytes(b""),
        lambda file: file.unlink(),
    ],
)
def test_files_that_change_while_they_are_decoded_are_not_kept(root, place, change):
    spec = spec_for("faces", root)

    def read(root, path):
        image = spec.read(root, path)
        if path == "sad/1.png":
            change(root / "happy/0.png")
        return image

    with refused("happy/0.png", "run again"):
        load_images(replace(spec, read=read), root, SIZE, progress=False)
    assert not list(place.iterdir())


def test_a_listed_image_that_comes_back_is_decoded(tmp_path):
    root = trees.rafdb_basic(tmp_path / "data")
    image = root / "basic/Image/aligned/train_00003_aligned.jpg"
    image.rename(tmp_path / "away.jpg")
    assert len(load(root, "rafdb-basic").unreadable) == 1
    (tmp_path / "away.jpg").rename(image)
    assert not load(root, "rafdb-basic").unreadable


def test_no_memory_for_an_image_is_an_error_that_names_it(root, place, monkeypatch):
    def no_memory(*_):
        raise MemoryError

    with refused("happy/0.png", "not enough memory"):
        load_images(replace(spec_for("faces", root), read=no_memory), root, SIZE, progress=False)
    assert not list(place.iterdir())


@pytest.mark.parametrize(
    "error",
    [
        OSError("image file is truncated"),
        OSError(-2),
        ValueError("odd"),
        SyntaxError("not a PNG"),
        IndexError(),
        ZeroDivisionError("zero"),
        Image.DecompressionBombError("too large"),
    ],
)
def test_what_pillow_raises_for_a_damaged_image_leaves_that_image_out(root, error, monkeypatch):
    whole = decoding.decoded

    def decode(data):
        if data == (root / "sad/1.png").read_bytes():
            raise error
        return whole(data)

    monkeypatch.setattr(decoding, "decoded", decode)
    ((path, reason),) = load(root).unreadable
    assert path == "sad/1.png" and reason


# what is no file, no folder, no name


def pipe(path):
    os.mkfifo(path)


def listening(path):
    with socket.socket(socket.AF_UNIX) as one:
        here = os.getcwd()
        os.chdir(path.parent)  # the name of a socket is at most 100 characters long
        try:
            one.bind(path.name)
        finally:
            os.chdir(here)


def device(path):
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [pipe, listening, device])
def test_what_is_no_regular_file_is_no_image(root, make):
    make(root / "happy/2.png")
    assert load(root).unreadable == (("happy/2.png", "not a regular file"),)


@pytest.mark.parametrize("make", [pipe, device, Path.mkdir])
@pytest.mark.parametrize(
    "name, tree, file",
    [
        ("faces", trees.folder_labels, "fer-meta.yaml"),
        ("fer2013", trees.fer2013_csv, "fer2013.csv"),
        ("rafdb-basic", trees.rafdb_basic, "basic/EmoLabel/list_patition_label.txt"),
        ("rafdb-basic", trees.rafdb_kaggle, "train_labels.csv"),
    ],
)
def test_a_list_that_is_no_regular_file_is_refused(tmp_path, name, tree, file, make):
    root = tree(tmp_path / "data")
    (root / file).unlink(missing_ok=True)
    make(root / file)
    with refused(file, "not a regular file"):
        load(root, name)


def test_links_to_files_and_folders_elsewhere_are_followed(root, tmp_path):
    trees.face(tmp_path / "elsewhere/more/7.png")
    (root / "happy/folder").symlink_to(tmp_path / "elsewhere")
    (root / "sad/8.png").symlink_to(tmp_path / "elsewhere/more/7.png")
    assert {"happy/folder/more/7.png", "sad/8.png"} <= set(load(root).index["path"])


@pytest.mark.parametrize("target", ["..", "../..", "."])
def test_a_folder_linked_into_itself_is_refused(root, target):
    (root / "happy/again").symlink_to(target)
    with refused("again", "link to a folder that contains it"):
        load(root)


def test_a_link_to_a_folder_that_is_gone_is_refused_and_one_to_a_file_is_an_image_that_is_missing(
    root, tmp_path
):
    (root / "sad/9.png").symlink_to(tmp_path / "gone.png")
    (root / "sad/round.png").symlink_to("round.png")
    assert dict(load(root).unreadable) == {"sad/9.png": "missing", "sad/round.png": "missing"}
    (root / "surprise").symlink_to(tmp_path / "gone")
    with refused("surprise", "cannot be read"):
        load(root)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_a_folder_that_cannot_be_listed_is_an_error(root, monkeypatch, number):
    monkeypatch.setattr(scanning.os, "scandir", failing(number, "sad/")(os.scandir))
    with refused("data/sad", os.strerror(number)):
        load(root)


def test_a_name_that_is_not_utf8_is_an_error_that_shows_it(root):
    os.rename(root / "happy/0.png", os.fsencode(root) + b"/happy/\xff\n.png")
    with refused("happy/\\udcff\\n.png", "not UTF-8"):
        load(root)


@pytest.mark.parametrize("path", ["a" * 300, "x/" * 3000, "loop"])
def test_a_data_path_that_no_disk_can_hold_is_an_error(path, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with refused("cannot be read"):
        locate("faces", {"faces": tmp_path / path})


@pytest.mark.parametrize(
    "variable, call",
    [
        ("FER_META_DATA", lambda root: names({})),
        ("FER_META_DATA", lambda root: is_here("faces", {})),
        ("FER_META_CACHE", load),
    ],
)
def test_the_home_folder_of_nobody_is_an_error_that_names_the_variable(root, monkeypatch, variable, call):
    monkeypatch.setenv(variable, "~nobody-of-this-name/faces")
    with refused(variable, "~"):
        call(root)


# the cache


@pytest.mark.parametrize("path", ["a" * 300, "loop", "file/x", "odd\udcff/loop"])
def test_a_cache_path_that_no_disk_can_hold_is_an_error_with_the_fix(root, tmp_path, monkeypatch, path):
    (tmp_path / "file").write_text("")
    (tmp_path / "odd\udcff").mkdir()
    for folder in (tmp_path, tmp_path / "odd\udcff"):
        (folder / "loop").symlink_to("loop")
    monkeypatch.setenv("FER_META_CACHE", str(tmp_path / path))
    with refused("cannot be written", "set FER_META_CACHE"):
        load(root)


def test_a_cache_path_of_odd_bytes_works(root, tmp_path, monkeypatch):
    monkeypatch.setenv("FER_META_CACHE", str(tmp_path / "odd\udcff"))
    assert (load(root).images == load(root).images).all()


@pytest.mark.parametrize(
    "filename, full, fix",
    [
        (None, "cache", "FER_META_CACHE"),
        ("cache/x", "cache", "FER_META_CACHE"),
        ("elsewhere/x", "elsewhere", "TMPDIR"),
    ],
)
def test_a_full_disk_says_which_folder_is_full(tmp_path, filename, full, fix):
    with refused(f"{tmp_path / full}: no space left", fix), places.explained(tmp_path / "cache/faces"):
        raise OSError(errno.ENOSPC, "No space left on device", filename and str(tmp_path / filename))


def test_all_files_are_on_the_disk_before_they_have_their_names(root, place, monkeypatch):
    done = []
    for module in (places, prepared):
        monkeypatch.setattr(
            module,
            "sync",
            lambda path: done.append(path.name if path.parent.name.startswith(".building-") else path),
        )
    rename = os.rename
    monkeypatch.setattr(places.os, "rename", lambda *paths: (done.append("renamed"), rename(*paths)))
    load(root)
    at = done.index("renamed")
    assert {"images.npy", "index.parquet", "meta.json"} <= set(done[:at]) and done[at + 1 :] == [place]


def test_what_another_user_is_building_is_no_hindrance(root, place, monkeypatch):
    place.mkdir()
    (place / ".building-theirs").mkdir()
    monkeypatch.setattr(Path, "iterdir", failing(errno.EACCES, "theirs")(Path.iterdir))
    assert len(load(root).images) == 4


def test_a_lock_that_nobody_holds_is_removed_a_day_later(root, place):
    place.mkdir()
    for name, age in ((".old.lock", 2), (".new.lock", 0)):
        (place / name).touch()
        os.utime(place / name, (time.time() - age * 24 * 3600,) * 2)
    load(root)
    assert {path.name for path in place.glob(".*")} == {".new.lock"}


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_a_cache_that_the_disk_does_not_give_is_kept(root, place, monkeypatch, number):
    load(root)
    (made,) = place.iterdir()
    monkeypatch.setattr(prepared.os, "stat", failing(number, "images.npy")(os.stat))
    with refused(str(made), os.strerror(number)):
        load(root)
    assert list(place.iterdir()) == [made]


# what is said


def test_unreadable_images_are_said_in_one_line(root):
    assert unreadable_line(load(root)) is None
    (root / "happy/a.png").write_text("no image")
    (root / "sad/b.png").write_text("no image")
    assert (
        unreadable_line(load(root))
        == "faces: 2 of 6 images are unreadable and left out, first 'happy/a.png': not an image; "
        "see `fer-meta data check faces --data faces=PATH`"
    )


def test_names_with_line_breaks_and_control_characters_are_shown_in_one_line(root):
    (root / "happy/a\n\x1b[31m.png").write_text("no image")
    result = CliRunner().invoke(data, ["check", "faces", "--data", f"faces={root}"])
    assert "    happy/a\\n\\x1b[31m.png: not an image\n" in result.output


def test_prepared_images_are_the_same_from_the_file_as_from_the_map(root, place):
    faces = load(root)
    (made,) = place.iterdir()
    for row, image in enumerate(faces.images):
        assert np.array_equal(prepared.read(made, f"images.npy#{row}"), image)
