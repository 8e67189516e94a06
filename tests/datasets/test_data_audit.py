"""`fer-meta data audit`: what is wrong in data sets, on the terminal, in tables and on a page."""

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from helpers.photographs import brighter, saved_again, write
from PIL import Image, ImageOps

from fer_meta.cli.data import data
from fer_meta.datasets import audit_page, faceless, findings
from fer_meta.errors import DatasetError


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_META_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FER_META_DATA", raising=False)
    # Whether a detector is installed shall not count; one test has a detector of its own.
    monkeypatch.setattr(faceless, "find_spec", lambda name: None)


@pytest.fixture
def mine(tmp_path):
    """Two people in two splits each, a copy, near copies of several kinds, a blank and a torn image."""
    root = tmp_path / "mine"
    for split, person in (("train", "anna"), ("train", "ben"), ("test", "ben"), ("test", "cy")):
        for label in ("happy", "sad"):
            write(root / split / label / f"{person}_1.png", f"{split} {person} {label}")
    write(root / "test/happy/cy_2.png", "train anna happy")  # identical, in another split
    write(root / "test/happy/cy_3.png", "train anna sad", saved_again)  # near, other split, other label
    write(root / "train/sad/ben_4.png", "train ben sad", ImageOps.mirror)
    Image.new("L", (48, 48), 7).save(root / "train/sad/ben_5.png")
    (root / "train/sad/ben_6.png").write_text("no image")
    (root / "fer-meta.yaml").write_text("subject: '/([a-z]+)_'\n")
    return root


@pytest.fixture
def other(tmp_path):
    """Without splits and people; one image is of the first data set."""
    write(tmp_path / "other/happy/a.png", "train ben happy", brighter)
    write(tmp_path / "other/happy/<b>.png", "nobody")
    return tmp_path / "other"


def run(*arguments):
    return CliRunner().invoke(data, ["audit", *map(str, arguments)], catch_exceptions=True)


def both(mine, other):
    return ["mine", "other", "--data", f"mine={mine}", "--data", f"other={other}"]


def test_the_summary_says_in_forty_lines_what_was_found(mine, other):
    result = run(*both(mine, other))
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert len(lines) <= 40
    for line in (
        "images 12, 11 of them distinct",
        "people 3, 1 of them in several splits",
        "blank 1",
        "unreadable 1",
        "happiness 2 of 2 people 4 of 2 people",
        "all 1 2 3 6",
        "across splits 1 2 1 2",
        "across data sets 0 0 1 2",
        "with different labels 0 0 1 2",
        "with a mirror image 0 0 1 2",
        "mine: of test, 1 images are also in train, and 1 more have a near copy there",
    ):
        assert line in lines, result.output
    assert "pip install 'fer-meta[video]'" in result.output


def test_the_tables_hold_every_finding(mine, other, tmp_path):
    assert run(*both(mine, other), "--csv", tmp_path / "tables").exit_code == 0
    tables = {file.stem: pd.read_csv(file) for file in (tmp_path / "tables").iterdir()}
    assert set(tables) == {"exact", "near", "labels", "people", "blank", "unreadable", "classes"}
    near = tables["near"]
    groups = near.groupby("group")["path"].agg(set).tolist()
    assert {"test/happy/cy_3.png", "train/sad/anna_1.png"} in groups
    assert {"happy/a.png", "train/happy/ben_1.png"} in groups
    assert near["bits"].le(56).all() and near["mirrored"].sum() == 1
    assert set(tables["labels"]["path"]) == {"test/happy/cy_3.png", "train/sad/anna_1.png"}
    assert tables["people"].values.tolist() == [["mine", "ben", "test, train", 6]]
    assert tables["blank"]["path"].tolist() == ["train/sad/ben_5.png"]
    assert tables["unreadable"]["reason"].tolist() == ["not an image"]
    assert tables["classes"]["images"].sum() == 14


def test_the_page_needs_nothing_else_and_shows_groups_side_by_side(mine, other, tmp_path):
    assert run(*both(mine, other), "--page", tmp_path / "page.html").exit_code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=\"(?!data:image/jpeg;base64,|#)", page) and "http" not in page
    near = page.partition("Near copies across splits</h2>")[2].partition("<h2")[0]
    assert "Other near copies</h2>" in page, "those within a split, and of data sets without splits"
    assert near.count("<figure>") == 2
    assert "mine/test/happy/cy_3.png" in near and "mine/train/sad/anna_1.png" in near
    assert "<b class=other>" in page, "a label that another image of the group does not have"
    for title in ("Copies under several labels", "Mirror images", "People in several splits", "Unreadable"):
        assert f"{title}</h2>" in page
    assert "No face found</h2>" not in page


def test_a_page_shows_some_groups_and_says_how_many_more_there_are(mine, tmp_path, monkeypatch):
    monkeypatch.setattr(audit_page, "GROUPS", 1)
    for n in range(3):
        write(mine / f"test/sad/cy_9{n}.png", "train anna sad", lambda image, n=n: image.rotate(n / 2))
    run("mine", "--data", f"mine={mine}", "--page", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "2 groups; 1 more are in the tables that --csv writes" in page


def test_odd_names_are_escaped_on_the_page_and_kept_in_the_tables(mine, other, tmp_path):
    write(other / "happy/<c>.png", "nobody", saved_again)
    run(*both(mine, other), "--page", tmp_path / "page.html", "--csv", tmp_path)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "&lt;c&gt;.png" in page and "<c>" not in page
    assert "happy/<c>.png" in set(pd.read_csv(tmp_path / "near.csv")["path"])


def test_images_without_a_face_are_listed_if_a_detector_is_there(mine, tmp_path, monkeypatch):
    # The detector itself runs in other processes, and not on every Python; here bright images are faces.
    monkeypatch.setattr(findings, "faceless", lambda faces, progress: faces.images.mean(axis=(1, 2, 3)) < 128)
    result = run("mine", "--data", f"mine={mine}", "--csv", tmp_path)
    listed = pd.read_csv(tmp_path / "faceless.csv")["path"]
    assert f"no face     {len(listed)}" in result.output and 0 < len(listed) < 11
    assert "train/sad/ben_5.png" not in set(listed), "which is blank"


@pytest.mark.parametrize("option", ["--csv", "--page"])
def test_what_cannot_be_written_is_one_line(mine, tmp_path, option):
    (tmp_path / "file").touch()
    result = run("mine", "--data", f"mine={mine}", option, tmp_path / "file" / "page.html")
    assert isinstance(result.exception, DatasetError)
    assert "cannot be written" in str(result.exception) and option in str(result.exception)


def test_a_page_is_html(mine):
    result = run("mine", "--data", f"mine={mine}", "--page", "page.pdf")
    assert result.exit_code == 2 and ".html" in result.output


def test_help_needs_neither_pandas_nor_a_hash():
    code = "import sys, fer_meta.cli.audit; assert not {'pandas', 'imagehash', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_detector_finds_the_faces_of_photographs():
    pytest.importorskip("yuface")
    assert faceless._without(np.zeros((2, 48, 48, 3), dtype=np.uint8)) == [True, True]
