"""Suites of experiments in the report: published figures beside ours, what a leak is worth,
protocols, clips.
"""

import json
import re
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import stored_results
from helpers.report_texts import as_markdown
from matplotlib.text import Text

from fer_meta.errors import ResultsError
from fer_meta.report import write_report
from fer_meta.report.aggregate import accuracy as numbers
from fer_meta.report.aggregate import leakage
from fer_meta.report.aggregate import reproduction as experiments
from fer_meta.report.cells import Cell, Names, read_cells
from fer_meta.report.formats import markdown
from fer_meta.report.load import Results, read_results
from fer_meta.report.names import readout_name
from fer_meta.report.plots import accuracy as accuracy_plot
from fer_meta.report.plots import leakage as leakage_plot
from fer_meta.report.plots import reproduction as reproduction_plot
from fer_meta.report.sections.leakage import section as leakage_section
from fer_meta.report.sections.page import page
from fer_meta.report.sections.protocol import protocol_line
from fer_meta.report.sections.reproduction import section as reproduction_section
from fer_meta.statistics.failed import MARK
from fer_meta.tasks.protocol import Protocol

pytestmark = pytest.mark.numeric

UNRENDERED = r"synthetic-[a-z]+(@[0-9.]+)?(?! \(rendered\)|[a-z@0-9.])"


@cache
def read(folder: Path) -> tuple[Results, list[Cell], Names, pd.DataFrame, pd.DataFrame]:
    results, names = read_results(folder), Names()
    cells = read_cells(results, names)
    return results, cells, names, numbers.accuracy_table(results, cells), numbers.head_table(results, cells)


@cache
def reproduced(folder: Path) -> pd.DataFrame:
    results, _, _, table, heads = read(folder)
    return experiments.reproduction_table(results, table, heads)


@cache
def leaks(folder: Path) -> pd.DataFrame:
    results, cells, names, *_ = read(folder)
    return leakage.leak_table(results, cells, names)


def plan_of(folder: Path, **changes) -> Path:
    """The same runs under a changed plan."""
    (folder / "plan.json").write_text(json.dumps(json.loads((folder / "plan.json").read_text()) | changes))
    return folder


@pytest.fixture(scope="module")
def reproduction(tmp_path_factory) -> Path:
    return stored_results.write_experiments(tmp_path_factory.mktemp("results") / "reproduction")


@pytest.fixture(scope="module")
def leaky(tmp_path_factory) -> Path:
    return stored_results.write_leakage(tmp_path_factory.mktemp("results") / "leakage")


@pytest.fixture
def own(leaky, tmp_path) -> Path:
    """A leakage folder of one's own to damage."""
    return shutil.copytree(leaky, tmp_path / "leakage")


def test_an_experiment_that_balances_its_classes_otherwise_is_named(reproduction):
    results, cells, *_ = read(reproduction)
    supervised = [run.experiment for run in results.runs if run.method == "supervised"]
    one = supervised[0]
    changed = replace(
        results,
        runs=[
            (
                replace(run, config=run.config | {"class_balance": "natural"})
                if (run.experiment, run.method) == (one, "supervised")
                else run
            )
            for run in results.runs
        ],
    )
    table, heads = numbers.accuracy_table(changed, cells), numbers.head_table(changed, cells)
    assert len(set(supervised)) > 2 and set(table.loc[table["class_balance"] == "natural", "experiment"]) == {
        one
    }
    assert f"Class balance in supervised training: balanced; natural in {one}." in markdown.render(
        page(changed, table, heads, pd.DataFrame())
    )


def test_the_report_of_experiments_has_their_tables_plots_and_titles(reproduction, tmp_path):
    folder = shutil.copytree(reproduction, tmp_path / "reproduction")
    text = write_report(folder)
    page = (folder / "table.md").read_text(encoding="utf-8")
    for name in (
        "experiments.csv",
        "plots/reproduction.png",
        "plots/leakage.png",
        "plots/confusion-E1-synthetic-film.pdf",
    ):
        assert (folder / name).exists()
    assert "## E1, basic to film: tested on `synthetic-film` (rendered), 5-way" in page
    assert "E1, basic to film\nsynthetic-wild (rendered) -> synthetic-film (rendered)" in text
    assert (
        page.index("## Beside the published figures")
        < page.index("## What a leak is worth")
        < page.index("## Headline")
    )
    assert not re.search(UNRENDERED, page.replace("`", "").replace("synthetic-wild and clips", "")), (
        "a rendered domain is not called so"
    )
    rows = pd.read_csv(folder / "experiments.csv")
    texts = ["experiment", "source", "target", "method", "readout", "section", "against", "groups"]
    assert all(pd.api.types.is_numeric_dtype(rows[name]) for name in rows.columns.drop(texts))
    assert set(rows["section"]) == {"published", "leak", "oracle"}


def test_a_published_figure_stands_beside_what_it_really_is(reproduction):
    rows = reproduced(reproduction).set_index(["experiment", "readout", "shots"])
    protonet = rows.loc["E1", "protonet", 5]
    assert (protonet["published_test"], protonet["published_training"]) == (0.37, 0.87)
    head = rows["published_test"].dropna()
    assert head.to_dict() == {("E1", "protonet", 5): 0.37, ("E4", "supervised-head", 0): 0.18}
    text = as_markdown(reproduction_section(read(reproduction)[0], reproduced(reproduction)))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    names = [name.strip() for name in lines[0].split("|")]
    cells = dict(zip(names, (cell.strip() for cell in lines[2].split("|"))))
    assert cells["published test accuracy"] == "37.0 (1, 4, 5)"
    assert cells["published as evaluation, in truth training accuracy"] == "87.0 (1, 4, 5)"
    assert names.index("published as evaluation, in truth training accuracy") + 1 == names.index(
        "ours, in training episodes"
    )
    assert cells["ours"].startswith(f"{100 * protonet['accuracy']:.1f} ± ") and cells["chance"] == "20.0"
    assert cells["protocol"] == "5-way 5-shot, 5 queries"
    assert all(f"- ({number}) " in text for number in (1, 2, 4, 5)) and "- (3) " not in text
    assert "- E4, supervised 18.0: 7 classes." in text


def test_training_accuracy_is_that_of_the_last_tenth_with_its_own_chance(reproduction):
    rows = reproduced(reproduction)
    expected = np.mean([0.8 - 0.4 * np.exp(-step / 300) for step in (950, 1000)])
    episodic = rows[~rows["readout"].str.startswith("supervised")]
    assert episodic["training_accuracy"].to_numpy() == pytest.approx(expected)
    assert (episodic["training_chance"] == 1 / 3).all() and (episodic["chance"] == 0.2).all()
    assert rows[rows["readout"].str.startswith("supervised")]["training_accuracy"].isna().all()


def test_where_there_is_no_number_there_is_no_mark_of_a_failed_training(reproduction):
    """As in the training episodes of a supervised network, which has none."""
    results, *_ = read(reproduction)
    page = as_markdown(
        reproduction_section(
            results, reproduced(reproduction).assign(failed_seeds="0", shared_failed_seeds="0")
        )
    )
    told = [cell.strip() for line in page.splitlines() if line.startswith("|") for cell in line.split("|")]
    assert MARK not in told and any(cell.endswith(MARK) for cell in told)


def test_the_shared_clips_reading_is_the_experiment_of_that_name(reproduction):
    rows, table = reproduced(reproduction), read(reproduction)[3]
    shared = table[(table["experiment"] == "E1-shared") & (table["selection"] == "source-val")].set_index(
        "readout"
    )["accuracy"]
    ours = rows[(rows["experiment"] == "E1") & (rows["shots"] == 5)].set_index("readout")
    assert ours["shared_accuracy"].to_dict() == shared.to_dict()
    assert (ours["shared_accuracy"] > ours["accuracy"]).all()  # as stored
    assert (
        "E1-shared" not in set(rows["experiment"])
        and rows.loc[rows["experiment"] == "E4", "shared_accuracy"].isna().all()
    )


def test_extra_readings_are_shown_only_where_the_suite_asks_for_them(reproduction, tmp_path):
    results, rows = read(reproduction)[0], reproduced(reproduction)
    bare = replace(results, plan=results.plan | {"readings": []})
    assert "training episodes" in as_markdown(reproduction_section(results, rows)).split("| :--")[0]
    head = as_markdown(reproduction_section(bare, rows)).split("| :--")[0].rsplit("\n\n", 1)[1]
    assert "in training episodes" not in head and "shared clips" not in head


def test_a_published_method_that_was_not_run_has_a_row(reproduction, tmp_path):
    folder = shutil.copytree(reproduction, tmp_path / "reproduction")
    plan = json.loads((folder / "plan.json").read_text())
    plan_of(folder, runs=[run for run in plan["runs"] if run["method"] != "protonet"])
    rows = reproduced(folder)
    [row] = rows[rows["readout"] == "protonet"].to_dict("records")
    assert (row["experiment"], row["published_test"], row["published_training"]) == ("E1", 0.37, 0.87)
    assert pd.isna(row["accuracy"]) and "| not run |" in as_markdown(
        reproduction_section(read(folder)[0], rows)
    )


def repeated(folder: Path, tmp_path: Path, **changes) -> Path:
    """The same results, of which E4 repeats faults on purpose."""
    own = shutil.copytree(folder, tmp_path / "repeated")
    told = json.loads((own / "plan.json").read_text())["experiments"]
    return plan_of(
        own, experiments=told | {"E4": told["E4"] | {"carries": [2, 4], "checkpoint": "last"} | changes}
    )


def test_experiments_that_repeat_faults_stand_in_a_table_of_their_own_with_their_faults_and_checkpoint(
    reproduction, tmp_path
):
    folder = repeated(reproduction, tmp_path)
    results, _, _, table, _heads = read(folder)
    rows = reproduced(folder)
    text = as_markdown(reproduction_section(results, rows))
    above, below = text.split(
        "The rows below **repeat the published experiments with their faults on purpose**"
    )
    assert "**E1**" in above and "E4" not in above
    assert (
        "**E4** mixed; repeats (2, 4)" in below
        and "E1 " not in below.split("\n\n- (")[0]
        and "The checkpoint: last." in below
    )
    last = table[(table["experiment"] == "E4") & (table["selection"] == "last")].set_index(
        ["readout", "shots"]
    )["accuracy"]
    shown = rows[(rows["experiment"] == "E4") & (rows["shots"] > 0)].set_index(["readout", "shots"])[
        "accuracy"
    ]
    assert shown.to_dict() == last.to_dict() and len(shown)
    assert rows[rows["experiment"] == "E1"].equals(
        reproduced(reproduction)[lambda all_: all_["experiment"] == "E1"]
    )


def test_what_is_to_know_of_an_experiments_images_is_said_below(reproduction, tmp_path):
    folder = repeated(reproduction, tmp_path, remarks=["of the 1,020 mixed-in frames 907 are trained on"])
    assert "- E4: of the 1,020 mixed-in frames 907 are trained on." in as_markdown(
        reproduction_section(read(folder)[0], reproduced(folder))
    )


@pytest.mark.parametrize("config, words", [
    ({"optimiser": "adam", "lr": 0.0001, "weights": "imagenet"}, "; Adam, 0.0001, ImageNet weights"),
    ({"optimiser": "sgd", "lr": 0.01, "weights": "none"}, "; SGD, 0.01"),
    ({}, ""),
    ({"optimiser": 3, "lr": "x"}, ""),
])  # fmt: skip
def test_the_settings_of_a_training_stand_beside_its_figures(reproduction, config, words):
    results, rows = read(reproduction)[0], reproduced(reproduction)
    told = replace(
        results,
        runs=[replace(run, config=config) if run.method == "supervised" else run for run in results.runs],
    )
    lines = [
        line
        for line in as_markdown(reproduction_section(told, rows)).splitlines()
        if "own head, each image once" in line
    ]
    assert lines and all(f"own head, each image once{words} |" in line for line in lines)


@pytest.mark.parametrize("preset, words", [
    ("quick", "**Preset quick: a check that the pipeline runs, without leaks.**"),
    ("smoke", "**Preset smoke: does it run at all?"), ("full", None),
])  # fmt: skip
def test_a_short_preset_says_that_its_numbers_explain_nothing(reproduction, preset, words):
    text = as_markdown(
        reproduction_section(
            replace(read(reproduction)[0], plan=read(reproduction)[0].plan | {"preset": preset}),
            reproduced(reproduction),
        )
    )
    assert words in text and "(`--preset full`)" in text if words else "Preset" not in text


def test_without_published_figures_there_is_no_such_section(leaky):
    assert (
        reproduced(leaky).empty and as_markdown(reproduction_section(read(leaky)[0], reproduced(leaky))) == ""
    )


def test_both_relation_networks_are_told_apart_where_both_occur(reproduction, leaky):
    results, other = read(reproduction)[0], read(leaky)[0]
    assert readout_name(results, "relationnet") == "Relation Net (summed maps)"
    assert readout_name(results, "relationnet-mean") == "Relation Net (averaged maps)"
    assert readout_name(other, "relationnet") == "Relation Net"


def test_clips_stand_beside_frames_and_are_decided_by_vote_and_by_mean(reproduction, tmp_path):
    # Two clips. Of the first, two of three frames say anger, weakly, and one says fear, surely: vote anger,
    # mean fear.
    folder = shutil.copytree(reproduction, tmp_path / "reproduction")
    run = "E1-supervised-synthetic-wild-to-synthetic-film-seed0"
    plan = json.loads((folder / "plan.json").read_text())
    plan_of(folder, runs=[one for one in plan["runs"] if one["id"] == run])
    path = folder / "runs" / run / "predictions.parquet"
    frames = pd.DataFrame(
        {
            "readout": "supervised-head",
            "shots": 0,
            "selection": "source-val",
            "episode": 0,
            "path": list("abcde"),
            "label": ["anger"] * 3 + ["fear"] * 2,
            "predicted": ["anger", "anger", "fear", "fear", "fear"],
            "confidence": [0.6, 0.6, 0.95, 0.9, 0.9],
            "subject": None,
            "clip": ["one"] * 3 + ["two"] * 2,
            "p_anger": [0.6, 0.6, 0.05, 0.1, 0.1],
            "p_fear": [0.4, 0.4, 0.95, 0.9, 0.9],
        }
    )
    frames.to_parquet(path)
    results = read_results(folder)
    cells = read_cells(results, Names())
    [row] = numbers.head_table(results, cells).to_dict("records")
    assert (row["accuracy"], row["clips"]) == (0.8, 2)
    assert (row["clip_accuracy_vote"], row["clip_accuracy_mean"]) == (1, 0.5)
    # no clip of two frames; a clip of two labels
    for change in ({"clip": list("vwxyz")}, {"clip": ["one"] * 5}):
        frames.assign(**change).to_parquet(path)
        again = read_cells(results, Names())
        assert numbers.head_table(results, again)[["clips", "clip_accuracy_vote"]].isna().all(axis=None)


def test_episodes_that_share_out_the_images_are_also_scored_as_a_whole(reproduction):
    *_, table, heads = read(reproduction)
    once = heads[(heads["experiment"] == "E4") & (heads["shots"] == 5)]
    assert (
        set(once["readout"]) == set(table["readout"])
        and (once["images"] == 200).all()
        and (once["clips"] == 68).all()
    )
    assert set(heads.loc[heads["experiment"] == "E1", "shots"]) == {0}
    assert (
        reproduced(reproduction)
        .query("experiment == 'E4'")[["uar", "clip_accuracy_vote"]]
        .notna()
        .all(axis=None)
    )


def test_what_queries_share_is_counted_in_the_stored_episodes(leaky):
    rows = leaks(leaky).set_index(["experiment", "readout", "shots"])
    cells = {
        cell.experiment: cell
        for cell in read(leaky)[1]
        if (cell.readout, cell.shots, cell.selection) == ("protonet", 5, "source-val")
    }
    for experiment, cell in cells.items():
        stored = pd.read_parquet(leaky / "episodes" / f"synthetic-film-5shot-{experiment}.parquet")
        counts, right = {"path": [], "clip": [], "subject": []}, cell.outcomes().right.mean(0)
        queries = stored[stored["role"] == "query"]
        for query in queries.itertuples():
            support = stored[
                (stored["episode"] == query.episode)
                & (stored["role"] == "support")
                & (stored["label"] == query.label)
            ]
            for column, found in counts.items():
                found.append(getattr(query, column) in set(support[column]))
        row = rows.loc[experiment, "protonet", 5]
        for kind, column in leakage.SHARED.items():
            assert row[f"share_{kind}"] == pytest.approx(np.mean(counts[column]))
        shared = np.array(counts["path"]) | np.array(counts["clip"]) | np.array(counts["subject"])
        assert row["accuracy_unshared"] == pytest.approx(right[~shared].mean())
        assert shared.any() == (experiment != "subject")
        if shared.any():
            assert row["accuracy_shared"] == pytest.approx(right[shared].mean())
    assert rows["share_image"]["nothing", "protonet", 5] > 0 == rows["share_image"]["image", "protonet", 5]


def test_a_leak_is_worth_the_difference_to_the_experiment_it_is_compared_with(leaky):
    rows, table = leaks(leaky), read(leaky)[3]
    cells = table[table["selection"] == "source-val"].set_index(["experiment", "readout", "shots"])[
        "accuracy"
    ]
    for row in rows.itertuples():
        assert row.accuracy == pytest.approx(cells[row.experiment, row.readout, row.shots])
        if row.experiment == "subject":
            assert pd.isna(row.difference) and pd.isna(row.against)
        else:
            assert row.difference == pytest.approx(row.accuracy - cells["subject", row.readout, row.shots])
            assert row.low < row.difference < row.high and 0 <= row.p <= 1
    text = as_markdown(leakage_section(read(leaky)[0], rows, leakage.oracle_table(*read(leaky)[:2])))
    assert (
        " to subject |" in text
        and "- **image**: no image on both sides." in text
        and "None" not in text
        and "nan" not in text
    )


@pytest.mark.parametrize("column, words", [
    ("subject",
     "`synthetic-film` (rendered): who is on its images is unknown. "
     "Support and query may share people in **every** row"),
    ("clip",
     "`synthetic-film` (rendered): its images are known to be from no clip. "
     "Support and query may share clips in **every** row"),
])  # fmt: skip
def test_what_is_known_of_no_image_is_said_and_not_counted_as_never_shared(own, column, words):
    for path in (own / "episodes").glob("*.parquet"):
        pd.read_parquet(path).assign(**{column: None}).to_parquet(path)
    rows = leaks(own)
    kind = {"subject": "person", "clip": "clip"}[column]
    assert rows[f"share_{kind}"].isna().all() and rows["accuracy_unshared"].notna().any()
    text = as_markdown(leakage_section(read(own)[0], rows, leakage.oracle_table(*read(own)[:2])))
    assert words in text and "nan" not in text


def test_picking_on_the_target_is_compared_on_the_same_queries(leaky):
    results, cells, _, table, _ = read(leaky)
    rows = leakage.oracle_table(results, cells)
    assert set(rows["experiment"]) == {"subject"} and len(rows) == 2 * table["readout"].nunique()
    cells = table.set_index(["experiment", "readout", "shots", "selection"])["accuracy"]
    for row in rows.itertuples():
        key = row.experiment, row.readout, row.shots
        assert row.difference == pytest.approx(cells[(*key, "oracle")] - cells[(*key, "source-val")])


def test_episodes_that_are_not_those_predicted_are_refused(own):
    path = own / "episodes" / "synthetic-film-5shot-image.parquet"
    stored = pd.read_parquet(path)
    stored.assign(path=stored["path"].where(stored.index != 7, "elsewhere.png")).to_parquet(path)
    with pytest.raises(ResultsError) as error:
        write_report(own)
    assert str(error.value).startswith(f"{path}: does not hold the queries that were predicted")
    path.unlink()
    with pytest.raises(
        ResultsError,
        match="episodes/synthetic-film-5shot-image.parquet: is missing; run `.*` again, which writes it anew",
    ):
        write_report(own)


@pytest.mark.parametrize("draw", ["leakage", "reproduction"])
def test_plots_of_experiments_call_rendered_domains_so(leaky, reproduction, draw):
    folder, rows = (leaky, leaks(leaky)) if draw == "leakage" else (reproduction, reproduced(reproduction))
    figure = {"leakage": leakage_plot, "reproduction": reproduction_plot}[draw].figure(read(folder)[0], rows)
    shown = " ".join(text.get_text().replace("\n", " ") for text in figure.findobj(Text))
    assert "synthetic-film" in shown and not re.search(UNRENDERED, shown)


def test_an_experiment_that_was_not_run_is_named_with_the_reason(leaky):
    results, _cells, _, table, heads = read(leaky)
    told = replace(results, plan=results.plan | {"not_run": {"E9": "no film: give --data afew=PATH"}})
    text = markdown.render(page(told, table, heads, table.iloc[:0]))
    assert "## Experiments not run\n\n- E9: no film: give --data afew=PATH" in text


OTHERS = {
    "shots": [5],
    "queries": "all",
    "episodes": None,
    "tested_classes": "unseen",
    "support_from": "target",
    "held_out": 7,
    "disjoint": "nothing",
    "support_clips": "one",
    "batchnorm": "batch",
    "embedding": "bf16",
    "copies": "kept",
    "small_classes": "error",
    "split": [0.3, 0.3, 0.4],
    "carve": 0.2,
    "train": {"way": 3},
    "validation": {"way": 3},
    "way": None,
}


@pytest.mark.parametrize("name", Protocol.model_fields)
def test_every_field_of_a_protocol_is_shown(leaky, name):
    results, _, _, table, _ = read(leaky)
    block = table[table["experiment"] == "image"]
    asked = Protocol(support_from="source-train", disjoint="image").model_dump(mode="json")

    def line(**changes) -> str:
        return markdown.inline(
            protocol_line(
                replace(results, runs=[replace(run, protocol=asked | changes) for run in results.runs]), block
            )
        )

    if OTHERS[name] is None:  # what was done, not what was asked for
        assert "5-way" in line() and "30 episodes" in line()
    else:
        assert line(**{name: OTHERS[name]}) != line()
    assert "weather sunny" in line(weather="sunny")


def test_a_method_keeps_its_colour_in_the_legend_where_the_last_panel_lacks_it(leaky):
    results, cells, _, table, _ = read(leaky)
    readouts = table["readout"].unique()
    last = table["experiment"] == table["experiment"].iloc[-1]
    shown = table[(table["selection"] == "source-val") & (~last | (table["readout"] == readouts[0]))]
    figure = accuracy_plot.figure(results, shown, cells)
    colours = [
        handle.get_facecolor()
        for handle in figure.legends[0].legend_handles
        if hasattr(handle, "get_facecolor")
    ]
    assert len(readouts) > 1 and len(set(colours)) == len(colours) == len(readouts)


def test_the_plot_beside_published_figures_shows_the_trainings_of_shared_clips_too(reproduction):
    results, cells, *_ = read(reproduction)
    shared = [
        replace(cell, failed=cell.seeds)
        for cell in cells
        if cell.experiment == "E1-shared" and cell.readout == "protonet"
    ]
    others = [cell for cell in cells if cell.experiment != "E1-shared" or cell.readout != "protonet"]
    figure = reproduction_plot.figure(results, reproduced(reproduction), [*others, *shared])
    crosses = [
        line
        for axis in figure.axes
        for line in axis.lines
        if line.get_label() == "a training that did not learn"
    ]
    picked = next(cell for cell in shared if cell.selection == "source-val")
    assert [list(line.get_ydata()) for line in crosses] == [
        [100 * scores.accuracy for scores in picked.scores]
    ]
