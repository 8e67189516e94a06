"""Damage to rendered sets, finished or not: rendered again or refused in one line, and never a
wrong picture.
"""

import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import fake_renderer

from fer_meta.datasets.cache import load_images
from fer_meta.datasets.registry import spec_for
from fer_meta.datasets.synthetic import rendered
from fer_meta.datasets.synthetic.rendered import is_cached, load_rendered, render_set
from fer_meta.errors import DatasetError

SMALL = dict(size=16, subjects=8, images=140, seed=0)


@pytest.fixture(autouse=True)
def fake(monkeypatch):
    """Chunks of 32 flat pictures instead of a body model."""
    monkeypatch.setattr(rendered, "_renderer", fake_renderer.Renderer)
    monkeypatch.setattr(rendered, "CHUNK", 32)


@pytest.fixture
def place(tmp_path):
    """The cache, as conftest.py sets it."""
    return tmp_path / "cache"


def load():
    return load_rendered("synthetic-studio", progress=False, **SMALL)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_damaged_set_is_rendered_again_and_says_so_in_one_line(place, capsys):
    pixels = load().images.copy()
    (made,) = place.glob("synthetic-*")
    flip(made / "images.npy", -5)
    assert not is_cached("synthetic-studio", **SMALL)
    assert (load().images == pixels).all() and is_cached("synthetic-studio", **SMALL)
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and str(made) in said and "rendering it again" in said
    assert list(place.iterdir()) == [made]


@pytest.mark.parametrize(
    "damage, kept",
    [
        (lambda images: images.write_bytes(b""), 0),
        (lambda images: images.write_bytes(images.read_bytes()[:-10]), 64),
        (lambda images: images.write_bytes(bytes(images.stat().st_size)), 0),  # as a power cut may leave it
        (lambda images: flip(images, 128 + 40 * 16 * 16 * 3), 32),
        (lambda images: images.unlink(), 0),
        (lambda images: (images.parent / rendered.WRITTEN).unlink(), 0),  # as an older version left it
        (lambda images: (images.parent / rendered.WRITTEN).write_bytes(bytes(30)), 0),
        (lambda images: (images.parent / rendered.WRITTEN).open("a").write("9 0"), 96),
    ],
)
def test_a_damaged_unfinished_render_ends_like_one_never_stopped(tmp_path, monkeypatch, damage, kept):
    render_set("synthetic-studio", tmp_path / "whole", progress=False, **SMALL)
    monkeypatch.setattr(
        rendered, "_renderer", lambda size, device: fake_renderer.Renderer(size, stop_after=3)
    )
    with pytest.raises(KeyboardInterrupt):
        render_set("synthetic-studio", tmp_path / "cut", progress=False, **SMALL)
    (building,) = tmp_path.glob(".building-cut-*")
    damage(building / "images.npy")
    monkeypatch.setattr(rendered, "_renderer", fake_renderer.Renderer)
    assert render_set("synthetic-studio", tmp_path / "cut", progress=False, **SMALL) == 140 - kept
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


def test_a_killed_render_goes_on_however_long_ago_it_was(place, monkeypatch):
    monkeypatch.setattr(
        rendered, "_renderer", lambda size, device: fake_renderer.Renderer(size, stop_after=2)
    )
    with pytest.raises(KeyboardInterrupt):
        load()
    (building,) = place.glob(".building-*")
    for path in (*building.iterdir(), building):
        os.utime(path, (time.time() - 30 * 24 * 3600,) * 2)
    renderer = fake_renderer.Renderer(16)
    monkeypatch.setattr(rendered, "_renderer", lambda size, device: renderer)
    assert len(load().images) == 140 and renderer.drawn == 140 - 64


def change_index(folder, change):
    change(pd.read_parquet(folder / "index.parquet")).to_parquet(folder / "index.parquet")


def rename_key(path, old, new):
    path.write_text(path.read_text().replace(f'"{old}"', f'"{new}"'))


@pytest.mark.parametrize("damage", [
    lambda folder: (folder / "meta.json").write_text("{"),
    lambda folder: (folder / "meta.json").write_text("[]"),
    lambda folder: (folder / "index.parquet").write_bytes(b"PAR1"),
    lambda folder: flip(folder / "images.npy", -1),
    lambda folder: flip(folder / "index.parquet", 40),
    lambda folder: flip(folder / "meta.json", 20),
    lambda folder: (folder / "images.npy").write_bytes(b""),
    lambda folder: np.save(folder / "images.npy", np.zeros((140, 16, 16, 3))),
    lambda folder: change_index(folder, lambda index: index.drop(columns="digest")),
    lambda folder: change_index(folder, lambda index: index.iloc[1:]),
    lambda folder: change_index(folder, lambda index: index.assign(label="bored")),
    lambda folder: rename_key(folder / "meta.json", "severity", "severe"),
])  # fmt: skip
def test_a_damaged_folder_that_is_given_is_one_line_with_its_name(tmp_path, damage):
    assert render_set("synthetic-studio", tmp_path / "out", progress=False, **SMALL) == 140
    damage(tmp_path / "out")
    with pytest.raises(DatasetError, match="make it again") as caught:
        load_images(spec_for("mine", tmp_path / "out"), tmp_path / "out", 16, progress=False)
    assert str(caught.value).startswith(str(tmp_path / "out")) and "\n" not in str(caught.value)


def test_a_place_where_no_folder_can_be_made_is_an_error_with_the_fix(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "gone").symlink_to("nowhere")
    refused = {
        "a" * 300: "File name too long",
        "loop/out": "cannot be written",
        "loop": "holds something else",
        "gone": "holds something else",
    }
    for out, words in refused.items():
        with pytest.raises(DatasetError, match=words) as caught:
            render_set("synthetic-studio", tmp_path / out, progress=False, fix="name another folder", **SMALL)
        assert str(caught.value).isprintable() and "name another folder" in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gone", "loop"]


def test_a_damaged_set_does_not_keep_the_list_from_the_others(place):
    load()
    (made,) = place.glob("synthetic-*")
    (made / "meta.json").write_text("{")
    assert rendered.cached_sets("synthetic-studio") == []
