"""What was trained, and what two methods that are compared do not share."""

import json

import pandas as pd
import pytest
from helpers import stored_results
from helpers.report_texts import as_markdown

from fer_meta.report.aggregate.accuracy import accuracy_table
from fer_meta.report.aggregate.comparisons import comparisons
from fer_meta.report.aggregate.primary import primary_table
from fer_meta.report.aggregate.trainings import trainings_table
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.load import read_results
from fer_meta.report.sections import trainings
from fer_meta.report.sections.page import balance_note
from fer_meta.report.sections.primary import in_words

pytestmark = pytest.mark.numeric

PAIRS = [("a", "a"), ("a", "b")]


def stored(folder, **methods):
    """Two seeds of each method; what its runs say of their training is in `methods`: backbone and images."""
    stored_results.write_gap(folder, PAIRS, seeds=2, episodes=5)
    for path in folder.glob("runs/*/run.json"):
        run = json.loads(path.read_text())
        backbone, images = methods.get(run["method"], ("conv4", 1000))
        run["config"]["backbone"] = backbone
        if images is not None:
            run["trained"] = {"steps": 10, "images": images + 10 * run["seed"], "seconds": 2.0}
        path.write_text(json.dumps(run))
    plan = json.loads((folder / "plan.json").read_text())
    named = {"first": "supervised-ncm", "second": "protonet", "shots": 5, "over": "across"}
    (folder / "plan.json").write_text(
        json.dumps(plan | {"primary": named | {"less": "within"}, "budget": {"images": 1000}})
    )
    results = read_results(folder)
    return results, read_cells(results, Names())


def test_the_page_has_a_row_for_each_method_and_source_with_means_over_seeds(tmp_path):
    results, cells = stored(tmp_path / "gap", maml=("resnet18", 800))
    table = trainings_table(results).set_index("method")
    assert table.loc["maml", ["backbone", "images", "trainings"]].tolist() == ["resnet18", 805, 2]
    section = trainings.section(results, table.reset_index(), accuracy_table(results, cells))
    text = as_markdown(section)
    assert "Budget: 1,000 images in each training." in text
    row = next(line for line in text.splitlines() if "MAML" in line)
    assert [cell.strip() for cell in row.split("|")[2:-1]] == [
        *["MAML", "resnet18", "none", "805", "10", "2", "2"]
    ]


def test_older_runs_that_did_not_count_images_have_no_number(tmp_path):
    results, _ = stored(tmp_path / "gap", maml=("conv4", None))
    assert trainings_table(results).set_index("method")["images"].isna().to_dict()["maml"]


@pytest.mark.parametrize(
    "supervised, said",
    [
        (
            ("conv4", 1015),
            "Equal on both sides: backbone (conv4), initial weights (none), images seen (1,020). Not equal:"
            " readout (Supervised (nearest mean): nearest mean; ProtoNet: its own).",
        ),
        (
            ("conv4", 1030),
            "Not equal: images seen (Supervised (nearest mean): 1,035; ProtoNet: 1,005); readout",
        ),
        (
            ("resnet18", None),
            "Not equal: backbone (Supervised (nearest mean): resnet18; ProtoNet: conv4); images seen"
            " (Supervised (nearest mean): not recorded; ProtoNet: 1,005); readout",
        ),
    ],
)
def test_the_primary_contrast_names_what_is_equal_and_claims_no_effect_of_the_objective(
    tmp_path, supervised, said
):
    results, cells = stored(tmp_path / "gap", supervised=supervised)
    words = in_words(results, cells, primary_table(results, cells))
    assert said in words and "So this is not an effect of the objective alone." in words


def test_where_all_is_equal_the_objective_is_what_differs():
    found = trainings.Shared(dict.fromkeys(["backbone", "readout"], "x"), {})
    words = trainings.held_equal(found, "A", "B")
    assert words == (
        "Equal on both sides: backbone (x), readout (x)."
        " What differs is the objective, with its own settings."
    )


def test_each_comparison_says_what_is_not_equal(tmp_path):
    results, cells = stored(tmp_path / "gap", maml=("resnet18", 1000))
    rows = comparisons(results, cells)
    differs = {frozenset((row.first, row.second)): row.differs for row in rows.itertuples()}
    assert differs[frozenset(("supervised-ncm", "supervised-probe"))].startswith("readout (")
    assert "backbone (" in differs[frozenset(("maml", "protonet"))]
    assert "images" not in differs[frozenset(("maml", "protonet"))]


def test_what_was_not_recorded_is_never_called_equal(tmp_path):
    results, cells = stored(tmp_path / "gap", maml=("conv4", None), protonet=("conv4", None))
    rows = comparisons(results, cells)
    pair = rows[rows["first"].isin(["maml", "protonet"]) & rows["second"].isin(["maml", "protonet"])]
    assert set(pair["differs"]) == {"images seen (not recorded), readout (each its own)"}


def test_methods_of_one_suite_that_balance_their_classes_differently_are_named():
    scores = pd.DataFrame(
        {
            "experiment": "",
            "method": ["protonet", "supervised", "even", "cosine"],
            "class_balance": ["", "natural", "balanced", "natural"],
        }
    )
    assert balance_note(scores) == "Class balance in supervised training: natural; balanced in even."
