"""How the report marks a training that did not learn, and that it claims nothing of it."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import stored_results
from helpers.report_texts import as_markdown

from fer_meta.report import write_report
from fer_meta.report.aggregate import accuracy as numbers
from fer_meta.report.aggregate import comparisons as compare
from fer_meta.report.aggregate import folds, leakage
from fer_meta.report.aggregate.found import find
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.formats import markdown, terminal
from fer_meta.report.load import read_results
from fer_meta.report.plots.all import figures
from fer_meta.report.sections.brief import brief
from fer_meta.report.sections.comparisons import section as comparisons_section
from fer_meta.report.sections.leakage import section as leakage_section
from fer_meta.report.sections.page import page
from fer_meta.statistics.failed import FEWEST, MARK

pytestmark = pytest.mark.numeric

SEEDS = 3
FAILED = "relationnet-fer2013-seed2"


def read(folder: Path):
    results = read_results(folder)
    cells = read_cells(results, Names())
    return results, cells, numbers.accuracy_table(results, cells)


def texts(folder: Path) -> str:
    """The page and the terminal's text."""
    results, cells, table = read(folder)
    compared = comparisons_section(results, compare.comparisons(results, cells), table, None)
    return markdown.render(
        page(results, table, numbers.head_table(results, cells), table.iloc[:0], (), compared)
    ) + terminal.render(brief(results, table))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Cross-domain results of three seeds; Relation Net's seed 2 stayed at chance on fer2013."""
    return stored_results.stay_at_chance(
        stored_results.write(tmp_path_factory.mktemp("failed") / "cross-domain", SEEDS, 10), FAILED
    )


@pytest.fixture(scope="module")
def report(folder) -> str:
    return write_report(folder)


# --- tables -----------------------------------------------------------------------------------------------


def test_every_table_marks_the_failed_training_and_names_it(folder, report):
    words = (
        "† Relation Net, trained on fer2013, seed 2: training accuracy 20.0 %, chance 20.0: it did not learn."
    )
    page = (folder / "table.md").read_text()
    assert page.count(words) == 4  # the headline, the comparisons of each number of shots, the block
    assert words in " ".join(report.split())
    assert r"$^\dagger$ Relation Net, trained on fer2013, seed 2" in (folder / "table.tex").read_text()
    for text in (page, report, (folder / "table.tex").read_text()):
        lines = [
            line
            for line in text.splitlines()
            if re.search(r"(^\||^  |& )\s*(ProtoNet|MAML|Supervised)", line)
        ]
        assert lines and not any(MARK in line or "dagger" in line for line in lines)
    marked = [line for line in page.splitlines() if line.startswith("| Relation Net") and MARK in line]
    assert len(marked) == 1 and "`fer2013`" in marked[0]


@pytest.mark.parametrize("name", ["table.csv", "recall.csv"])
def test_csv_files_name_the_failed_seeds(folder, report, name):
    rows = pd.read_csv(folder / name, dtype={"failed_seeds": str}, keep_default_na=False)
    failed = (rows["source"] == "fer2013") & (rows["readout"] == "relationnet")
    assert (
        failed.any()
        and (rows.loc[failed, "failed_seeds"] == "2").all()
        and (rows.loc[~failed, "failed_seeds"] == "").all()
    )


@pytest.mark.parametrize("name", ["seeds.csv", "confusion.csv"])
def test_csv_files_with_a_row_for_each_seed_flag_the_failed_one(folder, report, name):
    rows = pd.read_csv(folder / name)
    failed = (rows["source"] == "fer2013") & (rows["readout"] == "relationnet") & (rows["seed"] == 2)
    assert failed.any() and (rows["failed"] == failed).all()


def test_a_failed_fold_is_named_and_flagged(tmp_path):
    folder = stored_results.stay_at_chance(
        stored_results.write_gap(tmp_path / "folds", [("a", "a"), ("b", "b")], episodes=5), "protonet-b-seed0"
    )
    plan = json.loads((folder / "plan.json").read_text())
    runs = [
        run | {"fold": "ab".index(run["source"]) + 1, "source": "a", "target": "a"} for run in plan["runs"]
    ]
    (folder / "plan.json").write_text(json.dumps(plan | {"runs": runs}))
    results = read_results(folder)
    cells = folds.pooled(results, read_cells(results, Names()))
    rows = folds.folds_table(cells)
    assert (rows["failed"] == ((rows["fold"] == 2) & (rows["readout"] == "protonet"))).all() and rows[
        "failed"
    ].any()
    table = numbers.accuracy_table(results, cells)
    assert "† ProtoNet, trained on a, fold 2 of seed 0: training accuracy" in terminal.render(
        brief(results, table)
    )


def test_trainings_too_short_to_judge_are_counted_once_below_the_table_and_not_marked(tmp_path):
    folder = stored_results.stay_at_chance(
        stored_results.write(tmp_path / "cross-domain", 1, 5), "protonet-fer2013-seed0"
    )
    for log in folder.glob("models/protonet-*/history.jsonl"):
        log.write_text("".join(log.read_text().splitlines(keepends=True)[:6]))
    text = texts(folder)
    assert MARK not in text
    assert (
        " ".join(text.split()).count(
            f"It is not judged whether 3 of the 12 trainings learned: a log of fewer than {FEWEST} points"
            " says too little."
        )
        == 2
    )


def test_a_method_of_which_a_training_failed_is_never_the_best(tmp_path):
    folder = stored_results.stay_at_chance(
        stored_results.write(tmp_path / "cross-domain", 1, 10), "supervised-press_faces-seed0"
    )
    line = next(line for line in texts(folder).splitlines() if line.startswith("| `press_faces` | `fer2013`"))
    (best,) = [cell for cell in line.split("|") if "**" in cell]
    assert MARK not in best and line.count(MARK) == 3


def test_results_of_an_older_version_are_not_flagged(tmp_path):
    assert MARK not in texts(stored_results.write(tmp_path / "cross-domain", 1, 5))


def test_a_page_of_failed_trainings_alone_stays_short(tmp_path):
    models = [
        f"{method}-{source}-seed0" for method in stored_results.METHODS for source, _ in stored_results.PAIRS
    ]
    folder = stored_results.stay_at_chance(stored_results.write(tmp_path / "cross-domain", 1, 5), *models)
    text = texts(folder)
    assert "† none of the 12 trainings learned" in text and not re.search(r"trained on \S+, seed", text)


# --- claims -----------------------------------------------------------------------------------------------


def test_no_claim_is_made_of_a_failed_training_and_its_p_corrects_no_other(folder):
    results, cells, _ = read(folder)
    compared = compare.comparisons(results, cells)
    lost = compared["failed_seeds"] != ""
    of_it = (compared["source"] == "fer2013") & (
        (compared["first"] == "relationnet") | (compared["second"] == "relationnet")
    )
    assert (lost == of_it).all() and of_it.sum() == 10
    assert (
        compared.loc[lost, ["low", "high", "p", "p_corrected", "effect_size", "episodes_needed"]]
        .isna()
        .all(axis=None)
    )
    assert compared.loc[lost, "statement"].str.contains("no claim.*Relation Net, seed 2").all()
    assert not compared.loc[lost, "statement"].str.contains("p [=<]").any()
    for _, block in compared[~lost].groupby(compare.BLOCK):
        np.testing.assert_allclose(block["p_corrected"], np.minimum(len(block) * block["p"], 1))


def test_a_method_of_which_a_training_failed_is_not_ranked_and_the_page_says_so(folder, report):
    _, _, table = read(folder)
    assert "relationnet" not in compare.ranks(table).names
    assert (
        "Not ranked, because a training did not learn (†): Relation Net." in (folder / "table.md").read_text()
    )


def test_what_a_leak_is_worth_is_not_said_by_a_failed_training(tmp_path):
    folder = stored_results.stay_at_chance(
        stored_results.write_leakage(tmp_path / "leakage", 2, 10), "relationnet-synthetic-wild-seed1"
    )
    results = read_results(folder)
    names = Names()
    leaks = leakage.leak_table(results, read_cells(results, names), names)
    failed = leaks["readout"] == "relationnet"
    assert leaks.loc[failed, ["difference", "low", "high", "p"]].isna().all(axis=None)
    assert leaks.loc[~failed & leaks["against"].notna(), "difference"].notna().all()
    oracles = leakage.oracle_table(results, read_cells(results, Names()))
    said = as_markdown(leakage_section(results, leaks, oracles))
    assert (
        "Relation Net, trained on synthetic-wild (rendered) (subject, image, nothing), seed 1" in said
        and "nan" not in said
    )
    assert "| Relation Net |" not in said.split("What picking the checkpoint")[1]


# --- plots ------------------------------------------------------------------------------------------------


def marks_in(figure, label: str) -> int:
    return sum(
        len(line.get_xdata()) for axis in figure.axes for line in axis.lines if line.get_label() == label
    )


def test_each_seed_is_a_dot_and_a_failed_one_a_cross(folder):
    results, cells, table = read(folder)
    shown = table[table["selection"] == "source-val"]
    drawn = figures(find(results, cells, Names()))
    figure = drawn["accuracy"]()
    assert marks_in(figure, "a training that did not learn") == 2  # 1-shot and 5-shot
    assert marks_in(figure, "one training") == shown["seeds"].sum() - 2
    training = drawn["training"]()
    assert marks_in(training, "a training that did not learn") == 2  # its loss and its validation
