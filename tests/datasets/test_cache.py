"""The cache of decoded images: made once, whole or not at all, and never out of date."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import filelock
import numpy as np
import pandas as pd
import pytest
from helpers import layouts, trees
from PIL import Image

from fer_meta.datasets import cache, places
from fer_meta.datasets.cache import load_images
from fer_meta.datasets.registry import spec_for
from fer_meta.errors import DatasetError, MachineError

SIZE = 12


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_META_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def root(tmp_path):
    return trees.folder_labels(tmp_path / "data")


def load(root, size=SIZE, name="faces"):
    return load_images(spec_for(name, root), root, size, progress=False)


@pytest.mark.parametrize("layout", layouts.TREES)
def test_every_layout_becomes_images_and_an_index_in_the_same_order(layout, tmp_path):
    name, make = layouts.TREES[layout]
    root = make(tmp_path / "data")
    faces = load(root, name=name)
    assert faces.images.shape == (len(faces.index), SIZE, SIZE, 3) and faces.images.dtype == np.uint8
    assert isinstance(faces.images, np.memmap) and not faces.images.flags.writeable
    scanned = spec_for(name, root).scan(root)
    assert tuple(faces.index.columns) == (*scanned.columns, "digest", "blank")
    pd.testing.assert_frame_equal(scanned, faces.index[list(scanned.columns)])
    assert faces.unreadable == () and faces.index["digest"].is_unique and not faces.index["blank"].any()


def test_images_of_the_right_size_keep_their_pixels(root):
    faces = load(root)
    for path, pixels in zip(faces.index["path"], faces.images):
        assert (pixels == np.asarray(Image.open(root / path).convert("RGB"))).all()


def test_a_finished_cache_is_used_without_reading_an_image(root):
    first = load(root)
    spec = replace(spec_for("faces", root), read=lambda root, path: pytest.fail("decoded again"))
    second = load_images(spec, root, SIZE)
    assert (second.images == first.images).all() and second.index.equals(first.index)
    assert (second.fingerprint, second.content) == (first.fingerprint, first.content)


def test_a_changed_file_is_decoded_anew(root):
    before = load(root)
    trees.face(root / "happy/0.png", like="another")
    after = load(root)
    assert after.fingerprint != before.fingerprint and after.content != before.content
    assert not (after.images[0] == before.images[0]).all()


def test_touching_a_file_changes_the_fingerprint_but_not_the_name_of_the_content(root):
    before = load(root)
    os.utime(root / "happy/0.png", (1, 1))
    after = load(root)
    assert after.fingerprint != before.fingerprint and after.content == before.content


def test_a_new_subject_pattern_size_or_loader_version_is_another_cache(root, place):
    load(root)
    load(root, size=8)
    load_images(replace(spec_for("faces", root), version=2), root, SIZE, progress=False)
    (root / "fer-meta.yaml").write_text("subject: '(.)[.]png$'")
    assert load(root).index["subject"].notna().all()
    assert len(list(place.iterdir())) == 4


def test_the_content_is_the_same_wherever_the_data_lie(root, tmp_path):
    here = load(root).content
    (root.parent / "moved").mkdir()
    assert load(root.rename(root.parent / "moved" / "data")).content == here


def test_many_images_are_decoded_by_processes_to_the_same_data(root, place, monkeypatch):
    (root / "happy/text.jpg").write_text("no image")
    before = load(root)
    pixels = before.images.copy()
    shutil.rmtree(place)
    monkeypatch.setattr(cache, "_WORTH_PROCESSES", 1)
    after = load(root)
    assert (after.images == pixels).all() and after.index.equals(before.index)
    assert (after.content, after.unreadable) == (before.content, before.unreadable)


def test_a_loader_that_holds_an_open_file_reads_many_images_too(root, place, monkeypatch):
    monkeypatch.setattr(cache, "_WORTH_PROCESSES", 1)
    spec = spec_for("faces", root)
    with (root / "log").open("w") as log:  # such a function cannot be handed to another process
        read = lambda root, path: (log.write(path), spec.read(root, path))[1]  # noqa: E731
        assert len(load_images(replace(spec, read=read), root, SIZE, progress=False).images) == 4


DECODING = """
import os, sys, time
from dataclasses import replace
from pathlib import Path
from fer_meta.datasets import cache
from fer_meta.datasets.registry import spec_for

def read(root, path):
    Path(sys.argv[2]).write_text(str(os.getpid()))
    time.sleep(60)

cache._WORTH_PROCESSES = 1
root = Path(sys.argv[1])
cache.load_images(replace(spec_for("faces", root), read=read), root, 12, progress=False)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="elsewhere they end when they have nothing to do")
def test_the_processes_of_a_killed_build_end_with_it(root, tmp_path):
    number = tmp_path / "number"
    script = tmp_path / "decoding.py"
    script.write_text(DECODING.replace("sys.argv[2]", repr(str(number))))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    build = subprocess.Popen([sys.executable, script, root], env=environment, stderr=subprocess.DEVNULL)
    wait_for(lambda: number.exists() and number.read_text())
    build.kill()
    build.wait()
    worker = int(number.read_text())
    wait_for(lambda: not is_alive(worker))


def is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")  # one that nobody waited for has ended too
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def wait_for(what, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_images_that_cannot_be_read_are_left_out_and_listed(root):
    (root / "happy/text.jpg").write_text("no image")
    whole = trees.face(root / "happy/cut.jpg", shape=(64, 64)).read_bytes()
    (root / "happy/cut.jpg").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(np.full((4, 4), -7, dtype=np.float32)).save(root / "sad/deep.tiff")
    faces = load(root)
    reasons = dict(faces.unreadable)
    assert set(reasons) == {"happy/text.jpg", "happy/cut.jpg", "sad/deep.tiff"}
    assert reasons["happy/text.jpg"] == "not an image"
    assert "truncated" in reasons["happy/cut.jpg"] and "pixels of -7" in reasons["sad/deep.tiff"]
    assert len(faces.images) == 4 and not set(faces.index["path"]) & set(reasons)
    assert load(root).unreadable == faces.unreadable


def test_a_listed_image_that_is_missing_is_unreadable(tmp_path):
    root = trees.rafdb_basic(tmp_path / "data")
    (root / "basic/Image/aligned/train_00003_aligned.jpg").unlink()
    assert load(root, name="rafdb-basic").unreadable == (
        ("basic/Image/aligned/train_00003_aligned.jpg", "missing"),
    )


def test_a_damaged_row_of_the_csv_is_unreadable(tmp_path):
    path = trees.fer2013_csv(tmp_path / "data") / "fer2013.csv"
    lines = path.read_text().splitlines()
    lines[3] = lines[3].replace(" ", "", 1)
    path.write_text("\n".join(lines))
    ((bad, reason),) = load(path.parent, name="fer2013").unreadable
    assert bad == "fer2013.csv#2" and "2303 pixels" in reason


def test_no_readable_image_at_all_is_an_error(tmp_path, place):
    (tmp_path / "data/happy").mkdir(parents=True)
    (tmp_path / "data/happy/1.jpg").write_text("no image")
    with pytest.raises(DatasetError, match="none of 1 images can be read.*happy/1.jpg.*not an image"):
        load(tmp_path / "data")
    assert not list(place.iterdir())


def test_pictures_of_any_shape_and_colour_become_the_central_square_in_rgb(tmp_path):
    folder = tmp_path / "data/happy"
    folder.mkdir(parents=True)
    wide = np.zeros((10, 30, 3), dtype=np.uint8)
    wide[:, 10:20] = (200, 100, 50)
    Image.fromarray(wide).save(folder / "1.png")
    Image.fromarray(np.full((30, 10), 77, dtype=np.uint8)).save(folder / "2.png")
    Image.fromarray(wide).quantize(4).save(folder / "3.png")
    faces = load(tmp_path / "data", size=10)
    assert (faces.images[0] == (200, 100, 50)).all() and (faces.images[1] == 77).all()
    assert (faces.images[2] == (200, 100, 50)).all()
    assert faces.index["blank"].tolist() == [False, True, False]
    # The digest is of the whole picture, so that the same one is found in another file format.
    assert faces.index["digest"][0] == faces.index["digest"][2] != faces.index["digest"][1]


def test_a_photograph_that_was_taken_sideways_is_put_upright(tmp_path):
    folder = tmp_path / "data/happy"
    folder.mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by a quarter to the right
    Image.fromarray(trees.pixels("face")).save(folder / "1.png", exif=exif)
    assert (load(tmp_path / "data").images[0, :, :, 0] == np.rot90(trees.pixels("face"), -1)).all()


def test_a_full_disk_is_one_line_and_leaves_nothing(root, place, monkeypatch):
    def full(file, pixels):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache, "_append", full)
    with pytest.raises(MachineError, match="no space left.*FER_META_CACHE") as caught:
        load(root)
    assert "\n" not in str(caught.value) and not list(place.iterdir())


def test_a_cache_that_cannot_be_made_says_how_to_put_it_elsewhere(root, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FER_META_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DatasetError, match="cannot be written.*FER_META_CACHE"):
        load(root)


KILLED = """
import os, sys
from pathlib import Path
from fer_meta.datasets import cache, places
from fer_meta.datasets.registry import spec_for
append = cache._append
cache._append = lambda file, pixels: (append(file, pixels), file.flush(), os._exit(9))
root = Path(sys.argv[1])
cache.load_images(spec_for("faces", root), root, 12, progress=False)
"""


def test_a_killed_build_is_not_taken_for_finished_and_is_cleared_away_a_day_later(root, place):
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(root)], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
    assert killed.returncode == 9
    (left,) = place.iterdir()
    assert len(load(root).images) == 4 and left.exists()
    for path in (*left.iterdir(), left):
        os.utime(path, (time.time() - 2 * 24 * 3600,) * 2)
    load(root, size=8)
    assert not left.exists()


def test_two_builds_at_once_both_end_well(root, place):
    spec = spec_for("faces", root)

    def read(path_root, path):
        # While the first build decodes, the second one runs from beginning to end.
        if not list(place.glob("faces-*")):
            load(root)
        return spec.read(path_root, path)

    first = load_images(replace(spec, read=read), root, SIZE, progress=False)
    assert (first.images == load(root).images).all()
    assert [path.name[:6] for path in place.iterdir()] == ["faces-"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda made: (made / "images.npy").write_bytes(b""),
        lambda made: (made / "images.npy").unlink(),
        lambda made: flip(made / "images.npy", -1),
        lambda made: flip(made / "index.parquet", 40),
        lambda made: flip(made / "meta.json", 30),
        lambda made: (made / "meta.json").write_text("[]"),
    ],
)
def test_a_damaged_cache_is_made_again_and_says_so_in_one_line(root, place, capsys, damage):
    before = load(root)
    (made,) = place.iterdir()
    pixels = before.images.copy()
    damage(made)
    after = load(root)
    assert (
        (after.images == pixels).all()
        and after.content == before.content
        and after.index.equals(before.index)
    )
    said = capsys.readouterr().err
    assert (
        said.count("\n") == 1
        and str(made) in said
        and "damaged" in said
        and "decoding the images again" in said
    )
    assert list(place.iterdir()) == [made]
    load(root)
    assert not capsys.readouterr().err


def test_a_cache_of_an_older_version_has_no_checksums_and_is_used(root, place):
    first = load(root)
    (made,) = place.iterdir()
    meta = json.loads((made / "meta.json").read_text())
    (made / "meta.json").write_text(
        json.dumps({key: value for key, value in meta.items() if not key.startswith("checksum")})
    )
    spec = replace(spec_for("faces", root), read=lambda root, path: pytest.fail("decoded again"))
    assert load_images(spec, root, SIZE).content == first.content


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_the_cache_lies_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.delenv("FER_META_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_dir() == tmp_path / "fer-meta"


def test_the_torch_dataset_gives_uint8_images_and_canonical_labels(root):
    pytest.importorskip("torch")
    from fer_meta.datasets.face_dataset import FaceDataset

    faces = load(root)
    dataset = FaceDataset(faces)
    assert dataset.classes == ("happiness", "sadness") and dataset.labels == [0, 0, 1, 1]
    image, label = dataset[3]
    assert tuple(image.shape) == (3, SIZE, SIZE) and str(image.dtype) == "torch.uint8" and label == 1
    assert (image.numpy().transpose(1, 2, 0) == faces.images[3]).all()
    assert len(list(dataset)) == len(dataset) == 4


@pytest.mark.parametrize("ago", [120, -24 * 3600])  # the clock was set back
def test_what_a_killed_decode_left_is_removed_once_its_process_is_gone(place, ago):
    dead, living = place / ".building-dead", place / ".building-living"
    for folder in (dead, living):
        folder.mkdir(parents=True)
        (folder / ".owned").touch()
        os.utime(folder / ".owned", (time.time() - ago,) * 2)
    with filelock.FileLock(living / ".owned"):
        os.utime(living / ".owned", (time.time() - ago,) * 2)
        places.remove_stale(place)
    assert not dead.exists() and living.exists()
