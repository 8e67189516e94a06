"""Method against method in the report: differences, their tests, statements and mean ranks."""

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import stored_results
from helpers.report_texts import as_markdown
from matplotlib.text import Text

from fer_meta.report.aggregate import accuracy as numbers
from fer_meta.report.aggregate import comparisons as compare
from fer_meta.report.cells import Cell, Names, read_cells
from fer_meta.report.load import Results, read_results
from fer_meta.report.plots import all as plots
from fer_meta.report.plots import ranks as ranks_plot
from fer_meta.report.sections import comparisons
from fer_meta.report.sections.comparisons import section as comparisons_section
from fer_meta.report.sections.words import interval_note
from fer_meta.statistics.ranks import Ranks

pytestmark = pytest.mark.numeric

CELL = ["source", "target", "shots"]


@cache
def read(folder: Path) -> tuple[Results, list[Cell], pd.DataFrame, pd.DataFrame]:
    results = read_results(folder)
    cells = read_cells(results, Names())
    return results, cells, numbers.accuracy_table(results, cells), compare.comparisons(results, cells)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return stored_results.write(tmp_path_factory.mktemp("results") / "cross-domain")


def test_each_pair_of_methods_of_a_cell_is_compared_once_the_better_one_first(folder):
    _, _, _, compared = read(folder)
    assert (compared.groupby(CELL).size() == 15).all() and len(compared) == 15 * 6
    assert (compared["first"] != compared["second"]).all()
    assert (compared["accuracy_first"] - compared["accuracy_second"]).to_numpy() == pytest.approx(
        compared["difference"].to_numpy()
    )
    whole = compared[compared["seeds"] == 2]
    assert (whole["difference"] >= 0).all()


def test_a_difference_and_its_effect_size_on_a_worked_example(folder):
    _, cells, _, compared = read(folder)
    [row] = compared.query(
        "source == 'fer2013' and shots == 5 and first == 'protonet' and second == 'maml'"
    ).to_dict("records")
    ours, theirs = (
        next(
            cell
            for cell in cells
            if (cell.source, cell.shots, cell.readout, cell.selection)
            == ("fer2013", 5, readout, "source-val")
        ).outcomes()
        for readout in ("protonet", "maml")
    )
    by_episode = (ours.right.mean(0) - theirs.right.mean(0)).reshape(40, 20).mean(1)
    assert row["difference"] == pytest.approx(by_episode.mean())
    assert row["effect_size"] == pytest.approx(by_episode.mean() / by_episode.std(ddof=1))
    assert row["low"] < row["difference"] < row["high"]
    assert (row["episodes"], row["seeds"], row["groups"]) == (40, 2, "people")


def test_seeds_that_one_method_lacks_are_left_out_of_the_other(folder):
    _, _, table, compared = read(folder)
    # maml failed on seed 1
    pair = {"source": "synthetic-wild", "shots": 5, "first": "supervised-head", "second": "maml"}
    [row] = compared[(compared[list(pair)] == pd.Series(pair)).all(axis=1)].to_dict("records")
    assert row["seeds"] == 1 and "one seed each: says nothing about other trainings" in row["statement"]
    cell = {"source": "synthetic-wild", "shots": 5, "readout": "supervised-head", "selection": "source-val"}
    [both] = table[(table[list(cell)] == pd.Series(cell)).all(axis=1)]["accuracy"]
    assert row["accuracy_first"] != both


def test_intervals_and_p_values_are_corrected_together_so_that_words_never_contradict_an_interval(folder):
    _, _, _, compared = read(folder)
    for _, block in compared.groupby(CELL):
        assert block["p_corrected"].to_numpy() == pytest.approx(np.minimum(len(block) * block["p"], 1))
    without_zero = (compared["low"] > 0) | (compared["high"] < 0)
    assert without_zero.any() and not without_zero.all()
    assert (without_zero == (compared["p_corrected"] < 0.05)).all()
    assert (without_zero == ~compared["statement"].str.contains("not separable")).all()
    assert compared["statement"].str.contains("simultaneous 95 % interval").all()


def test_the_page_sets_the_best_method_against_each_other_one(folder):
    results, _, table, compared = read(folder)
    text = as_markdown(comparisons_section(results, compared, table, compare.ranks(table)))
    parts = text.split("\n\n`")[1:]
    assert len(parts) == 6
    for part in parts:
        best = re.search(r"\| (.*?) less \|", part)[1]
        rows = [line.split(" | ") for line in part.splitlines() if line.startswith("| ")][2:]
        assert len(rows) == 5
        for other, difference, interval, p, *_ in rows:
            said = {f"{best} and {other[2:]}", f"{best} > {other[2:]}", f"{other[2:]} and {best}"}
            row = compared[[any(map(words.startswith, said)) for words in compared["statement"]]]
            points = difference.strip("*+")
            assert any(f" {points} points" in words for words in row["statement"])
            assert any(interval.replace("+", "") in words for words in row["statement"])
            assert difference.startswith("**") == (float(p.removeprefix("< ")) < 0.05)
    assert "simultaneous for all pairs of methods of the same source, target and shots (Bonferroni)" in text


def test_of_a_bench_of_many_readouts_the_page_has_the_ranks_alone(folder, monkeypatch):
    results, _, table, compared = read(folder)
    monkeypatch.setattr(comparisons, "WIDE", 5)
    text = as_markdown(comparisons_section(results, compared, table, compare.ranks(table)))
    assert "only there, for a bench of more than 5 readouts" in text and "### Mean ranks" in text
    assert "simultaneous 95 % interval" not in text


def test_where_each_image_is_asked_once_no_more_episodes_are_asked_for(tmp_path):
    _, _cells, _, compared = read(stored_results.write_experiments(tmp_path / "reproduction"))
    once = compared["experiment"] == "E4"
    assert once.any() and not once.all()
    assert (
        compared.loc[once, "episodes_needed"].isna().all()
        and not compared.loc[once, "statement"].str.contains("would do").any()
    )
    assert compared.loc[~once, "statement"].str.contains("would do").any()


def test_methods_in_most_blocks_are_ranked_and_the_others_are_named(folder):
    results, _, table, compared = read(folder)
    whole = compare.ranks(table)
    assert whole.blocks == 6 and len(whole.names) == 6
    whole_table, table = table, table[(table["readout"] != "maml") | (table["source"] == "fer2013")]
    ranked = compare.ranks(table)
    assert "maml" not in ranked.names and len(ranked.names) == 5
    assert "Not ranked, because not in most blocks: MAML." in as_markdown(
        comparisons_section(results, compared, table, ranked)
    )
    most = whole_table[(whole_table["readout"] != "maml") | (whole_table["source"] != "fer2013")]
    over = compare.ranks(pd.concat([most, most.assign(target="elsewhere")]))
    assert "maml" in over.names and over.blocks == 8  # those that have all of the ranked


def test_ranks_on_a_worked_example_and_none_where_there_are_too_few():
    scores = pd.DataFrame([("a", 0.9), ("b", 0.8), ("c", 0.7)], columns=["readout", "accuracy"])
    blocks = [
        scores.assign(
            experiment="", source=source, target="t", way=5, shots=5, selection="source-val", failed_seeds=""
        )
        for source in "xyz"
    ]
    ranked = compare.ranks(pd.concat(blocks))
    assert dict(zip(ranked.names, ranked.mean)) == {"a": 1, "b": 2, "c": 3} and ranked.blocks == 3
    assert compare.ranks(blocks[0]) is None
    two = pd.concat(blocks)
    assert compare.ranks(two[two["readout"] != "a"]) is None


def test_two_pairs_of_source_and_target_are_too_few_for_mean_ranks_and_the_page_says_so(folder):
    results, _, table, compared = read(folder)
    few, said = (
        table[table["source"] != "fer2013"],
        "`comparisons.csv`; no mean ranks, for they need 3 pairs of source and target.",
    )
    assert compare.ranks(few) is None and len(few["shots"].unique()) == 2
    assert said in as_markdown(comparisons_section(results, compared, few, None))
    assert said not in as_markdown(comparisons_section(results, compared, table, compare.ranks(table)))


def test_the_diagram_joins_those_that_cannot_be_told_apart(folder):
    results, *_ = read(folder)
    ranked = Ranks(["protonet", "maml", "relationnet"], np.array([1.2, 2.0, 2.8]), 1.0, 0.01, 5, 0.05)
    figure = ranks_plot.figure(results, ranked)
    bars = [tuple(np.round(line.get_xdata(), 2)) for line in figure.axes[0].lines if line.get_linewidth() > 3]
    assert bars == [(1.16, 2.04), (1.96, 2.84)]
    texts = [text.get_text() for text in figure.findobj(Text)]
    assert "ProtoNet  1.20" in texts and "2.80  Relation Net" in texts and "critical difference 1.00" in texts


def test_the_title_names_a_training_that_did_not_learn_once_for_all_of_its_readouts(folder):
    results, _, table, _ = read(folder)
    failed = table.assign(
        failed_seeds=table["method"].isin(["supervised", "maml"]).map({True: "0", False: ""})
    )
    names = plots._failed_trainings(results, failed)
    assert sorted(names) == ["MAML", "Supervised"]
    ranked = Ranks(["protonet", "maml", "relationnet"], np.array([1.2, 2.0, 2.8]), 1.0, 0.01, 5, 0.05)
    figure = ranks_plot.figure(results, ranked, names * 12)
    [title] = [text.get_text() for text in figure.findobj(Text) if "not ranked" in text.get_text()]
    assert "not ranked, for a training did not learn: " in title
    assert max(map(len, title.splitlines())) <= ranks_plot.LINE + 30


def test_a_lone_method_is_compared_with_nobody(folder, tmp_path):
    plan = json.loads((folder / "plan.json").read_text())
    plan["runs"] = [run for run in plan["runs"] if run["method"] == "protonet"]
    alone = tmp_path / "cross-domain"
    alone.mkdir()
    (alone / "plan.json").write_text(json.dumps(plan))
    (alone / "runs").symlink_to(folder / "runs")
    (alone / "episodes").symlink_to(folder / "episodes")
    results, _, table, compared = read(alone)
    assert (
        compared.empty
        and as_markdown(comparisons_section(results, compared, table, compare.ranks(table))) == ""
    )


def test_the_page_warns_where_people_are_too_few_for_the_interval(folder, tmp_path):
    """15 people are pictured in press_faces' four classes."""
    warning = "Fewer than 20 people or images: a little too short"
    _results, _cells, table, _ = read(folder)
    assert table["members"].min() < 20 and warning in interval_note(table)
    assert "Fewer than" not in interval_note(table[table["members"] >= 20])


def test_the_reader_is_warned_of_one_person_and_of_supports_that_take_most_of_few_images(folder):
    _, _, table, _ = read(folder)
    assert "says nothing about others" not in interval_note(
        table
    ) and "images for support" not in interval_note(table)
    assert "only one of the people or images is tested, it says nothing about others" in interval_note(
        table.assign(members=1)
    )
    assert "takes up to 60 % of a class's images for support" in interval_note(
        table.assign(support_share=[0.6] + [0.1] * (len(table) - 1))
    )
