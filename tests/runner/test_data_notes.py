"""What plan and tables say of the data: unused classes, and people who are not known or in two splits."""

import pytest
from helpers import trees

from fer_meta.datasets.registry import load
from fer_meta.expressions import BASIC
from fer_meta.runner.data_notes import data_notes
from fer_meta.runner.main import run_bench
from fer_meta.runner.options import BenchOptions


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_META_CACHE", str(tmp_path / "cache"))
    for split, images in (("train", 12), ("val", 8), ("test", 12)):
        for label in (*BASIC, "contempt"):
            for number in range(images):
                trees.face(
                    tmp_path / "faces" / split / label / f"{'ann' if number < 2 else split}_{number}.png"
                )
    return tmp_path / "faces"


def test_plan_and_table_say_which_classes_the_suite_does_not_use(root, tmp_path, capsys):
    line = "faces: contempt (32 images) is no class of the suite and left out."
    options = {
        "methods": ["protonet"],
        "domains": ["faces"],
        "data": {"faces": root},
        "out": tmp_path / "out",
    }
    run_bench(BenchOptions("within", preset="smoke", dry_run=True, **options))
    assert line in capsys.readouterr().out
    run_bench(BenchOptions("within", preset="smoke", **options))
    assert line in (tmp_path / "out/within-smoke/table.md").read_text()


def test_people_in_several_splits_or_unknown_are_counted(root):
    (root / "fer-meta.yaml").write_text("subject: '/(ann|train|val)_'\n")
    notes = data_notes([load("faces", root, 12)], (*BASIC, "contempt"), {"faces": root})
    assert notes == [
        "faces: the person is not known for 80 of 256 images.",
        "faces: 1 person of 3 are in several of its splits.",
    ]


def test_data_that_need_no_word_get_none(root):
    assert data_notes([load("faces", root, 12)], (*BASIC, "contempt"), {"faces": root}) == []


def test_what_may_be_an_image_and_is_passed_over_is_counted(root):
    (root / "train/anger/1").write_bytes((root / "train/anger/ann_0.png").read_bytes())
    (root / "train/anger/2.HEIC").write_bytes(b"photograph")
    (root / "train/anger/notes.txt").write_text("no image")
    (root / "train/anger/torn.png").write_text("said to be unreadable")
    notes = data_notes([load("faces", root, 12)], (*BASIC, "contempt"), {"faces": root})
    assert notes == ["faces: 2 files that may be images are passed over, first 'train/anger/1'."]
