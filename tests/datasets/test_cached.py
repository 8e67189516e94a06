"""`fer-meta data cache`: what the cache holds is shown, and nothing else is ever removed."""

import os
import time

import filelock
import pytest
from click.testing import CliRunner
from helpers import fake_renderer, trees

from fer_meta.cli.main import main
from fer_meta.datasets.cache import load_images
from fer_meta.datasets.registry import spec_for
from fer_meta.datasets.synthetic import rendered

DAY = 24 * 3600


@pytest.fixture
def place(tmp_path):
    return tmp_path / "cache"  # as `private_cache` says


@pytest.fixture
def root(tmp_path):
    return trees.folder_labels(tmp_path / "data")


def load(root, name="faces", size=12):
    return load_images(spec_for(name, root), root, size, progress=False)


def cache(*words, status=0, **options):
    done = CliRunner().invoke(main, ["data", "cache", *words], **options)
    assert done.exit_code == status, done.output
    return done.output


def row(said, name):
    return next(line for line in said.splitlines() if line.startswith(name)).split()


def test_each_set_is_shown_with_its_size_images_and_bytes(root, place):
    load(root)
    load(root, name="others", size=8)
    said = cache()
    assert str(place) in said
    assert row(said, "faces")[1:4] == ["12", "px", "4"] and row(said, "faces")[-1] == "whole"
    assert row(said, "others")[1:4] == ["8", "px", "4"]
    held = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    assert row(said, "2 in all")[3:] == [f"{held / 1e6:.1f}", "MB"]
    assert "others" not in cache("faces")


def test_an_empty_cache_is_no_error(place):
    assert "Nothing is there" in cache() and "Nothing is there" in cache("--clear", "--yes")


def test_use_is_noted_and_what_was_not_used_for_long_can_be_removed_alone(root, place):
    load(root)
    load(root, name="others")
    for made in place.iterdir():
        os.utime(made, (time.time() - 40 * DAY,) * 2)
    assert "40 days ago" in cache("faces")
    load(root)
    assert "just now" in cache("faces")
    cache("--clear", "--older-than", "30", "--yes")
    assert [made.name[:5] for made in place.iterdir()] == ["faces"]


def test_a_damaged_and_an_unfinished_set_are_shown_as_such(root, place):
    load(root)
    (made,) = place.iterdir()
    (made / "images.npy").write_bytes(b"")
    dead = place / ".building-dead"
    dead.mkdir()
    (dead / ".owned").touch()
    os.utime(dead / ".owned", (time.time() - 120,) * 2)
    said = cache()
    assert row(said, "faces")[-1] == "damaged" and row(said, ".building-dead")[-1] == "unfinished"
    assert "Removed .building-dead" in cache("--clear", "--yes") and not list(place.iterdir())


def test_clearing_asks_first_and_says_what_was_freed(root, place, monkeypatch):
    load(root)
    assert "give --yes" in cache("--clear", status=2)
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True, raising=False)
    assert "Nothing was removed" in cache("--clear", input="n\n") and list(place.iterdir())
    said = cache("--clear", "faces", input="y\n")
    assert "Removed faces-12px-" in said and "Freed 0.0 MB" in said and not list(place.iterdir())
    assert len(load(root).images) == 4


def test_what_another_process_builds_is_left_alone(place, monkeypatch):
    monkeypatch.setattr(rendered, "_renderer", lambda size, device: fake_renderer.Renderer(size))
    rendered.load_rendered("synthetic-wild", size=16, subjects=10, images=400, progress=False)
    (made,) = place.iterdir()
    building = made.rename(place / f".building-{made.name}-{made.name[-12:]}")
    decoding = place / ".building-12345678"
    decoding.mkdir()
    with filelock.FileLock(decoding / ".owned"), filelock.FileLock(place / f".{made.name}.lock"):
        os.utime(decoding / ".owned", (time.time() - 120,) * 2)
        said = cache("--clear", "--yes")
        assert row(said, "synthetic-wild")[-2:] == ["being", "built"]
        assert said.count("Left, since another process works on it") == 2 and "Freed 0.0 MB" in said
        assert building.exists() and decoding.exists()
    said = cache("--clear", "synthetic-wild", "--yes")
    assert row(said, "synthetic-wild")[-1] == "unfinished" and not building.exists() and decoding.exists()


def test_nothing_that_the_cache_did_not_make_is_shown_or_removed(root, place, tmp_path):
    load(root)
    (made,) = place.iterdir()
    mine = [place / "holiday", place / "notes-64px-0123456789ab"]
    for folder in mine:
        folder.mkdir()
        (folder / "diary.txt").write_text("mine")
    (place / "file-64px-0123456789ab").write_text("mine")
    linked = made.rename(tmp_path / "elsewhere")
    made.symlink_to(linked)
    assert "Nothing is there" in cache("--clear", "--yes")
    assert all((folder / "diary.txt").exists() for folder in mine) and (linked / "images.npy").exists()


def test_a_name_of_which_the_cache_holds_nothing_is_an_error(root, place):
    load(root)
    assert "holds nothing of 'other'" in cache("--clear", "other", "--yes", status=2)
    assert list(place.iterdir())
