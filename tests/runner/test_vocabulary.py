"""Benches on data sets that bring labels of their own."""

import pandas as pd
import pytest
from helpers import trees

from fer_meta.datasets.registry import spec_for
from fer_meta.errors import SuiteError
from fer_meta.expressions import BASIC
from fer_meta.runner.main import run_bench
from fer_meta.runner.options import BenchOptions
from fer_meta.runner.vocabulary import with_vocabulary
from fer_meta.suites.schema import read_suite

PAIN = ("none", "mild", "strong")


@pytest.fixture
def pain(tmp_path):
    root = tmp_path / "pain"
    for split, images in (("train", 24), ("val", 10), ("test", 16)):
        for label in PAIN:
            for number in range(images):
                trees.face(root / split / label / f"{number}.png", like=f"{label}{split}{number}")
    (root / "fer-meta.yaml").write_text("vocabulary: ['none', mild, strong]\n")
    return root


def test_a_bench_runs_on_the_labels_that_its_data_set_brings(pain, tmp_path, monkeypatch):
    monkeypatch.setenv("FER_META_CACHE", str(tmp_path / "cache"))
    options = {"methods": ["protonet", "supervised"], "domains": ["pain"], "data": {"pain": pain}}
    assert run_bench(BenchOptions("within", preset="smoke", out=tmp_path / "out", **options)) == 0
    folder = tmp_path / "out/within-smoke"
    assert set(pd.read_csv(folder / "table.csv")["way"]) == {3}
    assert tuple(pd.read_csv(folder / "recall.csv")["class"].drop_duplicates()) == PAIN
    confusion = pd.read_csv(folder / "confusion.csv")
    assert tuple(confusion["class"].drop_duplicates()) == PAIN
    assert set(confusion["predicted"]) <= set(PAIN) and set(pd.read_csv(folder / "heads.csv")["classes"]) == {
        3
    }


def test_no_episode_has_more_ways_than_there_are_labels(pain):
    suite = with_vocabulary(read_suite("within", "quick"), {"pain": pain})
    protocol = suite.protocol
    assert suite.classes == PAIN and {protocol.way, protocol.train.way, protocol.validation.way} == {3}


@pytest.mark.parametrize(
    "labels", [("neutral", "mild", "strong"), ("neutral", "anger", "mild"), ("happiness", "sadness")]
)
def test_a_vocabulary_may_share_words_with_the_expressions(pain, labels):
    (pain / "fer-meta.yaml").write_text(f"vocabulary: [{', '.join(labels)}]\n")
    suite = with_vocabulary(read_suite("within", "quick"), {"pain": pain})
    assert suite.classes == labels and suite.protocol.way == len(labels)


def test_classes_that_a_suite_of_ones_own_names_do_not_give_way(pain):
    (pain / "fer-meta.yaml").write_text("vocabulary: [happiness, sadness, pain]\n")
    suite = read_suite("within", "quick")
    named = suite.model_copy(update={"classes": ("happiness", "sadness", "fear")})
    with pytest.raises(
        SuiteError, match="no data set has the class 'fear'; there are .*; name some of these"
    ):
        with_vocabulary(named, {"pain": pain}, own=True)
    assert with_vocabulary(suite, {"pain": pain}).classes == ("happiness", "sadness", "pain")


def test_a_suite_on_expressions_stays_as_it_is(tmp_path):
    suite = read_suite("within", "quick")
    assert with_vocabulary(suite, {"faces": trees.folder_labels(tmp_path), "synthetic-wild": None}) == suite


def test_a_suite_may_name_some_of_the_labels(pain):
    suite = read_suite("within", "quick").model_copy(update={"classes": PAIN[:2]})
    assert with_vocabulary(suite, {"pain": pain}).classes == PAIN[:2]


def test_data_sets_of_different_labels_are_not_compared(pain, tmp_path):
    faces = trees.folder_labels(tmp_path / "faces")
    with pytest.raises(
        SuiteError, match="pain and faces have different labels .*none, mild, strong; expressions"
    ):
        with_vocabulary(read_suite("within", "quick"), {"pain": pain, "faces": faces})


def test_a_class_that_no_data_set_has_is_named(tmp_path):
    suite = read_suite("within", "quick").model_copy(update={"classes": (*BASIC, "bored")})
    with pytest.raises(SuiteError, match="no data set has the class 'bored'"):
        with_vocabulary(suite, {"faces": trees.folder_labels(tmp_path)})


def test_decoded_faces_keep_their_labels(pain, tmp_path, monkeypatch):
    from fer_meta.datasets.cache import load_images
    from fer_meta.datasets.face_dataset import FaceDataset
    from fer_meta.datasets.prepared import prepared_spec

    monkeypatch.setenv("FER_META_CACHE", str(tmp_path / "cache"))
    faces = load_images(spec_for("pain", pain), pain, 12, progress=False)
    [place] = (tmp_path / "cache").glob("pain-*")
    assert prepared_spec("pain", place).vocabulary == PAIN == FaceDataset(faces).classes
