"""Several benches in one results folder: those of one plan share its models, one of another plan is
refused.
"""

import os
import signal
import subprocess
import sys
import time

import filelock
import pandas as pd
import pytest
from helpers.tiny_bench import SUITE, folders, numbers

from fer_meta.errors import ResultsError
from fer_meta.records.seals import write_failure
from fer_meta.runner.executors import local
from fer_meta.runner.locks import held, model_held
from fer_meta.runner.main import finish, plan, work
from fer_meta.runner.options import BenchOptions

# A bench as a process of its own. It notes each training that it begins in the file NOTES, and goes on when
# the file MEET is there; it draws no plots.
PROCESS = """
import os, sys, time
from fer_meta.runner import estimate
from fer_meta.cli.main import main
from fer_meta.report.plots import writing
from fer_meta.training import loop
estimate.TIMED_SECONDS = 0.0
writing.write_figures = lambda *_: []
fit = loop.fit
def noted(method, config, steps, batch_at, validate, folder, *more):
    with open(os.environ["NOTES"], "a") as file:
        file.write(folder.name + "\\n")
    while not os.path.exists(os.environ["MEET"]):
        time.sleep(0.05)
    return fit(method, config, steps, batch_at, validate, folder, *more)
loop.fit = noted
main(sys.argv[1:])
"""
METHODS = "protonet,supervised"


@pytest.fixture
def words(suite, trees, tmp_path):
    """The words of a bench of four models."""
    suite.write_text(SUITE)
    return [
        *("bench", "--suite", str(suite), "--data", f"day={trees / 'day'}", "--device", "cpu", "--jobs", "1"),
        *("--methods", METHODS, "--seeds", "2", "--out", str(tmp_path / "results")),
    ]


@pytest.fixture
def begin(words, tmp_path):
    """Start a bench as a process of its own: the name of the file in which it notes its trainings, and of the
    file without which none goes on.
    """
    processes = []

    def start(notes, *more, meet=None):
        process = subprocess.Popen(
            [sys.executable, "-c", PROCESS, *words, *more],
            env=os.environ | {"NOTES": str(tmp_path / notes), "MEET": str(tmp_path / (meet or notes))},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_two_benches_of_one_command_share_the_work_and_end_as_one_bench_does(begin, bench, tmp_path):
    both = [begin("first", meet="second"), begin("second", meet="first")]
    said = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    out = tmp_path / "results" / "tiny"
    trained = [
        set((tmp_path / notes).read_text().split()) if (tmp_path / notes).exists() else set()
        for notes in ("first", "second")
    ]
    assert all(trained) and not trained[0] & trained[1], "each model is trained once, and both take some"
    assert trained[0] | trained[1] == set(folders(out / "models")) and len(folders(out / "models")) == 4
    assert all((run / "DONE").exists() for run in folders(out / "runs").values())
    for text in said:
        assert "ProtoNet" in text and "Missing" not in text and "Traceback" not in text
    assert not list((out / ".locks").glob("worker-*"))
    assert bench("--methods", METHODS, "--seeds", "2", out="alone", domains=("day",)).exit_code == 0
    pd.testing.assert_frame_equal(numbers(tmp_path / "results"), numbers(tmp_path / "alone"))


@pytest.mark.slow
def test_two_benches_of_one_command_share_its_search_and_the_runs_that_it_decides(begin, tmp_path):
    both = [begin(notes, "--methods", "protonet", "--search", "4") for notes in ("first", "second")]
    said = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    out = tmp_path / "results" / "tiny"
    trained = [(tmp_path / notes).read_text().split() for notes in ("first", "second")]
    assert sorted(trained[0] + trained[1]) == list(folders(out / "models")), "each model is trained once"
    assert len(folders(out / "models")) == 4 + 2 and len(folders(out / "runs")) == 2
    for text in said:
        assert "ProtoNet" in text and "another bench is writing" not in text and "Missing" not in text


def test_a_killed_bench_leaves_nothing_locked_and_the_other_takes_its_model_over(begin, tmp_path):
    first = begin("first", meet="never")
    until((tmp_path / "first").exists)
    second = begin("second")
    until((tmp_path / "second").exists)
    first.send_signal(signal.SIGKILL)
    text, _ = second.communicate(timeout=300)
    assert second.returncode == 0, text
    runs = folders(tmp_path / "results" / "tiny" / "runs")
    assert len(runs) == 4 and all((run / "DONE").exists() for run in runs.values())


def test_another_plan_is_refused_in_one_line_while_one_is_worked_on(begin, tmp_path):
    first = begin("first", meet="never")
    until((tmp_path / "first").exists)
    kept = (tmp_path / "results" / "tiny" / "plan.json").read_bytes()
    other = begin("other", "--seeds", "1")
    text, _ = other.communicate(timeout=120)
    assert other.returncode == 2 and "another bench is writing here" in text.splitlines()[-1]
    assert "Traceback" not in text and not (tmp_path / "other").exists()
    assert (tmp_path / "results" / "tiny" / "plan.json").read_bytes() == kept
    first.kill()


@pytest.fixture
def options(suite, trees, tmp_path):
    return BenchOptions(
        suite=str(suite),
        data={"day": trees / "day"},
        methods=["protonet", "supervised"],
        device="cpu",
        jobs=1,
        out=tmp_path / "results",
    )


def test_plan_work_and_finish_each_stand_alone(options, without_plots, tmp_path):
    planned = plan(options)
    assert not options.out.exists(), "a plan writes nothing"
    with pytest.raises(ResultsError, match="none of the 2 runs has finished; run `fer-meta bench --suite"):
        finish(planned)
    models = [run.model.id for run in planned.runs]
    assert work(planned, models[:1]) == 0
    assert set(folders(planned.folder / "models")) == {models[0]}
    assert "Missing: 1 of 2 runs" in finish(planned)
    assert not (planned.folder / "finished.json").exists()
    assert work(plan(options)) == 0  # another process, which has planned for itself
    assert set(folders(planned.folder / "models")) == set(models)
    assert "Missing" not in finish(planned) and (planned.folder / "finished.json").exists()


def test_a_failure_of_another_bench_counts_and_is_not_tried_again_at_once(
    options, without_plots, monkeypatch
):
    planned = plan(options)
    first = planned.folder / "runs" / planned.runs[0].id
    failed_at = local.failed_at

    def fails_after_this_look(bench, run):
        found = failed_at(bench, run)
        write_failure(first, "on fire")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(local, "failed_at", fails_after_this_look)
        assert work(planned) == 1
    assert not (first / "DONE").exists()
    assert work(plan(options)) == 0, "a later bench tries again"


def test_a_model_is_in_one_process_hands_and_free_when_that_is_killed(tmp_path):
    (tmp_path / ".locks").mkdir()
    code = (
        "import sys, time; from pathlib import Path; from fer_meta.runner.locks import model_held\n"
        "with model_held(Path(sys.argv[1]), 'm') as mine:\n    print(mine, flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "True\n"
        with model_held(tmp_path, "m") as mine, model_held(tmp_path, "other") as other:
            assert not mine and other
    finally:
        holder.kill()
        holder.communicate()
    with model_held(tmp_path, "m") as mine:
        assert mine


def test_where_a_disk_has_no_locks_everybody_works(tmp_path, monkeypatch):
    def none(*_, **__):
        raise NotImplementedError

    monkeypatch.setattr(filelock.FileLock, "acquire", none)
    with held(tmp_path / "lock") as mine:
        assert mine
