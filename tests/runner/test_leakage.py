"""The leakage suite on data of which people or clips are unknown: what needs them is left out with the
reason, the rest keeps base and oracle.
"""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from helpers import trees
from helpers.made_up import made_up_faces, made_up_index

from fer_meta.cli.main import main
from fer_meta.datasets.cache import CachedFaces
from fer_meta.datasets.loaders.afew import SPEC
from fer_meta.expressions import BASIC
from fer_meta.runner.staging import stage
from fer_meta.suites.schema import read_suite


def known(columns: tuple[str, ...]) -> pd.DataFrame:
    """An index of 36 images a class in each split, four a clip and eight a person, of which only `columns`
    are known.
    """
    parts = []
    for split in ("train", "val", "test"):
        part = made_up_index(dict.fromkeys(BASIC, 36), split)
        for column, images in (("clip", 4), ("subject", 8)):
            if column in columns:
                part[column] = pd.array([f"{split}-{n // images}" for n in range(len(part))], dtype="string")
        parts.append(part.assign(path=split + part["path"], digest=split + part["digest"]))
    return pd.concat(parts, ignore_index=True)


def cast(columns: tuple[str, ...]) -> dict[str, CachedFaces]:
    """Photographs of nobody known are trained on; `columns` are known of what is tested on."""
    indexes = {"basic": known(()), "film": known(columns)}
    return {name: replace(made_up_faces(name, index), spec=SPEC) for name, index in indexes.items()}


@pytest.mark.parametrize("columns, against, left_out", [
    (("clip", "subject"),
     {"person-shared": "nothing-shared", "clip-shared": "person-shared", "copy-shared": "clip-shared"}, {}),
    (("clip",), {"clip-shared": "person-shared", "copy-shared": "clip-shared"},
     {"nothing-shared": "252 of 252 images have no subject"}),
    (("subject",), {"person-shared": "nothing-shared", "copy-shared": "person-shared"},
     {"clip-shared": "would be the same test as person-shared, for no image of film belongs to a clip"}),
    ((), {"copy-shared": "person-shared"},
     {"nothing-shared": "no subject", "clip-shared": "the same test as person-shared"}),
])  # fmt: skip
def test_what_needs_unknown_people_or_clips_is_left_out_and_the_next_level_is_the_base(
    columns, against, left_out
):
    suite = read_suite("leakage", "smoke")
    settings, not_run = stage(suite, cast(columns))
    assert {one.experiment: one.against for one in settings if one.against} == against
    assert not_run.keys() == left_out.keys() and all(words in not_run[key] for key, words in left_out.items())
    assert [one.experiment for one in settings] == [key for key in suite.experiments if key not in left_out]


def test_a_base_that_is_not_run_is_skipped_whatever_the_order_and_a_circle_has_none():
    suite, faces = read_suite("leakage", "smoke"), cast(("clip",))
    one = suite.experiments
    turned = suite.model_copy(update={"experiments": dict(reversed(one.items()))})
    assert {s.experiment: s.against for s in stage(turned, faces)[0]}["clip-shared"] == "person-shared"
    circle = {
        "clip-shared": one["clip-shared"].model_copy(update={"against": "nothing-shared"}),
        "nothing-shared": one["nothing-shared"].model_copy(update={"against": "clip-shared"}),
    }
    assert [s.against for s in stage(suite.model_copy(update={"experiments": circle}), faces)[0]] == [None]


@pytest.mark.numeric
def test_the_leakage_suite_runs_on_afew_whose_people_are_unknown(tmp_path, monkeypatch, without_plots):
    monkeypatch.setattr(trees, "PER_CLASS", 56)
    trees.rafdb_basic(tmp_path / "rafdb")
    for folder in trees.AFEW_CLASSES:
        for split, clips in (("train_afew", 20), ("val_afew", 4)):
            for clip in range(clips):
                for frame in range(6):
                    trees.face(tmp_path / "afew" / split / folder / f"00{clip:07}" / f"{frame:03}.jpg")
    out = tmp_path / "results"
    data = ["--data", f"rafdb-basic={tmp_path / 'rafdb'}", "--data", f"afew={tmp_path / 'afew'}"]
    how = [
        "--suite",
        "leakage",
        "--preset",
        "smoke",
        "--algorithms",
        "protonet",
        "--device",
        "cpu",
        "--out",
        str(out),
    ]
    result = CliRunner().invoke(main, ["bench", *how, *data])
    assert result.exit_code == 0, result.output
    plan = json.loads((out / "leakage-smoke/plan.json").read_text())
    assert list(plan["experiments"]) == ["person-shared", "clip-shared", "copy-shared"] and list(
        plan["not_run"]
    ) == ["nothing-shared"]
    rows = pd.read_csv(out / "leakage-smoke/experiments.csv")
    rows = rows[rows["readout"] == "protonet"].groupby("section")
    leaks, oracles = rows.get_group("leak").set_index(["experiment", "shots"]), rows.get_group("oracle")
    assert len(leaks) == 3 * 2 and list(zip(oracles["experiment"], oracles["shots"])) == [
        ("person-shared", 1),
        ("person-shared", 5),
    ]
    assert leaks.loc["person-shared", "against"].isna().all()
    assert (leaks.loc["clip-shared", "against"] == "person-shared").all() and (
        leaks.loc["copy-shared", "against"] == "clip-shared"
    ).all()
    assert leaks["share_person"].isna().all() and (leaks.loc["clip-shared", "share_clip"] > 0).all()
    assert np.allclose(leaks.loc["person-shared", ["share_image", "share_clip"]], 0)
    page = (out / "leakage-smoke/table.md").read_text()
    assert (
        "`afew`: who is on its images is unknown. Support and query may share people in **every** row" in page
    )
    assert (
        "## Experiments not run\n\n- nothing-shared: afew (test): 168 of 168 images have no subject" in page
    )
    assert "nan" not in page  # of trainings of a few steps nothing is claimed
