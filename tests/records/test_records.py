"""The files of a results folder: each is written and read by one description; older ones stay readable."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.tiny_bench import folders

from fer_meta import preprocessing
from fer_meta.cli.main import main
from fer_meta.errors import ResultsError
from fer_meta.methods import registry
from fer_meta.records.answers import answers_schema, read_answers, write_answers
from fer_meta.records.base import Stored, read_record, write_record
from fer_meta.records.model import ModelRecord, read_model
from fer_meta.records.parquet import texts_of
from fer_meta.records.plan import Label, Plan, read_plan, write_plan
from fer_meta.records.run import Config, RunRecord, StoredProtocol
from fer_meta.runner.options import BenchOptions
from fer_meta.tasks.protocol import Protocol
from fer_meta.training import checkpoints, loop

RUN = {"id": "r", "source": "day", "target": "night", "seed": 0, "model": "m"}


def test_a_stored_model_is_built_again_from_its_folder_alone(bench, tmp_path):
    assert bench("--methods", "protonet", domains=("day",)).exit_code == 0
    (folder,) = folders(tmp_path / "results" / "tiny" / "models").values()
    record = read_model(folder)
    assert record.id == folder.name and record.method == "protonet" and record.backbone == "conv4"
    assert (record.way, record.shots, record.image_size, record.steps) == (5, 2, 32, 6)
    assert len(record.classes) == 5 and record.precision in ("fp32", "bf16") and record.identity
    assert record.normalisation.mean == list(preprocessing.IMAGENET.mean)
    module = registry.load(record.method)
    config, protocol = module.Config.model_validate(record.config), Protocol.model_validate(record.protocol)
    method = loop.build(module, config, protocol, record.classes, record.image_size, record.seed, "cpu")
    checkpoints.load_snapshot(method, checkpoints.snapshots(folder)[record.steps])


def test_a_model_of_an_older_version_is_read_and_a_damaged_one_is_named(tmp_path):
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"id": "m", "identity": {"seed": 0}, "precision": "fp32"}))
    old = read_model(tmp_path)
    assert old.precision == "fp32" and old.way is None and old.classes == [] and old.normalisation is None
    path.write_text("{")
    with pytest.raises(
        ResultsError, match="model.json: cannot be read .*; delete .* and run the bench again"
    ):
        read_model(tmp_path)


def test_a_run_is_written_with_its_method_and_an_older_one_says_algorithm(tmp_path):
    write_plan(tmp_path, Plan(suite="s", command="c", runs=[{**RUN, "method": "protonet"}]))
    assert json.loads((tmp_path / "plan.json").read_text())["runs"][0]["method"] == "protonet"
    (tmp_path / "plan.json").write_text(
        json.dumps({"suite": "s", "command": "c", "runs": [{**RUN, "algorithm": "protonet"}]})
    )
    assert read_plan(tmp_path).runs[0].method == "protonet"


def whole(tmp_path):
    """A record of each JSON file with nothing left out."""
    label = Label(label="ProtoNet", colour="#0072b2", order=1)
    plan = Plan(suite="s", command="c", runs=[{**RUN, "method": "maml"}], labels={"protonet": label})
    run = RunRecord(
        **RUN,
        method="maml",
        config=Config(backbone="conv4", inner_steps=3),
        protocol=StoredProtocol(way=5, shots=[1], queries="all", carve=0.1),
        classes=["anger"],
        excluded={"fear": 2},
        copies_removed=0,
        test_images=9,
        episodes={"1": "episodes/x.parquet"},
    )
    return [plan, run, ModelRecord(id="m", classes=["anger"], config={"backbone": "conv4"}, steps=3)]


def test_what_is_written_is_what_is_read(tmp_path):
    for record in whole(tmp_path):
        write_record(tmp_path / "file.json", record)
        assert read_record(tmp_path / "file.json", type(record)) == record


def test_hyper_parameters_are_kept_as_they_are_and_none_is_added(tmp_path):
    _, run, _ = whole(tmp_path)
    write_record(tmp_path / "run.json", run)
    written = json.loads((tmp_path / "run.json").read_text())
    assert written["config"] == {"backbone": "conv4", "inner_steps": 3}
    assert written["protocol"] == {"way": 5, "shots": [1], "queries": "all", "carve": 0.1}


def test_a_field_of_another_type_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="test_images"):
        RunRecord.model_validate({**whole(tmp_path)[1].model_dump(), "test_images": "many"})


def test_answers_come_back_block_by_block_with_the_probabilities_that_there_are(tmp_path):
    def part(readout, shots, episode):
        text = {name: [name] * 2 for name in ("selection", "path", "label", "predicted", "subject", "clip")}
        cells = {**text, "readout": [readout] * 2, "shots": [shots] * 2, "episode": [episode] * 2}
        cells |= {"confidence": [0.5, None], "p_anger": [0.25, 0.75] if shots == 0 else [None, None]}
        schema = answers_schema(["anger"])
        return (readout, shots), pa.table({name: cells[name] for name in schema.names}, schema)

    parts = [part("a", 1, 0), part("b", 0, 0), part("a", 1, 1), part("b", 0, 1)]
    write_answers(tmp_path / "answers.parquet", parts, answers_schema(["anger"]))
    rows = pd.concat(table.to_pandas() for table in read_answers(tmp_path / "answers.parquet"))
    assert list(rows["readout"]) == list("aaaabbbb") and list(rows["episode"]) == [0, 0, 1, 1] * 2
    assert list(rows["p_anger"])[4:] == [0.25, 0.75] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["answers.parquet"]


@pytest.mark.parametrize("texts", [["protonet"] * 2, [None, "protonet"], [None, None]])
def test_older_answers_call_the_readout_method(tmp_path, texts):
    numbers = {"shots": [1, 1], "episode": [0, 0], "confidence": [0.5, None]}
    cells = {name: numbers.get(name, texts) for name in answers_schema([]).names}
    old = pa.table(cells, answers_schema([])).rename_columns({"readout": "method"})
    pq.write_table(old, tmp_path / "answers.parquet")
    if None in texts:
        with pytest.raises(ValueError, match="readout: an empty cell"):
            list(read_answers(tmp_path / "answers.parquet"))
    else:
        [table] = read_answers(tmp_path / "answers.parquet")
        assert table.column_names == answers_schema([]).names
        assert table["readout"].to_pylist() == texts


def test_a_code_below_zero_is_an_empty_cell():
    assert texts_of(np.array([0, -1, 1]), ["a", "b"]).to_pylist() == ["a", None, "b"]


def test_reading_results_loads_no_torch():
    code = (
        "import pkgutil, sys, fer_meta.records, fer_meta.report\n"
        "for package in (fer_meta.records, fer_meta.report):\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        __import__(module.name)\n"
        "import fer_meta.runner.options, fer_meta.runner.again\n"
        "print([name for name in ('torch', 'learn2learn', 'torchvision') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_options_that_python_gives_have_the_command_that_gives_them_too(tmp_path, monkeypatch):
    options = BenchOptions(
        suite="cross-domain",
        preset="smoke",
        domains=["day", "night"],
        data={"day": tmp_path},
        methods=["protonet"],
        seeds=[7],
        split={"folds": 10},
        out=tmp_path / "my results",
    )
    words = options.again.split("fer-meta ")[1]
    assert words == (
        "bench --suite cross-domain --domains day,night --methods protonet --data day=PATH --seeds 7,"
        f" --folds 10 --preset smoke --out '{tmp_path}/my results'"
    )
    known = {word for option in main.commands["bench"].params for word in option.opts}
    assert {word for word in words.split() if word.startswith("--")} <= known


def test_every_record_is_strict():
    class Example(Stored):
        number: int

    with pytest.raises(ValueError, match="number"):
        Example.model_validate({"number": "5"})
