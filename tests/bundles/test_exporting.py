"""What is in a bundle, and what is not."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from helpers import bundled, stored_results

from fer_meta.bundles.checking import check
from fer_meta.bundles.exporting import export
from fer_meta.errors import ResultsError
from fer_meta.fileio import write_json
from fer_meta.records.seals import broken_seal, seal

PRIVATE = "/home/anna/faces"


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_same_results_give_the_same_bytes(few, tmp_path):
    once = export(few, tmp_path / "once.zip", weights=True)
    again = export(Path(shutil.copytree(few, tmp_path / "elsewhere")), tmp_path / "again.zip", weights=True)
    assert once.sha256 == again.sha256
    assert (tmp_path / "once.zip").read_bytes() == (tmp_path / "again.zip").read_bytes()


def test_a_bundle_has_the_finished_runs_and_says_which_are_missing(whole):
    found = members(whole)
    facts = json.loads(found["manifest.json"])["facts"]
    assert facts["runs"] == 10
    assert set(facts["missing"]) == {stored_results.UNFINISHED, stored_results.FAILED}
    assert facts["methods"] == ["protonet", "maml"]
    assert not any(name.startswith(f"runs/{stored_results.FAILED}/") for name in found)


def test_images_pages_and_unwanted_weights_stay_at_home(few, tmp_path):
    (few / "episodes" / "fer2013-1shot-5.jpg").write_bytes(b"a face")
    (few / "report.html").write_text("a page with faces")
    export(few, tmp_path / "b.zip")
    files = [name.rpartition("/")[2] for name in members(tmp_path / "b.zip")]
    assert {name.rpartition(".")[2] for name in files} == {"csv", "json", "jsonl", "parquet", "DONE"}


def test_no_path_of_the_machine_is_in_it_and_the_seals_fit_what_is(few, tmp_path):
    command = f"fer-meta bench --suite {PRIVATE}/mine.yaml --out '{PRIVATE}/my results' --data mine=PATH"
    bundled.change(few / "plan.json", lambda plan: plan | {"command": command})
    for path in few.glob("runs/protonet-*/run.json"):
        said = json.loads(path.read_text())
        weights = {"weights": f"{PRIVATE}/my weights.safetensors"}
        own = {"command": command, "config": said["config"] | weights}
        write_json(path, said | own)
        seal(path.parent, ["run.json", "predictions.parquet"])
    done = export(few, tmp_path / "b.zip")
    found = members(tmp_path / "b.zip")
    assert not [name for name, content in found.items() if b"anna" in content]
    assert json.loads(found["plan.json"])["command"] == "fer-meta bench --suite mine.yaml --data mine=PATH"
    assert len(done.rewritten) == 1 + done.facts.runs
    (tmp_path / "into").mkdir()
    assert check(tmp_path / "b.zip", tmp_path / "into").faults == []
    assert b"anna" in (few / "plan.json").read_bytes(), "the results stay as they were"
    assert not any(map(broken_seal, {path.parent for path in few.glob("runs/*/DONE")}))


def test_a_changed_file_ends_the_export_and_nothing_is_written(few, tmp_path):
    (few / "models" / "protonet-fer2013-seed0" / "history.jsonl").write_text("{}")
    with pytest.raises(ResultsError, match=r"history\.jsonl was changed"):
        export(few, tmp_path / "b.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_weights_that_were_deleted_are_named_where_they_are_wanted(few, tmp_path):
    assert any("safetensors" in name for name in members(export(few, tmp_path / "a.zip", weights=True).path))
    shutil.rmtree(few / "models" / "protonet-fer2013-seed0" / "checkpoints")
    assert not any("safetensors" in name for name in members(export(few, tmp_path / "b.zip").path))
    with pytest.raises(ResultsError, match=r"is missing.*--no-models"):
        export(few, tmp_path / "c.zip", weights=True)
