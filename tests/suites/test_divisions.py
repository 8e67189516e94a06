"""Divisions of a suite's classes: which there are, and which cannot be."""

from itertools import combinations

import pytest
from helpers.suites import GOOD

from fer_meta.errors import SuiteError
from fer_meta.runner.options import BenchOptions
from fer_meta.runner.select import chosen_suite
from fer_meta.suites.schema import read_suite

CSRN = ("anger", "disgust", "fear")
UNSEEN = GOOD.replace(
    "  way: 5", "  way: 3\n  tested_classes: unseen\n  train: {way: 4}\n  validation: {way: 3}"
)


@pytest.fixture
def read(tmp_path):
    def suite(divisions: str, text: str = UNSEEN, **changes):
        path = tmp_path / "mine.yaml"
        path.write_text(text + f"divisions: {divisions}\n")
        return read_suite(str(path), "full", **changes)

    return suite


def test_unseen_has_all_35_divisions_and_the_published_one_is_the_first():
    suite = read_suite("unseen", "full")
    assert suite.divisions[0] == CSRN and len(suite.divisions) == 35
    assert {frozenset(one) for one in suite.divisions} == set(map(frozenset, combinations(suite.classes, 3)))
    protocol = suite.protocol
    assert (protocol.way, protocol.shots, protocol.train.way, protocol.train.shots) == (3, (3,), 4, 4)


def test_the_few_divisions_of_quick_favour_no_class_and_no_pair_of_classes():
    divisions = read_suite("unseen", "quick").divisions
    assert divisions[0] == CSRN
    tested = [name for one in divisions for name in one]
    assert {tested.count(name) for name in tested} == {3}
    together = [pair for one in divisions for pair in combinations(one, 2)]
    assert len(set(together)) == len(together) == 21


def test_csrn_is_in_its_own_setting_on_the_backbone_of_the_others():
    methods = read_suite("unseen", "full").methods
    assert "csrn" in methods
    assert {config.backbone for name, config in methods.items() if name != "frozen"} == {"conv4"}
    few = chosen_suite(BenchOptions(suite="unseen", preset="quick", methods=("csrn", "relationnet")))
    assert [few.methods[name].steps for name in ("csrn", "relationnet")] == [300, 300]
    assert "csrn" not in read_suite("unseen", "quick").methods  # it would take most of the time


def test_selection_noise_asks_one_query_as_the_published_scores_do():
    for preset in ("smoke", "quick", "full"):
        suite = read_suite("selection-noise", preset)
        assert suite.divisions == (CSRN,) and suite.protocol.queries == 1 and "best-of" in suite.readings


def test_a_division_is_written_in_the_order_of_the_classes(read):
    suite = read("[[surprise, anger, fear]]")
    assert suite.classes[0] == "surprise" and suite.divisions == (("surprise", "fear", "anger"),)


@pytest.mark.parametrize("divisions, words", [
    ("0", "divisions: must be at least 1 and fewer than the 7 classes"),
    ("7", "divisions: must be at least 1 and fewer than the 7 classes"),
    ("2", r"divisions.0: 2 classes are tested, fewer than `protocol.way` \(3\); lower it, or"),
    ("[[anger, fear, sadness, neutral]]", r"divisions.0: 3 classes are trained on, fewer than `protocol.t"),
    ("[[anger, fear, joy]]", "divisions.0: 'joy' is not among the suite's classes; there are surprise"),
    ("[[anger, fear, sadness], [fear, anger, sadness]]", "divisions: .* is given twice; keep one"),
    ("[anger, fear]", "divisions.0: "),
])  # fmt: skip
def test_a_division_that_cannot_be_is_an_error_that_names_it(read, divisions, words):
    with pytest.raises(SuiteError, match=f"mine.yaml, line .*: {words}") as error:
        read(divisions)
    assert "\n" not in str(error.value)


def test_divisions_are_of_unseen_classes(read):
    with pytest.raises(SuiteError, match="divisions: need `tested_classes: unseen`"):
        read("3", UNSEEN.replace("  tested_classes: unseen\n", ""))


def test_a_bench_takes_some_of_the_divisions_by_their_names():
    options = BenchOptions(
        suite="unseen", preset="full", experiments=("anger+fear+sadness", "anger+disgust+fear")
    )
    assert chosen_suite(options).divisions == (CSRN, ("anger", "fear", "sadness"))
    with pytest.raises(SuiteError, match=r"has no experiment 'fear\+anger'; it has anger\+disgust\+fear, "):
        chosen_suite(BenchOptions(suite="unseen", preset="full", experiments=("fear+anger",)))
