"""Whatever lies in a results folder, the answer is a report or one line that names the file and the fix; what
users name is shown as it is.
"""

import errno
import json
import os
import random
import re
import shutil
import time

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from helpers import stored_results
from helpers.report_texts import ESCAPES, HOSTILE, RUNS, change, hostile, texts, wrong
from helpers.stored_results import only

from fer_meta.cli.main import main
from fer_meta.errors import ResultsError
from fer_meta.fileio import replacing
from fer_meta.records.history import history
from fer_meta.records.seals import seal
from fer_meta.report import write_report
from fer_meta.report.load import read_results
from fer_meta.report.plots import writing

# ------------------------------------------------------------------------------------------------------- plan
# and run


@pytest.mark.parametrize("plan, words", [
    ([], "all of it"), ({"runs": 3}, "runs: "), ({"runs": [3]}, "runs.0: "), ({"command": None}, "command: "),
    ({"severity": {"a": {"recipe": "x", "severity": "high"}}}, "severity.a.severity: "),
    ({"bayes": [{"source": "a", "target": "b", "way": 5, "accuracy": 7}]}, "bayes.0.accuracy: "),
    ({"rendered": "synthetic-wild"}, "rendered: "),
    ({"experiments": {"E": {}}}, "experiments.E.title: "), ({"not_run": {"E": ["x"]}}, "not_run.E: "),
])  # fmt: skip
def test_a_plan_of_other_types_is_named_with_the_key(stored, plan, words):
    path = stored / "plan.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | plan if isinstance(plan, dict) else plan))
    message = wrong(stored)
    assert message.startswith(f"{path}: {words}") and message.endswith(
        "; run the bench again, which rewrites it"
    )


@pytest.mark.parametrize(
    "field, value",
    [
        ("id", "../../elsewhere"),
        ("id", "x" * 300),
        ("model", ""),
        ("target", "a/b"),
        ("seed", -1),
        ("seed", "0"),
    ],
)
def test_a_planned_run_is_one_folder(stored, field, value):
    plan = json.loads((stored / "plan.json").read_text())
    plan["runs"][1][field] = value
    change(stored / "plan.json", runs=plan["runs"])
    assert f"plan.json: runs.1.{field}: " in wrong(stored)


def test_two_runs_of_one_seed_are_not_two_trainings(stored):
    plan = json.loads((stored / "plan.json").read_text())
    shutil.copytree(stored / "runs" / RUNS[0], stored / "runs" / "again")
    change(stored / "plan.json", runs=[*plan["runs"], plan["runs"][0] | {"id": "again"}])
    assert "again and protonet-fer2013-to-press_faces-seed0 are the same seed" in wrong(stored)


@pytest.mark.parametrize("content, words", [
    ("[]", "all of it"), ("3", "all of it"), ("[" * 100_000, "cannot be read"), ("\0", "cannot be read"),
    ('{"a": 1', "cannot be read"),
])  # fmt: skip
def test_a_run_that_is_no_mapping_is_named_with_the_fix(stored, content, words):
    path = stored / "runs" / RUNS[1] / "run.json"
    path.write_text(content)
    message = wrong(stored)
    assert message.startswith(f"{path}: {words}")
    assert message.endswith(
        f"; delete {path.parent / 'DONE'} and run `{stored_results.COMMAND}` again, which makes this run anew"
    )


@pytest.mark.parametrize("field, value", [
    ("config", {"backbone": 3}), ("protocol", {"way": 5}),
    ("protocol", {"way": "5", "shots": [1], "queries": 5}), ("classes", 5),
    ("excluded", {"anger": None}), ("copies_removed", "many"), ("test_images", -1), ("episodes", {"1": 1}),
    ("unreadable", [1]),
    ("environment", {"precision": 16}),
])  # fmt: skip
def test_a_run_of_other_types_is_named_with_the_key(stored, field, value):
    change(stored / "runs" / RUNS[0] / "run.json", **{field: value})
    assert f"run.json: {field}" in wrong(stored)


def test_what_is_no_file_is_not_waited_for(stored):
    for name in ("run.json", "predictions.parquet"):
        path = stored / "runs" / RUNS[0] / name
        kept = path.read_bytes()
        path.unlink()
        os.mkfifo(path)
        assert str(path) in wrong(stored)
        path.unlink()
        path.write_bytes(kept)


def test_a_failure_that_cannot_be_read_is_still_a_missing_run(stored):
    home = stored / "runs" / RUNS[0]
    (home / "DONE").unlink()
    for content in ("[]", "[" * 100_000, '{"error": ["a", "b"]}', json.dumps({"error": ESCAPES})):
        (home / "FAILED.json").write_text(content)
        [(_, why)] = read_results(stored).missing
        assert why.startswith("failed: ") and why.isprintable()


# ----------------------------------------------------------------------------------------------------------
# the seal


def test_a_file_changed_after_it_was_written_is_no_result(stored):
    home = stored / "runs" / RUNS[0]
    seal(home, ["run.json", "predictions.parquet"])
    before = texts(stored)
    path = home / "predictions.parquet"
    content = bytearray(path.read_bytes())
    for place in random.Random(0).sample(range(len(content)), 10):
        content[place] ^= 1
        path.write_bytes(content)
        assert (
            wrong(stored)
            == f"{home}: predictions.parquet was changed after it was written; run `{stored_results.COMMAND}`"
            " again, which makes this run anew"
        )
        content[place] ^= 1
    path.write_bytes(content)
    assert texts(stored) == before
    path.unlink()
    assert "predictions.parquet is missing; run `" in wrong(stored)


def test_the_only_run_with_a_lost_file_is_not_taken_for_an_older_versions(stored):
    only(stored, RUNS[0])
    (stored / "runs" / RUNS[0] / "predictions.parquet").unlink()
    shutil.rmtree(stored / "runs" / RUNS[1])
    assert "delete the folder" not in wrong(stored)


@pytest.mark.parametrize(
    "mutate, words",
    [
        (lambda t: t.drop(columns="p_anger"), "no column p_anger"),
        (lambda t: t.assign(p_anger=t["p_anger"] * 0 - 1), "probabilities that are empty or outside 0 to 1"),
        (
            lambda t: t.assign(p_anger=t["p_anger"].mask(t.index % 2 == 0)),
            "probabilities that are empty or outside 0 to 1",
        ),
    ],
)
def test_probabilities_that_cannot_decide_clips_are_named(tmp_path, mutate, words):
    folder = stored_results.write_experiments(tmp_path / "reproduction", seeds=1, episodes=3)
    only(folder, "E4-protonet-synthetic-mix-to-synthetic-film-seed0")
    path = folder / "runs" / "E4-protonet-synthetic-mix-to-synthetic-film-seed0" / "predictions.parquet"
    mutate(pd.read_parquet(path)).to_parquet(path)
    assert words in wrong(folder)


def test_one_lost_file_of_an_older_run_costs_that_run_alone(stored):
    path = stored / "runs" / RUNS[0] / "predictions.parquet"
    path.unlink()
    assert (
        wrong(stored)
        == f"{path}: is missing; delete {path.parent / 'DONE'} and run `{stored_results.COMMAND}` again, "
        "which makes this run anew"
    )


def test_a_log_changed_after_its_training_is_named_and_its_loss_is_no_error(stored):
    model = stored / "models" / "protonet-fer2013-seed0"
    seal(model, ["history.jsonl"])
    path = model / "history.jsonl"
    path.write_text(path.read_text().replace("1", "2"))
    with pytest.raises(
        ResultsError, match="history.jsonl was changed after it was written; delete it, and the report leaves"
    ):
        history(path)
    path.unlink()
    assert history(path).empty


@pytest.mark.parametrize(
    "line", ["5", "[]", '{"step": "x"}', '{"loss": {}}', "[" * 100_000, '{"step": ' + "9" * 400 + "}"]
)
def test_a_line_of_a_log_that_is_no_log_point_is_named(tmp_path, line):
    path = tmp_path / "history.jsonl"
    path.write_text(f'{line}\n{{"step": 1, "loss": 2}}\n')
    with pytest.raises(ResultsError, match="no log point in line 1"):
        history(path)


# -----------------------------------------------------------------------------------------------------------
# answers

ANSWERS = [
    (lambda t: t.assign(episode=t["episode"].astype(str)), "its column episode holds .*, not whole numbers"),
    (
        lambda t: t.assign(episode=t["episode"].astype("Int64").mask(t.index == 3)),
        "its column episode has empty cells",
    ),
    (
        lambda t: t.assign(episode=t["episode"].astype("int64").mask(t.index == len(t) - 1, 2**40)),
        "episodes are not whole",
    ),
    (lambda t: t.assign(shots=t["shots"] - 7), "shots: -6 is no number of shots"),
    (lambda t: t.assign(confidence="high"), "its column confidence holds .*, not numbers"),
    (lambda t: t.assign(readout=None), "readout: an empty cell"),
    (lambda t: t.assign(selection="best"), "selection: 'best' is none of"),
    (lambda t: t.assign(path=t["path"].astype(object).mask(t.index == 3, None)), "path: an empty cell"),
    (lambda t: t.assign(label=3), "its column label holds .*, not text"),
    (lambda t: t.assign(subject=3.5), "its column subject holds .*, not text"),
    (lambda t: t.iloc[:0], "empty"),
]


@pytest.mark.parametrize("mutate, words", ANSWERS)
def test_answers_of_another_kind_are_named(stored, mutate, words):
    path = stored / "runs" / RUNS[0] / "predictions.parquet"
    mutate(pd.read_parquet(path)).to_parquet(path)
    assert re.match(f"{re.escape(str(path))}: .*{words}", wrong(stored))


def test_a_column_that_is_there_twice_is_named(stored):
    path = stored / "runs" / RUNS[0] / "predictions.parquet"
    table = pq.read_table(path)
    pq.write_table(pa.table([*table.columns, table["label"]], [*table.column_names, "label"]), path)
    assert "it has two columns label" in wrong(stored)


def test_a_text_that_is_no_utf_8_is_named(stored):
    path = stored / "runs" / RUNS[0] / "predictions.parquet"
    table = pq.read_table(path)
    codes = table["path"].combine_chunks().cast(pa.string())
    broken = pa.StringArray.from_buffers(
        len(codes), codes.buffers()[1], pa.py_buffer(b"\xff" + codes.buffers()[2].to_pybytes()[1:])
    )
    pq.write_table(table.set_column(table.column_names.index("path"), "path", broken), path)
    assert "predictions.parquet: cannot be read (" in wrong(stored)


def test_answers_of_own_heads_alone_are_no_table(stored):
    only(stored, RUNS[1])
    path = stored / "runs" / RUNS[1] / "predictions.parquet"
    table = pd.read_parquet(path)
    table[table["shots"] == 0].to_parquet(path)
    assert "has no answers in episodes" in wrong(stored)


@pytest.mark.parametrize("damage", ["empty", "cut", "bit", "rows", "type"])
def test_damaged_episodes_are_named_with_the_fix(tmp_path, damage):
    folder = stored_results.write_leakage(tmp_path / "leakage", seeds=1, episodes=3)
    path = next((folder / "episodes").glob("*-5shot-*"))
    table = pq.read_table(path)
    pq.write_table(table, path, write_page_checksum=True, compression="none", write_statistics=False)
    content = path.read_bytes()
    if damage == "rows":
        pq.write_table(table.slice(0, 0), path)
    elif damage == "type":
        pq.write_table(
            table.set_column(table.column_names.index("episode"), "episode", pa.array(["x"] * len(table))),
            path,
        )
    else:
        at = content.index(b".png")  # within a page
        path.write_bytes(
            {"empty": b"", "cut": content[:-100], "bit": content[:at] + b"/" + content[at + 1 :]}[damage]
        )
    message = wrong(folder)
    assert message.startswith(f"{path}: ")
    assert message.endswith(
        "; delete it and run `fer-meta bench --suite leakage --preset smoke` again, which writes it anew"
    )


# --------------------------------------------------------------------------------------------- a disk that is
# full


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_report_that_cannot_be_written_names_the_folder_and_leaves_nothing(
    stored, monkeypatch, capfd, code
):
    def full(path):
        raise OSError(code, os.strerror(code))

    write_report(stored)
    (stored / "table.md").write_text("old")
    before = {path: path.stat().st_mtime_ns for path in stored.rglob("*") if path.is_file()}
    monkeypatch.setattr("fer_meta.report.replacing", full)
    monkeypatch.setattr(writing, "replacing", full)
    done = CliRunner().invoke(main, ["report", "--out", str(stored.parent)])
    assert done.exit_code == 1 and done.output.count("\n") == 1
    assert done.output.startswith(f"fer-meta: {stored}: the report cannot be written ({os.strerror(code)}); ")
    assert {path: path.stat().st_mtime_ns for path in stored.rglob("*") if path.is_file()} == before
    assert "Traceback" not in capfd.readouterr().err


def test_a_plot_that_cannot_be_written_is_the_same_line(stored, monkeypatch, capfd):
    def full(path):
        if path.suffix == ".pdf":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replacing(path)

    monkeypatch.setattr(writing, "replacing", full)
    done = CliRunner().invoke(main, ["report", "--out", str(stored.parent)])
    assert (
        done.exit_code == 1
        and f"{stored}: the report cannot be written (No space left on device); free some space"
        in done.output
    )
    assert "Traceback" not in capfd.readouterr().err and not list(stored.rglob(".tmp*"))


def test_a_report_removes_what_a_killed_one_left_and_nothing_of_one_that_runs(stored):
    (stored / "plots").mkdir(exist_ok=True)
    killed, running = stored / "plots" / ".tmp-1.png", stored / "plots" / ".tmp-2.png"
    for path, age in ((killed, 7200), (running, 60)):
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
    write_report(stored)
    assert not killed.exists() and running.exists()


# ------------------------------------------------------------------------------------------------------------
# names


def test_hostile_names_are_text_in_markdown_and_latex(stored):
    hostile(stored, HOSTILE)
    found = texts(stored)
    outside_code = re.sub(r"(?ms)^(`{3,})\n.*?\n\1$", "", found["md"])
    assert HOSTILE.count("<") == 2 and not re.search(r"(?<!\\)</?script", outside_code)
    assert not re.search(r"(?<!\\)\[a(?<!\\)\]\(", outside_code) and not re.search(
        r"(?<!\\)\*bold", outside_code
    )
    assert (
        r"# \<script>alert(1)\</script> # \`code\` \*bold\* \[a\](b) | 50 % of $x_1$ & \\x {y} \~ ^"
        in found["md"]
    )
    rows = [line for line in outside_code.splitlines() if line.startswith("|")]
    columns = [len(re.sub(r"\\\\|\\\|", "", line).split("|")) for line in rows]
    heads = [number for number, line in enumerate(rows) if line.startswith("| :--")]
    assert (
        heads
        and all(columns[number - 1] == columns[number] for number in heads)
        and len(set(columns)) <= len(heads)
    )
    assert (
        r"\caption{\textless{}script\textgreater{}alert(1)\textless{}/script\textgreater{} \# `code` *bold*"
        r" [a](b) \textbar{} 50\,\% of "
        r"\$x\_1\$ \& \textbackslash{}x \{y\} \textasciitilde{} \textasciicircum{}: accuracy"
    ) in found["tex"]
    # an error with a fence in it stands within a longer one
    assert "```" in found["md"] and "\n````\n" in found["md"]


def test_line_breaks_and_escape_codes_of_names_reach_no_format(stored):
    hostile(stored, ESCAPES)
    for kind, text in texts(stored).items():
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028]", text), kind
        assert not re.search(r"^# a heading", text, re.M), kind
    assert "red [31m and # a heading and more" in texts(stored)["txt"]


def test_hostile_names_can_be_drawn(stored):
    """A `$` begins no formula."""
    hostile(stored, "$x_1^ \\frac{ $ & 5 $")
    write_report(stored)
    assert len(list(stored.glob("plots/*.png"))) >= 3
