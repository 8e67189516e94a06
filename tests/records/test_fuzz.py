"""Whatever is in a file that a bench left, it is read, or refused in one line that names the file."""

import io
import os
import shutil
from pathlib import Path

import pytest
import torch
from helpers import stored_results
from helpers.fuzz import answer, as_json, damaged, few, is_plain, json_files, jsonl_files, room
from helpers.report_texts import RUNS, change, wrong
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save
from torch import nn

from fer_meta.errors import ResultsError
from fer_meta.fileio import digest
from fer_meta.networks.weights import read_state
from fer_meta.records.base import read_record
from fer_meta.records.freshness import (
    FINISHED,
    REPORT,
    TABLE,
    finished_text,
    fresh_report,
    note_report,
    read_finished,
    report_key,
)
from fer_meta.records.history import HISTORY, history
from fer_meta.records.model import MODEL, ModelRecord, read_model
from fer_meta.records.seals import DONE, FAILED, Failure, broken_seal, why_unfinished
from fer_meta.records.search import outcome
from fer_meta.report import write_report
from fer_meta.training import checkpoints

LOG = [
    {"step": 1, "images": 9, "loss": 0.5, "train_accuracy": 0.2, "seconds": 1.0},
    {"step": 2, "val_accuracy": {"protonet": 0.5}, "val_uar": {"supervised-head": 0.25}},
]
SEAL = {"history.jsonl": "0" * 32, "run.json": "0" * 32}
RECORD = {
    "id": "m",
    "method": "protonet",
    "config": {"backbone": "conv4"},
    "classes": ["anger", "fear"],
    "protocol": {"train": {"way": 2, "shots": 1}},
    "image_size": 32,
    "seed": 0,
    "steps": 6,
    "precision": "fp32",
    "identity": {"seed": 0},
}


@few(60)
@given(jsonl_files(LOG))
def test_any_log_of_a_training_is_a_table_or_one_line(content):
    with room() as folder:
        (folder / HISTORY).write_bytes(content)
        answer(lambda: history(folder / HISTORY), folder)
        (folder / DONE).touch()
        answer(lambda: outcome(folder, "protonet"), folder)


@few(60)
@given(st.one_of(json_files(SEAL), json_files({"../x": "0", "/dev/zero": "0"})))
def test_any_seal_is_whole_or_is_broken_in_words(content):
    with room() as folder:
        (folder / DONE).write_bytes(content)
        broken = answer(lambda: broken_seal(folder))
        assert broken is None or isinstance(broken, str)


@few(40)
@given(json_files({"error": "it broke", "traceback": "Traceback"}))
def test_any_failure_is_told_in_one_line(content):
    with room() as folder:
        (folder / FAILED).write_bytes(content)
        (folder / DONE).touch()
        why = answer(lambda: why_unfinished(folder))
        assert why.startswith("failed: ") and is_plain(why)
        lost = answer(lambda: outcome(folder, "protonet"), folder)
        assert lost is None or is_plain(lost.in_words)


@few(40)
@given(json_files(RECORD))
def test_any_record_of_a_model_is_read_or_refused(content):
    with room() as folder:
        (folder / MODEL).write_bytes(content)
        assert isinstance(answer(lambda: read_model(folder), folder), ModelRecord | None)


@few(40)
@given(
    json_files({"made_of": "x", "written": {"table.txt": "0"}}),
    json_files({"made_from": "x", "data": ["faces"], "done": 3}),
)
def test_a_note_that_is_none_is_as_if_it_were_not_there(report, finished):
    with room() as folder:
        (folder / REPORT).write_bytes(report)
        (folder / FINISHED).write_bytes(finished)
        assert answer(lambda: fresh_report(folder, "y")) == []
        note = answer(lambda: read_finished(folder))
        assert note is None or answer(lambda: finished_text(folder, note)) is None


# weights and checkpoints


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(3, 2)


def torch_bytes() -> bytes:
    file = io.BytesIO()
    torch.save({"state_dict": network().state_dict(), "epoch": 3}, file)
    return file.getvalue()


WEIGHTS = {"x.pth": torch_bytes(), "x.safetensors": save(network().state_dict())}


@few(60)
@pytest.mark.filterwarnings("ignore")
@given(
    st.sampled_from(sorted(WEIGHTS)).flatmap(lambda name: st.tuples(st.just(name), damaged(WEIGHTS[name])))
)
def test_any_file_of_weights_is_a_state_or_one_line(file):
    name, content = file
    with room() as folder:
        (folder / name).write_bytes(content)
        answer(lambda: read_state(folder / name), folder / name)
        step = folder / "checkpoints" / "step-000001.safetensors"
        step.parent.mkdir()
        step.write_bytes(content)
        answer(lambda: checkpoints.load_snapshot(network(), step), step)


def saved(folder: Path) -> None:
    """A training that stopped after a step."""
    method = network()
    checkpoints.save(folder, method, torch.optim.Adam(method.parameters()), 1, [{"step": 1, "loss": 0.5}])


@few(40)
@pytest.mark.filterwarnings("ignore")
@given(st.data())
def test_a_training_goes_on_or_says_why_not_whatever_it_left(data):
    with room() as folder:
        saved(folder)
        path = folder / checkpoints.RESUME
        content = data.draw(damaged(path.read_bytes()[16:]))
        path.write_bytes(checkpoints._digest(content) + content)
        method = network()
        try:
            step, _ = checkpoints.resume(folder, method, torch.optim.Adam(method.parameters()))
            assert step == 1
        except checkpoints.ResumeError as error:
            assert is_plain(str(error))


def test_a_file_beside_the_checkpoints_is_none_of_them(tmp_path):
    saved(tmp_path)
    (tmp_path / "checkpoints" / "step-last.safetensors").touch()
    assert list(checkpoints.snapshots(tmp_path)) == [1]


def test_weights_that_would_run_code_are_refused_and_none_is_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "run",)

    torch.save({"state_dict": Evil()}, tmp_path / "x.pth")
    assert answer(lambda: read_state(tmp_path / "x.pth"), tmp_path) is None
    assert not (tmp_path / "run").exists()


# what is said again


def small_results(place: Path) -> Path:
    folder = stored_results.write(place / "cross-domain", seeds=1, episodes=2)
    stored_results.only(folder, *RUNS)
    for home in (folder / "runs").iterdir():
        if home.name not in RUNS:
            shutil.rmtree(home)
    return folder


def test_a_report_that_stands_writes_no_control_character_of_its_file(tmp_path):
    """Whoever made the folder may have written its text too, with a note that fits it."""
    folder = small_results(tmp_path)
    (folder / TABLE).write_text("mean \x1b]0;title\x07 ± 1\n\x9b31mred\n", encoding="utf-8")
    note_report(folder, report_key(folder, published=False), [folder / TABLE])
    text = write_report(folder)
    assert text.startswith("mean ") and "Unchanged" in text
    assert all(is_plain(line) for line in text.split("\n"))


@pytest.mark.parametrize("name", ["../outside.txt", "/dev/zero"])
def test_a_note_of_a_report_reads_nothing_outside_of_its_folder(tmp_path, name):
    folder = tmp_path / "results"
    folder.mkdir()
    (tmp_path / "outside.txt").write_text("mine")
    kept = digest(tmp_path / "outside.txt")
    (folder / REPORT).write_bytes(as_json({"made_of": "x", "written": {name: kept}}))
    assert answer(lambda: fresh_report(folder, "x")) == []


@pytest.mark.parametrize("name", ["odd\udcff", "red\x1b[31m", "a\n# b"])
def test_a_folder_of_a_run_may_have_any_name(tmp_path, without_plots, name):
    """It neither ends the report nor reaches the terminal as it is."""
    folder = small_results(tmp_path)
    (folder / "runs" / name).mkdir()
    (folder / "runs" / name / DONE).touch()
    text = write_report(folder)
    assert "finished run in runs/ is not in these tables" in text
    assert all(is_plain(line) for line in text.split("\n"))


def test_episodes_outside_of_the_results_are_not_read(tmp_path):
    folder = stored_results.write_leakage(tmp_path / "leakage", seeds=1, episodes=3)
    path = sorted(folder.glob("runs/*/run.json"))[0]
    change(path, episodes={"1": "../../x.parquet", "5": "/etc/x.parquet"})
    assert "run.json: episodes.1: leads out of the results folder" in wrong(folder)


def test_a_pipe_is_not_waited_for(tmp_path):
    for name in (DONE, HISTORY, FAILED, MODEL):
        os.mkfifo(tmp_path / name)
    assert broken_seal(tmp_path) and history(tmp_path / HISTORY).empty
    for read in (lambda: read_model(tmp_path), lambda: read_record(tmp_path / FAILED, Failure)):
        with pytest.raises((ResultsError, ValueError)):
            read()
