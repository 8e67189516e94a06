"""Rendered sets: made once, resumed where they were stopped, named by what was drawn, and given back as any
other data set.
"""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from helpers import fake_renderer

from fer_meta.cli.data import data
from fer_meta.datasets import places
from fer_meta.datasets.base import INDEX_COLUMNS, Rendered
from fer_meta.datasets.cache import load_images
from fer_meta.datasets.registry import resolve, spec_for
from fer_meta.datasets.synthetic import rendered
from fer_meta.datasets.synthetic.recipes import RECIPES
from fer_meta.datasets.synthetic.rendered import is_cached, load_rendered, parse_name, planned, render_set
from fer_meta.datasets.units import COLUMNS
from fer_meta.errors import DatasetError, MachineError

REAL = rendered._renderer
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


def load(name="synthetic-studio", **changes):
    return load_rendered(name, progress=False, **{**SMALL, **changes})


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def run(*arguments):
    return CliRunner().invoke(data, [str(argument) for argument in arguments])


def render(out, *arguments):
    return run(
        "render",
        "synthetic-studio",
        "--size",
        16,
        "--subjects",
        8,
        "--images",
        140,
        "--device",
        "cpu",
        "--out",
        out,
        *arguments,
    )


# what a set is


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_becomes_images_and_an_index_in_the_same_order(name):
    faces = load(name, images=700)
    assert faces.name == name and faces.spec.rendered == Rendered(name, 1.0) and faces.unreadable == ()
    assert (
        faces.images.shape == (len(faces.index), 16, 16, 3)
        and faces.images.dtype == np.uint8
        and not faces.images.flags.writeable
    )
    assert set(faces.index.columns) == {*INDEX_COLUMNS, "digest", "blank", "units", *COLUMNS}
    assert faces.index["digest"].is_unique and not faces.index["blank"].any()
    assert set(faces.index["label"]) == set(RECIPES[name].classes) and set(faces.index["split"]) == {
        "train",
        "val",
        "test",
    }
    assert (faces.index.groupby("subject")["split"].nunique() == 1).all()
    assert faces.index["clip"].isna().all() == (RECIPES[name].clip_length is None)


def test_the_pictures_are_those_of_the_scenes_whatever_the_chunks(monkeypatch):
    whole = load()
    monkeypatch.setattr(rendered, "CHUNK", 1000)
    monkeypatch.setenv("FER_META_CACHE", os.environ["FER_META_CACHE"] + "-other")
    assert (load().images == whole.images).all() and len({image.tobytes() for image in whole.images}) == len(
        whole.images
    )


def test_a_finished_set_is_not_rendered_again(monkeypatch):
    first = load()
    monkeypatch.setattr(rendered, "_renderer", lambda *_: pytest.fail("rendered again"))
    second = load()
    assert (
        (second.images == first.images).all()
        and second.index.equals(first.index)
        and second.content == first.content
    )
    assert is_cached("synthetic-studio", **SMALL) and not is_cached(
        "synthetic-studio", **{**SMALL, "seed": 1}
    )


def test_a_set_has_the_same_names_on_every_machine_whatever_its_pixels(monkeypatch, tmp_path):
    here = load()
    monkeypatch.setenv("FER_META_CACHE", str(tmp_path / "elsewhere"))
    monkeypatch.setattr(
        rendered,
        "_renderer",
        lambda size, device: lambda scenes: fake_renderer.Renderer(size)(scenes) + np.uint8(1),
    )
    there = load()
    assert not (there.images == here.images).all()
    assert there.content == here.content and there.index["digest"].equals(here.index["digest"])


@pytest.mark.parametrize("name, change", [
    ("synthetic-wild@0.1", {}), ("synthetic-studio", {"size": 24}), ("synthetic-studio", {"subjects": 9}),
    ("synthetic-studio", {"images": 147}), ("synthetic-studio", {"seed": 1}),
])  # fmt: skip
def test_another_recipe_severity_size_number_or_seed_is_another_set(name, change):
    one, other = load(), load(name, **change)
    assert one.content != other.content and one.fingerprint != other.fingerprint
    assert not set(one.index["digest"]) & set(other.index["digest"])


def test_a_new_version_of_a_recipe_is_another_set(monkeypatch):
    from dataclasses import replace

    before = load()
    monkeypatch.setitem(RECIPES, "synthetic-studio", replace(RECIPES["synthetic-studio"], version=99))
    assert load().content != before.content


def test_a_planned_set_is_the_rendered_one_without_its_pixels(place):
    plan = planned("synthetic-studio", **SMALL)
    assert not place.exists() and plan.images.shape == (140, 16, 16, 3)
    faces = load()
    assert plan.content == faces.content and plan.fingerprint == faces.fingerprint and plan.name == faces.name
    pd.testing.assert_frame_equal(plan.index, faces.index, check_like=True)


# names


@pytest.mark.parametrize("text, name, severity", [
    ("synthetic-wild", "synthetic-wild", 1.0), ("synthetic-wild@1", "synthetic-wild", 1.0),
    ("synthetic-wild@0", "synthetic-wild@0", 0.0),
    ("synthetic-wild@0.50", "synthetic-wild@0.5", 0.5), ("synthetic-film@.25", "synthetic-film@0.25", 0.25),
])  # fmt: skip
def test_a_severity_has_one_name_however_it_is_written(text, name, severity):
    assert parse_name(text)[1] == severity
    assert resolve([text], {}) == {name: None}


@pytest.mark.parametrize(
    "name",
    [
        "synthetic-wild@2",
        "synthetic-wild@-0.1",
        "synthetic-wild@",
        "synthetic-wild@half",
        "synthetic-wild@nan",
        "synthetic-wild@0.5@0.5",
        "synthetic-moon",
        "fer2013@0.5",
    ],
)
def test_a_wrong_name_or_severity_is_one_line_with_the_mend(name):
    with pytest.raises(DatasetError, match="such as synthetic-(wild|film)@0.5") as caught:
        resolve([name], {})
    assert str(caught.value).startswith(f"{name}: ") and "\n" not in str(caught.value)


def test_a_folder_wins_over_the_recipe_of_its_name(trees, tmp_path, monkeypatch):
    assert resolve(["synthetic-wild"], {"synthetic-wild": trees / "day"}) == {"synthetic-wild": trees / "day"}
    (tmp_path / "home/synthetic-film").mkdir(parents=True)
    monkeypatch.setenv("FER_META_DATA", str(tmp_path / "home"))
    assert resolve(["synthetic-film"], {}) == {"synthetic-film": tmp_path / "home/synthetic-film"}


def test_a_set_too_small_for_its_classes_or_splits_says_so():
    with pytest.raises(DatasetError, match="synthetic-wild@0.5: .*too few"):
        load("synthetic-wild@0.5", images=10)
    with pytest.raises(DatasetError, match="synthetic-studio: 2 subjects are too few"):
        load(subjects=2)


# stopped, at once, damaged


@pytest.mark.parametrize("chunks, torn", [(0, 0), (1, 0), (2, 100), (3, 16 * 16 * 3 + 1), (4, 0)])
def test_a_stopped_render_goes_on_and_equals_one_never_stopped(tmp_path, place, monkeypatch, chunks, torn):
    """Stopped after some chunks, with part of the next one on disk as a kill may leave it."""
    how = {key: SMALL[key] for key in ("size", "subjects", "images", "seed")}
    render_set("synthetic-studio", tmp_path / "whole", progress=False, **how)
    monkeypatch.setattr(
        rendered, "_renderer", lambda size, device: fake_renderer.Renderer(size, stop_after=chunks)
    )
    with pytest.raises(KeyboardInterrupt):
        render_set("synthetic-studio", tmp_path / "cut", progress=False, **how)
    assert not (tmp_path / "cut").exists()
    (building,) = tmp_path.glob(".building-cut-*")
    with (building / "images.npy").open("ab") as file:
        file.write(b"\7" * torn)
    renderer = fake_renderer.Renderer(16)
    monkeypatch.setattr(rendered, "_renderer", lambda size, device: renderer)
    assert (
        render_set("synthetic-studio", tmp_path / "cut", progress=False, **how)
        == 140 - 32 * chunks
        == renderer.drawn
    )
    assert files(tmp_path / "cut") == files(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut", "whole"]


@pytest.mark.slow
def test_a_stopped_render_of_real_pictures_ends_like_one_never_stopped(tmp_path, monkeypatch):
    """With the renderer itself: no picture depends on where the render was stopped."""
    how = dict(size=16, subjects=7, images=140, severity=0.2, progress=False)
    monkeypatch.setattr(rendered, "_renderer", REAL)
    render_set("synthetic-wild", tmp_path / "whole", **how)

    def stopping(size, device):
        renderer, calls = REAL(size, device), iter(range(1))

        def draw(scenes):
            if next(calls, None) is None:
                raise KeyboardInterrupt
            return renderer(scenes)

        return draw

    monkeypatch.setattr(rendered, "_renderer", stopping)
    with pytest.raises(KeyboardInterrupt):
        render_set("synthetic-wild", tmp_path / "cut", **how)
    monkeypatch.setattr(rendered, "_renderer", REAL)
    assert render_set("synthetic-wild", tmp_path / "cut", **how) == 140 - 32
    assert files(tmp_path / "cut") == files(tmp_path / "whole")
    assert np.load(tmp_path / "cut/images.npy").std() > 20


def test_a_set_of_other_parameters_is_never_mixed_in(tmp_path, monkeypatch):
    monkeypatch.setattr(
        rendered, "_renderer", lambda size, device: fake_renderer.Renderer(size, stop_after=2)
    )
    with pytest.raises(KeyboardInterrupt):
        render_set("synthetic-studio", tmp_path / "out", size=16, subjects=8, images=140, progress=False)
    renderer = fake_renderer.Renderer(16)
    monkeypatch.setattr(rendered, "_renderer", lambda size, device: renderer)
    render_set("synthetic-studio", tmp_path / "out", size=16, subjects=8, images=140, seed=5, progress=False)
    assert renderer.drawn == 140


KILLED = """
import os, sys
sys.path[:0] = {paths!r}
from helpers import fake_renderer
from fer_meta.datasets.synthetic import rendered

class Dying(fake_renderer.Renderer):
    def __call__(self, scenes):
        if self.drawn >= 64:
            os._exit(9)
        return super().__call__(scenes)

rendered.CHUNK, rendered._renderer = 32, Dying
rendered.load_rendered("synthetic-studio", size=16, subjects=8, images=140, seed=0)
"""


def test_a_killed_render_keeps_its_chunks_for_a_day(place, monkeypatch):
    killed = subprocess.run([sys.executable, "-c", KILLED.format(paths=sys.path)])
    assert killed.returncode == 9
    (building,) = place.glob(".building-*")
    for path in (*building.iterdir(), building):
        os.utime(path, (time.time() - 23 * 3600,) * 2)
    load("synthetic-wild@0.1")  # any other build clears away what is old
    renderer = fake_renderer.Renderer(16)
    monkeypatch.setattr(rendered, "_renderer", lambda size, device: renderer)
    assert len(load().images) == 140 and renderer.drawn == 140 - 64
    assert not building.exists()


def test_a_second_process_waits_and_finds_the_finished_set(monkeypatch):
    """Two threads stand for the processes: the lock does not tell them apart. The first renders no picture
    before the second has said that it waits.
    """
    began, waits, said, drawn = threading.Event(), threading.Event(), [], []

    class Slow(fake_renderer.Renderer):
        def __call__(self, scenes):
            began.set()
            waits.wait(60)
            drawn.append(len(scenes))
            return super().__call__(scenes)

    monkeypatch.setattr(rendered, "_renderer", Slow)
    monkeypatch.setattr(places.click, "echo", lambda text, **_: (said.append(text), waits.set()))
    first = threading.Thread(target=load)
    first.start()
    assert began.wait(60)
    faces = load_rendered("synthetic-studio", **SMALL)
    first.join()
    assert len(faces.images) == sum(drawn) == 140
    assert "being rendered by another process; waiting" in said[0]


def test_a_full_disk_is_one_line_and_keeps_what_is_there(monkeypatch, place):
    def full(size, device):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rendered, "_renderer", full)
    with pytest.raises(MachineError, match="no space left.*FER_META_CACHE") as caught:
        load()
    assert "\n" not in str(caught.value) and list(place.glob(".building-*"))


# given back


def test_a_rendered_folder_can_be_given_back_under_any_name_and_at_any_size(tmp_path):
    assert render(tmp_path / "out").exit_code == 0
    spec = spec_for("mine", tmp_path / "out")
    same, smaller = (load_images(spec, tmp_path / "out", size, progress=False) for size in (16, 8))
    made = load()
    assert (
        same.name == "mine"
        and same.spec.rendered == Rendered("synthetic-studio", 1.0)
        and "CC0" in same.spec.licence
    )
    assert (same.images == made.images).all() and smaller.images.shape == (140, 8, 8, 3)
    columns = ["label", "subject", "clip", "frame", "split", "units", "digest", "blank"]
    for faces in (same, smaller):
        pd.testing.assert_frame_equal(faces.index[columns], made.index[columns])
    assert same.content == made.content != smaller.content  # results of both have the same identities


def test_a_cache_of_photographs_can_be_given_back_too(trees, tmp_path, place):
    first = load_images(spec_for("day", trees / "day"), trees / "day", 32, progress=False)
    (made,) = place.iterdir()
    spec = spec_for("again", made.rename(tmp_path / "again"))
    again = load_images(spec, tmp_path / "again", 32, progress=False)
    assert (
        again.content == first.content
        and again.spec.rendered is None
        and (again.images == first.images).all()
    )


# the commands


def test_render_writes_a_folder_and_says_how_to_use_it(tmp_path):
    result = render(tmp_path / "out")
    assert result.exit_code == 0 and "140 rendered images of 8 people, 16 px" in result.output
    assert f"--data out={tmp_path / 'out'}" in result.output
    assert set(os.listdir(tmp_path / "out")) == {"images.npy", "index.parquet", "meta.json"}
    meta = json.loads((tmp_path / "out/meta.json").read_text())
    assert (
        meta["rendered"] == {"recipe": "synthetic-studio", "severity": 1.0}
        and meta["seed"] == 0
        and meta["subjects"] == 8
    )
    assert "holds this very set already" in render(tmp_path / "out").output


def test_render_takes_the_severity_from_the_name_or_from_an_option_but_not_from_both(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = ("--size", 16, "--subjects", 8, "--images", 140, "--device", "cpu")
    assert run("render", "synthetic-wild@0.20", *small).exit_code == 0
    again = run("render", "synthetic-wild", "--severity", "0.2", *small)
    assert again.exit_code == 0 and "holds this very set already" in again.output
    assert os.listdir(tmp_path) == ["synthetic-wild@0.2"]
    assert run("render", "synthetic-wild@0.2", "--severity", "0.5", *small).exit_code == 2


def test_render_overwrites_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    assert render(tmp_path / "empty").exit_code == 0
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.tex").write_text("years of work")
    (tmp_path / "file").write_text("a file")
    result = render(tmp_path / "full")
    assert isinstance(result.exception, DatasetError) and "holds something else" in str(result.exception)
    assert render(tmp_path / "file").exit_code == 2
    result = render(tmp_path / "empty", "--seed", 1)
    assert isinstance(result.exception, DatasetError) and "holds another data set" in str(result.exception)
    assert (tmp_path / "full/thesis.tex").read_text() == "years of work"
    below = render(tmp_path / "file" / "out")
    assert isinstance(below.exception, DatasetError) and "--out" in str(below.exception)


def test_list_tells_the_recipes_and_what_of_them_is_rendered():
    load("synthetic-wild@0.2")
    words = " ".join(run("list", *RECIPES).output.split())
    for name, recipe in RECIPES.items():
        assert f"{name}: {recipe.title}" in words
    assert (
        "nothing to download" in words
        and "not yet rendered" in words
        and "synthetic-wild@0.2 (16 px, 140 images)" in words
    )


def test_check_names_rendered_data_so(tmp_path):
    assert render(tmp_path / "out").exit_code == 0
    result = run("check", "mine", "--data", f"mine={tmp_path / 'out'}", "--size", 8)
    assert result.exit_code == 0 and "mine (rendered): 140 images" in result.output
