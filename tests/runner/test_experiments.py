"""Suites with experiments: roles are filled, mixtures made, and what cannot be run is said."""

import json

import pandas as pd
import pytest
from helpers import fake_renderer, made_up
from helpers.made_up import LABELS
from helpers.tiny_bench import EXPERIMENTS, SUITE

from fer_meta.datasets.synthetic import rendered
from fer_meta.report.load import read_results

pytestmark = pytest.mark.numeric


@pytest.fixture
def staged(suite, bench):
    suite.write_text(SUITE.replace("presets: {quick: {}}", EXPERIMENTS))
    return bench


@pytest.fixture
def split_trees(trees, tmp_path):
    """The drawn trees with official splits, which a mixture takes its parts by."""
    for name in ("day", "night"):
        for image in (trees / name).rglob("*.png"):
            person = int(image.stem[1:4])
            split = "test" if person % 3 == 0 else "val" if person % 5 == 1 else "train"
            place = tmp_path / "split" / name / split / image.parent.name / image.name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(image.read_bytes())
        (tmp_path / "split" / name / "fer-meta.yaml").write_text((trees / name / "fer-meta.yaml").read_text())
    return tmp_path / "split"


def given(folder):
    return [word for name in ("day", "night") for word in ("--data", f"{name}={folder / name}")]


def plan_of(tmp_path, out="results"):
    return json.loads((tmp_path / out / "tiny" / "plan.json").read_text())


def test_experiments_run_on_what_plays_their_roles_and_leaky_tests_share_the_models(
    staged, split_trees, tmp_path
):
    result = staged("--algorithms", "protonet,supervised", *given(split_trees), domains=())
    assert result.exit_code == 0, result.output
    plan = plan_of(tmp_path)
    assert {run["experiment"] for run in plan["runs"]} == {"plain", "leaky", "mixed"} and plan[
        "not_run"
    ] == {}
    models = {
        key: {run["model"] for run in plan["runs"] if run["experiment"] == key} for key in plan["experiments"]
    }
    assert models["plain"] == models["leaky"] and not models["plain"] & models["mixed"]
    assert plan["experiments"]["leaky"]["against"] == "plain"
    assert "100 images" not in plan["experiments"]["mixed"]["trained_on"] and plan["experiments"]["mixed"][
        "trained_on"
    ].startswith("both, ")
    out = tmp_path / "results" / "tiny"
    run = next(
        run for run in read_results(out).runs if run.experiment == "mixed" and run.method == "protonet"
    )
    answers = pd.read_parquet(
        out / "runs" / run.id / "predictions.parquet", filters=[("selection", "==", "last")]
    )
    told = json.loads((out / "runs" / run.id / "run.json").read_text())
    assert len(answers) == told["test_images"] == answers["path"].nunique()
    shares = answers[[f"p_{name}" for name in told["classes"]]]
    assert shares.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-3)
    assert (shares.idxmax(axis=1).str[2:] == answers["predicted"].astype(str)).mean() > 0.99
    stored = pd.read_parquet(out / told["episodes"]["2"])
    assert set(stored.loc[stored["role"] == "support", "data"]) == {"both"} and set(stored["data"]) == {
        "both",
        "night",
    }


def test_the_stored_episodes_are_those_that_were_answered(staged, trees, tmp_path):
    assert staged("--algorithms", "protonet", "--experiments", "plain").exit_code == 0
    out = tmp_path / "results" / "tiny"
    run = next((out / "runs").iterdir())
    answers = pd.read_parquet(run / "predictions.parquet")
    for shots, file in json.loads((run / "run.json").read_text())["episodes"].items():
        stored = pd.read_parquet(out / file)
        queries = stored[stored["role"] == "query"].reset_index(drop=True)
        asked = answers[(answers["shots"] == int(shots)) & (answers["selection"] == "last")].reset_index(
            drop=True
        )
        for column in ("episode", "path", "label", "subject"):
            assert (queries[column].astype(str) == asked[column].astype(str)).all()
        support = stored[stored["role"] == "support"]
        assert (support.groupby(["episode", "label"], observed=True).size() == int(shots)).all()


def test_an_experiment_whose_data_are_not_here_is_named_and_the_others_run(staged, tmp_path):
    result = staged("--algorithms", "protonet", "--role", "dark=day", domains=("day",))
    assert result.exit_code == 0 and "mixed is not run" in result.output  # no official splits to mix
    assert {run["target"] for run in plan_of(tmp_path)["runs"]} == {"day"}
    result = staged("--algorithms", "protonet", domains=("day",), out="one")
    assert result.exit_code == 2 and "no dark: give --data night=PATH" in result.output
    assert "no experiment of tiny can be run" in result.output


def test_rendered_stand_ins_come_together_or_not_at_all(staged, tmp_path, monkeypatch):
    monkeypatch.setattr(rendered, "_renderer", fake_renderer.Renderer)
    small = SUITE.replace("presets: {quick: {}}", "rendered: {subjects: 40, images: 900}\n" + EXPERIMENTS)
    (tmp_path / "tiny.yaml").write_text(small)
    result = staged("--algorithms", "protonet", domains=())
    assert result.exit_code == 0, result.output
    plan = plan_of(tmp_path)
    assert set(plan["rendered"]) == {"synthetic-studio", "synthetic-film", "both"} and plan["not_run"] == {}
    assert "rendered" in plan["experiments"]["plain"]["trained_on"]


@pytest.mark.parametrize("arguments, words", [
    (["--experiments", "E9"], "has no experiment 'E9'; it has plain, leaky, mixed"),
    (["--role", "grey=day"], "has no role 'grey'; it has light, dark"),
    (["--role", "dark"], "give ROLE=NAME"),
    (["--domains", "day"], "play roles; fill them with --role light=NAME"),
])  # fmt: skip
def test_wrong_roles_and_experiments_are_answered_in_a_line(staged, arguments, words):
    result = staged(*arguments)
    assert result.exit_code == 2 and words in result.output and "Traceback" not in result.output


def test_a_suite_without_roles_says_so(bench):
    result = bench("--role", "dark=day")
    assert result.exit_code == 2 and "has no roles to fill" in result.output


@pytest.mark.parametrize("tested, expected", [("seen", LABELS[:3]), ("unseen", LABELS[3:])])
def test_seen_classes_are_those_that_source_and_target_share_and_unseen_the_others_of_the_target(
    suite, bench, trees, tmp_path, tested, expected
):
    made_up.draw_tree(tmp_path / "three", labels=LABELS[:3])
    suite.write_text(
        SUITE.replace("  way: 5\n", f"  way: 2\n  tested_classes: {tested}\n").replace("{way: 5", "{way: 2")
    )
    result = bench(
        "--algorithms",
        "protonet,supervised",
        "--sources",
        "three",
        "--data",
        f"three={tmp_path / 'three'}",
        "--domains",
        "three,night" if tested == "seen" else "night,three",
        domains=("night",),
    )
    if tested == "unseen":  # nothing of its own is unseen to a source
        assert (
            result.exit_code == 2
            and "three (test): 2-way episodes need 2 classes, but only 0" in result.output
        )
        suite.write_text(suite.read_text() + "within: false\n")
        result = bench(
            "--algorithms",
            "protonet,supervised",
            "--sources",
            "three",
            "--data",
            f"three={tmp_path / 'three'}",
            domains=("night",),
        )
    assert result.exit_code == 0, result.output
    for run in (tmp_path / "results/tiny/runs").glob("*to-night*"):
        told = json.loads((run / "run.json").read_text())
        answers = pd.read_parquet(run / "predictions.parquet")
        assert told["classes"] == list(expected) and set(answers["label"]) == set(expected)
        assert ("supervised-head" in set(answers["readout"])) == (
            tested == "seen" and told["method"] == "supervised"
        )
