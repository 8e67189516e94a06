"""Plots of more kinds of answers than bars and lines can show."""

import json

import pytest
from helpers import stored_results
from helpers.report_texts import change

from fer_meta.methods import registry
from fer_meta.methods.readouts import READOUTS
from fer_meta.report.aggregate.found import find
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.load import read_results
from fer_meta.report.plots import all as plots


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """Of two methods, each read by all readouts, of which the transductive ones are in no plot of these."""
    methods, labels = {}, {}
    for number, name in enumerate(("protonet", "supervised")):
        found = registry.labels(name, registry.load(name).Config(steps=1), tuple(READOUTS))
        methods[name] = {answer: 0.3 + 0.01 * place for place, answer in enumerate(found)}
        labels |= {
            answer: {"label": one.label, "colour": one.colour, "order": 100 * number + place}
            for place, (answer, one) in enumerate(found.items())
        }
    folder = tmp_path_factory.mktemp("results") / "cross-domain"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_results, "METHODS", methods)
        stored_results.write(folder, seeds=1, episodes=10)
    plan = json.loads((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(json.dumps({**plan, "labels": labels}))
    apart = [f"{name}-{key}" for name in methods for key in READOUTS if READOUTS[key].transductive]
    for path in folder.glob("runs/*/run.json"):
        change(path, transductive=apart)
    results = read_results(folder)
    found = find(results, read_cells(results, Names()), Names())
    drawn = plots.figures(found)
    return {name: drawn[name]() for name in ("accuracy", "ranks")}


def texts(figure):
    return {text.get_text() for axis in figure.axes for text in axis.get_yticklabels()}


def test_accuracy_has_a_line_per_readout_and_a_mark_per_method(figures):
    figure = figures["accuracy"]
    assert texts(figure) == {
        "the method's own",
        "own head",
        *(one.label for one in READOUTS.values() if not one.transductive),
    }
    [legend] = figure.legends
    assert {text.get_text() for text in legend.get_texts()} == {"ProtoNet", "Supervised", "chance"}


def test_ranks_are_a_list_of_all_names(figures):
    assert len(texts(figures["ranks"])) == 9 + 10
