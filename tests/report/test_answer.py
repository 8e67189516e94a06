"""What a suite asks, place by place: the difference of its two readouts, and what each keeps of its lead."""

import numpy as np
import pandas as pd
import pytest
from helpers import stored_results
from helpers.report_texts import change

from fer_meta.report.aggregate.accuracy import accuracy_table
from fer_meta.report.aggregate.answer import SURE, answer
from fer_meta.report.aggregate.comparisons import comparisons
from fer_meta.report.aggregate.gap import gap_table
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.load import read_results
from fer_meta.report.plots import answer as plot
from fer_meta.statistics.intervals import contrast

pytestmark = pytest.mark.numeric

NAMED = {"first": "supervised-ncm", "second": "protonet", "shots": 5, "over": "across", "less": "within"}
PAIRS = [("a", "a"), ("a", "b"), ("b", "b"), ("b", "a"), ("c", "a")]  # c is not tested on itself


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    folder = stored_results.write_gap(tmp_path_factory.mktemp("answer") / "domain-gap", PAIRS, seeds=2)
    change(folder / "plan.json", primary=NAMED)
    results = read_results(folder)
    return results, read_cells(results, Names())


@pytest.fixture(scope="module")
def found(read):
    return answer(*read)


def accuracies(cells, source, target, readout):
    [cell] = [
        cell
        for cell in cells
        if (cell.source, cell.target, cell.readout, cell.shots, cell.selection)
        == (source, target, readout, 5, "source-val")
    ]
    return cell.outcomes().right.mean(axis=1)


def test_it_is_the_meta_learned_less_the_supervised_whichever_the_suite_names_first(read, found):
    results, cells = read
    assert set(found.differences["first"]) == {"protonet"}
    turned = results.plan | {"primary": NAMED | {"first": "protonet", "second": "supervised-ncm"}}
    again = answer(results.__class__(**results.__dict__ | {"plan": turned}), cells)
    pd.testing.assert_frame_equal(again.differences, found.differences)


def test_each_difference_is_that_of_the_same_pair_among_all_comparisons(read, found):
    compared = comparisons(*read)
    for row in found.differences.itertuples():
        same = compared[
            (compared["source"] == row.source) & (compared["target"] == row.target) & (compared["shots"] == 5)
        ]
        pair = same[[{"protonet", "supervised-ncm"} == {a, b} for a, b in zip(same["first"], same["second"])]]
        [other] = pair.to_dict("records")
        assert row.difference == pytest.approx(
            other["difference"] * (1 if other["first"] == "protonet" else -1)
        )
        assert row.p == pytest.approx(other["p"]) and row.low < row.difference < row.high
        assert np.mean([*row.by_seed.values()]) == pytest.approx(row.difference)


def test_what_is_kept_is_the_lead_over_chance_on_the_target_by_that_at_home(read, found):
    cells = read[1]
    assert set(zip(found.kept["source"], found.kept["target"])) <= {("a", "b"), ("b", "a")}
    assert len(found.kept)
    for row in found.kept.itertuples():
        home, there = (accuracies(cells, row.source, end, row.readout) for end in (row.source, row.target))
        assert row.kept == pytest.approx((there.mean() - 0.2) / (home.mean() - 0.2))
        assert [*row.by_seed.values()] == pytest.approx((there - 0.2) / (home - 0.2))
        assert row.low < row.kept < row.high


def test_nothing_is_divided_by_a_lead_that_may_be_none(read, found):
    cells = read[1]
    for readout in ("protonet", "supervised-ncm"):
        for source, target in (("a", "b"), ("b", "a")):
            [home] = [
                cell
                for cell in cells
                if (cell.source, cell.target, cell.readout, cell.shots, cell.selection)
                == (source, source, readout, 5, "source-val")
            ]
            spread = contrast([(1, home.outcomes())])
            sure = spread.value - 0.2 > SURE * (spread.high - spread.low) / 2
            rows = found.kept[(found.kept["source"] == source) & (found.kept["readout"] == readout)]
            assert (target in set(rows["target"])) == sure


def test_a_suite_that_names_nothing_has_no_such_figure(read):
    results, cells = read
    nothing = answer(
        results.__class__(**results.__dict__ | {"plan": results.plan | {"primary": None}}), cells
    )
    assert nothing.differences.empty and nothing.kept.empty


def test_the_figure_names_each_place_once_with_the_own_domain_first(read, found):
    results, _ = read
    gaps = gap_table(results, pd.DataFrame(columns=["selection", "experiment", "source", "target"]))
    figure = plot.figure(results, found, gaps, "95 % intervals")
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["a, itself", "a → b", "b, itself", "b → a", "c → a"]
    left = figure.subplotpars.left * figure.get_figwidth()
    assert left > max(plot.inches(name) for name in names)  # no name is cut off


def test_experiments_stand_in_the_suites_order(tmp_path):
    folder = stored_results.write_leakage(tmp_path / "leakage", seeds=2, episodes=10)
    change(folder / "plan.json", primary=NAMED | {"over": "nothing", "less": "clip"})
    results = read_results(folder)
    gaps = gap_table(results, pd.DataFrame(columns=["selection", "experiment", "source", "target"]))
    drawn = plot.figure(results, answer(results, read_cells(results, Names())), gaps, "95 % intervals")
    names = [label.get_text().partition(":")[0] for label in drawn.axes[0].get_yticklabels()]
    assert names == list(results.plan["experiments"])[: len(names)] != sorted(names)


def test_over_severities_it_is_a_line_with_a_band(tmp_path):
    folder = stored_results.write_gap(tmp_path / "domain-gap")
    change(folder / "plan.json", primary=NAMED | {"margin": 0.02})
    results = read_results(folder)
    cells = read_cells(results, Names())
    gaps = gap_table(results, accuracy_table(results, cells))
    figure = plot.figure(results, answer(results, cells), gaps, "95 % intervals")
    recipes = {axis.get_xlabel() for axis in figure.axes}
    assert recipes == {f"severity of synthetic-{name} (rendered)" for name in ("wild", "film")}
    assert all(axis.lines and axis.collections for axis in figure.axes)


def test_of_a_training_that_did_not_learn_there_is_no_interval_and_a_cross_at_its_own_score(tmp_path):
    folder = stored_results.write_gap(tmp_path / "domain-gap", PAIRS, seeds=2)
    change(stored_results.stay_at_chance(folder, "protonet-a-seed1") / "plan.json", primary=NAMED)
    results = read_results(folder)
    found = answer(results, read_cells(results, Names()))
    for rows in found:
        failed = (rows["source"] == "a") & (rows.get("readout", "protonet") == "protonet")
        assert rows.loc[failed, "failed_seeds"].eq("1").all() and not rows.loc[~failed, "failed_seeds"].any()
        assert rows.loc[failed, ["low", "high"]].isna().all(axis=None) and failed.any()
        assert rows.loc[~failed, ["low", "high"]].notna().all(axis=None)
    assert found.differences["p"].isna().sum() == 2
    gaps = gap_table(results, pd.DataFrame(columns=["selection", "experiment", "source", "target"]))
    drawn = plot.figure(results, found, gaps, "95 % intervals").axes[0]
    crosses = [float(line.get_xdata()[0]) for line in drawn.lines if line.get_marker() == "x"]
    expected = found.differences.loc[found.differences["source"] == "a", "by_seed"]
    assert crosses == pytest.approx([100 * scores[1] for scores in expected])


def test_two_methods_without_a_common_seed_have_no_difference(tmp_path):
    folder = stored_results.write_gap(tmp_path / "domain-gap", PAIRS, seeds=2)
    change(folder / "plan.json", primary=NAMED)
    for run in (*folder.glob("runs/protonet-a-to-b-seed0*"), *folder.glob("runs/supervised-a-to-b-seed1*")):
        (run / "DONE").unlink()
    results = read_results(folder)
    places = answer(results, read_cells(results, Names())).differences
    assert [*zip(places["source"], places["target"])] == [place for place in PAIRS if place != ("a", "b")]


def test_no_place_is_left_out_of_the_figure_because_others_have_a_severity(tmp_path):
    folder = stored_results.write_gap(
        tmp_path / "domain-gap", [*stored_results.GAP_PAIRS, ("synthetic-studio", "b"), ("b", "b")]
    )
    change(folder / "plan.json", primary=NAMED)
    results = read_results(folder)
    cells = read_cells(results, Names())
    found = answer(results, cells)
    gaps = gap_table(results, accuracy_table(results, cells))
    assert len(gaps)
    drawn = plot.figure(results, found, gaps, "95 % intervals").axes[0]
    assert len(drawn.get_yticklabels()) == len(found.differences)
