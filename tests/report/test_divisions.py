"""Divisions of the classes in the report: their table, their plot, and one of them in full."""

import json
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import stored_results
from helpers.stored_results import COMMAND, METHODS

from fer_meta.report import write_report
from fer_meta.report.aggregate.accuracy import accuracy_table
from fer_meta.report.aggregate.divisions import division_table
from fer_meta.report.aggregate.primary import primary_table
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.load import read_results
from fer_meta.report.plots.divisions import FIRST, figure

pytestmark = pytest.mark.numeric

NEAR = {"anger+disgust": 0.2, "anger+fear": 0.0, "disgust+fear": 0.3}
KEYS = [*NEAR]
WILD = "synthetic-wild"


def write(folder: Path, seeds: int = 2, episodes: int = 30) -> Path:
    """Three divisions of the classes of one data set, of which two are easier."""
    told = {"trained_on": "", "tested_on": "", "faults": [], "published": [], "against": None}
    plan = {
        "suite": "unseen",
        "title": "Unseen",
        "preset": "smoke",
        "command": COMMAND,
        "rendered": [WILD],
        "experiments": {key: told | {"title": f"tested on {key}"} for key in KEYS},
        "divisions": KEYS,
        "readings": ["best-of"],
        "primary": {
            "first": "supervised-ncm",
            "second": "protonet",
            "shots": 5,
            "over": "within",
            "less": None,
        },
        "bayes": [
            {"experiment": key, "source": WILD, "target": WILD, "way": 2, "accuracy": 0.9 + place / 100}
            for place, key in enumerate(KEYS)
        ],
    }
    runs = [run for key in KEYS for run in stored_results._runs([(WILD, WILD)], METHODS, seeds, key)]
    for run in runs:
        run["near"] = NEAR[run["experiment"]]
        run["told"] = {"classes": run["experiment"].split("+")}
    return stored_results._write(folder, plan, runs, METHODS, episodes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("divisions") / "unseen-smoke")


@cache
def read(folder):
    results = read_results(folder)
    cells = read_cells(results, Names())
    scores = accuracy_table(results, cells)
    return results, cells, scores, division_table(results, cells, scores)


def test_the_table_has_the_first_division_the_mean_and_the_ends(folder):
    _, _, scores, divided = read(folder)
    own = scores[(scores["readout"] == "protonet") & (scores["shots"] == 5) & (scores["selection"] == "last")]
    accuracy = own.set_index("experiment")["accuracy"]
    [row] = divided[
        (divided["readout"] == "protonet") & (divided["shots"] == 5) & (divided["selection"] == "last")
    ].to_dict("records")
    assert row["first"] == "anger+disgust" and row["accuracy_first"] == accuracy["anger+disgust"]
    assert row["place_first"] == 2 and row["divisions"] == 3
    assert row["accuracy"] == pytest.approx(np.mean([accuracy[key] for key in KEYS]))
    assert row["sd"] == pytest.approx(np.std([accuracy[key] for key in KEYS], ddof=1))
    assert (row["lowest"], row["low"]) == ("anger+fear", accuracy.min())
    assert (row["highest"], row["high"]) == ("disgust+fear", accuracy.max())


def test_the_interval_of_the_mean_does_not_take_divisions_for_independent(folder):
    """Three divisions that are the same people, queries and answers are no more certain than one of them."""
    results, cells, scores, _ = read(folder)
    one = [cell for cell in cells if cell.experiment == KEYS[0]]
    thrice = [replace(cell, experiment=key) for key in KEYS for cell in one]
    rows = scores[scores["experiment"] == KEYS[0]]
    divided = division_table(results, thrice, pd.concat([rows.assign(experiment=key) for key in KEYS]))
    assert divided["ci95"].to_numpy() == pytest.approx(divided["ci95_first"].to_numpy())
    assert (divided["sd"] < 1e-12).all() and (divided["ci95"] > 0).all()


def test_each_division_has_the_bayes_accuracy_of_its_own_classes(folder):
    _, _, scores, _ = read(folder)
    found = scores.groupby("experiment")["bayes"].unique()
    assert [list(found[key]) for key in KEYS] == [[0.9], [0.91], [0.92]]


def test_the_primary_contrast_is_over_all_divisions(folder):
    results, cells, scores, _ = read(folder)
    [row] = primary_table(results, cells).to_dict("records")
    shown = scores[(scores["selection"] == "source-val") & (scores["shots"] == 5)]
    means = shown.groupby("readout")["accuracy"].mean()
    assert row["pairs"] == 3
    assert row["value"] == pytest.approx(means["supervised-ncm"] - means["protonet"])


def test_the_plot_has_a_dot_for_each_division_and_marks_the_first(folder):
    results, _, scores, divided = read(folder)
    five = divided[(divided["selection"] == "source-val") & (divided["shots"] == 5)]
    shown = scores[scores["selection"] == "source-val"]
    [axis] = figure(results, five, shown).axes
    diamonds = [line for line in axis.lines if line.get_marker() == FIRST["marker"] and len(line.get_xdata())]
    first = shown[(shown["experiment"] == KEYS[0]) & (shown["shots"] == 5)].set_index("readout")["accuracy"]
    assert len(diamonds) == len(five)
    assert sorted(float(line.get_xdata()[0]) for line in diamonds) == pytest.approx(sorted(100 * first))
    dots = sum(len(line.get_xdata()) for line in axis.lines if line.get_marker() == "o")
    assert dots == 2 * len(five)


def test_one_division_is_shown_in_full_and_all_in_the_tables_of_numbers(folder, tmp_path):
    text = write_report(folder)
    assert "Divisions of the classes" in text and "First is anger+disgust" in text
    page = (folder / "table.md").read_text()
    assert page.count("tested on *synthetic") + page.count("ested on `synthetic") == 1
    assert page.count("Protocol: ") == 1 and "plots/divisions" in page
    assert set(pd.read_csv(folder / "table.csv")["experiment"]) == set(KEYS)
    assert len(pd.read_csv(folder / "divisions.csv")) == len(read(folder)[3])
    assert (folder / "plots" / "divisions.png").exists() and (folder / "plots" / "confusion.png").exists()


def test_a_missing_first_division_leaves_its_cells_empty(folder):
    results, cells, scores, _ = read(folder)
    rest = scores["experiment"] != KEYS[0]
    own = [cell for cell in cells if cell.experiment != KEYS[0]]
    divided = division_table(results, own, scores[rest])
    assert divided["accuracy_first"].isna().all() and (divided["divisions"] == 2).all()


def test_a_plan_of_an_older_version_has_no_divisions_and_one_bayes_for_all(tmp_path):
    home = stored_results.write_gap(tmp_path / "gap", pairs=stored_results.GAP_PAIRS[:1])
    assert "divisions" not in json.loads((home / "plan.json").read_text())
    results, _, scores, divided = read(home)
    assert results.plan["divisions"] == [] and divided.empty and (scores["bayes"] == 0.975).all()


def test_the_mean_has_no_interval_while_divisions_have_other_seeds(folder, tmp_path):
    """Of the seeds that all have, the interval was that of another mean, and half as long."""
    shutil.copytree(folder, tmp_path / "unseen-smoke")
    run = next((tmp_path / "unseen-smoke").glob("runs/*protonet*seed1*"))
    (run / "DONE").unlink()
    divided = read(tmp_path / "unseen-smoke")[3]
    lacking = divided["readout"].str.startswith("protonet")
    assert divided.loc[lacking, "ci95"].isna().all() and divided.loc[~lacking, "ci95"].notna().all()
