"""A suite that divides its classes: no tested class is trained on; what data cannot show is left out."""

import json
import shutil

import pandas as pd
import pytest
from helpers.tiny_bench import SUITE, folders

pytestmark = pytest.mark.numeric

DIVIDED = (
    SUITE.replace("  way: 5\n  shots: [1, 2]", "  way: 2\n  shots: [2]\n  tested_classes: unseen")
    .replace("train: {way: 5", "train: {way: 3")
    .replace("validation: {way: 5", "validation: {way: 3")
    .replace("  maml: {steps: 2, validations: 2, inner_steps: 1, first_order: true}\n", "")
    .replace("title: Drawn faces", "title: Drawn faces\nacross: false")
)
CLASSES = "[anger, happiness, neutral, sadness, surprise]"
TWO = "[[anger, sadness], [neutral, surprise]]"


@pytest.fixture
def divided(suite, bench):
    def run(divisions, *arguments, **options):
        suite.write_text(f"{DIVIDED}classes: {CLASSES}\ndivisions: {divisions}\n")
        return bench(*arguments, **options)

    return run


def lacking(trees, tmp_path, *few):
    """`day` without enough images of some classes."""
    root = shutil.copytree(trees / "day", tmp_path / "less")
    for label in few:
        for image in sorted((root / label).iterdir())[3:]:
            image.unlink()
    return "--data", f"less={root}"


def test_each_division_is_tested_on_the_classes_that_it_is_not_trained_on(divided, tmp_path):
    result = divided(TWO, "--methods", "protonet,supervised", domains=("day", "night"))
    assert result.exit_code == 0, result.output
    plan = json.loads((tmp_path / "results" / "tiny" / "plan.json").read_text())
    assert plan["divisions"] == ["anger+sadness", "neutral+surprise"] == [*plan["experiments"]]
    assert len(plan["runs"]) == 8 and all(run["source"] == run["target"] for run in plan["runs"])
    for name, folder in folders(tmp_path / "results" / "tiny" / "runs").items():
        run = json.loads((folder / "run.json").read_text())
        tested = run["experiment"].split("+")
        model = json.loads(
            (tmp_path / "results" / "tiny" / "models" / run["model"] / "model.json").read_text()
        )
        assert run["classes"] == tested and not set(model["classes"]) & set(tested), name
        assert len(model["classes"]) == 3
        answers = pd.read_parquet(folder / "predictions.parquet")
        assert set(answers["label"]) == set(tested) and (answers["readout"] != "supervised-head").all()


def test_data_that_can_serve_no_division_are_one_error(divided, trees, tmp_path):
    given = lacking(trees, tmp_path, "anger")
    result = divided("2", "--methods", "protonet", *given, domains=())
    assert result.exit_code == 2
    line = "less: none of the 10 divisions can be used: too few images to test anger (3); to train on"
    assert line in " ".join(result.output.split()) and "--domains" in result.output


def test_what_is_left_out_stands_in_the_report_and_the_rest_is_run(divided, trees, tmp_path):
    # night has all classes; day has no anger for validation, and so only where anger is tested
    tree = shutil.copytree(trees / "day", tmp_path / "split" / "whole")
    for image in sorted(tree.rglob("*.png")):
        person = int(image.stem[1:4])
        split = "test" if person % 3 == 0 else "val" if person % 3 == 1 else "train"
        if (split, image.parent.name) != ("val", "anger"):
            place = tmp_path / "split" / "day" / split / image.parent.name / image.name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(image, place)
    (tmp_path / "split" / "day" / "fer-meta.yaml").write_text("subject: '/p(?P<subject>\\d+)_'\n")
    given = "--data", f"day={tmp_path / 'split' / 'day'}"
    result = divided(TWO, "--methods", "protonet", *given, domains=())
    assert result.exit_code == 0, result.output
    line = "day: 1 of 2 divisions left out: too few images to validate on anger (0)"
    assert line in result.output
    assert line in (tmp_path / "results" / "tiny" / "table.md").read_text()
    plan = json.loads((tmp_path / "results" / "tiny" / "plan.json").read_text())
    assert plan["divisions"] == ["anger+sadness"] and len(plan["runs"]) == 1
