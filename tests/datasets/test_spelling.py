"""Names of data sets in another spelling: found out, and never read another way in silence."""

import re

import pytest
from helpers import trees

from fer_meta.datasets.registry import locate, spec_for
from fer_meta.errors import DatasetError


def refusal(name, root) -> str:
    with pytest.raises(DatasetError) as caught:
        spec_for(name, root).scan(root)
    return str(caught.value)


@pytest.mark.parametrize("name", ["FER2013", "fer-2013", "RAFDB_Basic", "caer_s"])
def test_a_known_name_in_another_spelling_is_not_read_another_way(name, tmp_path):
    root = trees.fer2013_folders(tmp_path)
    meant = {"f": "fer2013", "R": "rafdb-basic", "c": "caer-s"}[name[0].replace("F", "f")]
    with pytest.raises(DatasetError, match=re.escape(f"give --data {meant}={root}, or another name")):
        spec_for(name, root)


def test_a_folder_that_cannot_be_read_under_a_name_like_a_known_one_is_asked_about(tmp_path):
    trees.rafdb_basic(tmp_path)
    assert refusal("rafdb", tmp_path).endswith("; did you mean rafdb-basic or rafdb-compound?")
    assert "did you mean" not in refusal("mine", tmp_path)


def test_a_folder_of_ones_own_may_have_a_name_like_a_known_one(tmp_path):
    assert len(spec_for("rafdb", trees.folder_labels(tmp_path)).scan(tmp_path)) == 4


@pytest.mark.parametrize("name, meant", [
    ("fer2103", "fer2013"),
    ("rafdb", "rafdb-basic or rafdb-compound"),
    ("synthetic_wild", "synthetic-wild"),
    ("mien", "mine"),
    ("CK+", "ckplus"),
])  # fmt: skip
def test_a_name_that_is_not_found_says_which_was_meant(name, meant, tmp_path):
    with pytest.raises(DatasetError, match=re.escape(f"; did you mean {meant}?")):
        locate(name, {"mine": tmp_path})
