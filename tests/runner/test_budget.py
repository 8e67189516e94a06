"""A bench under a budget."""

import json

import pytest

from fer_meta.records.model import read_model

pytestmark = pytest.mark.numeric


def records(folder) -> dict[str, dict]:
    return {
        (run := json.loads(path.read_text()))["method"]: run for path in folder.glob("tiny/runs/*/run.json")
    }


def test_all_methods_see_the_budgets_images_and_the_bench_prints_and_records_what_each_saw(bench, tmp_path):
    words = ("--methods", "protonet,supervised", "--budget", "images=100")
    plan = bench(*words, "--dry-run", domains=("day",)).output
    assert "budget: 100 images in each training" in plan
    assert "protonet on day: 4 steps, 100 images\n" in plan
    assert "supervised on day: 6 steps, 96 images (4 fewer than the budget)" in plan

    result = bench(*words, domains=("day",))
    assert result.exit_code == 0, result.output
    assert "100 images seen, 4 steps, " in result.output
    assert "96 images seen (4 fewer than the budget), 6 steps, " in result.output
    runs = records(tmp_path / "results")
    assert {name: run["trained"]["images"] for name, run in runs.items()} == {
        "protonet": 100,
        "supervised": 96,
    }
    [model] = (tmp_path / "results").glob("tiny/models/supervised-*")
    record = read_model(model)
    assert (record.steps, record.images, record.budget) == (6, 96, {"images": 100})
    assert json.loads((tmp_path / "results/tiny/plan.json").read_text())["budget"] == {"images": 100}


def test_a_training_of_some_seconds_has_a_name_of_its_own_and_records_what_it_reached(bench, tmp_path):
    words = ("--methods", "protonet")
    result = bench(*words, "--budget", "seconds=0.3", domains=("day",))
    assert result.exit_code == 0, result.output
    trained = records(tmp_path / "results")["protonet"]["trained"]
    assert trained["seconds"] >= 0.3 and trained["images"] == 25 * trained["steps"]
    assert bench(*words, "--budget", "seconds=0.2", domains=("day",)).exit_code == 0
    assert bench(*words, domains=("day",)).exit_code == 0
    assert len(list((tmp_path / "results").glob("tiny/models/protonet-*"))) == 3


def test_what_is_no_budget_is_refused_in_one_line(bench):
    for given in ("images", "steps=3", "images=many"):
        result = bench("--budget", given)
        assert result.exit_code == 2 and "give images=225000 or seconds=600" in result.output
