"""Answers that may use the other queries of their episode: a table of their own, and no rank among others."""

import json

import pandas as pd
import pytest
from helpers import stored_results
from helpers.report_texts import change

from fer_meta.report import write_report
from fer_meta.report.aggregate.found import find
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.load import read_results
from fer_meta.report.sections.words import TRANSDUCTIVE

pytestmark = pytest.mark.usefixtures("without_plots")

PROBE = "supervised-probe"


@pytest.fixture
def folder(tmp_path):
    """Results in which the probe's runs say that its answers are transductive."""
    folder = stored_results.write(tmp_path, seeds=1, episodes=8)
    mark(folder, transductive=[PROBE])
    return folder


def mark(folder, protocol=None, **fields):
    for path in folder.glob("runs/*/run.json"):
        told = json.loads(path.read_text())
        change(path, **fields, protocol=told["protocol"] | (protocol or {}))


def found_in(folder):
    results, names = read_results(folder), Names()
    return find(results, read_cells(results, names), names)


def test_a_transductive_answer_is_neither_ranked_nor_compared_nor_in_the_headline(folder):
    found = found_in(folder)
    assert set(found.apart["readout"]) == {PROBE} and PROBE not in set(found.scores["readout"])
    assert len(found.compared) and PROBE not in {*found.compared["first"], *found.compared["second"]}
    assert found.ranked is not None and PROBE not in found.ranked.names

    text = write_report(folder)
    page = (folder / "table.md").read_text()
    before, own = page.split(f"## {TRANSDUCTIVE}")
    own = own.split("\n## ")[0]
    assert "Supervised (linear probe)" in own and "Supervised (nearest mean)" not in own
    assert "Supervised (linear probe)" not in before
    assert "BatchNorm at test: stored statistics (inductive)" in own  # its protocol
    before, own = text.split(TRANSDUCTIVE)
    assert "Supervised (linear probe)" in own and "Supervised (linear probe)" not in before

    [one, other] = (folder / "table.tex").read_text().split(r"\end{table}")[:2]
    assert "Supervised (linear probe)" not in one and "ProtoNet" in one
    assert "Supervised (linear probe)" in other and "ProtoNet" not in other and TRANSDUCTIVE in other
    assert r"\label{tab:cross-domain-transductive}" in other

    table = pd.read_csv(folder / "table.csv")
    assert set(table.loc[table["transductive"], "readout"]) == {PROBE}


def test_an_old_result_says_nothing_and_is_inductive(tmp_path):
    folder = stored_results.write(tmp_path, seeds=1, episodes=8)
    assert "transductive" not in json.loads(next(folder.glob("runs/*/run.json")).read_text())
    found = found_in(folder)
    assert found.apart.empty and not found.scores["transductive"].any()
    assert TRANSDUCTIVE not in write_report(folder)


def test_where_every_answer_is_transductive_they_stay_together_and_it_is_said(tmp_path):
    """With `batchnorm: batch`, also of results from before answers said so themselves."""
    folder = stored_results.write(tmp_path, seeds=1, episodes=8)
    mark(folder, {"batchnorm": "batch"})
    found = found_in(folder)
    assert found.apart.empty and found.scores["transductive"].all() and found.ranked is not None
    assert f"{TRANSDUCTIVE}." in write_report(folder).replace("\n", " ")
    assert f"{TRANSDUCTIVE}." in (folder / "table.md").read_text()
    assert f"{TRANSDUCTIVE}." in (folder / "table.tex").read_text()


def test_an_experiment_with_batch_statistics_is_set_apart_from_those_without(tmp_path):
    folder = stored_results.write_leakage(tmp_path, seeds=1, episodes=8)
    for path in folder.glob("runs/nothing-*/run.json"):
        told = json.loads(path.read_text())
        change(path, protocol=told["protocol"] | {"batchnorm": "batch"})
    found = found_in(folder)
    assert set(found.apart["experiment"]) == {"nothing"}
    assert set(found.compared["experiment"]) == {"subject", "image"}


def test_a_primary_contrast_may_name_a_transductive_answer(folder):
    contrast = {"first": PROBE, "second": "protonet", "shots": 5, "over": "across", "less": None}
    change(folder / "plan.json", primary=contrast)
    text = " ".join(write_report(folder).split())
    assert "Named before the runs: Supervised (linear probe) less ProtoNet" in text


def test_the_words_say_whose_statistics_batchnorm_has(tmp_path):
    folder = stored_results.write(tmp_path, seeds=1, episodes=8)
    mark(folder, {"batchnorm": "target"})
    said = "AdaBN: BatchNorm has the statistics of the target's test images, without their labels"
    assert said in write_report(folder).replace("\n", " ")
    page = (folder / "table.md").read_text()
    assert said in page and "BatchNorm at test: statistics of the target's test images" in page
    assert said in (folder / "table.tex").read_text()
