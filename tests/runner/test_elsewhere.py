"""Models trained elsewhere, on a cluster, on several GPUs or in shards, give the tables of one process."""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from distributed import LocalCluster
from helpers.jobs import Once, Seen
from helpers.tiny_bench import SUITE, folders, numbers
from safetensors.torch import load_file
from submitit.helpers import DelayedSubmission

from fer_meta.cli.main import main
from fer_meta.errors import FerMetaError, ResultsError, SuiteError
from fer_meta.records.seals import FAILED, write_failure
from fer_meta.runner import executors
from fer_meta.runner.executors import remote, slurm, workers
from fer_meta.runner.executors.engines import engine
from fer_meta.runner.main import decided, finish, plan, work
from fer_meta.runner.options import BenchOptions

ENGINES = {
    "dask": {"executor": "dask", "jobs": 2},
    "slurm": {"executor": "slurm", "cluster": {"cluster": "local"}, "jobs": None},
    "devices": {"devices": ["0", "1"], "jobs": None},
}


def of_two_models(suite: Path, trees: Path, out: Path) -> BenchOptions:
    """A bench of two models and four runs."""
    return BenchOptions(
        str(suite),
        methods=["protonet", "supervised"],
        sources=["day"],
        targets=["day", "night"],
        data={name: trees / name for name in ("day", "night")},
        device="cpu",
        jobs=1,
        out=out,
    )


@pytest.fixture
def options(suite, trees, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # the number of threads sets the order of sums
    return of_two_models(suite, trees, tmp_path / "whole")


@pytest.fixture(scope="module")
def whole(trees, tmp_path_factory):
    """What one process finds, once for all engines."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "tiny.yaml").write_text(SUITE)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("OMP_NUM_THREADS", "1")
        patched.setattr(workers, "MOST_JOBS", 1)
        return results(of_two_models(folder / "tiny.yaml", trees, folder / "out"))


def results(options) -> pd.DataFrame:
    """Of a bench that is done with these options."""
    planned = plan(options)
    assert work(planned) == 0
    assert "5-way" in finish(planned)
    return numbers(options.out)


@pytest.mark.slow
@pytest.mark.parametrize("name", ENGINES)
def test_the_answers_are_those_of_one_process_also_if_one_dies(
    name, options, whole, tmp_path, monkeypatch, capfd
):
    job_of, variables = remote.job_of, dict(os.environ)
    if name != "slurm":
        monkeypatch.setattr(remote, "job_of", lambda *given: Once(job_of(*given), tmp_path))
    capfd.readouterr()
    other = replace(options, out=tmp_path / "elsewhere", **ENGINES[name])
    pd.testing.assert_frame_equal(results(other), whole)
    assert (tmp_path / "killed").exists() or name == "slurm"
    assert dict(os.environ) == variables
    printed = capfd.readouterr().out
    assert printed.count("protonet  day -> night") == 1 and "[4/4]" in printed, "each line once"
    if name == "devices":  # dask gives a job out again by itself
        assert "its process was killed, perhaps for want of memory; try --jobs 1" in printed
    left = [path.name for path in (other.out / "tiny" / ".locks").glob("worker-*")]
    assert not left and not list(other.out.rglob(".tmp*"))


@pytest.mark.slow
def test_two_processes_train_one_model_also_if_one_dies(options, tmp_path, monkeypatch, capfd):
    options, job_of = replace(options, methods=["maml"], targets=["day"]), remote.job_of
    whole = results(options)
    monkeypatch.setattr(remote, "job_of", lambda *given: Once(job_of(*given), tmp_path))
    two = replace(options, out=tmp_path / "two", devices=["0", "1"], devices_per_model=2, jobs=None)
    again = results(two)
    assert (tmp_path / "killed").exists() and "its job is given out again" in capfd.readouterr().out
    assert abs(again["accuracy"].mean() - whole["accuracy"].mean()) < 0.05
    weights, other = (
        load_file(sorted(out.glob("tiny/models/*/checkpoints/*"))[-1]) for out in (options.out, two.out)
    )
    for name, weight in weights.items():
        if "running" not in name:  # each counts the images that it sees
            torch.testing.assert_close(other[name], weight, rtol=1e-3, atol=1e-4)
    run = next(two.out.glob("tiny/runs/*/run.json"))
    assert json.loads(run.read_text())["environment"]["processes"] == 2
    assert not list(two.out.rglob(".tmp*")) and not list((two.out / "tiny" / ".locks").glob("worker-*"))


@pytest.mark.slow
def test_a_search_and_the_runs_that_it_decides_are_done_elsewhere(options, tmp_path):
    options = replace(options, methods=["protonet"], search=2)
    whole = results(options)
    pd.testing.assert_frame_equal(
        results(replace(options, out=tmp_path / "other", devices=["0", "1"])), whole
    )


class Done:
    """A job that is over, with an error or without."""

    def __init__(self, error=None):
        self.error = error

    def done(self):
        return True

    def exception(self):
        return self.error

    def cancel(self):
        pass


def given_to(options, monkeypatch, error):
    """How many runs fail, and how often jobs are given out, if each ends at once with `error`."""
    given = []

    def submit(job, models):
        given.extend(models)
        return [Done(error) for _ in models]

    monkeypatch.setattr(remote, "POLL", 0.0)
    monkeypatch.setattr("fer_meta.runner.main.engine", lambda options: Open(submit))
    return work(plan(options)), given


class Open:
    def __init__(self, submit):
        self.submit = submit

    def __enter__(self):
        return self.submit

    def __exit__(self, *_):
        pass


@pytest.mark.parametrize("error", [RuntimeError, ResultsError])
def test_a_job_that_dies_again_and_again_fails_its_runs_and_says_why(options, monkeypatch, capsys, error):
    failed, given = given_to(options, monkeypatch, error("node7 is down"))
    assert failed == 4 and len(given) == 2 * remote.TRIES
    assert "FAILED: its job ended (node7 is down)" in capsys.readouterr().err
    assert all((run / FAILED).exists() for run in folders(options.out / "tiny" / "runs").values())


def test_what_another_try_would_not_mend_is_not_tried_again(options, monkeypatch, capsys):
    failed, given = given_to(options, monkeypatch, FerMetaError("day: no such folder"))
    assert failed == 4 and len(given) == 2
    assert "day: no such folder" in capsys.readouterr().err


class FailsAgain(Done):
    """A job that begins a failed run again, and fails in it once more."""

    def __init__(self, folder: Path):
        super().__init__()
        self.folder, self.looks = folder, 0

    def done(self):
        self.looks += 1
        if self.looks == 1:
            (self.folder / FAILED).unlink()
        elif self.looks == 3:
            write_failure(self.folder, "as before")
        return self.looks >= 3


def test_a_run_that_failed_before_and_fails_again_has_failed(options, monkeypatch, capsys):
    options = replace(options, methods=["protonet"], targets=["day"])
    planned = plan(options)
    folder = planned.folder / "runs" / planned.runs[0].id
    write_failure(folder, "the first time")
    monkeypatch.setattr(remote, "POLL", 0.0)
    monkeypatch.setattr("fer_meta.runner.main.engine", lambda _: Open(lambda *_: [FailsAgain(folder)]))
    assert work(planned) == 1
    printed = capsys.readouterr()
    assert "FAILED: as before" in printed.err and "the first time" not in printed.err


def test_what_a_disk_shows_late_is_waited_for(options, monkeypatch):
    assert work(plan(options)) == 0
    planned, looks, given = plan(options), iter(range(1000)), []
    seen = type(planned.bench).is_done
    monkeypatch.setattr(type(planned.bench), "is_done", lambda *of: next(looks) > 40 and seen(*of))
    monkeypatch.setattr(remote, "POLL", 0.0)

    def submit(job, models):
        given.extend(models)
        return [Done() for _ in models]

    monkeypatch.setattr("fer_meta.runner.main.engine", lambda _: Open(submit))
    assert work(planned) == 0 and len(given) == 2
    assert not list(planned.folder.glob(f"runs/*/{FAILED}"))


def test_silent_jobs_side_by_side_leave_the_streams_as_they_were():
    before = sys.stdout
    job = remote.Silent(lambda model: print(model) or time.sleep(0.01))
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(job, "x") for _ in range(40)]
    assert not [one.exception() for one in done if one.exception()]
    assert sys.stdout is before and not sys.stdout.closed


def test_a_process_that_goes_on_does_not_remember_a_failure(options, monkeypatch):
    planned = plan(options)
    model, job = planned.runs[0].model.id, remote.job_of(options, "cpu")
    with monkeypatch.context() as patched:
        patched.setattr("fer_meta.training.loop.train_step", lambda *_: 1 / 0)
        job(model)
    job(model)
    assert [planned.bench.is_done(run) for run in planned.runs] == [True, True, False, False]


def test_slurm_gets_an_array_with_a_time_limit_whose_tasks_are_queued_again(options, tmp_path, monkeypatch):
    """What is handed to sbatch, by programs in its place."""
    (tmp_path / "bin").mkdir()
    for name, does in {
        "srun": "true",
        "sbatch": f'cp "$1" {tmp_path}/script; echo Submitted batch job 7',
    }.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    cluster = {"slurm_partition": "gpu", "gpus_per_node": 1}
    there = replace(options, executor="slurm", jobs=None, cluster=cluster)
    with engine(there) as submit:
        futures = submit(Seen(tmp_path), ["a", "b", "c"])
    script = (tmp_path / "script").read_text()
    for said in ("--array=0-2", "--time=60", "--partition=gpu", "--gpus-per-node=1"):
        assert f"#SBATCH {said}" in script
    task = DelayedSubmission.load(futures[0].paths.submitted_pickle)
    assert [job.job_id for job in futures] == ["7_0", "7_1", "7_2"]
    assert task._timeout_countdown == slurm.MOST_TIMEOUTS and callable(task.function.checkpoint)


def test_without_slurm_nothing_begins_on_this_machine(options):
    said = pytest.raises(FerMetaError, match="--executor slurm: .*; correct --cluster")
    with said, engine(replace(options, executor="slurm", jobs=None)):
        pass


def test_a_process_that_cannot_begin_fails_its_job_and_holds_up_no_other(options, tmp_path, monkeypatch):
    def refuse(self):
        raise OSError("no memory for a process")

    with engine(replace(options, devices=["0"], jobs=None)) as submit:
        with monkeypatch.context() as patched:
            patched.setattr("multiprocessing.context.SpawnProcess.start", refuse)
            assert "no memory" in str(submit(Seen(tmp_path), ["a"])[0].exception())
        assert submit(Seen(tmp_path), ["b"])[0].exception() is None


def test_a_machine_whose_data_differ_does_not_train(options, trees, tmp_path):
    job = remote.job_of(options, "cpu")
    folder = Path.cwd()
    with pytest.raises(FerMetaError, match="the plan made here has no model protonet-day-seed0-00000000"):
        job("protonet-day-seed0-00000000")
    assert Path.cwd() == folder and not options.out.exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"scheduler": "tcp://node1:8786"}, "--scheduler is of dask"),
        ({"cluster": {"timeout_min": 5}}, "--cluster is of a cluster"),
        ({"executor": "dask", "scheduler": "tcp://node1:8786", "cluster": {"n_workers": 2}}, "give one"),
        ({"executor": "slurm", "devices": ["0"]}, "give one of them"),
        ({"executor": "slurm", "jobs": 2}, "the cluster says how many"),
        ({"devices": ["0", "1"], "devices_per_model": 3}, "needs as many --devices"),
    ],
)
def test_options_that_would_do_nothing_are_refused(given, said):
    with pytest.raises(SuiteError, match=said):
        BenchOptions("cross-domain", **given)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--shard", "3/2"], "'3/2' is no part such as 1/4"),
        (["--shard", "0/2"], "'0/2' is no part"),
        (["--devices", "x"], "'x' is no number of GPUs"),
        (["--devices", ","], "',' is no number of GPUs"),
        (["--devices", "0"], "'0' is no number of GPUs (1 to 64) and no list (0,1; one: 0,)"),
        (["--cluster", "timeout_min"], "give KEY=VALUE"),
        (["--cluster", "a=1", "--cluster", "a=2"], "a setting is given twice"),
        (["--scheduler", "tcp://node1:8786"], "--scheduler is of dask"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(words, said):
    result = CliRunner().invoke(main, ["bench", "--suite", "cross-domain", *words])
    assert result.exit_code == 2 and said in result.output and "Traceback" not in result.output


def test_a_process_calls_its_only_device_the_first():
    options = BenchOptions("cross-domain", device="cuda:1", devices=["1", "3"])
    assert remote.job_of(options, "cuda").options.device == "cuda"
    assert remote.job_of(replace(options, devices=None), "cuda").options.device == "cuda:1"


@pytest.mark.slow
def test_a_scheduler_without_workers_is_waited_for_with_a_line(options, capsys):
    with LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        with engine(replace(options, executor="dask", jobs=None, scheduler=address)):
            pass
    assert f"{address} has no worker yet; waiting for one: dask worker {address}" in capsys.readouterr().out


@pytest.mark.parametrize(("jobs", "used"), [(None, {"0 4", "MIG-1 4"}), (1, {"0 8"})])
def test_each_process_sees_its_own_device_alone_and_has_its_share_of_the_cores(
    options, tmp_path, monkeypatch, jobs, used
):
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr("joblib.cpu_count", lambda: 8)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 16)
    with engine(replace(options, devices=["0", "MIG-1"], jobs=jobs)) as submit:
        for future in submit(Seen(tmp_path), ["a", "b", "c", "d"]):
            assert future.exception() is None
    assert {(tmp_path / model).read_text() for model in "abcd"} == used


@pytest.mark.parametrize("name", ["dask", "slurm"])
def test_an_engine_that_is_not_installed_is_named_with_what_installs_it(name, options, monkeypatch):
    package = {"dask": "distributed", "slurm": "submitit"}[name]
    monkeypatch.delitem(sys.modules, f"fer_meta.runner.executors.{name}", raising=False)
    monkeypatch.delattr(executors, name, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    said = pytest.raises(FerMetaError, match=rf"pip install 'fer-meta\[{name}\]'")
    with said, engine(replace(options, executor=name, jobs=None)):
        pass


def test_a_team_needs_fabric_and_says_what_installs_it(options, monkeypatch):
    monkeypatch.setattr("fer_meta.runner.executors.engines.find_spec", lambda name: None)
    said = pytest.raises(FerMetaError, match=r"pip install 'fer-meta\[fabric\]'")
    with said, engine(replace(options, devices=["0", "1"], devices_per_model=2, jobs=None)):
        pass


@pytest.mark.slow
def test_shards_together_are_the_whole(options, tmp_path, capsys):
    whole = results(replace(options, seeds=[0, 1]))
    parts = replace(options, out=tmp_path / "parts", seeds=[0, 1])
    models = []
    for number in (1, 2, 3):
        planned = plan(replace(parts, shard=(number, 3)))
        before = set(folders(parts.out / "tiny" / "models")) if parts.out.exists() else set()
        assert work(planned) == 0
        models.append(set(folders(parts.out / "tiny" / "models")) - before)
    assert sorted(map(len, models)) == [1, 1, 2], "no model twice, and as even as can be"
    finish(plan(parts))
    pd.testing.assert_frame_equal(numbers(parts.out), whole)


@pytest.mark.slow
def test_shards_divide_a_search_alike_whatever_is_decided(options, tmp_path):
    options = replace(options, methods=["protonet"], search=2)
    halves = [replace(options, shard=(number, 2)) for number in (1, 2)]
    for half in halves:
        assert work(plan(half)) == 0
    assert not finished(options), "the first could not know what the second found"
    assert work(plan(halves[0])) == 0
    assert finished(options)


def finished(options) -> bool:
    planned = decided(plan(options))
    return len(planned.runs) == 2 and all(map(planned.bench.is_done, planned.runs))
