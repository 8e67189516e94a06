"""Bad days of a bench: damaged and missing files, a full disk, a method that fails early, a reader that
leaves, a process that is ended.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from types import SimpleNamespace

import pandas as pd
import pytest
from click.testing import CliRunner
from helpers.tiny_bench import SUITE, folders, numbers

from fer_meta.cli.main import main
from fer_meta.errors import FerMetaError
from fer_meta.evaluation import features
from fer_meta.methods import protonet
from fer_meta.records.answers import ANSWERS
from fer_meta.records.history import read_history
from fer_meta.records.seals import broken_seal
from fer_meta.runner import estimate
from fer_meta.runner.estimate import UNTIMED, Cost
from fer_meta.runner.executors.outcomes import accuracies_of
from fer_meta.runner.failing import in_one_line
from fer_meta.runner.progress import how_long
from fer_meta.training import checkpoints, loop

ONLY = ("--algorithms", "protonet")


@pytest.fixture(scope="session")
def finished(trees, tmp_path_factory):
    """The results of a bench of one model and one run."""
    out = tmp_path_factory.mktemp("finished")
    (out / "tiny.yaml").write_text(SUITE)
    words = [
        "bench",
        "--suite",
        str(out / "tiny.yaml"),
        "--data",
        f"day={trees / 'day'}",
        *ONLY,
        "--device",
        "cpu",
        "--jobs",
        "1",
    ]
    assert CliRunner().invoke(main, [*words, "--out", str(out / "results")]).exit_code == 0
    return out / "results"


@pytest.fixture
def done(finished, tmp_path):
    """A finished bench: its one model's folder, its one run's, and its numbers. What says that it is finished
    is gone: it is looked at.
    """
    shutil.copytree(finished, tmp_path / "results")
    out = tmp_path / "results" / "tiny"
    (out / "finished.json").unlink()
    (model,), (run,) = folders(out / "models").values(), folders(out / "runs").values()
    return model, run, numbers(tmp_path / "results")


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def turn_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


def remove(path):
    path.unlink()


@pytest.mark.parametrize(("file", "harm"), [
    ("predictions.parquet", turn_a_byte), ("predictions.parquet", remove), ("run.json", cut), ("DONE", cut),
])  # fmt: skip
def test_a_damaged_run_is_done_anew_and_said(bench, tmp_path, done, file, harm):
    _, run, before = done
    harm(run / file)
    assert "it will be done again" in bench(*ONLY, "--dry-run", domains=("day",)).output
    again = bench(*ONLY, domains=("day",))
    assert (
        again.exit_code == 0
        and f"run {run.name}: {file}" in again.output
        and "it is done again" in again.output
    )
    assert broken_seal(run) is None
    pd.testing.assert_frame_equal(numbers(tmp_path / "results"), before)


@pytest.mark.parametrize(("file", "harm"), [
    ("history.jsonl", remove), ("checkpoints/step-000006.safetensors", remove),
    ("checkpoints/step-000006.safetensors", turn_a_byte),
])  # fmt: skip
def test_a_damaged_model_is_trained_anew_when_it_is_needed(bench, tmp_path, done, file, harm):
    model, run, before = done
    harm(model / file)
    (run / "DONE").unlink()
    again = bench(*ONLY, domains=("day",))
    assert (
        again.exit_code == 0
        and f"model {model.name}: {file}" in again.output
        and "it is trained again" in again.output
    )
    assert checkpoints.damage(model) is None
    pd.testing.assert_frame_equal(numbers(tmp_path / "results"), before)


def test_deleted_checkpoints_cost_a_training_only_when_another_target_needs_them(bench, done):
    model, _, _ = done
    shutil.rmtree(model / "checkpoints")
    assert "trained again" not in bench(*ONLY, domains=("day",)).output
    another = bench(*ONLY, "--sources", "day")
    assert another.exit_code == 0 and "checkpoints" in another.output and "trained again" in another.output


@pytest.fixture
def stopped(bench, tmp_path, monkeypatch):
    """The folder of a model whose training was interrupted at its second checkpoint of three."""
    save = checkpoints.save

    def save_then_stop(folder, method, optimiser, step, history):
        save(folder, method, optimiser, step, history)
        if step == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "save", save_then_stop)
        assert bench(*ONLY, domains=("day",)).exit_code == 130
    (model,) = folders(tmp_path / "results" / "tiny" / "models").values()
    return model


@pytest.mark.parametrize(
    ("file", "harm"),
    [("resume.pt", turn_a_byte), ("resume.pt", empty), ("checkpoints/step-000002.safetensors", remove)],
)
def test_an_interrupted_training_that_was_damaged_begins_anew(bench, tmp_path, finished, stopped, file, harm):
    harm(stopped / file)
    again = bench(*ONLY, domains=("day",))
    assert (
        again.exit_code == 0
        and f"model {stopped.name}: " in again.output
        and "it is trained again" in again.output
    )
    pd.testing.assert_frame_equal(numbers(tmp_path / "results"), numbers(finished))


def test_a_lost_history_of_an_interrupted_training_changes_no_pick(bench, tmp_path, finished, stopped):
    """`history.jsonl` is for readers: the training goes on from what its resume state knows."""
    (stopped / "history.jsonl").unlink()
    assert bench(*ONLY, domains=("day",)).exit_code == 0
    assert [row["step"] for row in read_history(stopped)] == [1, 2, 3, 4, 5, 6]
    pd.testing.assert_frame_equal(numbers(tmp_path / "results"), numbers(finished))


def test_a_damaged_plan_is_written_again_by_the_bench(bench, tmp_path, done):
    plan = tmp_path / "results" / "tiny" / "plan.json"
    whole = plan.read_text()
    assert bench(*ONLY, domains=("day",)).exit_code == 0  # now `finished.json` says that all is there
    turn_a_byte(plan)
    assert bench(*ONLY, domains=("day",)).exit_code == 0
    assert json.loads(plan.read_text())["runs"] == json.loads(whole)["runs"]


def test_damaged_episodes_are_written_again(bench, tmp_path, done):
    paths = sorted((tmp_path / "results" / "tiny" / "episodes").glob("*.parquet"))
    whole = [path.read_bytes() for path in paths]
    for harm, path in zip((empty, turn_a_byte), paths, strict=True):
        harm(path)
    assert bench(*ONLY, domains=("day",)).exit_code == 0
    assert [path.read_bytes() for path in paths] == whole


def test_what_killed_benches_left_is_removed(bench, tmp_path, done):
    model, run, _ = done
    out = tmp_path / "results" / "tiny"
    left = [
        run / ".tmp-1.parquet",
        model / "checkpoints" / ".tmpAbc",
        out / "plots" / ".tmp-2.png",
        model / "resume.pt",
        run / ".tmp-parts" / "0.parquet",
    ]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
    assert bench(*ONLY, domains=("day",)).exit_code == 0
    assert not [path for path in left if path.exists()] and not (run / ".tmp-parts").exists()


@pytest.mark.parametrize(
    "error", [RuntimeError("no such weights"), MemoryError(), FerMetaError("bad weights")]
)
def test_a_method_that_fails_when_it_is_timed_fails_alone(bench, tmp_path, monkeypatch, error):
    build = loop.build

    def broken(method, *arguments):
        if method is protonet.Method:
            raise error
        return build(method, *arguments)

    monkeypatch.setattr(loop, "build", broken)
    result = bench("--algorithms", "protonet,supervised", domains=("day",))
    assert result.exit_code == 1 and result.output.count("FAILED:") == 1 and "Traceback" not in result.output
    _, summary = result.output.rsplit("\n1 of 2 runs failed: ", 1)
    assert in_one_line(error) in summary and "give the command again: `fer-meta" in summary
    runs = folders(tmp_path / "results" / "tiny" / "runs")
    assert [(path / "DONE").exists() for name, path in sorted(runs.items())] == [False, True]
    dry = bench("--algorithms", "protonet,supervised", "--dry-run", domains=("day",))
    assert dry.exit_code == 0 and "2 runs, 1 done; an unknown time to go" in dry.output
    assert re.search("protonet .* unknown\n", dry.output) and "0:00" not in dry.output


@pytest.mark.parametrize("second, words", [(UNTIMED, "an unknown time"), (Cost(2.0, 1.0), "more than 0:03")])
def test_a_time_that_nobody_knows_is_not_said_to_be_nothing(second, words):
    runs = [SimpleNamespace(id="a"), SimpleNamespace(id="b")]
    assert how_long(runs, {"a": UNTIMED, "b": second}, sum(second)) == words
    assert how_long([], {}, 0.0) == "about 0:00"


@pytest.mark.parametrize("most, calls", [(0.5, 3), (4, 5)])
def test_no_more_calls_are_timed_than_a_bench_makes(monkeypatch, most, calls):
    """But two and one before them."""
    made = []
    monkeypatch.setattr(estimate, "TIMED_SECONDS", 60.0)
    estimate._mean_time(lambda: made.append(1), most)
    assert len(made) == calls


def test_the_readouts_of_a_line_have_an_order_whatever_the_order_of_the_answers(done):
    _, run, _ = done
    bench = SimpleNamespace(
        run_folder=lambda _: run, suite=SimpleNamespace(selection=["source-val"], readouts=None)
    )
    asked = SimpleNamespace(trial=None, model=SimpleNamespace(key="protonet", method="protonet"))
    told = accuracies_of(bench, asked)
    answers = pd.read_parquet(run / ANSWERS)
    answers[::-1].to_parquet(run / ANSWERS)
    assert accuracies_of(bench, asked) == told
    assert re.sub(" [0-9.]+ %", "", told).split(", ")[0].startswith("protonet 1-shot")


def test_a_full_temporary_folder_is_named(bench, tmp_path, monkeypatch):
    class Full:
        def __getattr__(self, name):
            return lambda *_: None

        def write(self, _):
            raise OSError(28, "No space left on device")

    def make_room(self, shape):
        self.file = Full()

    monkeypatch.setattr(features.Features, "_make_room", make_room)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    result = bench(*ONLY, domains=("day",))
    assert (
        result.exit_code == 1 and f"{tmp_path}: no space left" in result.output and "TMPDIR" in result.output
    )
    assert "--out" not in result.output.splitlines()[-1]


@pytest.mark.parametrize("stage", ["write_plan", "write_all_episodes", "write_report"])
def test_a_full_disk_at_any_stage_names_the_folder_and_no_other_out(bench, tmp_path, monkeypatch, stage):
    from fer_meta.runner import main as stages

    def full(*_):
        raise OSError(28, "No space left on device", str(tmp_path / "here"))

    monkeypatch.setattr(stages, stage, full)
    result = bench(*ONLY, domains=("day",))
    assert (
        result.exit_code == 1
        and f"{tmp_path / 'here'}: no space left on this disk" in result.output
        and "--out" not in result.output
    )


def test_precision_is_recorded_and_names_no_result(bench, tmp_path):
    for precision in ("fp32", "bf16"):
        assert bench(*ONLY, "--precision", precision, domains=("day",), out=precision).exit_code == 0
    runs = [folders(tmp_path / precision / "tiny" / "runs") for precision in ("fp32", "bf16")]
    assert list(runs[0]) == list(runs[1])
    found = [
        json.loads((path / "run.json").read_text())["environment"]["precision"]
        for one in runs
        for path in one.values()
    ]
    assert found == ["fp32", "bf16"]
    other = bench(*ONLY, "--precision", "bf16", domains=("day",), out="fp32")
    assert (
        other.exit_code == 0
        and "1 finished run was computed in another precision" in other.output
        and "give another --out" in other.output
    )


def test_unreadable_images_are_said_in_the_plan_and_in_every_run(bench, trees, tmp_path):
    shutil.copytree(trees / "day", tmp_path / "torn")
    for path in sorted((tmp_path / "torn").rglob("*.png"))[:3]:
        path.write_bytes(b"no image")
    words = ("--data", f"torn={tmp_path / 'torn'}", *ONLY)
    assert "3 of" in bench(*words, "--dry-run", domains=()).output
    assert bench(*words, domains=()).exit_code == 0
    (run,) = folders(tmp_path / "results" / "tiny" / "runs").values()
    assert json.loads((run / "run.json").read_text())["unreadable"] == {"torn": 3}


def overwrite(path):
    """Other pixels in the file of a memory map, which then shows them."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\x07" * 100_000)
    os.utime(path, (1, 1))  # on a coarse clock, all may be written in one tick


@pytest.mark.parametrize("when", ["training", "answering"])
def test_a_cache_that_is_overwritten_under_a_bench_changes_no_numbers(
    bench, tmp_path, finished, monkeypatch, when
):
    def images():
        return next((tmp_path / "cache").glob("day-*/images.npy"))

    def train_step(*arguments, step=loop.train_step):
        overwrite(images())
        return step(*arguments)

    def load_snapshot(*arguments, load=checkpoints.load_snapshot):
        overwrite(images())
        return load(*arguments)

    with monkeypatch.context() as patched:
        if when == "training":
            patched.setattr(loop, "train_step", train_step)
        else:
            patched.setattr(checkpoints, "load_snapshot", load_snapshot)
        result = bench(*ONLY, domains=("day",))
    out = tmp_path / "results" / "tiny"
    assert result.exit_code == 1 and f"FAILED: {images()}: was changed while it was in use" in result.output
    assert len(list(out.glob("runs/*/FAILED.json"))) == 1 and not list(out.glob("runs/*/DONE"))
    assert bool(list(out.glob("models/*/checkpoints/step-*"))) == (when == "answering")
    assert bench(*ONLY, domains=("day",)).exit_code == 0
    pd.testing.assert_frame_equal(numbers(tmp_path / "results"), numbers(finished))


@pytest.mark.parametrize("name", ["plan.json", "table.txt", "runs/*/DONE"])
def test_a_folder_in_the_place_of_a_file_is_one_line_until_it_is_removed(bench, tmp_path, done, name):
    (path,) = (tmp_path / "results" / "tiny").glob(name)
    path.unlink()
    (path / "mine").mkdir(parents=True)
    result = bench(*ONLY, domains=("day",))
    assert result.exit_code in (1, 2)
    assert f"{path}: " in result.output and "; a file is expected here; remove the folder" in result.output
    shutil.rmtree(path)
    assert bench(*ONLY, domains=("day",)).exit_code == 0
    pd.testing.assert_frame_equal(numbers(tmp_path / "results"), done[2])


def test_results_among_the_data_are_no_data(bench, trees, tmp_path):
    shutil.copytree(trees / "day", tmp_path / "mine")
    words = (*ONLY, "--data", f"mine={tmp_path / 'mine'}")
    for _ in range(2):
        assert bench(*words, domains=(), out="mine/results").exit_code == 0
        (tmp_path / "mine" / "results" / "tiny" / "plots").mkdir(exist_ok=True)
        shutil.copy(next((trees / "day").rglob("*.png")), tmp_path / "mine/results/tiny/plots/table.png")


# --- as a process -----------------------------------------------------------------------------------------


@pytest.fixture
def command(suite, trees, tmp_path):
    """The words of a bench that takes a while, as a process of its own."""
    suite.write_text(
        SUITE.replace("protonet: {steps: 6, validations: 3}", "protonet: {steps: 400, validations: 40}")
    )
    return [sys.executable, "-m", "fer_meta", "bench", "--suite", str(suite),
            "--data", f"day={trees / 'day'}", *ONLY,
            "--device", "cpu", "--jobs", "1", "--out", str(tmp_path / "results")]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_bench_that_is_asked_to_end_unwinds(command, tmp_path, number):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not process.stdout.readline().startswith("[1/1]"):
        assert process.poll() is None
    process.send_signal(number)
    _, told = process.communicate(timeout=120)
    assert (
        process.returncode == 128 + number
        and f"interrupted by {number.name}" in told
        and "Traceback" not in told
    )
    assert not list((tmp_path / "results").rglob(".tmp*"))


@pytest.mark.slow
def test_a_bench_goes_on_without_readers_and_without_standard_error(command, tmp_path, suite):
    suite.write_text(SUITE)
    words = " ".join(f"'{word}'" for word in command)
    done = subprocess.run(
        ["bash", "-c", f"{words} 2>&- | head -n 1; exit ${{PIPESTATUS[0]}}"], capture_output=True, text=True
    )
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 1
    assert all((run / "DONE").exists() for run in folders(tmp_path / "results" / "tiny" / "runs").values())
    assert (tmp_path / "results" / "tiny" / "table.md").exists()


def test_a_command_with_all_streams_closed_opens_no_file_in_their_place():
    code = (
        "from fer_meta.streams import open_closed_streams; open_closed_streams(); import os, sys; file ="
        " open(os.devnull); assert file.fileno() > 2, file.fileno(); print('gone', file=sys.stderr);"
        " sys.exit(7)"
    )
    done = subprocess.run(["bash", "-c", f'"{sys.executable}" -c "{code}" <&- >&- 2>&-'], env=os.environ)
    assert done.returncode == 7
