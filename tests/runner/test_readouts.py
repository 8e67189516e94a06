"""A suite's `readouts` in a bench: the same for every embedding, and each with the checkpoint that its own
validation picks.
"""

import json
import re

import pandas as pd
import pytest
from helpers.tiny_bench import SUITE, folders

from fer_meta.errors import SuiteError
from fer_meta.methods.readouts import READOUTS
from fer_meta.records.history import read_history
from fer_meta.suites.schema import read_suite

ALL = tuple(READOUTS)
TRANSDUCTIVE = tuple(key for key, one in READOUTS.items() if one.transductive)
# Fine-tuning a network takes its time, in each episode.
FEW = SUITE.replace("episodes: 12", "episodes: 2").replace("shots: [1, 2]", "shots: [2]")


def run_of(out, method):
    [folder] = [one for name, one in folders(out / "tiny" / "runs").items() if name.startswith(f"{method}-")]
    answers = pd.read_parquet(folder / "predictions.parquet").astype({"readout": str, "selection": str})
    return answers, json.loads((folder / "run.json").read_text())


def test_every_embedding_is_read_by_the_same_readouts_and_the_report_names_them(bench, suite, tmp_path):
    suite.write_text(FEW.replace("name: tiny", f"name: tiny\nreadouts: [{', '.join(ALL)}]"))
    result = bench(domains=("day",))
    assert result.exit_code == 0, result.output
    plan = json.loads((tmp_path / "results" / "tiny" / "plan.json").read_text())
    for method, own in (
        ("protonet", {"protonet"}),
        ("relationnet", {"relationnet"}),
        ("maml", {"fomaml"}),
        ("supervised", {"supervised-head"}),
    ):
        vectors = method in ("protonet", "supervised")
        read = {
            f"{method}-{key}"
            for key in ALL
            if vectors and (own == {"supervised-head"} or key != "head-and-probe")
        }
        answers, told = run_of(tmp_path / "results", method)
        assert set(answers["readout"]) == own | read
        assert set(plan["labels"]) >= own | read
        picked = told["selected"]["source-val"]
        assert set(picked) == own | read
        assert set(told["transductive"]) == {one for one in read if one.endswith(TRANSDUCTIVE)}
        if vectors:  # too costly to validate
            assert picked[f"{method}-finetune"] == picked[f"{method}-nearest-mean"]
        [model] = [
            one
            for name, one in folders(tmp_path / "results" / "tiny" / "models").items()
            if name.startswith(f"{method}-")
        ]
        validated = read_history(model)[-1]["val_accuracy"]
        assert set(validated) == (own - {"supervised-head"}) | (read - {f"{method}-finetune"})
    labels = {name: one["label"] for name, one in plan["labels"].items()}
    assert (
        labels["protonet-ridge"] == "ProtoNet (ridge)"
        and labels["supervised-ncm"] == "Supervised (nearest mean)"
    )
    assert len(set(labels.values())) == len(labels)
    table = (tmp_path / "results" / "tiny" / "table.md").read_text()
    assert "ProtoNet (centred nearest mean)" in table


def test_other_readouts_make_other_runs_of_the_same_trained_models(bench, suite, tmp_path):
    suite.write_text(FEW)
    asked = ("--methods", "protonet", "--readouts")
    assert bench(*asked, "ncm", domains=("day",)).exit_code == 0
    models, runs = (set(folders(tmp_path / "results" / "tiny" / kind)) for kind in ("models", "runs"))
    result = bench(*asked, "ncm,ridge,finetune", domains=("day",))
    assert result.exit_code == 0, result.output
    assert set(folders(tmp_path / "results" / "tiny" / "models")) == models
    [new] = set(folders(tmp_path / "results" / "tiny" / "runs")) - runs
    told = json.loads((tmp_path / "results" / "tiny" / "runs" / new / "run.json").read_text())
    names = {"protonet", "protonet-ncm", "protonet-ridge", "protonet-finetune"}
    assert all(set(picked) == names for picked in told["selected"].values())

    # What the training did not validate is validated as if it had.
    assert bench(*asked, "ncm,ridge,finetune", domains=("day",), out="at-once").exit_code == 0
    [run] = folders(tmp_path / "at-once" / "tiny" / "runs").values()
    at_once = json.loads((run / "run.json").read_text())
    assert at_once["selected"] == told["selected"]
    later = tmp_path / "results" / "tiny" / "runs" / new
    pd.testing.assert_frame_equal(*(pd.read_parquet(one / "predictions.parquet") for one in (run, later)))


def test_an_unknown_readout_is_one_line_with_the_known_ones(suite):
    suite.write_text(SUITE.replace("name: tiny", "name: tiny\nreadouts: [ncm, nearest]"))
    words = (
        "readouts: no readout is called 'nearest'; did you mean nearest-mean? (there are nearest-mean, ncm"
    )
    with pytest.raises(SuiteError, match=re.escape(words)):
        read_suite(str(suite), "quick")


def test_a_contrast_may_name_what_the_suites_readouts_give_and_nothing_else(suite):
    primary = "primary: {first: protonet-ridge, second: supervised-ncm, shots: 2}\n"
    suite.write_text(SUITE.replace("name: tiny", "name: tiny\nreadouts: [ncm, ridge]") + "\n" + primary)
    assert read_suite(str(suite), "quick").primary.first == "protonet-ridge"
    suite.write_text(SUITE + "\n" + primary)
    with pytest.raises(SuiteError, match="no answer is called 'protonet-ridge'"):
        read_suite(str(suite), "quick")
