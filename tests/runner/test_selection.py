"""Each readout is tested with the checkpoint that is best for it, by a criterion that fits it."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import made_up
from helpers.methods import CLASSES, SIZE, build
from helpers.tiny_bench import SUITE, folders

from fer_meta.evaluation.answers import Shown
from fer_meta.methods.base import FewShotMethod
from fer_meta.records.history import read_history
from fer_meta.runner import run as one_run
from fer_meta.runner import selection
from fer_meta.runner.selection import pick, validator
from fer_meta.tasks.pools import Pool
from fer_meta.tasks.protocol import EpisodeShape, Protocol, Validation
from fer_meta.training import checkpoints

pytestmark = pytest.mark.numeric

CPU = torch.device("cpu")
THREE = Protocol(
    way=3,
    train=EpisodeShape(way=3, shots=2, queries=2),
    validation=Validation(way=3, shots=2, queries=2, episodes=3),
)


def pool_of(labels, classes=CLASSES) -> Pool:
    labels = np.asarray(labels)
    return Pool("made-up", np.arange(len(labels)), labels, classes, None, None, {}, 0, "")


# --- what picks ------------------------------------------------------------------------------------------


def test_each_readout_picks_its_own_step_and_ties_go_to_the_earlier():
    values = {30: {"head": 0.5, "ncm": 0.7}, 10: {"head": 0.6, "ncm": 0.1}, 20: {"head": 0.6, "ncm": 0.2}}
    assert pick(values, ["head", "ncm", "never-validated"]) == {"head": 10, "ncm": 30}


class Answering(FewShotMethod):
    """A head that reads its answer (a class number) from the first pixel of an image's channel."""

    name, episodic, head_name, readouts = "answering", False, "own", ()
    own = {"own": "Own head", "other": "Always the first class"}

    def __init__(self, channel: int):
        super().__init__()
        self.channel = channel

    def embed(self, images):
        return images[:, :, 0, 0]

    def own_classifiers(self, support, labels, classes):
        return {
            "own": self.own_head(classes),
            "other": lambda query: torch.eye(len(classes))[torch.zeros(len(query), dtype=torch.long)],
        }

    def own_head(self, classes):
        return lambda features: -(features[:, self.channel : self.channel + 1] - self.levels).abs()

    @property
    def levels(self):
        from fer_meta.preprocessing import IMAGENET

        return (torch.tensor([0.0, 100, 200]) / 255 - IMAGENET.mean[self.channel]) / IMAGENET.std[
            self.channel
        ]


def test_an_own_head_is_picked_by_the_recall_of_all_classes_where_they_are_unbalanced():
    """The first always names the class of 16 in 20 images: accuracy 80 %, UAR 33 %. The second: 13 of 20
    right, but UAR 72 %.
    """
    labels = np.repeat([0, 1, 2], [16, 2, 2])
    always, fairly = np.zeros(20, dtype=int), labels.copy()
    fairly[:7] = 1
    images = np.zeros((20, SIZE, SIZE, 3), dtype=np.uint8)
    images[..., 0], images[..., 1] = (100 * answers[:, None, None] for answers in (always, fairly))
    protocol = Protocol(way=3, validation=Validation(way=3, shots=1, queries=1, episodes=2))
    found = {}
    for step in (0, 1):
        values = validator(protocol, Answering(step), *[Shown(images, pool_of(labels))] * 2, CPU, "fp32")()
        assert set(values) == {"val_uar", "val_accuracy"} and set(values["val_accuracy"]) == {"other"}
        found[step] = checkpoints.validation_of(values)
    assert found[0]["own"] == pytest.approx(1 / 3) and found[1]["own"] == pytest.approx((9 / 16 + 1 + 1) / 3)
    assert pick(found, ["own"]) == {"own": 1}


def test_without_a_head_for_the_classes_the_others_are_validated_by_episodes():
    images = np.random.default_rng(0).integers(0, 256, (30, SIZE, SIZE, 3), dtype=np.uint8)
    method = build("supervised").eval()
    unseen = pool_of(np.arange(30) % 3, ("contempt", "disgust", "fear"))
    values = validator(THREE, method, *[Shown(images, unseen)] * 2, CPU, "fp32")()
    assert list(values) == ["val_accuracy"] and set(values["val_accuracy"]) == {
        "supervised-ncm",
        "supervised-probe",
    }
    seen = validator(THREE, method, *[Shown(images, pool_of(np.arange(30) % 3))] * 2, CPU, "fp32")()
    assert list(seen["val_uar"]) == ["supervised-head"] and seen["val_accuracy"] == values["val_accuracy"]


def test_a_validation_embeds_each_image_once_for_all_readouts(monkeypatch):
    images, pool = np.zeros((30, SIZE, SIZE, 3), dtype=np.uint8), pool_of(np.arange(30) % 3)
    method, embedded = build("supervised").eval(), []
    embed = method.embed
    monkeypatch.setattr(method, "embed", lambda pixels: embedded.append(len(pixels)) or embed(pixels))
    validator(THREE, method, *[Shown(images, pool)] * 2, CPU, "fp32")()
    assert sum(embedded) == 30


# --- in a bench ------------------------------------------------------------------------------------------

BEST = {"supervised-head": 2, "supervised-ncm": 4, "supervised-probe": 6}
FEWER = SUITE.replace("steps: 4, validations: 2, batch: 16", "steps: 6, validations: 3, batch: 16")


@pytest.fixture
def validated_as(monkeypatch):
    """Let validations find `best` (readout -> step) best at its step, wherever it is validated."""

    def as_if(best):
        def validator_of(protocol, method, *_):
            steps = iter((2, 4, 6) * 10)

            def validate():
                step = next(steps)
                values = {name: float(step == at) for name, at in best.items()}
                return {
                    "val_uar": {"supervised-head": values["supervised-head"]},
                    "val_accuracy": {
                        name: value for name, value in values.items() if name != "supervised-head"
                    },
                }

            return validate

        monkeypatch.setattr(selection, "validator", validator_of)

    return as_if


def answers_of(folder) -> pd.DataFrame:
    [run] = folders(folder / "tiny" / "runs").values()
    told = json.loads((run / "run.json").read_text())
    return pd.read_parquet(run / "predictions.parquet").astype({"readout": str, "selection": str}), told


def test_readouts_that_pick_different_checkpoints_are_tested_with_them_and_with_no_others(
    bench, suite, tmp_path, validated_as, monkeypatch
):
    suite.write_text(FEWER)
    validated_as(BEST)
    asked = ["--algorithms", "supervised", "--sources", "day"]
    monkeypatch.setattr(one_run, "answer_episodes", asked_for := Asked(one_run.answer_episodes))
    assert bench(*asked, domains=("day",), out="own").exit_code == 0
    answers, told = answers_of(tmp_path / "own")
    assert told["selected"] == {"source-val": BEST, "last": dict.fromkeys(BEST, 6), "oracle": BEST}
    # Of two shots, each checkpoint was asked only for what picked it.
    assert asked_for.readouts == [{"supervised-head"}] * 2 + [{"supervised-ncm"}] * 2 + [set(BEST)] * 2
    for step in (2, 4):
        validated_as(dict.fromkeys(BEST, step))
        assert bench(*asked, domains=("day",), out=f"all-at-{step}").exit_code == 0
    for readout, step in BEST.items():
        whole, _ = answers_of(tmp_path / ("own" if step == 6 else f"all-at-{step}"))
        mine = answers[(answers["readout"] == readout) & (answers["selection"] == "source-val")]
        same = whole[
            (whole["readout"] == readout) & (whole["selection"] == ("last" if step == 6 else "source-val"))
        ]
        assert len(mine) and mine["predicted"].astype(str).tolist() == same["predicted"].astype(str).tolist()


class Asked:
    """`answer_episodes`, which remembers the readouts that it was asked for."""

    def __init__(self, function):
        self.function, self.readouts = function, []

    def __call__(self, *arguments):
        self.readouts.append(set(arguments[-2]))
        return self.function(*arguments)


UNSEEN = """\
roles:
  known: {data: known, rendered: synthetic-wild}
  new: {data: new, rendered: synthetic-compound}
experiments:
  unseen: {title: To unseen classes, train: known, test: new}
"""


def test_the_oracle_of_unseen_classes_looks_at_the_targets_episodes(bench, suite, tmp_path):
    made_up.draw_tree(tmp_path / "known", people=20, labels=("anger", "happiness", "neutral"))
    made_up.draw_tree(tmp_path / "new", people=20, labels=("sadness", "surprise"), seed=3)
    changed = SUITE.replace("way: 5\n", "way: 2\n  tested_classes: unseen\n").replace(
        "{way: 5, shots: 2, queries: 3}", "{way: 2, shots: 2, queries: 3}"
    )
    suite.write_text(
        changed.replace(
            "{way: 5, shots: 2, queries: 2, episodes: 4}", "{way: 2, shots: 2, queries: 2, episodes: 4}"
        )
        + UNSEEN
    )
    data = [word for name in ("known", "new") for word in ("--data", f"{name}={tmp_path / name}")]
    result = bench("--algorithms", "supervised", *data, domains=())
    assert result.exit_code == 0, result.output
    answers, told = answers_of(tmp_path / "results")
    others = {"supervised-ncm", "supervised-probe"}
    assert set(answers["readout"]) == others and set(answers["selection"]) == {"source-val", "last", "oracle"}
    assert all(set(picked) == others for picked in told["selected"].values())
    assert set(told["target_validation"]) == {"2", "4"} and all(
        set(found) == others for found in told["target_validation"].values()
    )
    [model] = folders(tmp_path / "results" / "tiny" / "models").values()
    source = checkpoints.read_validations(model)
    assert set(source[4]) == {"supervised-head", *others}
    assert any(
        told["target_validation"][str(step)][name] != source[step][name] for step in source for name in others
    )


def test_the_history_says_of_each_readout_what_its_validation_is(bench, tmp_path):
    assert bench("--algorithms", "supervised", domains=("day",)).exit_code == 0
    [model] = folders(tmp_path / "results" / "tiny" / "models").values()
    rows = [row for row in read_history(model) if "val_accuracy" in row]
    assert [row["step"] for row in rows] == [2, 4]
    assert all(
        set(row["val_uar"]) == {"supervised-head"}
        and set(row["val_accuracy"]) == {"supervised-ncm", "supervised-probe"}
        for row in rows
    )
