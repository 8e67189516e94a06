"""The report: from a results folder to the tables and plots that people read."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import stored_results
from helpers.stored_results import LAST_LOG, only
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import fer_meta
from fer_meta.errors import ResultsError
from fer_meta.records.history import history
from fer_meta.report import write_report
from fer_meta.report.aggregate import accuracy as numbers
from fer_meta.report.aggregate import gap
from fer_meta.report.cells import Cell, Names, read_cells
from fer_meta.report.formats import csv, latex, markdown
from fer_meta.report.load import Results, read_results
from fer_meta.report.plots import matrix, writing
from fer_meta.report.sections.page import page
from fer_meta.report.sections.paper import paper

pytestmark = pytest.mark.numeric

WRITE = """
import sys
from pathlib import Path
from fer_meta.report import write_report
sys.stdout.reconfigure(encoding="utf-8")
print(write_report(Path(sys.argv[1])), end="")
assert "torch" not in sys.modules and "matplotlib.pyplot" not in sys.modules
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> tuple[Path, str]:
    """A stored results folder with its report, written by a process of its own, and the printed text."""
    folder = stored_results.write(tmp_path_factory.mktemp("results") / "cross-domain")
    package = str(Path(fer_meta.__file__).parents[1])
    path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", WRITE, str(folder)],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return stored_results.write(tmp_path_factory.mktemp("small") / "cross-domain", seeds=1, episodes=5)


@pytest.fixture
def stored(small, tmp_path) -> Path:
    """A results folder of one's own to damage."""
    return shutil.copytree(small, tmp_path / "cross-domain")


def read(folder: Path) -> tuple[Results, list[Cell]]:
    results = read_results(folder)
    return results, read_cells(results, Names())


def answers(right: list[bool], label: str = "anger", **columns) -> pd.DataFrame:
    """Predictions of one block, the wrong ones `fear`; further columns as given."""
    return pd.DataFrame(
        {
            "readout": "protonet",
            "shots": 1,
            "selection": "source-val",
            "episode": 0,
            "path": [f"{i}.png" for i in range(len(right))],
            "label": label,
            "predicted": ["anger" if one else "fear" for one in right],
            "confidence": 0.5,
            "subject": None,
            "clip": None,
        }
        | columns
    )


@pytest.mark.parametrize(
    "name", ["table.csv", "table.md", "table.tex", "heads.csv", "recall.csv", "comparisons.csv"]
)
def test_stored_runs_give_the_stored_tables(report, golden, name):
    golden(name, (report[0] / name).read_bytes().decode())


def test_the_report_needs_no_torch_and_leaves_pyplot_alone(report):
    assert "ProtoNet" in report[1]  # the fixture's process has asserted the rest


def test_nothing_half_written_stays_behind(report):
    assert not [path for path in report[0].rglob("*") if path.name.endswith(".tmp")]


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
@pytest.mark.parametrize(
    "name", ["accuracy", "transfer", "training", "confusion-fer2013", "confusion-press_faces", "ranks"]
)
def test_each_plot_shows_something(report, name, suffix):
    path = report[0] / "plots" / (name + suffix)
    assert path.stat().st_size > 10_000
    if suffix == ".png":
        picture = Image.open(path)
        assert picture.width == 1350 and len(picture.convert("RGB").getcolors(1 << 20)) > 50


def test_numbers_in_the_csv_are_numbers(report):
    table = pd.read_csv(report[0] / "table.csv")
    texts = [
        "experiment",
        "readout",
        "backbone",
        "class_balance",
        "source",
        "target",
        "selection",
        "groups",
        "excluded",
    ]
    assert table["rendered"].dtype == bool
    assert all(pd.api.types.is_numeric_dtype(table[name]) for name in table.columns.drop(texts))
    assert (
        table.notna()
        .drop(
            columns=[
                "experiment",
                "class_balance",
                "excluded",
                "failed_seeds",
                "sd_seeds",
                "bayes",
                "ece",
                "uar_ci95",
            ]
        )
        .all(axis=None)
    )


def test_a_missing_run_is_listed_with_the_reason_and_the_command_that_fills_it(report):
    for text in (report[1], (report[0] / "table.md").read_text(encoding="utf-8")):
        assert "2 of 24 runs" in text
        assert f"maml, synthetic-wild (rendered) -> fer2013, seed 1: failed: {stored_results.ERROR}" in text
        assert "protonet, synthetic-wild (rendered) -> fer2013, seed 1: not finished" in text
        assert stored_results.COMMAND in text


def test_a_run_without_done_never_enters_the_table(report):
    table = pd.read_csv(report[0] / "table.csv")
    torn = table["readout"].isin(["protonet", "maml"]) & (table["source"] == "synthetic-wild")
    assert (table[torn]["seeds"] == 1).all() and (table[~torn]["seeds"] == 2).all()


def test_a_run_the_plan_does_not_name_is_ignored(stored):
    before = csv.render(numbers.accuracy_table(*read(stored)))
    first = next((stored / "runs").glob("protonet-*"))
    shutil.copytree(first, stored / "runs" / "protonet-left-over-from-another-plan")
    assert csv.render(numbers.accuracy_table(*read(stored))) == before


def test_rendered_domains_are_called_rendered_everywhere(report):
    files = [(report[0] / name).read_text(encoding="utf-8") for name in ("table.md", "table.tex")]
    for text in (report[1], *files):
        text = text.replace("`", "")
        assert "synthetic-wild (rendered)" in text
        bare = text.replace("synthetic-wild (rendered)", "").replace(stored_results.COMMAND, "")
        assert "synthetic-wild" not in bare


def test_without_exact_accuracies_and_severities_in_the_plan_neither_is_mentioned(report):
    files = [(report[0] / name).read_text(encoding="utf-8") for name in ("table.md", "table.tex")]
    for text in (report[1], *files):
        assert "Bayes" not in text and "severity" not in text
    assert pd.read_csv(report[0] / "table.csv")["bayes"].isna().all()
    assert not list(report[0].glob("plots/severity.*"))


def test_the_text_fits_a_terminal(report):
    table = report[1].split("Missing:")[0]
    assert max(map(len, table.splitlines())) <= 100


def test_the_intervals_and_the_seeds_sd_on_a_worked_example(stored):
    # Two seeds, three episodes. Over seeds the episodes' means are 0.3, 0.4, 0.5: sd 0.1, so with Student's t
    # of two degrees of freedom 4.302653 * 0.1 / sqrt(3) = 0.248414. The seeds' means are 0.3 and 0.5: sd 0.2
    # / sqrt(2) = 0.141421.
    [first] = only(stored, "protonet-fer2013-to-press_faces-seed0")
    second = first | {"id": "second-seed", "seed": 1}
    shutil.copytree(stored / "runs" / first["id"], stored / "runs" / second["id"])
    plan = json.loads((stored / "plan.json").read_text())
    (stored / "plan.json").write_text(json.dumps(plan | {"runs": [first, second]}))
    for run, right in [(first, [2, 8, 8]), (second, [10, 8, 12])]:  # of 4 ways and 5 queries
        answers(
            [i < count for count in right for i in range(20)], episode=[0] * 20 + [1] * 20 + [2] * 20
        ).to_parquet(stored / "runs" / run["id"] / "predictions.parquet")
    [row] = numbers.accuracy_table(*read(stored)).to_dict("records")
    assert row["accuracy"] == pytest.approx(0.4)
    assert row["ci95_episodes"] == pytest.approx(0.248414, abs=1e-6)
    assert row["ci95"] > row["ci95_episodes"]
    assert row["sd_seeds"] == pytest.approx(0.141421, abs=1e-6)
    assert (row["episodes"], row["seeds"], row["chance"], row["groups"]) == (3, 2, 0.25, "images")


def test_scores_of_an_own_head_on_a_worked_example(stored):
    # 8 of 8 anger and 0 of 2 fear: accuracy 0.8, recalls 1 and 0; F1 of anger 16/18, of fear 0; 0.9 sure and
    # 0.8 right.
    only(stored, "supervised-fer2013-to-press_faces-seed0")
    path = stored / "runs" / "supervised-fer2013-to-press_faces-seed0" / "predictions.parquet"
    head = answers(
        [True] * 10, label=["anger"] * 8 + ["fear"] * 2, readout="supervised-head", shots=0, confidence=0.9
    )
    pd.concat([head, answers([True] * 20)]).to_parquet(path)
    results, cells = read(stored)
    row = numbers.head_table(results, cells).iloc[0]
    # of the four classes that the head knows
    assert (row["accuracy"], row["uar"], row["chance"]) == (0.8, 0.5, 0.25)
    assert row["macro_f1"] == pytest.approx(8 / 18) and row["ece"] == pytest.approx(0.1, abs=1e-6)
    assert (row["images"], row["classes"]) == (10, 4) and pd.isna(row["clips"])
    recall = numbers.recall_table(results, cells).query("shots == 0").set_index("class")["recall"]
    assert recall.to_dict() == {"anger": 1, "fear": 0}


def test_one_seed_has_no_sd(stored):
    table = csv.render(numbers.accuracy_table(*read(stored)))
    assert pd.read_csv(io.StringIO(table))["sd_seeds"].isna().all()


def test_one_seed_is_said_to_tell_nothing_of_other_trainings(stored, report):
    results, cells = read(stored)
    table = numbers.accuracy_table(results, cells)
    told = "with one seed it says nothing about other trainings"
    assert told in markdown.render(
        page(results, table, numbers.head_table(results, cells), gap.gap_table(results, table))
    )
    assert told not in report[1] and "over trainings (1 to 2 seeds)" in report[1]


def test_a_method_without_probabilities_has_no_calibration_error(report):
    table = pd.read_csv(report[0] / "table.csv")
    assert set(table.loc[table["ece"].isna(), "readout"]) == {"relationnet"}


def test_only_the_best_source_val_cell_of_a_source_is_bold(stored):
    results, cells = read(stored)
    table = numbers.accuracy_table(results, cells)
    text = markdown.render(
        page(results, table, numbers.head_table(results, cells), gap.gap_table(results, table))
    )
    rivals = table[table["selection"] == "source-val"].groupby(["source", "target", "shots"])["accuracy"]
    best = [f"{100 * accuracy:.1f}" for accuracy in rivals.max()]
    assert set(re.findall(r"\*\*(.*?)\*\*", text)) == set(best) and text.count("**") >= 2 * len(best)


@settings(deadline=None, max_examples=30)
@given(cut=st.integers(min_value=0, max_value=len(LAST_LOG) - 1))
def test_a_torn_last_line_of_a_history_is_ignored(tmp_path_factory, cut):
    path = tmp_path_factory.getbasetemp() / "history.jsonl"
    path.write_text('{"step": 100, "loss": 1.5}\n' + LAST_LOG[:cut])
    assert history(path)["loss"].tolist() == [1.5]


def test_a_torn_line_in_the_middle_of_a_history_is_named(stored):
    path = next(stored.glob("models/*/history.jsonl"))
    path.write_text('{"step": 1, "loss": 2}\n{"step": 2, "lo\n{"step": 3, "loss": 1}\n')
    with pytest.raises(ResultsError, match=r"history\.jsonl: no log point in line 2"):
        write_report(stored)


def test_a_model_without_a_history_is_no_error(tmp_path):
    assert history(tmp_path / "history.jsonl").empty


@pytest.mark.parametrize("name", ["run.json", "predictions.parquet"])
@pytest.mark.parametrize("content", [b"", b"torn", b"{}"])
def test_a_damaged_file_of_a_finished_run_is_named_with_the_mend(stored, name, content):
    path = next((stored / "runs").glob(f"supervised-*/{name}"))
    path.write_bytes(content)
    with pytest.raises(ResultsError) as error:
        write_report(stored)
    message = str(error.value)
    assert message.startswith(str(path)) and "\n" not in message
    assert not list(stored.glob("table.*"))
    assert message.endswith(
        f"; delete {path.parent / 'DONE'} and run `{stored_results.COMMAND}` again, which makes this run anew"
    )


@pytest.mark.parametrize("columns", [["confidence"], ["readout", "episode"]])
def test_a_missing_column_is_named_with_its_file(stored, columns):
    path = next((stored / "runs").glob("*/predictions.parquet"))
    pd.read_parquet(path).drop(columns=columns).to_parquet(path)
    with pytest.raises(ResultsError, match=f"predictions.parquet: cannot be read .*no column {columns[0]}"):
        write_report(stored)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"confidence": 1.5}, "confidences outside 0 to 1"),
        ({"confidence": -0.1}, "confidences outside 0 to 1"),
        ({"predicted": "smugness"}, "predicted: smugness is no label"),
        ({"label": None}, "label: an empty cell is no label"),
        ({"episode": 3}, "1-shot episodes are not whole"),
    ],
)
def test_an_impossible_prediction_is_no_result(stored, change, message):
    path = stored / "runs" / "protonet-fer2013-to-press_faces-seed0" / "predictions.parquet"
    pd.read_parquet(path).assign(**change).to_parquet(path)
    with pytest.raises(ResultsError, match=message):
        write_report(stored)


@pytest.mark.parametrize(
    "rows, message",
    [
        (slice(0), "empty"),
        (slice(None, -1), "episodes are not whole"),
        (slice(None, None, -1), "episodes are not whole"),
    ],
)
def test_lost_or_shuffled_rows_are_noticed(stored, rows, message):
    path = next((stored / "runs").glob("protonet-*/predictions.parquet"))
    pd.read_parquet(path).iloc[rows].to_parquet(path)
    with pytest.raises(ResultsError, match=message):
        write_report(stored)


def test_methods_asked_different_queries_are_not_compared(stored):
    path = stored / "runs" / "maml-fer2013-to-press_faces-seed0" / "predictions.parquet"
    table = pd.read_parquet(path)
    table["path"] = ["anger/00.png", *table["path"].astype(str)[1:]]
    table.to_parquet(path)
    with pytest.raises(ResultsError) as error:
        write_report(stored)
    assert str(error.value).startswith(f"{path}: its 1-shot queries are not those of ")
    assert "protonet-fer2013-to-press_faces-seed0" in str(error.value) and "which makes this run anew" in str(
        error.value
    )


def test_a_folder_of_an_older_version_is_called_so(stored):
    for path in stored.glob("runs/*/predictions.parquet"):
        path.rename(path.with_name("episodes.parquet"))
    plan = json.loads((stored / "plan.json").read_text())
    runs = [{key: value for key, value in run.items() if key != "experiment"} for run in plan["runs"]]
    (stored / "plan.json").write_text(json.dumps(plan | {"runs": runs}))
    with pytest.raises(ResultsError) as error:
        write_report(stored)
    assert "made by an older version of fer-meta" in str(error.value) and "\n" not in str(error.value)
    assert f"delete the folder {stored / 'runs'} and run the bench again" in str(error.value)


def test_without_a_plan_the_user_is_sent_to_the_bench(tmp_path):
    with pytest.raises(ResultsError, match="no plan.json, run `fer-meta bench --suite NAME` first"):
        write_report(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"suite": "x", "command": "y", "runs": [{"id": "z"}]}',
        '{"suite": "x", "command": "y", "runs": [], "bayes": [{"way": 5}]}',
        '{"suite": "x", "command": "y", "runs": [], "severity": {"a": {}}}',
        '{"suite": "x", "command": "y", "runs": [], "experiments": {"a": {}}}',
    ],
)
def test_a_damaged_plan_is_named(tmp_path, content):
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(ResultsError, match="plan.json: .*run the bench again"):
        write_report(tmp_path)


def test_without_a_finished_run_the_failures_are_named_and_nothing_is_written(stored):
    for done in stored.glob("runs/*/DONE"):
        done.unlink()
    failed = stored / "runs" / "maml-fer2013-to-press_faces-seed0" / "FAILED.json"
    failed.write_text(json.dumps({"error": "no\nmemory"}))
    with pytest.raises(ResultsError) as error:
        write_report(stored)
    message = str(error.value)
    assert "maml-fer2013-to-press_faces-seed0 failed: no memory" in message and "\n" not in message
    assert stored_results.COMMAND in message
    assert not list(stored.glob("table.*")) and not (stored / "plots").exists()


def test_tables_and_plots_of_an_older_plan_do_not_stay_behind(stored):
    only(stored, "protonet-fer2013-to-press_faces-seed0")
    (stored / "plots").mkdir()
    for name in (
        "plots/confusion-fer2013.png",
        "plots/ranks.pdf",
        "plots/leakage.png",
        "plots/images.png",
        "experiments.csv",
        "comparisons.csv",
    ):
        (stored / name).touch()
    write_report(stored)
    assert sorted(path.name for path in stored.glob("plots/confusion*")) == ["confusion.pdf", "confusion.png"]
    assert not list(stored.glob("plots/[rli]*")) and sorted(path.name for path in stored.glob("*.csv")) == [
        "confusion.csv",
        "recall.csv",
        "seeds.csv",
        "table.csv",
        "trainings.csv",
    ]


@pytest.mark.parametrize("sign", list("_&%#${}~^\\<>|"))
def test_any_name_can_stand_in_the_latex_table(small, sign):
    results, cells = read(small)
    table = numbers.accuracy_table(results, cells)
    table["readout"] = table["readout"].replace("supervised-ncm", f"a{sign}b")
    [name] = set(re.findall(r"& (a[^ ]* ?b) & \$", latex.render(paper(results, table))))
    assert name == f"a\\{sign}b" or re.fullmatch(r"a\\text[a-z]+\{\}b", name)


def test_the_same_runs_give_the_same_bytes_and_nothing_else_is_read(report, tmp_path):
    needed = tmp_path / "cross-domain"
    for name in ("runs", "episodes"):
        shutil.copytree(report[0] / name, needed / name)
    shutil.copy(report[0] / "plan.json", needed)
    for log in report[0].glob("models/*/history.jsonl"):
        (needed / "models" / log.parent.name).mkdir(parents=True)
        shutil.copy(log, needed / "models" / log.parent.name)
    text = write_report(needed)
    assert text == report[1].replace(str(report[0]), str(needed))
    made = [
        path.relative_to(report[0])
        for path in report[0].rglob("*")
        if path.is_file() and path.suffix in (".csv", ".md", ".tex", ".txt", ".png", ".pdf")
    ]
    assert len(made) > 15 and all(
        (needed / path).read_bytes() == (report[0] / path).read_bytes() for path in made
    )


def test_published_figures_are_told_only_when_asked_for(report, small, tmp_path):
    folder = shutil.copytree(small, tmp_path / "cross-domain")
    only(folder, "supervised-press_faces-to-fer2013-seed0")
    text = write_report(folder, published=True)
    assert "\nPublished figures beside ours\n" in text
    assert "## Published figures beside ours" in (folder / "table.md").read_text(encoding="utf-8")
    assert "## Published figures beside ours" not in (report[0] / "table.md").read_text(encoding="utf-8")


def test_the_text_is_kept_beside_the_tables(report):
    assert report[1].startswith((report[0] / "table.txt").read_text(encoding="utf-8") + "\nWritten: ")
    assert report[1].splitlines()[-1] == f"To look at in a browser: {report[0] / 'report.html'}"


def test_an_error_in_any_plot_is_the_users(tmp_path):
    def broken():
        raise ResultsError("no plot")

    panel = matrix.Matrix("one", ["anger"], ["anger", "fear"], np.array([[60, np.nan]]))
    whole = partial(matrix.matrices, [panel], "title", ("true", "predicted"), "{:.0f}", "Blues", (0, 100))
    for order in (["whole", "broken"], ["broken", "whole"]):  # whoever draws it
        with pytest.raises(ResultsError, match="no plot"):
            writing.write_figures(
                {name: {"whole": whole, "broken": broken}[name] for name in order}, tmp_path
            )
    assert writing.write_figures({"whole": whole, "again": whole}, tmp_path) == [
        tmp_path / name for name in ("whole.png", "whole.pdf", "again.png", "again.pdf")
    ]
    assert (tmp_path / "whole.png").read_bytes() == (tmp_path / "again.png").read_bytes()
