"""A bench of many readouts: one mean for each method and way to read it, and a headline that fits a page."""

from types import SimpleNamespace

import pandas as pd
import pytest
from helpers.report_texts import as_markdown

from fer_meta.report.aggregate.means import WIDE, means_table
from fer_meta.report.sections import headline, means

METHODS = [f"m{number}" for number in range(WIDE // 2 + 1)]
READOUTS = [name for method in METHODS for name in (method, f"{method}-ridge")]
PLAN = {
    "labels": {
        name: {"label": name.replace("-ridge", " (ridge)"), "colour": "#000000", "order": order}
        for order, name in enumerate(READOUTS)
    }
}
RESULTS = SimpleNamespace(plan=PLAN, experiments={}, runs=[])


def scores(domains=("a", "b", "c")) -> pd.DataFrame:
    """Accuracies by place: 0.01 for each readout's number, and 0.3 more within a domain."""
    return pd.DataFrame(
        {
            "experiment": "",
            "method": readout.removesuffix("-ridge"),
            "readout": readout,
            "source": source,
            "target": target,
            "way": 5,
            "shots": 5,
            "selection": "source-val",
            "accuracy": 0.01 * number + 0.3 * (source == target) + 0.1 * (target == "c"),
            "ci95": 0.01,
            "failed_seeds": "0" if (readout, source) == ("m1", "a") else "",
            "seeds": 1,
            "planned_seeds": 1,
            "chance": 0.2,
            "bayes": float("nan"),
            "transductive": False,
        }
        for number, readout in enumerate(READOUTS)
        for source in domains
        for target in domains
    )


def test_a_mean_is_over_all_pairs_of_its_place_each_of_equal_weight():
    found = means_table(scores()).set_index(["place", "readout"])
    assert found.loc[("across", "m0"), "accuracy"] == pytest.approx(0.1 * 2 / 6)
    assert found.loc[("within", "m2"), "accuracy"] == pytest.approx(0.04 + 0.3 + 0.1 / 3)
    assert found.loc["across", "pairs"].eq(6).all() and found.loc["within", "pairs"].eq(3).all()
    assert set(found.index[found["failed"]]) == {("within", "m1"), ("across", "m1")}


def test_a_readout_that_lacks_a_pair_has_no_mean():
    rows = scores()
    found = means_table(rows[(rows["readout"] != "m0") | (rows["target"] != "c")])
    assert "m0" not in set(found["readout"]) and "m0-ridge" in set(found["readout"])


def test_a_domain_that_is_a_part_of_the_source_is_within():
    rows = scores(("a", "b", "a+b"))
    found = means_table(rows[rows["target"] != "a+b"])
    assert found.set_index("place")["pairs"].to_dict() == {"within": 4, "across": 2}


def test_few_readouts_and_experiments_have_no_means():
    rows = scores()
    assert means_table(rows[rows["readout"].isin(READOUTS[:WIDE])]).empty
    assert means_table(rows.assign(experiment="E1")).empty


def test_the_page_has_a_row_for_each_method_and_the_best_that_learned_is_bold():
    text = as_markdown(means.section(RESULTS, means_table(scores())))
    across = text.split("5-shot, across domains (6 pairs):")[1]
    assert "| method | the method's own | ridge |" in across
    assert "| m1 | 5.3† | 6.3 |" in across and f"| {METHODS[-1]} | 19.3 | **20.3** |" in across


def test_two_that_read_the_same_are_both_best():
    rows = scores()
    rows.loc[rows["readout"] == METHODS[-1], "accuracy"] += 0.01001  # as the last readout, rounded
    across = as_markdown(means.section(RESULTS, means_table(rows))).split(
        "5-shot, across domains (6 pairs):"
    )[1]
    assert f"| {METHODS[-1]} | **20.3** | **20.3** |" in across


def test_a_headline_of_many_methods_is_turned_and_holds_the_same_numbers():
    rows = scores()
    turned = as_markdown(headline.section(RESULTS, rows))
    head = next(line for line in turned.splitlines() if line.startswith("| method"))
    assert head.count("→") == 9 and "| m0 (ridge) |" in turned and "\n| Chance | 20.0 |" in turned
    few = as_markdown(headline.section(RESULTS, rows[rows["readout"].isin(READOUTS[:WIDE])]))
    assert "| source | target | m0 |" in few
    assert "31.0±1.0" in turned and "31.0±1.0" in few
