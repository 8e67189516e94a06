"""`--track` and `fer-meta track`: what TensorBoard, MLflow and W&B then hold, read back by their own clients,
and that no training notices.
"""

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from helpers.tiny_bench import numbers

import fer_meta
from fer_meta import tracking
from fer_meta.cli.main import main
from fer_meta.commands import with_extra
from fer_meta.records.history import read_history
from fer_meta.runner.locks import LOCKS, held

ONE = ("--algorithms", "protonet", "--sources", "day", "--targets", "night")
CURVES = {"loss": "loss", "train_accuracy": "train_accuracy", "val_accuracy/protonet": "val_accuracy"}


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    """What trackers write where the user is lies in the test's folder, where the process that tracks finds
    fer-meta too, and nothing leaves the machine.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(fer_meta.__file__).parents[1]))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")


@pytest.fixture
def results(bench, tmp_path):
    """The folder of a finished bench of one training."""
    assert bench(*ONE).exit_code == 0
    return tmp_path / "results" / "tiny"


def track(folder, *words, status=0):
    done = CliRunner().invoke(main, ["track", str(folder), "--to", *words], input="")
    assert done.exit_code == status, done.output
    return done.output


def model_of(folder):
    [model] = (folder / "models").iterdir()
    return model


def logged(folder):
    """Step -> name -> value, of the training's own log."""
    return {
        row["step"]: {
            name: row[key]["protonet"] if key == "val_accuracy" else row[key]
            for name, key in CURVES.items()
            if key in row
        }
        for row in read_history(model_of(folder))
    }


def by_step(curves):
    """The same of curves, name -> [(step, value)]. Fails if a step comes twice."""
    found = {}
    for name, points in curves.items():
        assert len({step for step, _ in points}) == len(points)
        for step, value in points:
            found.setdefault(step, {})[name] = value
    return found


def in_tensorboard(folder, curves=CURVES):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    there = accumulators.EventAccumulator(str(folder / "tensorboard" / model_of(folder).name)).Reload()
    return {name: [(one.step, one.value) for one in there.Scalars(name)] for name in curves}


def run_in_mlflow(name):
    client = pytest.importorskip("mlflow").MlflowClient()
    experiment = client.get_experiment_by_name("fer-meta").experiment_id
    [run] = [run for run in client.search_runs([experiment]) if run.info.run_name == name]
    curves = {
        key: [(one.step, one.value) for one in client.get_metric_history(run.info.run_id, key)]
        for key in CURVES
    }
    return run, curves


def in_two_parts(folder, tracker):
    """Track the first half of a training, then all of it, as after a process that was killed before it noted
    what it had sent.
    """
    home = model_of(folder)
    whole, done = (home / "history.jsonl").read_text(), home / "DONE"
    lines = whole.splitlines(keepends=True)
    runs = list((folder / "runs").iterdir())
    for run in runs:
        (run / "DONE").rename(run / "done")
    (home / "history.jsonl").write_text("".join(lines[: len(lines) // 2]))
    done.rename(home / "done")
    track(folder, tracker)
    note = folder / ".tracking" / f"{tracker}.json"
    state = json.loads(note.read_text())
    assert state["runs"][home.name]["step"] == json.loads(lines[len(lines) // 2 - 1])["step"]
    state["runs"][home.name]["step"] = -1
    note.write_text(json.dumps(state))
    (home / "history.jsonl").write_text(whole)
    (home / "done").rename(done)
    for run in runs:
        (run / "done").rename(run / "DONE")
    track(folder, tracker)


def test_a_bench_is_tracked_while_it_trains_and_its_numbers_are_those_without(bench, tmp_path):
    pytest.importorskip("tensorboard")
    done = bench(*ONE, "--track", "tensorboard")
    assert done.exit_code == 0, done.output
    assert bench(*ONE, out="other").exit_code == 0
    pd.testing.assert_frame_equal(numbers(tmp_path / "results"), numbers(tmp_path / "other"))
    folder = tmp_path / "results" / "tiny"
    found, own = by_step(in_tensorboard(folder)), logged(folder)
    assert found.keys() == own.keys()
    assert all(found[step] == pytest.approx(own[step]) for step in own)
    table = pd.read_csv(folder / "table.csv").set_index(["readout", "shots", "selection"])
    name = "accuracy/night/2-shot/protonet/source-val"
    [(_, value)] = in_tensorboard(folder, [name])[name]
    assert value == pytest.approx(table.accuracy["protonet", 2, "source-val"], abs=1e-6)
    assert (folder / "tensorboard" / "tiny").is_dir()  # the tables of the bench
    assert "--track" not in json.loads((folder / "plan.json").read_text())["command"]


def test_a_training_that_was_resumed_has_each_step_once_in_tensorboard(results):
    pytest.importorskip("tensorboard")
    in_two_parts(results, "tensorboard")
    assert by_step(in_tensorboard(results)).keys() == logged(results).keys()


def test_mlflow_holds_settings_curves_and_results_and_each_step_once(results):
    pytest.importorskip("mlflow")
    pytest.importorskip("alembic")
    in_two_parts(results, "mlflow")
    run, curves = run_in_mlflow(model_of(results).name)
    found, own = by_step(curves), logged(results)
    assert all(found[step] == pytest.approx(own[step]) for step in own) and found.keys() == own.keys()
    assert run.info.status == "FINISHED"
    assert run.data.params["source"] == "day" and run.data.params["seed"] == "0"
    assert {"lr", "steps", "backbone", "suite", "command"} <= run.data.params.keys()
    table = pd.read_csv(results / "table.csv").set_index(["readout", "shots", "selection"])
    assert run.data.metrics["accuracy/night/2-shot/protonet/source-val"] == pytest.approx(
        table.accuracy["protonet", 2, "source-val"]
    )
    bench, _ = run_in_mlflow("tiny")
    metric = bench.data.metrics["ci95/day to night/2-shot/protonet/source-val"]
    assert metric == pytest.approx(table.ci95["protonet", 2, "source-val"], abs=1e-6)


def test_wandb_offline_holds_settings_curves_and_results(results):
    pytest.importorskip("wandb")
    track(results, "wandb")
    name = model_of(results).name
    runs = [records(path) for path in sorted((results / "wandb").glob("offline-run-*/*.wandb"))]
    [run] = [run for run in runs if any(one.run.display_name == name for one in run)]
    steps = {
        one.history.step.num: {
            (item.key or "/".join(item.nested_key)): json.loads(item.value_json) for item in one.history.item
        }
        for one in run
        if one.WhichOneof("record_type") == "history"
    }
    own = logged(results)
    assert steps.keys() == own.keys()
    assert all({name: steps[step][name] for name in own[step]} == pytest.approx(own[step]) for step in own)
    summary = {(item.key or "/".join(item.nested_key)) for one in run for item in one.summary.update}
    assert "accuracy/night/2-shot/protonet/source-val" in summary


def records(path):
    """The records of a .wandb file: blocks of 32 KiB, each of chunks (checksum, length, kind), as LevelDB
    writes its logs.
    """
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, parts, found = path.read_bytes(), 7, b"", []
    while place + 7 <= len(data):
        if (left := -place % 32768) < 7 and left:
            place += left
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            found.append(Record.FromString(parts))
            parts = b""
    return found


def test_what_was_sent_is_not_sent_again(results):
    pytest.importorskip("tensorboard")
    track(results, "tensorboard")
    before = sorted((results / "tensorboard").rglob("*"))
    track(results, "tensorboard", "--follow")
    assert sorted((results / "tensorboard").rglob("*")) == before


def test_a_tracker_that_fails_is_one_line_and_the_bench_goes_on(bench, tmp_path, capfd):
    pytest.importorskip("tensorboard")
    folder = tmp_path / "results" / "tiny"
    folder.mkdir(parents=True)
    (folder / "tensorboard").write_text("a file where a folder is needed")
    done = bench(*ONE, "--track", "tensorboard")
    assert done.exit_code == 0 and (folder / "table.csv").exists()
    [line] = [line for line in capfd.readouterr().err.splitlines() if "tensorboard" in line]
    assert "the bench goes on" in line and f"fer-meta track {folder} --to tensorboard" in line
    assert "tensorboard: " in track(folder, "tensorboard", status=1)


@pytest.mark.parametrize("tracker", tracking.TRACKERS)
def test_a_missing_package_is_said_before_anything_runs(bench, tmp_path, monkeypatch, tracker):
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    done = bench(*ONE, "--track", tracker)
    assert done.exit_code == 2 and with_extra(tracker) in done.output
    assert not (tmp_path / "results").exists()


def test_one_process_at_a_time_sends_a_folder(results):
    pytest.importorskip("tensorboard")
    with held(results / LOCKS / "track-tensorboard"):
        assert "another process" in track(results, "tensorboard", status=2)
        track(results, "tensorboard", "--follow")  # ends with its input
    assert not (results / "tensorboard").exists()


def test_a_folder_without_results_is_one_line(tmp_path):
    assert "no plan.json" in track(tmp_path, "wandb", status=2)
