"""`copies: near-removed`: an image saved again goes from where an identical one goes."""

import pytest
from helpers.made_up import LABELS
from helpers.photographs import brighter, saved_again, write
from PIL import ImageOps

from fer_meta.datasets.cache import load_images
from fer_meta.datasets.registry import spec_for
from fer_meta.runner.crossing import cross
from fer_meta.runner.identity import scientific, short_hash
from fer_meta.runner.staging import stage
from fer_meta.suites.schema import read_suite
from fer_meta.tasks.copies import compared
from fer_meta.tasks.folds import cross_validate
from fer_meta.tasks.pools import divide
from fer_meta.tasks.protocol import EpisodeShape, Folds, Protocol, Validation

SHAPES = dict(
    way=5, shots=(1,), queries=2, train=EpisodeShape(way=5, shots=1, queries=2),
    validation=Validation(way=5, shots=1, queries=1, episodes=5),
)  # fmt: skip
SUITE = """\
name: near
title: Near
image_size: 48
protocol:
  {way: 5, shots: [1], queries: 2, episodes: 5, COPIES train: {way: 5, shots: 1, queries: 2},
   validation: {way: 5, shots: 1, queries: 1, episodes: 5}}
methods: {protonet: {steps: 4}}
presets: {quick: {}}
"""
ROLES = """\
classes: [anger, happiness, neutral, sadness, surprise]
roles:
  light: {data: day, rendered: synthetic-studio}
  dark: {data: night, rendered: synthetic-film}
mixtures:
  both: {parts: [{role: light}, {role: dark, splits: [train]}]}
experiments:
  exact: {title: Exact, train: both, test: dark}
  near: {title: Near, train: both, test: dark, protocol: {copies: near-removed}}
presets: {quick: {}}
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_META_CACHE", str(tmp_path / "cache"))


def tree(root, counts, labels=LABELS):
    for split, count in counts.items():
        for label in labels:
            for n in range(count):
                write(root / split / label / f"{n}.png", f"{root.name}/{split}/{label}/{n}")
    return root


def load(root):
    return load_images(spec_for(root.name, root), root, 48, progress=False)


@pytest.fixture
def day(tmp_path):
    """Six images of each class and split; beside them, of test: three of train, one of val, and one twice."""
    root = tree(tmp_path / "day", {"train": 6, "val": 6, "test": 6})
    for n, edit in enumerate((saved_again, brighter, ImageOps.mirror)):
        write(root / f"test/anger/of_train{n}.png", f"day/train/anger/{n}", edit)
    write(root / "test/anger/of_val.png", "day/val/anger/0", saved_again)
    write(root / "test/anger/twice.png", "day/test/anger/0", saved_again)
    return root


def divided(*faces, copies, **more):
    protocol = Protocol(**SHAPES, copies=copies)
    return divide(compared(faces, protocol), protocol, LABELS, **more)


def paths(domain, pool):
    return set(domain.index["path"].iloc[getattr(domain, pool).rows])


def test_near_copies_go_from_the_test_as_identical_images_do(day):
    faces = load(day)
    exact, near = (divided(faces, copies=copies)["day"] for copies in ("removed", "near-removed"))
    assert exact.test.copies_removed == 0 and near.test.copies_removed == 5
    names = {"of_train0", "of_train1", "of_train2", "of_val"}
    gone = {path.removeprefix("test/anger/") for path in paths(exact, "test") - paths(near, "test")}
    # Of two in the test the first stays.
    assert gone == {f"{name}.png" for name in (*names, "twice")}
    assert exact.train.digest == near.train.digest and exact.val.digest == near.val.digest
    assert divided(faces, copies="kept")["day"].test.copies_removed == 0


def test_of_near_copies_with_different_labels_none_is_tested(day):
    write(day / "test/sadness/disputed.png", "day/test/anger/3", saved_again)
    near = divided(load(day), copies="near-removed")["day"]
    assert not {"test/sadness/disputed.png", "test/anger/3.png"} & paths(near, "test")


def test_what_another_data_set_trains_on_is_not_tested_in_any_version(day, tmp_path):
    night = tree(tmp_path / "night", {"train": 6, "val": 6, "test": 6})
    write(night / "test/anger/of_day.png", "day/train/anger/5", brighter)
    near = divided(load(day), load(night), copies="near-removed")["night"]
    assert near.test.copies_removed == 1 and "test/anger/of_day.png" not in paths(near, "test")


def test_without_splits_and_in_folds_near_copies_stay_on_one_side(tmp_path):
    root = tree(tmp_path / "whole", {"": 24})
    for label in LABELS:
        for n in range(24):
            write(root / label / f"again{n}.png", f"whole//{label}/{n}", saved_again)
    protocol = Protocol(**SHAPES, copies="near-removed")
    [faces] = compared([load(root)], protocol)

    def photographs(domain, pool):
        return {path.replace("again", "") for path in paths(domain, pool)}

    [domain] = divide([faces], protocol, LABELS).values()
    sides = [photographs(domain, pool) for pool in ("train", "val", "test")]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 120
    folds = protocol.model_copy(update={"split": Folds(folds=4), "carve": 0.3})
    for fold in cross_validate(faces, folds, LABELS):
        assert not photographs(fold, "train") & photographs(fold, "test")


def test_support_and_query_share_no_near_copy_in_training_either(day):
    for n, edit in enumerate((saved_again, brighter)):
        write(day / f"train/anger/again{n}.png", "day/train/anger/0", edit)
    exact, near = (divided(load(day), copies=copies)["day"] for copies in ("removed", "near-removed"))
    assert exact.train.groups is None
    again = [
        row for row, path in zip(near.train.rows, near.index["path"].iloc[near.train.rows]) if "again" in path
    ]
    assert len(set(near.train.groups[near.train.positions(again)])) == 1


def suite_of(tmp_path, text, copies=""):
    file = tmp_path / f"suite{len(list(tmp_path.glob('*.yaml')))}.yaml"
    file.write_text(text.replace("COPIES", copies))
    return read_suite(str(file), "quick")


def test_a_bench_removes_near_copies_where_its_suite_says_so(day, tmp_path):
    tested = {}
    for copies in ("removed", "near-removed"):
        [setting] = cross(suite_of(tmp_path, SUITE, f"copies: {copies},"), [load(day)])
        tested[copies] = setting.test
    assert len(tested["removed"]) - len(tested["near-removed"]) == 5
    assert tested["removed"].digest != tested["near-removed"].digest


def test_an_experiment_removes_them_and_another_of_the_same_suite_does_not(day, tmp_path):
    night = tree(tmp_path / "night", {"train": 6, "val": 6, "test": 6})
    write(night / "test/anger/of_day.png", "day/train/anger/5", brighter)
    suite = suite_of(tmp_path, SUITE.replace("presets: {quick: {}}\n", ROLES), "carve: 0.3,")
    settings, not_run = stage(suite, {"light": load(day), "dark": load(night)})
    assert not_run == {}
    removed = {setting.experiment: setting.test.copies_removed for setting in settings}
    assert removed == {"exact": 0, "near": 1}


def test_the_name_of_a_protocol_that_does_not_remove_them_is_as_before():
    before = scientific(Protocol())
    assert before["copies"] == "removed" and "near" not in str(before)
    assert short_hash(scientific(Protocol(copies="near-removed"))) != short_hash(before)
