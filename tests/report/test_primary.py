"""The contrast that a suite names before anything is run."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from helpers import stored_results

from fer_meta.report import write_report
from fer_meta.report.aggregate import folds, primary
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.load import read_results
from fer_meta.report.sections.primary import beside_margin, in_words
from fer_meta.statistics.intervals import contrast
from fer_meta.suites.schema import read_suite, suite_names

pytestmark = pytest.mark.numeric

NAMED = {"first": "supervised-ncm", "second": "protonet", "shots": 5, "over": "across", "less": "within"}
# c is never tested on itself
PAIRS = [("a", "a"), ("a", "b"), ("a", "c"), ("b", "b"), ("b", "a"), ("c", "a")]


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
        ours, theirs = (
            next(
                cell
                for cell in cells
                if (cell.source, cell.target, cell.readout, cell.shots, cell.selection)
                == (source, target, readout, 5, "source-val")
            )
            .outcomes()
            .right.mean()
            for readout in ("supervised-ncm", "protonet")
        )
        return ours - theirs

    # c has no figure at home to set beside it
    elsewhere = (advantage("a", "b") + advantage("a", "c") + advantage("b", "a")) / 3
    at_home = (advantage("a", "a") + advantage("b", "b")) / 2
    assert (row["advantage_over"], row["advantage_less"]) == pytest.approx((elsewhere, at_home))
    assert row["value"] == pytest.approx(elsewhere - at_home) and row["low"] < row["value"] < row["high"]
    assert row["low_over"] < elsewhere < row["high_over"] and row["low_less"] < at_home < row["high_less"]
    assert (row["pairs"], row["seeds"]) == (3, 2)


def test_it_is_the_first_section_of_the_page_and_all_else_is_called_exploratory(folder, without_plots):
    text = write_report(folder)
    page = (folder / "table.md").read_text()
    assert page.index("## Primary contrast") == page.index("## ")
    assert (
        "Named before the runs: Supervised (nearest mean) less ProtoNet, 5-shot, on domains that it was not"
        " trained on" in page
    )
    assert "All else on this page is exploratory." in page and "All else" in text.replace("\n", " ")
    assert "Exploratory, for no one of these pairs was named beforehand." in page
    [row] = pd.read_csv(folder / "primary.csv").to_dict("records")
    assert row["first"] == "supervised-ncm" and row["pairs"] == 3


def found(folder: Path) -> str:
    """What the page says was found, after checking that there is no number beside it. Without tables and
    plots, which take seconds.
    """
    results = read_results(folder)
    cells = folds.pooled(results, read_cells(results, Names()))
    table = primary.primary_table(results, cells)
    assert table.empty
    return (
        in_words(results, cells, table)
        .split("Found: ")[1]
        .removesuffix(". All else on this page is exploratory.")
    )


def without(folder: Path, to: Path, runs: str) -> Path:
    """The folder as it was before these runs were finished."""
    shutil.copytree(folder, to)
    for done in to.glob(f"runs/{runs}/DONE"):
        done.unlink()
    return to


@pytest.mark.parametrize(
    "runs, words",
    [
        ("supervised-a-to-b-*", "1 of 3 pairs of source and target is missing: a -> b"),
        ("*-b-to-a-seed1", "1 of 3 pairs of source and target is missing: b -> a (seed 1)"),
        (
            "protonet-*-seed0",
            (
                "3 of 3 pairs of source and target are missing: a -> b (seed 0), a -> c (seed 0), b -> a"
                " (seed 0); 2 of 2 pairs of source and target are missing: a -> a (seed 0), b -> b (seed 0)"
            ),
        ),
    ],
)
def test_a_contrast_is_never_computed_on_a_part_of_its_pairs_or_seeds(folder, tmp_path, runs, words):
    assert found(without(folder, tmp_path / "domain-gap", runs)) == f"no number yet: {words}"


def test_a_lone_pair_that_is_missing_is_named(tmp_path):
    folder = name_contrast(
        stored_results.write_leakage(tmp_path / "leakage", 1, 5), NAMED | {"over": "image", "less": "subject"}
    )
    pair = "synthetic-wild (rendered) -> synthetic-film (rendered)"
    assert (
        found(without(folder, tmp_path / "other", "image-protonet-*"))
        == f"no number yet: image: {pair} is missing"
    )


def test_what_no_pair_of_the_contrast_needs_may_be_missing(folder, tmp_path):
    results = read_results(without(folder, tmp_path / "domain-gap", "relationnet-*"))
    assert len(primary.primary_table(results, read_cells(results, Names()))) == 1


@pytest.mark.parametrize(
    "named, words",
    [
        ({"first": "maml-plus"}, "maml-plus does not answer for a -> b"),
        ({"second": "fewshot"}, "fewshot is not trained in this bench"),
        ({"first": "manyshot", "second": "fewshot"}, "manyshot and fewshot are not trained in this bench"),
        ({"shots": 7}, "no episodes are 7-shot"),
        ({"over": "E1", "less": None}, "E1 is not among the experiments of this bench"),
    ],
)
def test_what_the_bench_never_asks_is_not_called_missing(folder, tmp_path, named, words):
    plan = json.loads((folder / "plan.json").read_text())
    for name in ("runs", "models", "episodes"):
        (tmp_path / name).symlink_to(folder / name)
    (tmp_path / "plan.json").write_text(json.dumps(plan | {"primary": NAMED | named}))
    assert found(tmp_path) == f"no number, because {words}"


@pytest.mark.parametrize(
    "pairs, fold, words",
    [
        ([("a", "b")], None, "no data set is tested on itself"),
        ([("a", "a")], None, "no data set is tested on another"),
        ([("a", "a")], 1, "a cross-validation tests each data set on itself"),
        ([("a", "b"), ("b", "b")], None, "no source is tested both on another and on itself"),
    ],
)
def test_pairs_that_the_options_leave_out_are_not_called_missing(tmp_path, pairs, fold, words):
    folder = name_contrast(stored_results.write_gap(tmp_path / "domain-gap", pairs, episodes=5), NAMED)
    plan = json.loads((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(
        json.dumps(plan | {"runs": [run | {"fold": fold} for run in plan["runs"]]})
    )
    assert found(folder) == f"no number, because {words}"


def test_an_experiment_that_the_data_cannot_tell_apart_is_named_with_the_reason(tmp_path):
    folder = name_contrast(
        stored_results.write_leakage(tmp_path / "leakage", 1, 5), NAMED | {"over": "clip", "less": "image"}
    )
    plan = json.loads((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(
        json.dumps(plan | {"not_run": {"clip": "would be the same test as image"}})
    )
    assert found(folder) == "no number, because clip is not run (would be the same test as image)"


def test_without_a_checkpoint_picked_on_the_source_nothing_is_called_missing(folder):
    results = read_results(folder)
    cells = [cell for cell in read_cells(results, Names()) if cell.selection == "last"]
    assert "no number, because no checkpoint is picked on the source's validation split" in in_words(
        results, cells, primary.primary_table(results, cells)
    )


def test_a_suite_that_names_none_has_no_such_section(tmp_path, without_plots):
    folder = stored_results.write_gap(tmp_path / "domain-gap", PAIRS[:2])
    write_report(folder)
    assert "Primary contrast" not in (folder / "table.md").read_text()


@pytest.mark.parametrize("name", suite_names())
@pytest.mark.parametrize("preset", ["quick", "full"])
def test_every_suite_names_one_of_methods_and_pairs_that_it_has(name, preset):
    suite = read_suite(name, preset)
    assert {suite.primary.first.split("-")[0], suite.primary.second.split("-")[0]} <= set(suite.methods)
    protocol = suite.experiments[suite.primary.over].protocol if suite.experiments else suite.protocol
    assert suite.primary.shots in protocol.shots


def test_terms_of_the_same_queries_are_paired(folder):
    cells = [
        cell
        for cell in read_cells(read_results(folder), Names())
        if (cell.source, cell.target, cell.shots, cell.selection) == ("a", "b", 5, "source-val")
    ]
    one, other = (
        next(cell for cell in cells if cell.readout == name).outcomes() for name in ("protonet", "maml")
    )
    assert contrast([(0.5, one), (-1, other), (0.5, one)]).se == pytest.approx(
        contrast([(1, one), (-1, other)]).se
    )


@pytest.mark.slow
def test_of_a_training_that_did_not_learn_nothing_is_claimed(tmp_path, without_plots):
    folder = stored_results.write_gap(tmp_path / "domain-gap", PAIRS, seeds=2)
    name_contrast(stored_results.stay_at_chance(folder, "protonet-a-seed1"), NAMED)
    write_report(folder)
    page = (folder / "table.md").read_text()
    assert "Found: no claim, for a training did not learn: ProtoNet on a, seed 1." in page
    assert not (folder / "primary.csv").exists()


@pytest.mark.parametrize("low, high, difference, change", [
    (-0.012, 0.019, "the two are equivalent", "the difference is the same in both places"),
    (0.021, 0.05, "the two differ", "the difference changes"),
    (-0.05, -0.021, "the two differ", "the difference changes"),
    (-0.01, 0.03, "neither is shown", "neither is shown"),
])  # fmt: skip
def test_a_margin_that_was_named_says_whether_two_methods_or_two_places_are_alike(
    low, high, difference, change
):
    """A lead that is ten points here and there does not change, and the methods are not equivalent."""
    row = pd.Series({"low": low, "high": high})
    for what, words in (("difference", difference), ("change", change)):
        found = beside_margin(0.02, row, what)
        assert words in found and f"up to 2.0 points either way count as no {what}" in found
        assert beside_margin(None, row, what) == ""
        assert beside_margin(0.02, pd.Series({"low": float("nan"), "high": 1}), what) == ""
