"""Leaks and counts, and the commands that tell them."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from helpers import trees
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fer_meta.cli.data import data
from fer_meta.datasets.audit import KINDS, audit, check_counts
from fer_meta.datasets.base import Published, make_index
from fer_meta.datasets.cache import CachedFaces, load_images
from fer_meta.datasets.registry import CATALOGUE, spec_for
from fer_meta.datasets.synthetic.recipes import RECIPES
from fer_meta.errors import DatasetError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_META_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FER_META_DATA", raising=False)


@pytest.fixture
def leaky(tmp_path):
    """Three groups of copies, each of another kind, an image of its own and a blank one."""
    root = tmp_path / "leaky"
    for path, like in (
        ("train/happy/1.png", "a"),
        ("train/happy/2.png", "a"),  # within a split
        ("train/happy/3.png", "b"),
        ("test/happy/1.png", "b"),  # across splits
        ("test/happy/2.png", "b"),  # and twice in one of them
        ("train/sad/1.png", "c"),
        ("val/happy/1.png", "c"),  # with another label
        ("train/sad/2.png", "d"),
    ):  # alone
        trees.face(root / path, like=like)
    Image.fromarray(np.zeros((12, 12), dtype=np.uint8)).save(root / "train/sad/blank.png")
    return root


@pytest.fixture
def plain(tmp_path):
    """A data set without splits that shares one image with the leaky one and holds one image twice."""
    root = tmp_path / "plain"
    for path, like in (("happy/1.png", "d"), ("happy/2.png", "e"), ("happy/3.png", "e")):
        trees.face(root / path, like=like)
    return root


def load(name, root):
    return load_images(spec_for(name, root), root, 12, progress=False)


def run(*arguments):
    return CliRunner().invoke(data, [str(argument) for argument in arguments])


def test_each_kind_of_copy_is_counted(leaky):
    found = audit(load("leaky", leaky))
    assert found.counts.loc[:, ["groups", "images"]].T.to_dict("list") == {
        "any": [3, 7],
        "within_split": [2, 5],
        "across_splits": [2, 5],
        "across_datasets": [0, 0],
        "different_labels": [1, 2],
    }
    assert found.also_in("train").to_dict() == {("leaky", "test"): 2, ("leaky", "val"): 1}
    assert (found.images, found.distinct) == (9, 5)
    assert found.blank["path"].tolist() == ["train/sad/blank.png"]


def test_copies_in_several_data_sets_are_found(leaky, plain):
    found = audit(load("leaky", leaky), load("plain", plain))
    across = found.copies[found.copies["across_datasets"]]
    assert across[["dataset", "path"]].values.tolist() == [
        ["leaky", "train/sad/2.png"],
        ["plain", "happy/1.png"],
    ]
    assert across["different_labels"].all() and not across["across_splits"].any()
    # Where there are no splits, copies are together and not across several.
    twice = found.copies[found.copies["path"] == "happy/2.png"]
    assert twice["within_split"].all() and not twice["across_splits"].any()


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcd"),
            st.sampled_from(["train", "test", None]),
            st.sampled_from(["anger", "fear"]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_the_audit_agrees_with_looking_at_every_pair(rows):
    index = make_index(
        {"path": str(n), "split": split, "label": label} for n, (_, split, label) in enumerate(rows)
    )
    index = index.assign(digest=pd.array([row[0] for row in rows], dtype="string"), blank=False)
    found = audit(CachedFaces("x", None, index, "", "", (), None))

    def images(differ):
        return {
            a
            for a in range(len(rows))
            for b in range(len(rows))
            for c in range(len(rows))
            if rows[a][0] == rows[b][0] == rows[c][0] and b != c and differ(rows[b], rows[c])
        }

    expected = {
        "across_splits": images(lambda b, c: None not in (b[1], c[1]) and b[1] != c[1]),
        "within_split": images(lambda b, c: b[1] == c[1]),
        "across_datasets": set(),
        "different_labels": images(lambda b, c: b[2] != c[2]),
    }
    for kind in KINDS:
        assert set(found.copies.loc[found.copies[kind], "path"].astype(int)) == expected[kind]


def test_counts_are_held_against_the_published_ones(tmp_path):
    faces = load("afew", trees.afew(tmp_path / "afew"))
    spec = replace(
        faces.spec,
        published=(
            Published((28,)),
            Published((14,), "train"),
            Published((2,), "test", "anger"),
            Published((9, 7), "train", unit="clips"),
            Published((3,), "test", "fear"),
        ),
    )
    checks = check_counts(replace(faces, spec=spec))
    assert [check.found for check in checks] == [28, 14, 2, 7, 2]
    assert [check.agrees for check in checks] == [True, True, True, True, False]
    assert checks[3].what == "train clips" and checks[4].what == "test fear images"


def test_check_tells_leaks_and_is_content(leaky):
    result = run("check", "leaky", "--data", f"leaky={leaky}")
    assert result.exit_code == 0
    for words in (
        "leaky: 9 images",
        "unreadable  none",
        "blank       1",
        "3 groups, 7 images (5 are distinct)",
        "across splits: 2 groups, 5 images",
        "2 test images are also in train",
        "with different labels: 1 groups, 2 images",
        "leaky/train/sad/1.png (sadness)",
    ):
        assert words in result.output


def test_check_fails_on_unreadable_files_and_names_them(plain):
    (plain / "happy/torn.jpg").write_text("no image")
    result = run("check", "plain", "--data", f"plain={plain}")
    assert result.exit_code == 1 and "happy/torn.jpg: not an image" in result.output


def test_check_names_twenty_unreadable_files_and_counts_the_rest(plain):
    for n in range(25):
        (plain / f"happy/torn{n}.jpg").write_text("no image")
    result = run("check", "plain", "--data", f"plain={plain}")
    assert "unreadable  25" in result.output and "and 5 more" in result.output
    assert result.output.count("not an image") == 20


def test_check_fails_on_counts_that_differ_and_tells_them(tmp_path):
    root = trees.fer2013_folders(tmp_path / "fer2013")
    result = run("check", "fer2013", "--data", f"fer2013={root}")
    assert result.exit_code == 1
    assert "25 of 25 differ" in result.output
    assert "train anger images: published 3,995, found 2" in result.output


def test_check_of_several_finds_what_they_share_and_writes_all_groups(leaky, plain, tmp_path):
    result = run(
        "check",
        "leaky",
        "plain",
        "--data",
        f"leaky={leaky}",
        "--data",
        f"plain={plain}",
        "--csv",
        tmp_path / "copies.csv",
    )
    assert "across data sets: 1 groups, 2 images" in result.output and "plain/happy/1.png" in result.output
    written = pd.read_csv(tmp_path / "copies.csv")
    assert written["group"].nunique() == 5 and len(written) == 11
    assert set(KINDS) <= set(written.columns)


def test_a_csv_that_cannot_be_written_is_an_error_that_says_so(plain, tmp_path):
    (tmp_path / "file").touch()
    result = run("check", "plain", "--data", f"plain={plain}", "--csv", tmp_path / "file" / "copies.csv")
    assert isinstance(result.exception, DatasetError) and "cannot be written" in str(result.exception)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """$FER_META_DATA with fer2013 and a folder `people`; AFEW is elsewhere."""
    trees.fer2013_folders(tmp_path / "home/fer2013")
    trees.folder_splits(tmp_path / "home/people")
    trees.afew(tmp_path / "elsewhere")
    monkeypatch.setenv("FER_META_DATA", str(tmp_path / "home"))
    return tmp_path / "home"


def test_list_has_one_line_per_data_set_with_its_classes_images_and_where_it_is(home, tmp_path):
    result = run("list", "--data", f"afew={tmp_path / 'elsewhere'}")
    assert result.exit_code == 0
    head, *rows = result.output.split("\n\n")[0].splitlines()
    assert head.split() == ["name", "title", "classes", "images", "where"]
    lines = {row.split()[0]: " ".join(row.split()) for row in rows}
    assert list(lines) == [*RECIPES, *CATALOGUE, "people"] and len(rows) == len(lines)
    assert lines["fer2013"] == f"fer2013 FER2013 7 42 {home / 'fer2013'}"
    assert lines["people"] == f"people people 3 12 {home / 'people'}"
    assert lines["rafdb-basic"] == "rafdb-basic RAF-DB, basic expressions"
    assert lines["omniglot"] == "omniglot Omniglot 1,623"
    assert lines["synthetic-compound"].endswith("11 rendered here")
    assert max(map(len, rows)) <= 100 or len(str(home)) > 20
    assert "fer-meta data list NAME..." in result.output.splitlines()[-1]


def test_list_with_names_says_what_they_are_and_how_to_get_and_cite_them(home, tmp_path):
    names = ["rafdb-basic", "fer2013", "afew", "people", "omniglot"]
    result = run("list", *names, "--data", f"afew={tmp_path / 'elsewhere'}")
    assert result.exit_code == 0
    parts = {
        part.split(":")[0].split("\n")[0]: " ".join(part.split())
        for part in result.output.split("\n\n")
        if not part.startswith("    ")
    }
    assert list(parts) == names
    assert all("cite" in part and "licence" in part for part in parts.values())
    assert "here no" in parts["rafdb-basic"] and CATALOGUE["rafdb-basic"].obtain in parts["rafdb-basic"]
    assert "images 42" in parts["fer2013"] and "subjects not known" in parts["fer2013"]
    assert "clips 14" in parts["afew"]
    assert parts["omniglot"].endswith("classes 1,623")
    assert "subjects 4" in parts["people"] and "licence mine" in parts["people"]
    assert ["happily_surprised", "2", "2", "4"] in [line.split() for line in result.output.splitlines()]


def test_list_tells_a_fault_and_goes_on(plain, tmp_path):
    trees.face(plain / "bored/1.png")
    result = run("list", "--data", f"plain={plain}", "--data", f"gone={tmp_path / 'gone'}")
    assert result.exit_code == 0
    assert "not a known expression" in result.output and "gone: no folder" in " ".join(result.output.split())


def test_list_of_a_name_that_is_not_known_is_an_error_that_says_which_is(plain):
    result = run("list", "fer2013", "raf-db")
    assert isinstance(result.exception, DatasetError) and not result.output
    assert "did you mean rafdb-basic or rafdb-compound?" in str(result.exception)
    assert "images" in run("list", "plain", "--data", f"plain={plain}").output


@pytest.mark.parametrize("command", [["list"], ["check", "x"]])
@pytest.mark.parametrize("values", [["fer2013"], ["=path"], ["x="], ["x=a", "x=b"]])
def test_a_bad_data_option_is_a_usage_error(command, values):
    result = run(*command, *(part for value in values for part in ("--data", value)))
    assert result.exit_code == 2 and "--data" in result.output


def test_a_data_set_that_is_not_here_is_a_dataset_error():
    result = run("check", "fer2013")
    assert isinstance(result.exception, DatasetError) and "--data fer2013=PATH" in str(result.exception)


def test_the_commands_need_no_torch_and_help_not_even_pandas():
    code = (
        "import sys, fer_meta.cli.data; assert 'pandas' not in sys.modules;"
        "import fer_meta.datasets.show; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
