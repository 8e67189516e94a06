"""The bench from the command line, on drawn faces: plan, runs, interruption, failure, report."""

import json
import os
import signal
import subprocess
import sys

import pandas as pd
import pytest
from click.testing import CliRunner
from helpers.tiny_bench import SUITE, folders, numbers

from fer_meta.cli.main import main
from fer_meta.runner import run as one_run
from fer_meta.training import checkpoints, loop

pytestmark = pytest.mark.numeric


@pytest.mark.slow
def test_a_bench_ends_with_every_file_of_a_run_and_a_table(bench, tmp_path):
    result = bench()
    assert result.exit_code == 0, result.output
    out = tmp_path / "results" / "tiny"
    plan = json.loads((out / "plan.json").read_text())
    assert len(plan["runs"]) == 4 * 4 and {r["source"] for r in plan["runs"]} == {"day", "night"}
    for run in plan["runs"]:
        files = set(os.listdir(out / "runs" / run["id"]))
        assert files == {"run.json", "predictions.parquet", "DONE"}
        told = json.loads((out / "runs" / run["id"] / "run.json").read_text())
        assert (
            told["protocol"]["batchnorm"] == "eval"
            and told["test_images"] > 0
            and told["copies_removed"] == 0
        )
        assert set(told["selected"]) == {"source-val", "last", "oracle"}
        assert all(told["selected"].values())
        assert all((out / path).exists() for path in told["episodes"].values())
        model = set(os.listdir(out / "models" / run["model"]))
        assert model == {"model.json", "history.jsonl", "checkpoints", "DONE"}
    table = pd.read_csv(out / "table.csv")
    assert set(table["readout"]) == {
        "protonet", "relationnet", "fomaml", "supervised-head", "supervised-ncm", "supervised-probe"
    }  # fmt: skip
    assert (
        table["accuracy"].between(0, 1).all()
        and (table["chance"] == 0.2).all()
        and (table["episodes"] == 12).all()
    )
    assert "ProtoNet" in result.output
    assert (
        CliRunner().invoke(main, ["report", "--suite", "tiny", "--out", str(tmp_path / "results")]).exit_code
        == 0
    )


@pytest.mark.slow
def test_every_method_is_scored_on_the_same_episodes_whatever_its_seed(bench, tmp_path):
    assert bench("--seeds", "2", "--algorithms", "protonet,supervised").exit_code == 0
    runs = folders(tmp_path / "results" / "tiny" / "runs")
    hashes = {}
    for path in runs.values():
        told = json.loads((path / "run.json").read_text())
        hashes.setdefault(told["target"], set()).add(json.dumps(told["identity"]["episodes"]))
    assert len(runs) == 2 * 2 * 2 * 2 and all(len(found) == 1 for found in hashes.values())


@pytest.mark.slow
def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(bench, tmp_path):
    for out, seeds in (("a", "0,1"), ("b", "0,1")):
        assert (
            bench("--algorithms", "protonet,maml", "--seeds", seeds, out=out, domains=("day",)).exit_code == 0
        )
    a, b = numbers(tmp_path / "a"), numbers(tmp_path / "b")
    pd.testing.assert_frame_equal(a, b)
    zero, one = (a[a["run"].str.contains(seed)]["accuracy"].to_numpy() for seed in ("seed0", "seed1"))
    assert len(zero) == len(one) and not (zero == one).all()


def test_a_training_that_did_not_learn_is_said_as_it_ends_and_flagged_in_the_table(bench, suite, tmp_path):
    suite.write_text(SUITE.replace("supervised: {steps: 4, ", "supervised: {steps: 30, lr: 1.0e-9, "))
    result = bench("--algorithms", "protonet,supervised", domains=("day",))
    lines = [line for line in result.output.splitlines() if "did not learn: training accuracy" in line]
    # the other's few steps are not judged
    assert [line.split()[1].split("-")[0] for line in lines] == ["supervised"]
    told = {
        path.name.split("-")[0]: json.loads((path / "run.json").read_text())
        for path in (tmp_path / "results" / "tiny" / "runs").iterdir()
    }
    assert told["protonet"]["training_chance"] == 0.2 and 1 / 7 <= told["supervised"]["training_chance"] < 1
    text = " ".join(result.output.split())
    assert (
        "† Supervised, trained on day, seed 0: training accuracy" in text
        and "It is not judged whether 1 of the 2 trainings learned" in text
    )


def test_a_finished_run_is_not_done_again(bench, tmp_path, monkeypatch):
    assert bench("--algorithms", "protonet").exit_code == 0
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "results" / "tiny" / "runs").rglob("*")}

    def trained_again(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr(loop, "fit", trained_again)
    monkeypatch.setattr(one_run, "answer_episodes", trained_again)
    result = bench("--algorithms", "protonet")
    assert result.exit_code == 0 and "4 of 4 runs are done" in result.output
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "results" / "tiny" / "runs").rglob("*")}


def test_a_new_target_costs_an_evaluation_and_no_training(bench, tmp_path, monkeypatch):
    assert bench("--algorithms", "protonet", domains=("day",)).exit_code == 0
    fitted = []
    fit = loop.fit
    monkeypatch.setattr(loop, "fit", lambda *a, **k: fitted.append(a) or fit(*a, **k))
    assert bench("--algorithms", "protonet").exit_code == 0
    assert len(fitted) == 1  # night's own; day's stands already


@pytest.mark.slow
def test_an_interrupted_training_ends_with_the_numbers_of_one_never_interrupted(bench, tmp_path, monkeypatch):
    assert bench("--algorithms", "protonet,supervised", out="whole").exit_code == 0
    save, count = checkpoints.save, []

    def save_then_interrupt(*arguments):
        save(*arguments)
        count.append(1)
        if len(count) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "save", save_then_interrupt)
    stopped = bench("--algorithms", "protonet,supervised", out="cut")
    assert stopped.exit_code == 130 and "the same command goes on" in stopped.output
    monkeypatch.setattr(checkpoints, "save", save)
    assert bench("--algorithms", "protonet,supervised", out="cut").exit_code == 0
    pd.testing.assert_frame_equal(numbers(tmp_path / "whole"), numbers(tmp_path / "cut"))
    histories = [
        [
            {k: v for k, v in json.loads(line).items() if "seconds" not in k}
            for line in p.read_text().splitlines()
        ]
        for out in ("whole", "cut")
        for p in sorted((tmp_path / out / "tiny" / "models").glob("*/history.jsonl"))
    ]
    assert histories[: len(histories) // 2] == histories[len(histories) // 2 :]


HASTY = """
import sys
from fer_meta.runner import estimate
from fer_meta.cli.main import main
estimate.TIMED_SECONDS = 0.0  # as conftest.py has it
main(sys.argv[1:])
"""
KILLED = (
    """
import os, signal
from fer_meta.training import checkpoints, loop
save = checkpoints.save
def save_then_kill(*arguments):
    save(*arguments)
    os.kill(os.getppid(), signal.SIGKILL)
    signal.pause()
checkpoints.save = save_then_kill
"""
    + HASTY
)


@pytest.mark.slow
def test_a_killed_process_leaves_nothing_half_written_and_resumes(suite, trees, without_plots, tmp_path):
    """SIGKILL in the middle of a training, as a batch system does it: the worker that trains ends with the
    bench.
    """
    words = [
        "bench",
        "--suite",
        str(suite),
        "--data",
        f"day={trees / 'day'}",
        "--algorithms",
        "protonet",
        "--device",
        "cpu",
    ]
    command = [*words, "--jobs", "2", "--out", str(tmp_path / "results")]
    models = tmp_path / "results" / "tiny" / "models"
    killed = subprocess.run([sys.executable, "-c", KILLED, *command], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(list(models.glob("*/checkpoints/step-*.safetensors"))) == 1 and not list(models.glob("*/DONE"))
    again = subprocess.run([sys.executable, "-c", HASTY, *command], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "gym" not in (again.stdout + again.stderr).lower()
    steps = [
        json.loads(line)["step"] for line in next(models.glob("*/history.jsonl")).read_text().splitlines()
    ]
    assert steps == sorted(set(steps)) and steps[-1] == 6
    whole = CliRunner().invoke(main, [*words, "--jobs", "1", "--out", str(tmp_path / "whole")])
    assert whole.exit_code == 0, whole.output
    pd.testing.assert_frame_equal(numbers(tmp_path / "whole"), numbers(tmp_path / "results"))


def test_a_failed_run_does_not_stop_the_others_and_is_tried_again(bench, tmp_path, monkeypatch):
    fit = loop.fit

    def fail_for_maml(method, *arguments, **options):
        if type(method).__module__.endswith("maml"):
            raise RuntimeError("the device is on fire")
        return fit(method, *arguments, **options)

    monkeypatch.setattr(loop, "fit", fail_for_maml)
    result = bench("--algorithms", "maml,protonet", domains=("day",))
    assert result.exit_code == 1 and "the device is on fire" in result.output
    runs = folders(tmp_path / "results" / "tiny" / "runs")
    failed = next(path for name, path in runs.items() if name.startswith("maml"))
    assert (
        "on fire" in json.loads((failed / "FAILED.json").read_text())["error"]
        and not (failed / "DONE").exists()
    )
    assert all((path / "DONE").exists() for name, path in runs.items() if name.startswith("protonet"))
    monkeypatch.setattr(loop, "fit", fit)
    assert bench("--algorithms", "maml,protonet", domains=("day",)).exit_code == 0
    assert (failed / "DONE").exists() and not (failed / "FAILED.json").exists()


def test_a_transductive_bench_runs_and_says_so(suite, bench, tmp_path):
    suite.write_text(SUITE.replace("  way: 5\n", "  way: 5\n  batchnorm: batch\n"))
    assert bench("--algorithms", "protonet,maml", domains=("day",)).exit_code == 0
    assert "transductive" in (tmp_path / "results" / "tiny" / "table.md").read_text()


@pytest.mark.parametrize("error", [
    OSError(28, "No space left on device"),
    RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),  # safetensors
])  # fmt: skip
def test_a_full_disk_stops_the_bench_with_one_line(bench, monkeypatch, error):
    def full(*_):
        raise error

    monkeypatch.setattr(checkpoints, "save", full)
    result = bench("--algorithms", "protonet", domains=("day",))
    assert result.exit_code == 1 and "no space left" in result.output and "Traceback" not in result.output


def test_a_dry_run_prints_the_plan_and_writes_no_results(bench, tmp_path):
    result = bench("--dry-run")
    assert result.exit_code == 0, result.output
    assert "16 runs" in result.output and "maml  day -> night" in result.output and "to go" in result.output
    assert "train 120 images of 5 classes" in result.output
    assert not (tmp_path / "results").exists()


def test_identities_hold_science_and_no_paths(bench, trees, tmp_path):
    import shutil

    assert bench("--algorithms", "protonet", domains=("day",)).exit_code == 0
    shutil.copytree(trees / "day", tmp_path / "elsewhere")
    moved = CliRunner().invoke(main, [
        "bench", "--suite", str(tmp_path / "tiny.yaml"), "--data", f"day={tmp_path / 'elsewhere'}",
        "--algorithms", "protonet", "--out", str(tmp_path / "other")])  # fmt: skip
    assert moved.exit_code == 0
    assert set(folders(tmp_path / "other/tiny/runs")) == set(folders(tmp_path / "results/tiny/runs"))
    run = next(iter(folders(tmp_path / "results/tiny/runs").values()))
    assert str(tmp_path) not in (run / "run.json").read_text()


@pytest.mark.parametrize("algorithm, config, expected", [
    ("protonet", "{steps: 60, validations: 2}", 0.6),
    ("relationnet", "{steps: 100, validations: 2}", 0.5),
    pytest.param(
        "maml",
        "{steps: 40, batch: 2, validations: 1, inner_steps: 2, inner_lr: 0.05, first_order: true}",
        0.5,
        marks=pytest.mark.slow,
    ),
    ("supervised", "{steps: 60, validations: 2, batch: 32, backbone: conv4}", 0.6),
])  # fmt: skip
def test_a_method_learns_drawn_expressions(
    suite, trees, without_plots, tmp_path, algorithm, config, expected
):
    """Far above chance (0.2) after seconds of training, or something is broken that shapes and losses do not
    show.
    """
    suite.write_text(
        SUITE.split("algorithms:")[0] + f"algorithms:\n  {algorithm}: {config}\npresets: {{quick: {{}}}}\n"
    )
    result = CliRunner().invoke(main, ["bench", "--suite", str(suite), "--data", f"day={trees / 'day'}",
                                       "--out", str(tmp_path / "results")])  # fmt: skip
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "results" / "tiny" / "table.csv")
    table = table[(table["shots"] == 2) & (table["selection"] == "source-val")]
    assert table["accuracy"].min() > expected


# --- the command line -------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, words", [
    (["--algorithms", "protonets"], "has no method 'protonets'"),
    (["--seeds", "two"], "is not a number of seeds"),
    (["--budget", "images=0"], "'images=0' is no budget; give images=225000 or seconds=600"),
    (["--device", "tpu9"], "--device tpu9 cannot be used"),
    (["--domains", "nowhere"], "nowhere"),
    (["--domains", "synthetic-studio,synthetic-wild@7"], "synthetic-wild@7: '7' is not a severity"),
    (["--domains", "day,synthetic-moon"], "synthetic-moon: not a rendered data set"),
    (["--sources", "dusk"], "trains on 'dusk', which is not among the domains (day, night)"),
    (["--preset", "full"], "no preset 'full'"),
    (["--algorithms", "protonet", "--weights", "imagenet"], "--weights: nobody publishes weights of conv4"),
])  # fmt: skip
def test_a_wrong_option_is_answered_in_a_line_and_with_status_2(bench, arguments, words):
    result = bench(*arguments)
    assert result.exit_code == 2 and words in result.output and "Traceback" not in result.output


def test_help_imports_nothing_slow():
    code = (
        "import sys; from fer_meta.cli.main import main; main(['--help'], standalone_mode=False); "
        "sys.exit(any(m in sys.modules for m in ('torch', 'pandas', 'numpy', 'learn2learn', 'matplotlib')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "bench" in done.stdout and "report" in done.stdout


def test_reporting_without_results_says_what_to_run(tmp_path):
    result = CliRunner().invoke(main, ["report", "--out", str(tmp_path)])
    assert result.exit_code == 2 and "fer-meta bench" in result.output


def test_the_report_of_a_suite_file_is_found_by_that_file(tmp_path):
    suite = tmp_path / "any.yaml"
    suite.write_text("name: mine\nextends: within\n")
    result = CliRunner().invoke(main, ["report", "--suite", str(suite), "--out", str(tmp_path / "out")])
    assert f"{tmp_path / 'out' / 'mine'}: no results of mine" in result.output
