"""Cross-validation by person: each image is tested once, nobody is on both sides, and the folds are one
result.
"""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from helpers import made_up, trees
from helpers.made_up import LABELS, made_up_faces, made_up_index
from helpers.tiny_bench import SUITE
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_meta.cli.main import main
from fer_meta.errors import ProtocolError, SuiteError
from fer_meta.report.aggregate.folds import concatenated
from fer_meta.statistics.queries import Queries, Support
from fer_meta.suites.schema import read_suite
from fer_meta.tasks.folds import cross_validate, fold_numbers
from fer_meta.tasks.protocol import Protocol

pytestmark = pytest.mark.numeric

LOSO = "leave-one-subject-out"
SHAPES = dict(
    way=5,
    shots=(1,),
    train=dict(way=3, shots=1, queries=1),
    validation=dict(way=3, shots=1, queries=1, episodes=5),
    carve=0.3,
)
EVERY = dict(**SHAPES, support_from="source-train", held_out=2, queries="all")

SPLIT = """\
protocol:
  split: {split}
  way: 5
  shots: [1, 2]
  queries: all
  support_from: source-train
  held_out: 2
  episodes: 12
  carve: 0.3
  train: {way: 5, shots: 1, queries: 1}
  validation: {way: 4, shots: 1, queries: 1, episodes: 4}
"""


def cross_validated(split: str) -> str:
    """The tiny suite with folds, every test image a query once."""
    head, rest = SUITE.split("protocol:")[0], SUITE[SUITE.index("algorithms:") :]
    return head + "across: false\nselection: [source-val]\n" + SPLIT.replace("{split}", split) + rest


@pytest.fixture
def people(tmp_path):
    """Five people with two images of each class; the first of them is never surprised."""
    root = made_up.draw_tree(tmp_path / "people", people=5, images=2, seed=3)
    for path in root.glob("surprise/p000_*"):
        path.unlink()
    return root


@pytest.fixture
def crossed(suite, people, tmp_path, without_plots):
    def run(*arguments, split=LOSO, algorithms="protonet,supervised", data=people, text=None):
        suite.write_text(text or cross_validated(split))
        return CliRunner().invoke(
            main,
            [
                "bench",
                "--suite",
                str(suite),
                "--data",
                f"people={data}",
                "--device",
                "cpu",
                "--algorithms",
                algorithms,
                "--out",
                str(tmp_path / "results"),
                *arguments,
            ],
        )

    return run


# --- who is in which fold ---------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    subjects=st.integers(6, 30),
    images=st.integers(12, 40),
    folds=st.integers(2, 6),
    loso=st.booleans(),
    known=st.booleans(),
)
def test_folds_cover_each_image_once_and_nobody_is_in_two(subjects, images, folds, loso, known):
    # its official split is ignored
    index = made_up_index(dict.fromkeys(LABELS, images), "train", subjects if known or loso else None)
    if not known and not loso:
        index["clip"] = pd.array([f"c{number // 3}" for number in range(len(index))], dtype="string")
    protocol = Protocol(**EVERY, split=LOSO if loso else {"folds": folds})
    fold = fold_numbers(index, protocol, LABELS)
    count = index["subject"].nunique() if loso else folds
    assert set(fold) == set(range(1, count + 1))
    whole = index["subject"] if known or loso else index["clip"]
    assert pd.Series(fold).groupby(whole.to_numpy()).nunique().max() == 1
    try:
        domains = cross_validate(made_up_faces("made-up", index), protocol, LABELS)
    except ProtocolError as error:
        assert "fold" in str(error)
        return
    assert sorted(np.concatenate([domain.test.rows for domain in domains])) == list(range(len(index)))
    for domain in domains:
        sides = [set(whole.iloc[pool.rows]) for pool in (domain.train, domain.val, domain.test)]
        assert not sides[0] & sides[1] and not sides[2] & (sides[0] | sides[1])
        assert not set(whole.iloc[domain.held.rows]) & sides[2]
        assert domain.train.classes == domain.test.classes == LABELS


@settings(max_examples=20, deadline=None)
@given(folds=st.integers(2, 8), subjects=st.integers(40, 80))
def test_classes_are_spread_evenly_over_the_folds(folds, subjects):
    index = made_up_index({"anger": 160, "happiness": 80, "neutral": 40}, subjects=subjects)
    fold = fold_numbers(index, Protocol(**EVERY, split={"folds": folds}), LABELS)
    counts = pd.crosstab(index["label"], fold)
    assert ((counts.T - counts.mean(axis=1)).abs().max() <= 6).all()


def test_without_people_and_clips_copies_stay_in_one_fold():
    index = made_up_index(dict.fromkeys(LABELS, 20))
    index["digest"] = [f"d{number // 2}" for number in range(len(index))]
    fold = fold_numbers(index, Protocol(**EVERY, split={"folds": 5}), LABELS)
    assert pd.Series(fold).groupby(index["digest"].to_numpy()).nunique().max() == 1 and len(set(fold)) == 5


def test_labels_that_the_suite_does_not_test_are_in_no_fold():
    index = made_up_index({**dict.fromkeys(LABELS, 20), "contempt": 20}, subjects=10)
    fold = fold_numbers(index, Protocol(**EVERY, split={"folds": 5}), LABELS)
    assert ((fold == 0) == (index["label"] == "contempt")).all()


def test_a_class_that_some_fold_cannot_test_is_excluded_from_all_by_name():
    index = made_up_index(dict.fromkeys(LABELS, 60), subjects=20)
    rare = index.index[(index["label"] == "sadness") & ~index["subject"].isin(["s0", "s1"])]
    faces = made_up_faces("made-up", index.drop(rare).reset_index(drop=True))
    protocol = Protocol(**{**SHAPES, "way": 4}, queries=2, split={"folds": 4})
    domains = cross_validate(faces, protocol, LABELS)
    assert all("sadness" not in domain.test.classes and len(domain.test.classes) == 4 for domain in domains)
    assert sum(domain.test.excluded.get("sadness", 0) for domain in domains) == 6
    # Where each image is a query once, one is enough.
    every = Protocol(
        **{**EVERY, "train": {"way": 3, "shots": 1, "queries": 1}, "held_out": 1}, split={"folds": 4}
    )
    # the other who is sad cannot be support and training
    with pytest.raises(ProtocolError, match="fold .* need 5 classes .* but there are 4"):
        cross_validate(faces, every, LABELS)


@pytest.mark.parametrize("rare, of", [(2, 1), (12, 1), (12, 2)])
def test_a_class_that_cannot_be_held_out_and_trained_in_every_fold_is_excluded_from_all_by_name(rare, of):
    index = made_up_index(dict.fromkeys(LABELS, 60), subjects=20)
    one = made_up_index({"disgust": rare}, subjects=of)
    index = pd.concat(
        [index, one.assign(path="disgust-" + one["path"], digest="disgust-" + one["digest"])],
        ignore_index=True,
    )
    faces, classes = made_up_faces("made-up", index), (*LABELS, "disgust")
    # Nobody is in val, and who is held out is not trained on.
    protocol = Protocol(**{**EVERY, "carve": 0}, split={"folds": 4}, disjoint="clip")
    domains = cross_validate(faces, protocol, classes)
    assert (
        {domain.train.classes for domain in domains}
        == {domain.test.classes for domain in domains}
        == {LABELS}
    )
    assert sum(domain.test.excluded.get("disgust", 0) for domain in domains) == rare
    assert any("disgust" in domain.train.excluded for domain in domains)
    with pytest.raises(ProtocolError, match="fewer are left of disgust .*; lower `held_out`"):
        cross_validate(faces, protocol.model_copy(update={"small_classes": "error"}), classes)


def test_the_plan_and_the_table_name_a_class_that_is_excluded_from_all_folds(crossed, people, tmp_path):
    for number in range(2):
        trees.face(people / "disgust" / f"p003_{number}.png")
    words = cross_validated("{folds: 5}"), dict(algorithms="protonet")
    assert (
        "test classes too small in some fold: disgust"
        in crossed("--dry-run", text=words[0], **words[1]).output
    )
    result = crossed(text=words[0], **words[1])
    assert result.exit_code == 0, result.output
    assert "disgust:2" in (tmp_path / "results" / "tiny" / "table.md").read_text()
    assert set(pd.read_csv(tmp_path / "results" / "tiny" / "recall.csv")["class"]) == set(LABELS)


@pytest.mark.parametrize("index, split, words", [
    (made_up_index(dict.fromkeys(LABELS, 60)), LOSO,
     "made-up: 300 of 300 images have no subject, so no subject can be left out"),
    (made_up_index(dict.fromkeys(LABELS, 60), subjects=2), LOSO,
     "made-up: 2 people are too few to leave one out .*needs three"),
    (made_up_index(dict.fromkeys(LABELS, 60), subjects=1), LOSO, "1 person is too few to leave one out"),
    (made_up_index(dict.fromkeys(LABELS, 60), subjects=1), {"folds": 3},
     r"of 1 person \(or .*\) cannot be divided into 3 folds; cross-validation needs two people or more"),
    (made_up_index(dict.fromkeys(LABELS, 60), subjects=60).assign(digest="same"), {"folds": 3},
     r"\(train\).*or take more folds"),
    (made_up_index(dict.fromkeys(LABELS, 60), subjects=4), {"folds": 5},
     "cannot be divided into 5 folds; take 4 folds or fewer"),
    (made_up_index(dict.fromkeys(LABELS, 30), subjects=30), {"folds": 10},
     r"fold 1: made-up \(test\): 5-way episodes need 5 classes with 9 images or more.*"
     r", or take fewer folds \(--folds\), or --suite cross-validation, which tests each image once"),
])  # fmt: skip
def test_an_error_names_the_fold_and_what_to_do(index, split, words):
    with pytest.raises(ProtocolError, match=words):
        cross_validate(made_up_faces("made-up", index), Protocol(**SHAPES, queries=8, split=split), LABELS)


@pytest.mark.slow
def test_a_small_posed_set_is_cross_validated_by_one_command(tmp_path):
    """As JAFFE: ten people, three images of each expression, here one lacks a class; every image is a query
    once, in episodes of all classes.
    """
    for person in range(10):
        for label in ("angry", "disgust", "fear", "happy", "sad", "surprise"):
            for number in range(3 if (person, label) != (4, "fear") else 0):
                trees.face(tmp_path / "posed" / label / f"P{person}_{number}.png")
    (tmp_path / "posed" / "fer-meta.yaml").write_text("subject: '(P[0-9]+)_[0-9]+[.]png$'\n")
    how = [
        "--suite",
        "cross-validation",
        "--preset",
        "smoke",
        "--algorithms",
        "protonet",
        "--data",
        f"posed={tmp_path / 'posed'}",
    ]
    result = CliRunner().invoke(
        main, ["bench", *how, "--folds", "loso", "--device", "cpu", "--out", str(tmp_path / "results")]
    )
    assert result.exit_code == 0, result.output
    [row, *others] = pd.read_csv(tmp_path / "results" / "cross-validation-smoke" / "heads.csv").to_dict(
        "records"
    )
    assert {(one["images"], one["classes"]) for one in (row, *others)} == {(10 * 6 * 3 - 3, 6)}
    folds = pd.read_csv(tmp_path / "results" / "cross-validation-smoke" / "folds.csv")
    assert (
        set(folds["fold"]) == set(range(1, 11)) and set(folds["way"]) == {6} and (folds["members"] == 1).all()
    )


# --- a suite and the command line -------------------------------------------------------------------------


@pytest.mark.parametrize("split, words", [
    ("{folds: 1}", "folds must be a whole number from 2 to 1000"),
    ("{folds: ten}", "folds must be a whole number"),
    ("{fold: 3}", "must be three shares such as"),
    ("leave-one-out",
     "must be three shares such as .* or for cross-validation {folds: 10} or leave-one-subject-out"),
    ("[0.5, 0.5]", "must be three shares such as"),
    ("[0.5, 0.4, 0.2]", "tenths that add up to 1"),
])  # fmt: skip
def test_a_split_that_is_none_is_answered_with_file_line_and_key(suite, split, words):
    suite.write_text(cross_validated(split))
    with pytest.raises(SuiteError, match=f"line 8: protocol.split: .*{words}"):
        read_suite(str(suite), "quick")


def test_cross_validation_has_no_unseen_classes():
    with pytest.raises(ValueError, match="no class is unseen"):
        Protocol(split={"folds": 3}, tested_classes="unseen")


@pytest.mark.parametrize("word, split", [("10", {"folds": 10}), ("loso", LOSO)])
def test_folds_on_the_command_line_are_the_suites_split(suite, word, split):
    from fer_meta.cli.main import _folds

    assert (
        read_suite(str(suite), "quick", _folds(None, None, word)).protocol.split
        == Protocol(split=split).split
    )


@pytest.mark.parametrize("arguments, words", [
    (["--folds", "1"], "is not a number of folds (2 to 1000) or loso"),
    (["--folds", "two"], "is not a number of folds"),
])  # fmt: skip
def test_wrong_folds_are_answered_in_a_line(crossed, arguments, words):
    result = crossed(*arguments)
    assert result.exit_code == 2 and words in result.output


def test_cross_validation_tests_each_domain_on_itself_and_says_so(crossed, people, tmp_path):
    shutil.copytree(people, tmp_path / "others")
    arguments = ["--data", f"others={tmp_path / 'others'}", "--dry-run", "--seeds", "2"]
    result = crossed(*arguments, text=cross_validated("{folds: 4}").replace("across: false", "across: true"))
    assert result.exit_code == 0, result.output
    assert "people: cross-validation in 4 folds by person (else clip, else image)\n" in result.output
    assert "cross-validation has no pairs of two" in result.output and "32 runs, 0 done" in result.output
    assert "protonet  people  8 trainings, one a fold and seed" in result.output and "->" not in result.output
    result = crossed(*arguments, text=cross_validated("{folds: 4}").replace("across: false", "within: false"))
    assert (
        result.exit_code == 2
        and "cross-validation tests each domain on itself; say `within: true`" in result.output
    )


def test_an_experiment_across_two_data_sets_has_no_folds(suite, people, tmp_path, without_plots):
    suite.write_text(
        cross_validated("{folds: 4}")
        .replace("across: false\n", "")
        .replace(
            "presets: {quick: {}}",
            """\
roles: {one: {data: people, rendered: synthetic-studio}, two: {data: others, rendered: synthetic-film}}
experiments:
  itself: {title: Itself, train: one, test: one}
  across: {title: Across, train: one, test: two}
presets: {quick: {}}
""",
        )
    )
    shutil.copytree(people, tmp_path / "others")
    result = CliRunner().invoke(
        main,
        [
            "bench",
            "--suite",
            str(suite),
            "--data",
            f"people={people}",
            "--data",
            f"others={tmp_path / 'others'}",
            "--algorithms",
            "protonet",
            "--dry-run",
        ],
    )
    assert result.exit_code == 0, result.output
    assert (
        "across is not run: cross-validation tests a data set on itself" in result.output
        and "4 runs, 0 done" in result.output
    )


# --- a whole bench ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_leave_one_subject_out_ends_with_one_row_that_pools_the_folds(crossed, tmp_path):
    result = crossed("--seeds", "2")
    assert result.exit_code == 0, result.output
    out = tmp_path / "results" / "tiny"
    plan = json.loads((out / "plan.json").read_text())
    assert {run["fold"] for run in plan["runs"]} == {1, 2, 3, 4, 5} and len(plan["runs"]) == 2 * 2 * 5
    assert all(
        f"-fold{run['fold']:02d}-seed{run['seed']}-" in run["id"]
        and f"-fold{run['fold']:02d}-" in run["model"]
        for run in plan["runs"]
    )
    parts = []
    for run in plan["runs"]:
        told = json.loads((out / "runs" / run["id"] / "run.json").read_text())
        assert told["fold"] == run["fold"] and told["classes"] == sorted(LABELS)
        answers = pd.read_parquet(out / "runs" / run["id"] / "predictions.parquet")
        assert answers["subject"].nunique() == 1  # the fold's only person
        parts.append(
            answers.astype({"readout": str, "label": str, "predicted": str, "path": str}).assign(
                seed=run["seed"]
            )
        )
    answers = pd.concat(parts)
    answers["right"] = answers["label"] == answers["predicted"]
    # 5 people, 5 classes, 2 images, less the two of who is never surprised: each image once for a readout,
    # number of shots and seed.
    assert (answers.groupby(["readout", "shots", "seed"])["path"].agg(["size", "nunique"]) == 48).all(
        axis=None
    )
    for file, readout in (("table.csv", "protonet"), ("heads.csv", "supervised-head")):
        rows = pd.read_csv(out / file)
        row = rows[
            (rows["readout"] == readout)
            & (rows["shots"] == rows["shots"].max() if file == "table.csv" else rows["shots"] == 0)
        ]
        own = answers[(answers["readout"] == readout) & (answers["shots"] == row["shots"].iloc[0])]
        assert len(row) == 1 and row["accuracy"].iloc[0] == pytest.approx(own["right"].mean(), abs=1e-6)
        recalls = own.groupby(["seed", "label"])["right"].mean()
        assert row["uar"].iloc[0] == pytest.approx(recalls.mean(), abs=1e-6)
        assert row["seeds"].iloc[0] == 2 and row["groups"].iloc[0] == "people"
    assert (pd.read_csv(out / "table.csv")["test_images"] == 48).all()
    folds = pd.read_csv(out / "folds.csv")
    mean = (
        folds[folds["readout"] == "supervised-head"]
        .groupby("seed")
        .apply(lambda t: np.average(t["accuracy"], weights=t["queries"]))
    )
    assert mean.mean() == pytest.approx(
        answers.loc[answers["readout"] == "supervised-head", "right"].mean(), abs=1e-6
    )
    assert (
        set(folds["fold"]) == {1, 2, 3, 4, 5}
        and set(folds["seed"]) == {0, 1}
        and (folds["members"] == 1).all()
        and (folds["groups"] == "people").all()
    )
    page, text = (out / "table.md").read_text(), (out / "table.txt").read_text()
    assert (
        "cross-validation leave one subject out, by person" in page
        and "Bengio and Grandvalet 2004" in page
        and "Grandvalet" in text
    )


def test_folds_of_the_same_shape_keep_episodes_of_their_own(crossed, tmp_path):
    """Two people with equally many images of each class have episodes at the same places of their pools."""
    assert crossed(algorithms="protonet").exit_code == 0
    out = tmp_path / "results" / "tiny"
    runs = [json.loads(path.read_text()) for path in out.glob("runs/*/run.json")]
    assert len({told["episodes"]["1"] for told in runs}) == 5
    for told in runs:
        stored = pd.read_parquet(out / told["episodes"]["1"])
        asked = pd.read_parquet(out / "runs" / told["id"] / "predictions.parquet")
        assert set(stored.loc[stored["role"] == "query", "path"]) == set(asked["path"])
        assert not set(stored.loc[stored["role"] == "support", "subject"]) & set(asked["subject"])


def test_official_splits_are_ignored_and_episodes_are_drawn_within_folds(crossed, trees, tmp_path):
    """Support and query of a fold's people, in as many folds as the people allow."""
    for image in (trees / "day").rglob("*.png"):
        place = tmp_path / "split" / "train" / image.parent.name / image.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, place)
    shutil.copy(trees / "day" / "fer-meta.yaml", tmp_path / "split" / "fer-meta.yaml")
    text = SUITE.replace("seeds: [0]", "seeds: [0]\nselection: [source-val, oracle]").replace(
        "way: 5\n", "way: 5\n  split: {folds: 3}\n", 1
    )
    result = crossed(text=text, data=tmp_path / "split", algorithms="protonet")
    assert result.exit_code == 0, result.output
    assert (
        "people: cross-validation in 3 folds by person (else clip, else image); its official splits are"
        " ignored" in result.output
    )
    table = pd.read_csv(tmp_path / "results" / "tiny" / "table.csv")
    assert (table["episodes"] == 36).all() and (table["test_images"] == 300).all() and len(table) == 2 * 2


def test_a_seed_that_lacks_a_fold_is_left_out_and_its_fold_is_listed(crossed, tmp_path):
    assert crossed("--seeds", "2", algorithms="protonet").exit_code == 0
    out = tmp_path / "results" / "tiny"
    whole = pd.read_csv(out / "table.csv")
    gone = next(
        run
        for run in json.loads((out / "plan.json").read_text())["runs"]
        if (run["fold"], run["seed"]) == (3, 1)
    )
    shutil.rmtree(out / "runs" / gone["id"])
    result = CliRunner().invoke(main, ["report", "--suite", "tiny", "--out", str(tmp_path / "results")])
    assert result.exit_code == 0 and "protonet, people -> people, fold 3, seed 1: not run" in result.output
    assert "A seed that lacks a fold is left out." in " ".join(result.output.split())
    assert (pd.read_csv(out / "table.csv")["seeds"] == 1).all() and (whole["seeds"] == 2).all()
    for run in out.glob("runs/*-fold03-*"):
        shutil.rmtree(run)
    result = CliRunner().invoke(main, ["report", "--suite", "tiny", "--out", str(tmp_path / "results")])
    assert result.exit_code == 2 and "no seed has all folds of a cross-validation yet; run `" in result.output


def test_what_a_leak_is_worth_can_be_cross_validated(suite, trees, tmp_path, without_plots):
    """The shares of queries that meet their own person are counted fold by fold."""
    text = SUITE.replace("way: 5\n", "way: 5\n  split: {folds: 2}\n", 1).replace(
        "seeds: [0]", "seeds: [0]\nselection: [source-val]"
    )
    suite.write_text(
        text.replace(
            "presets: {quick: {}}",
            """\
roles: {one: {data: day, rendered: synthetic-studio}}
experiments:
  apart:
    {title: People apart, train: one, test: one,
     protocol: {disjoint: subject, train: {disjoint: image}, validation: {disjoint: image}}}
  shared: {title: People shared, train: one, test: one, against: apart, protocol: {disjoint: image}}
presets: {quick: {}}
""",
        )
    )
    result = CliRunner().invoke(
        main,
        [
            "bench",
            "--suite",
            str(suite),
            "--data",
            f"day={trees / 'day'}",
            "--algorithms",
            "protonet",
            "--out",
            str(tmp_path / "results"),
        ],
    )
    assert result.exit_code == 0, result.output
    leaks = pd.read_csv(tmp_path / "results" / "tiny" / "experiments.csv").set_index(["experiment", "shots"])
    assert (leaks.loc["apart", "share_person"] == 0).all() and (leaks.loc["shared", "share_person"] > 0).all()


# --- pooling ----------------------------------------------------------------------------------------------


def some_queries(groups: str, group: list[int]) -> Queries:
    n = len(group)
    return Queries(
        np.arange(n, dtype=np.int32) // 2, np.zeros(n, np.int8), np.array(group), np.arange(n), None, groups
    )


def test_pooled_episodes_are_numbered_on_with_their_support_and_own_heads_have_none():
    first, second = some_queries("people", [0, 0, 1, 1]), some_queries("people", [2, 2, 3])
    both = concatenated([first, second])
    assert (
        both.episode.tolist() == [0, 0, 1, 1, 2, 2, 3]
        and both.group.tolist() == [0, 0, 1, 1, 2, 2, 3]
        and both.groups == "people"
    )
    assert concatenated([first, replace(second, groups="clips")]).groups == "clips"
    shown = [
        Support(one.episode, one.group, one.image, np.full(len(one.label), 17, np.int8))
        for one in (first, second)
    ]
    supported = concatenated(
        [replace(one, support=support) for one, support in zip((first, second), shown)]
    ).support
    assert (
        supported.episode.tolist() == both.episode.tolist()
        and supported.label.tolist() == [17] * 4 + [17 + 2**15] * 3
    )
    heads = [replace(one, episode=np.zeros(len(one.episode), int)) for one in (first, second)]
    assert set(concatenated(heads).episode) == {0}
