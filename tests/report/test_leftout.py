"""What is not in the tables is said above them: unreadable images, runs that the plan does not name, the
precision.
"""

import json
import shutil
from pathlib import Path

import pytest
from helpers import stored_results
from helpers.report_texts import RUNS, change, texts


def above(folder: Path) -> list[str]:
    """What stands above the tables, in both texts."""
    found = texts(folder)
    first = found["txt"].split("\n\n")[0]
    assert all(
        line.replace("`", "") in found["md"].replace("`", "").replace("\\", "") for line in first.splitlines()
    )
    assert found["md"].replace("\\", "").index(first.splitlines()[0].split("`")[0]) < found["md"].index(
        "## Headline"
    )
    return first.splitlines()


def test_finished_runs_that_the_plan_lacks_are_said_with_the_command_that_adds_or_shows_them(stored):
    first = json.loads((stored / "runs" / RUNS[0] / "run.json").read_text())
    change(stored / "plan.json", suite_hash="suite", settings_hash="these")
    for seed in (1, 2):
        home = shutil.copytree(stored / "runs" / RUNS[0], stored / "runs" / f"copied-{seed}")
        change(
            home / "run.json",
            seed=seed,
            suite_hash="suite",
            settings_hash="these",
            command=f"fer-meta bench {seed}",
            id=home.name,
        )
    several, one = (
        "finished runs in runs/ are not in these tables",
        "1 finished run in runs/ is not in these tables",
    )
    bare = stored_results.COMMAND.removesuffix(" --seeds 2")
    assert above(stored) == [f"2 {several}; `{bare} --seeds 0,1,2` adds them and makes 2 runs anew."], (
        "supervised with these seeds"
    )
    change(stored / "runs" / "copied-1" / "run.json", method="maml", target=first["source"])
    assert above(stored) == [
        f"2 {several}; `{bare} --seeds 0,1,2 --methods protonet,supervised,maml` adds them and makes 14"
        " runs anew."
    ]
    change(stored / "runs" / "copied-1" / "run.json", settings_hash="other")
    assert above(stored) == [
        f"{one}; `{bare} --seeds 0,2` adds it and makes 1 run anew.",
        f"{one}, made with other options; `fer-meta bench 1` shows it.",
    ]
    change(stored / "runs" / "copied-2" / "run.json", settings_hash="other")
    assert above(stored) == [
        f"2 {several}, made with other options; `fer-meta bench 1 --seeds 1,2 --methods maml,protonet` "
        "shows them and makes 6 runs anew."
    ]
    (stored / "runs" / "copied-1" / "DONE").unlink()
    assert above(stored) == [f"{one}, made with other options; `fer-meta bench 2` shows it."]


@pytest.mark.parametrize(
    "fields",
    [
        {"suite_hash": "older"},
        {"settings_hash": "these", "seed": 0},
        {"suite_hash": ""},
        {"command": ["x"]},
        None,
    ],
)
def test_a_run_that_no_command_shows_is_said_with_its_name(stored, fields):
    """Of another suite or version, of the plan's own settings under another name, of a version that kept no
    hashes, or unreadable.
    """
    change(stored / "plan.json", suite_hash="suite", settings_hash="these")
    home = shutil.copytree(stored / "runs" / RUNS[0], stored / "runs" / "stale")
    if fields is None:
        (home / "run.json").write_text("torn")
    else:
        change(
            home / "run.json",
            **{"seed": 1, "suite_hash": "suite", "settings_hash": "other", "command": "fer-meta bench"}
            | fields,
        )
    [line] = above(stored)
    assert line.startswith(
        "1 finished run in runs/ is not in these tables (`stale`), made by another version of fer-meta or"
        " from another suite file"
    )


def test_unreadable_images_are_said_once_a_data_set(stored):
    for number, name in enumerate(RUNS):
        change(
            stored / "runs" / name / "run.json", unreadable={"fer2013": 12, "press_faces": number, "none": 0}
        )
    assert above(stored) == [
        "12 images of fer2013 were unreadable and left out.",
        "1 image of press_faces was unreadable and left out.",
    ]


@pytest.mark.parametrize("first, second, words", [
    ({"environment": {"precision": "fp32"}}, {"environment": {"precision": "fp32"}}, "; computed in fp32"),
    ({"environment": {"precision": "bf16"}}, {"environment": {"precision": "fp32"}},
     "; computed in bf16 on 1 of 2 runs, in fp32 on 1 of 2 runs"),
    ({"config": {"backbone": "conv4", "precision": "bf16"}}, {}, "; computed in bf16 on 1 of 2 runs"),
    ({"config": {"backbone": "conv4", "precision": "auto"}, "environment": {"precision": "bf16"}},
     {"environment": {"precision": "bf16"}}, "; computed in bf16"),
    ({}, {"config": {"backbone": "conv4", "precision": "auto"}}, None),
])  # fmt: skip
def test_the_protocol_says_in_which_precision_was_computed(stored, first, second, words):
    for name, fields in zip(RUNS, (first, second)):
        change(stored / "runs" / name / "run.json", **fields)
    page = texts(stored)["md"]
    assert (words + "." in page or words + ";" in page) if words else "computed in" not in page
