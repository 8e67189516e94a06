"""A suite may train one method with several settings, each by a name of its own."""

import json

import pandas as pd
import pytest

from fer_meta.errors import SuiteError
from fer_meta.suites.schema import read_suite

SUITE = """\
name: tiny
title: Several settings of a method
image_size: 32
seeds: [0]
protocol:
  way: 5
  shots: [1]
  queries: 3
  episodes: 12
  train: {way: 5, shots: 2, queries: 3}
  validation: {way: 5, shots: 2, queries: 2, episodes: 4}
methods:
  protonet: {steps: 2, validations: 1}
  warm: {method: protonet, label: Warm ProtoNet, temperature: learned, steps: 2, validations: 1}
  random: {method: frozen, label: Random Conv4, backbone: conv4, weights: none}
  two: {method: meta_baseline, steps: 4, validations: 1, batch: 16}
primary: {first: random-ncm, second: warm, shots: 1, over: within, less: null}
presets: {quick: {}}
"""


@pytest.fixture
def suite(tmp_path):
    (tmp_path / "tiny.yaml").write_text(SUITE)
    return tmp_path / "tiny.yaml"


@pytest.mark.slow
@pytest.mark.numeric
def test_each_setting_has_its_own_runs_answers_and_label(bench, tmp_path):
    result = bench("--sources", "day", "--targets", "day")
    assert result.exit_code == 0, result.output
    out = tmp_path / "results" / "tiny"
    table = pd.read_csv(out / "table.csv")
    assert set(table["readout"]) == {
        "protonet", "warm", "random-ncm", "random-probe", "two"
    }  # fmt: skip
    assert "Warm ProtoNet" in result.output and "Random Conv4 (nearest mean)" in result.output
    models = {path.name.split("-")[0]: path for path in (out / "models").iterdir()}
    assert set(models) == {"protonet", "warm", "random", "two"}
    told = json.loads((models["random"] / "model.json").read_text())
    assert told["method"] == "frozen" and told["steps"] == 0
    assert len(list((models["random"] / "checkpoints").iterdir())) == 1
    assert "random-ncm" in pd.read_csv(out / "primary.csv").loc[0, "first"]


@pytest.mark.parametrize("line, words", [
    ("  Warm!: {method: protonet, steps: 2}", "must be small letters"),
    ("  warmer: {method: protonets, steps: 2}", "no method is called 'protonets'"),
    ("  frozen: {steps: 3}", "less than or equal to 0"),
])  # fmt: skip
def test_a_wrong_setting_is_one_line_of_the_file(tmp_path, line, words):
    (tmp_path / "wrong.yaml").write_text(SUITE.replace("primary:", f"{line}\nprimary:"))
    with pytest.raises(SuiteError, match=words) as error:
        read_suite(str(tmp_path / "wrong.yaml"), "quick")
    assert "wrong.yaml, line 17" in str(error.value)
