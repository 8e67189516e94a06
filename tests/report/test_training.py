"""What the report makes of the trainings' logs."""

import json

import pytest
from helpers import stored_results

from fer_meta.records.history import history
from fer_meta.report.aggregate.found import find
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.load import read_results
from fer_meta.report.plots.all import figures

pytestmark = pytest.mark.numeric


def test_a_history_holds_a_value_for_each_readout_of_which_the_first_is_shown(tmp_path):
    rows = [
        {
            "step": 1,
            "val_uar": {"supervised-head": 0.5},
            "val_accuracy": {"supervised-ncm": 0.4, "supervised-probe": 0.3},
        },
        {"step": 2, "loss": 1.0},
        {"step": 3, "val_accuracy": 0.2},
    ]  # as an older version wrote it
    (tmp_path / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    log = history(tmp_path / "history.jsonl")
    assert log["val_uar"].fillna(-1).tolist() == [0.5, -1, -1] and log["val_accuracy"].fillna(
        -1
    ).tolist() == [0.4, -1, 0.2]


def test_the_training_plot_says_whether_accuracy_or_uar_was_validated(tmp_path):
    results = read_results(stored_results.write(tmp_path / "cross-domain", seeds=1, episodes=5))
    cells = read_cells(results, Names())
    figure = figures(find(results, cells, Names()))["training"]()
    titles = [axis.get_title() for axis in figure.axes]
    assert "Supervised: validation UAR" in titles and "ProtoNet: validation accuracy" in titles
    figure.axes[0].set_xlim(1, 4)  # of four steps there is no half one
    assert all(float(tick).is_integer() for tick in figure.axes[0].get_xticks())
