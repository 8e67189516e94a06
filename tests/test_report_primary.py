"""The contrast that a suite names before anything is run."""

import json
from pathlib import Path

import pandas as pd
import pytest
import stored_results

from fer_meta.evaluation.intervals import contrast
from fer_meta.report import primary, write_report
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.load import read_results
from fer_meta.suites.schema import read_suite, suite_names

pytestmark = pytest.mark.numeric

NAMED = {"first": "supervised-ncm", "second": "protonet", "shots": 5, "over": "across", "less": "within"}
PAIRS = [("a", "a"), ("a", "b"), ("a", "c"), ("b", "b"), ("b", "a"), ("c", "a")]  # c is never tested on itself


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = stored_results.write_gap(tmp_path_factory.mktemp("results") / "domain-gap", PAIRS, seeds=2)
    return name_contrast(folder, NAMED)


def name_contrast(folder: Path, named: dict | None) -> Path:
    plan = json.loads((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(json.dumps(plan | {"primary": named}))
    return folder


def test_the_advantage_elsewhere_less_that_at_home_on_a_worked_example(folder):
    results = read_results(folder)
    cells = read_cells(results, Names())
    [row] = primary.primary_table(results, cells).to_dict("records")

    def advantage(source, target):
        ours, theirs = (next(cell for cell in cells if (cell.source, cell.target, cell.method, cell.shots, cell.selection) ==
                             (source, target, method, 5, "source-val")).outcomes().right.mean() for method in ("supervised-ncm", "protonet"))
        return ours - theirs

    elsewhere = (advantage("a", "b") + advantage("a", "c") + advantage("b", "a")) / 3  # c has no figure at home to set beside it
    at_home = (advantage("a", "a") + advantage("b", "b")) / 2
    assert (row["advantage_over"], row["advantage_less"]) == pytest.approx((elsewhere, at_home))
    assert row["value"] == pytest.approx(elsewhere - at_home) and row["low"] < row["value"] < row["high"]
    assert (row["pairs"], row["seeds"]) == (3, 2)


def test_it_is_the_first_section_of_the_page_and_all_else_is_called_exploratory(folder):
    text = write_report(folder)
    page = (folder / "table.md").read_text()
    assert page.index("## Primary contrast") == page.index("## ")
    assert "Named before the runs: Supervised (nearest mean) less ProtoNet, 5-shot, on domains that it was not trained on" in page
    assert "All else on this page is exploratory." in page and "All else" in text.replace("\n", " ")
    assert "Exploratory, for no one of these pairs was named beforehand." in page
    [row] = pd.read_csv(folder / "primary.csv").to_dict("records")
    assert row["first"] == "supervised-ncm" and row["pairs"] == 3


@pytest.mark.parametrize("named", [NAMED | {"first": "maml-plus"}, NAMED | {"shots": 7}, NAMED | {"over": "E1", "less": None}])
def test_where_a_part_is_missing_it_is_said_and_no_number_is_given(tmp_path, named):
    folder = name_contrast(stored_results.write_gap(tmp_path / "domain-gap", PAIRS[:2]), named)
    write_report(folder)
    assert "not known yet, for a part of it is missing." in (folder / "table.md").read_text()
    assert not (folder / "primary.csv").exists()


def test_a_suite_that_names_none_has_no_such_section(tmp_path):
    folder = stored_results.write_gap(tmp_path / "domain-gap", PAIRS[:2])
    write_report(folder)
    assert "Primary contrast" not in (folder / "table.md").read_text()


@pytest.mark.parametrize("name", suite_names())
@pytest.mark.parametrize("preset", ["quick", "full"])
def test_every_suite_names_one_of_methods_and_pairs_that_it_has(name, preset):
    suite = read_suite(name, preset)
    assert {suite.primary.first.split("-")[0], suite.primary.second.split("-")[0]} <= set(suite.algorithms)
    protocol = suite.experiments[suite.primary.over].protocol if suite.experiments else suite.protocol
    assert suite.primary.shots in protocol.shots


def test_terms_of_the_same_queries_are_paired(folder):
    cells = [cell for cell in read_cells(read_results(folder), Names()) if (cell.source, cell.target, cell.shots, cell.selection) ==
             ("a", "b", 5, "source-val")]
    one, other = (next(cell for cell in cells if cell.method == name).outcomes() for name in ("protonet", "maml"))
    assert contrast([(0.5, one), (-1, other), (0.5, one)]).se == pytest.approx(contrast([(1, one), (-1, other)]).se)


def test_of_a_training_that_did_not_learn_nothing_is_claimed(tmp_path):
    folder = stored_results.write_gap(tmp_path / "domain-gap", PAIRS, seeds=2)
    name_contrast(stored_results.stay_at_chance(folder, "protonet-a-seed1"), NAMED)
    write_report(folder)
    page = (folder / "table.md").read_text()
    assert "Found: no claim, for a training did not learn: ProtoNet on a, seed 1." in page
    assert not (folder / "primary.csv").exists()
