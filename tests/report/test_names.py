"""What the report calls methods: as the plan says; for older plans, by a table of names."""

from pathlib import Path

import pandas as pd
import pytest

from fer_meta.report.load import Results
from fer_meta.report.names import (
    in_order,
    is_own_head,
    look,
    order,
    reading_name,
    readout_name,
    training_name,
)


def results_of(**plan) -> Results:
    return Results(Path("results"), {"runs": []} | plan, [], [])


LABELS = {
    "mine": {"label": "My method", "colour": "#123456", "order": 0},
    "protonet": {"label": "ProtoNet, squared", "colour": "#654321", "order": 7},
}


def test_a_plan_says_what_its_methods_are_called_and_their_colours_and_order():
    results = results_of(labels=LABELS)
    assert (readout_name(results, "mine"), look(results, "mine").colour) == ("My method", "#123456")
    assert readout_name(results, "protonet") == "ProtoNet, squared"
    assert in_order(results, ["protonet", "maml", "mine", "mine"]) == ["mine", "maml", "protonet"]
    column = pd.Series(["protonet", "mine", "maml"], name="readout")
    assert list(column.sort_values(key=lambda names: order(results, names))) == ["mine", "maml", "protonet"]


def test_an_older_plan_has_the_names_of_its_time_and_a_stranger_keeps_its_own_and_is_last():
    results = results_of()
    assert readout_name(results, "supervised-ncm") == "Supervised (nearest mean)"
    assert readout_name(results, "a-stranger") == "a-stranger"
    assert in_order(results, ["a-stranger", "maml", "protonet"]) == ["protonet", "maml", "a-stranger"]


def test_a_strangers_colour_is_its_own_whoever_else_is_present():
    colours = {name: look(results_of(), name).colour for name in ("a-stranger", "another", "third")}
    assert colours["third"] == look(results_of(labels=LABELS), "third").colour
    assert all(len(colour) == 7 for colour in colours.values())


@pytest.mark.parametrize(
    "method, readout, name",
    [
        ("supervised", "supervised-probe", "Supervised"),
        ("relationnet_mean", "relationnet-mean", "Relation Net (averaged maps)"),
        ("maml", "fomaml", "FOMAML"),
        ("own", "own-head", "own-head"),
    ],
)
def test_a_training_is_called_after_any_of_its_answers(method, readout, name):
    assert training_name(results_of(), method, readout) == name


@pytest.mark.parametrize(
    "method, readout, label, training, reading",
    [
        ("protonet", "protonet-ridge", "ProtoNet (ridge)", "ProtoNet", "ridge"),
        ("scaled", "scaled-ridge", "ProtoNet (scaled) (ridge)", "ProtoNet (scaled)", "ridge"),
        ("scaled", "scaled", "ProtoNet (scaled)", "ProtoNet (scaled)", "the method's own"),
        ("maml", "fomaml", "FOMAML", "FOMAML", "the method's own"),
    ],
)
def test_a_label_is_the_trainings_name_and_how_it_is_read(method, readout, label, training, reading):
    results = results_of(labels={readout: {"label": label, "colour": "#123456", "order": 0}})
    assert training_name(results, method, readout) == training
    assert reading_name(results, method, readout) == reading


def test_a_head_that_is_fine_tuned_on_the_support_is_no_own_head():
    assert is_own_head("supervised-head") and not is_own_head("supervised-finetune-head")
