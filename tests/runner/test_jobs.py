"""Models of one bench side by side, in forked workers: the same answers, and what happens when one or all of
them are stopped.
"""

import faulthandler
import json
import multiprocessing
import os
import signal
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.tiny_bench import folders, numbers

from fer_meta.records.seals import FAILED, seal, write_failure
from fer_meta.runner.estimate import SAMPLE_QUERIES, makespan, sample_of
from fer_meta.runner.executors import local, workers
from fer_meta.runner.executors.workers import choose_workers
from fer_meta.runner.main import plan, work
from fer_meta.runner.messages import Ended
from fer_meta.runner.options import BenchOptions
from fer_meta.runner.plan import by_model
from fer_meta.tasks.episodes import FixedEpisodes
from fer_meta.training import checkpoints

pytestmark = pytest.mark.numeric

TWO = ("--algorithms", "protonet,supervised")


@pytest.fixture(autouse=True)
def one_thread():
    """Results of one and of two jobs are then of as many threads; and a fork of this process, which has
    computed, may use one only.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def hears_ctrl_c():
    """A background job of a shell is started deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def in_a_worker(monkeypatch):
    """Do something in a worker when it saves its first checkpoint, the model of `algorithm` only."""

    def at_the_first_checkpoint(algorithm, act):
        save, here = checkpoints.save, os.getpid()

        def save_then_act(folder, *arguments):
            save(folder, *arguments)
            if os.getpid() != here and folder.name.startswith(algorithm):
                act()

        monkeypatch.setattr(checkpoints, "save", save_then_act)
        return lambda: monkeypatch.setattr(checkpoints, "save", save)

    return at_the_first_checkpoint


@pytest.mark.slow
def test_side_by_side_gives_the_answers_of_one_after_the_other(bench, tmp_path):
    one, two = (bench(*TWO, "--sources", "day", "--jobs", jobs, out=jobs) for jobs in "12")
    assert one.exit_code == two.exit_code == 0, two.output
    pd.testing.assert_frame_equal(numbers(tmp_path / "1"), numbers(tmp_path / "2"))
    runs = [folders(tmp_path / out / "tiny" / "runs") for out in "12"]
    assert set(runs[0]) == set(runs[1]) and len(runs[1]) == 4
    for jobs, found in enumerate(runs, start=1):
        told = [json.loads((path / "run.json").read_text()) for path in found.values()]
        assert all(one["environment"]["jobs"] == jobs and one["environment"]["threads"] == 1 for one in told)
        assert sum(one["timings"]["train_s"] > one["timings"]["data_s"] > 0 for one in told) >= 1
    lines = [line for line in two.output.splitlines() if line.startswith("[")]
    assert len(lines) == 4 and lines[0].startswith("[1/4]") and "left)" in lines[-1]
    assert sum(line.startswith("    [") and "shot" in line for line in two.output.splitlines()) == 4


@pytest.mark.parametrize(
    "number, words",
    [
        (signal.SIGKILL, "its process was killed, perhaps for want of memory"),
        (signal.SIGBUS, "a file that it was reading became shorter"),
    ],
)
def test_a_killed_worker_fails_its_run_in_a_line_and_the_others_go_on(
    bench, tmp_path, in_a_worker, number, words
):
    def end():
        faulthandler.disable()  # pytest's would print the whole stack
        os.kill(os.getpid(), number)

    in_a_worker("supervised", end)
    result = bench(*TWO, "--jobs", "2", domains=("day",))
    assert result.exit_code == 1 and f"FAILED: {words}" in result.output
    runs = folders(tmp_path / "results" / "tiny" / "runs")
    failed = next(path for name, path in runs.items() if name.startswith("supervised"))
    assert words in json.loads((failed / "FAILED.json").read_text())["error"]
    assert all((path / "DONE").exists() for name, path in runs.items() if name.startswith("protonet"))


def test_ctrl_c_ends_all_workers_and_the_same_command_goes_on(bench, tmp_path, in_a_worker, hears_ctrl_c):
    def interrupt():
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(60)

    undo = in_a_worker("protonet", interrupt)
    stopped = bench(*TWO, "--jobs", "2", domains=("day",))
    assert (
        stopped.exit_code == 130
        and "the same command goes on" in stopped.output
        and "Traceback" not in stopped.output
    )
    assert not multiprocessing.active_children()
    assert not list((tmp_path / "results").rglob(".*-*")), "a temporary file is left"
    undo()
    assert bench(*TWO, "--jobs", "2", domains=("day",)).exit_code == 0


def test_a_full_disk_in_a_worker_stops_the_bench_with_one_line(bench, in_a_worker):
    def full():
        raise OSError(28, "No space left on device")

    in_a_worker("protonet", full)
    result = bench(*TWO, "--jobs", "2", domains=("day",))
    assert result.exit_code == 1 and "no space left" in result.output and "Traceback" not in result.output
    assert not multiprocessing.active_children()


def test_a_gpu_does_one_thing_at_a_time_and_a_cpu_no_more_than_there_is_to_do(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))
    assert (
        not choose_workers(8, torch.device("cuda")).forked
        and choose_workers(8, torch.device("cuda")).at_most(5).jobs == 1
    )
    assert choose_workers(8, torch.device("cpu")).at_most(5).jobs == 5


@pytest.fixture
def planned(suite, trees, tmp_path):
    """A bench of three models on two targets each, on two workers."""
    return plan(
        BenchOptions(
            str(suite),
            methods=["protonet", "relationnet", "supervised"],
            sources=["day"],
            data={name: trees / name for name in ("day", "night")},
            device="cpu",
            jobs=2,
            out=tmp_path / "results",
        )
    )


def test_what_a_trained_model_is_tested_on_is_divided_among_the_workers(planned, tmp_path, monkeypatch):
    """The last of three models would else keep one of two workers alone."""
    done = tmp_path / "done"

    def execute(bench, run):
        seal(bench.model_folder(run.model), [])  # trained at once
        time.sleep(0.3)
        with done.open("a") as file:
            file.write(f"{run.model.key} {run.setting.target.name} {os.getpid()}\n")

    monkeypatch.setattr(local, "execute", execute)
    monkeypatch.setattr(local, "accuracies_of", lambda bench, run: "")
    heard = []
    units = by_model(planned.runs)
    local.run_all(planned.bench, units, planned.workers.at_most(3), heard.append)
    lines = [line.split() for line in done.read_text().splitlines()]
    assert len(lines) == len({(method, target) for method, target, _ in lines}) == 6
    assert [message.run for message in heard if isinstance(message, Ended)] and all(units)
    workers = {}
    for method, _, worker in lines:
        workers.setdefault(method, set()).add(worker)
    assert all(len(own) == 2 for own in workers.values()), "each target in a worker of its own"
    assert not list((planned.folder / ".locks").glob("model-*.owner"))


def test_after_a_failure_one_worker_alone_looks_further(planned, tmp_path, monkeypatch):
    """The checkpoints may be damaged, and two workers would train the same model anew."""
    done = tmp_path / "done"

    def execute(bench, run):
        with done.open("a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(0.2)
        return "broken"

    monkeypatch.setattr(local, "execute", execute)
    monkeypatch.setattr(local, "_by_target", lambda unit: [[run] for run in unit])
    unit = [replace(planned.runs[0], identity={"number": number}) for number in range(5)]
    local.run_all(planned.bench, [unit], planned.workers, lambda message: None)
    workers_of = done.read_text().split()
    assert len(workers_of) == 5 and len(set(workers_of[1:])) == 1 and workers_of[0] != workers_of[1]


def test_runs_of_a_training_that_failed_do_not_train_again(planned, tmp_path, monkeypatch):
    begun = tmp_path / "begun"

    def fit(method, config, steps, batch_at, validate, folder, *more):
        with begun.open("a") as file:
            file.write(f"{folder.name}\n")
        raise ValueError("no gradient today")

    monkeypatch.setattr("fer_meta.training.loop.fit", fit)
    assert work(planned) == 6
    assert sorted(begun.read_text().split()) == sorted(folders(planned.folder / "models"))
    errors = [json.loads(path.read_text())["error"] for path in planned.folder.glob("runs/*/FAILED.json")]
    assert errors == ["ValueError: no gradient today"] * 6


def test_workers_that_end_together_are_not_waited_for(monkeypatch):
    """Both have ended when they are looked at, and nothing says before that they were the last."""
    wait, heard = workers.connection.wait, []

    def late(pipes):
        assert pipes, "nobody is left"
        time.sleep(0.3)
        return wait(pipes)

    monkeypatch.setattr(workers.connection, "wait", late)
    workers.Workers(2, 1, forked=True).each(
        iter("ab"), lambda task, tell: tell(task.upper()), lambda task, message: heard.append(message)
    )
    assert sorted(heard) == ["A", "B"]


@pytest.mark.parametrize("status", [0, 3])
def test_a_worker_that_leaves_in_the_middle_has_died(planned, monkeypatch, status):
    monkeypatch.setattr("fer_meta.training.loop.fit", lambda *_: os._exit(status))
    assert work(planned) == 6
    errors = [json.loads(path.read_text())["error"] for path in planned.folder.glob("runs/*/FAILED.json")]
    assert errors == [f"its process ended with status {status}"] * 6


def test_a_failed_run_that_a_killed_bench_had_begun_again_is_done(planned, monkeypatch):
    """It was taken for one that the other had done."""
    run, begun, held = planned.runs[0], [], local.model_held
    failed = planned.bench.run_folder(run) / FAILED
    write_failure(failed.parent, "the first time")
    (planned.folder / ".locks").mkdir()

    def held_later(folder, model):
        failed.unlink(missing_ok=True)
        return held(folder, model)

    monkeypatch.setattr(local, "model_held", held_later)
    monkeypatch.setattr(local, "execute", lambda bench, run: begun.append(run.id))
    monkeypatch.setattr(local, "accuracies_of", lambda bench, run: "")
    here = replace(planned.workers, jobs=1, forked=False)
    local.run_all(planned.bench, [[run]], here, lambda message: None)
    assert begun == [run.id]


def test_the_time_left_is_that_of_the_last_worker():
    assert (
        makespan([5, 4, 3, 2], jobs=2) == 7
        and makespan([5, 4, 3, 2], jobs=1) == 14
        and makespan([], jobs=2) == 0
    )


@pytest.mark.parametrize("queries, asked", [(15, 266), (75, 53), (3000, 2)])
def test_episodes_that_are_answered_together_are_timed_together_and_few_images_are_embedded(queries, asked):
    """One episode by itself takes up to ten times as long: the announced time was five times too long."""
    rows = np.arange(600 * (5 + queries)).reshape(600, -1)
    whole = FixedEpisodes(rows[:, :5].reshape(600, 5, 1), rows[:, 5:])
    together, alone = sample_of(whole, together=True), sample_of(whole, together=False)
    assert len(together) == len(together.queries) == asked and asked * queries <= max(
        SAMPLE_QUERIES, 2 * queries
    )
    assert len(np.unique(np.stack(together.queries))) == 2 * queries
    assert len(alone) == 2 and np.array_equal(np.stack(alone.queries), rows[:2, 5:])
