"""What is not in the tables is said above them: unreadable images, runs that the plan does not name, the precision."""

import json
import shutil
from pathlib import Path

import pytest
import stored_results
from test_report_faults import RUNS, change, made, stored, texts, wrong  # noqa: F401


def above(folder: Path) -> list[str]:
    """What stands above the tables, in both texts."""
    found = texts(folder)
    first = found["txt"].split("\n\n")[0]
    assert all(line.replace("`", "") in found["md"].replace("`", "").replace("\\", "") for line in first.splitlines())
    assert found["md"].replace("\\", "").index(first.splitlines()[0].split("`")[0]) < found["md"].index("## Headline")
    return first.splitlines()


def test_finished_runs_that_the_plan_lacks_are_said_with_the_command_that_adds_them(stored):
    first = json.loads((stored / "runs" / RUNS[0] / "run.json").read_text())
    for seed in (1, 2):
        home = shutil.copytree(stored / "runs" / RUNS[0], stored / "runs" / f"copied-{seed}")
        change(home / "run.json", seed=seed, suite="cross-domain", preset="smoke", id=home.name)
    [line] = above(stored)
    assert line == (f"2 finished runs in runs/ are not in the plan, and not in these tables; `{stored_results.COMMAND} --seeds 0,1,2` adds them, "
                    "where the other settings are the same.")
    change(stored / "runs" / "copied-1" / "run.json", algorithm="maml", target=first["source"])
    assert "--seeds 0,1,2 --algorithms protonet,supervised,maml --targets press_faces,fer2013` adds them" in above(stored)[0]
    change(stored / "runs" / "copied-1" / "run.json", algorithm="protonet", target="film", source="press_faces")
    assert ("--seeds 0,1,2 --domains fer2013,press_faces,film --sources fer2013,press_faces --targets press_faces,film` adds them") in above(stored)[0]
    for seed in (1, 2):
        change(stored / "runs" / f"copied-{seed}" / "run.json", preset="full")
    assert above(stored) == ["2 finished runs in runs/ are not in the plan, and not in these tables: made with other settings than this plan's."]
    (stored / "runs" / "copied-1" / "run.json").write_text("torn")
    assert above(stored)[0].startswith("2 finished runs in runs/")
    (stored / "runs" / "copied-1" / "DONE").unlink()
    assert above(stored)[0].startswith("1 finished run in runs/ is not in the plan")


def test_unreadable_images_are_said_once_a_data_set(stored):
    for number, name in enumerate(RUNS):
        change(stored / "runs" / name / "run.json", unreadable={"fer2013": 12, "press_faces": number, "none": 0})
    assert above(stored) == ["12 images of fer2013 were unreadable and left out.", "1 image of press_faces was unreadable and left out."]


@pytest.mark.parametrize("first, second, words", [
    ({"environment": {"precision": "fp32"}}, {"environment": {"precision": "fp32"}}, "; computed in fp32"),
    ({"environment": {"precision": "bf16"}}, {"environment": {"precision": "fp32"}}, "; computed in bf16 on 1 of 2 runs, in fp32 on 1 of 2 runs"),
    ({"config": {"backbone": "conv4", "precision": "bf16"}}, {}, "; computed in bf16 on 1 of 2 runs"),
    ({"config": {"backbone": "conv4", "precision": "auto"}, "environment": {"precision": "bf16"}}, {"environment": {"precision": "bf16"}},
     "; computed in bf16"),
    ({}, {"config": {"backbone": "conv4", "precision": "auto"}}, None),
])  # fmt: skip
def test_the_protocol_says_in_which_precision_was_computed(stored, first, second, words):
    for name, fields in zip(RUNS, (first, second)):
        change(stored / "runs" / name / "run.json", **fields)
    page = texts(stored)["md"]
    assert (words + "." in page or words + ";" in page) if words else "computed in" not in page
