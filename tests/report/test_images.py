"""The plot of accuracy against images seen."""

from types import SimpleNamespace

import pandas as pd

from fer_meta.report.plots.images import curves


def log(images, accuracies):
    return pd.DataFrame({"images": images, "val_accuracy": accuracies})


def run(method, model, source="a"):
    return SimpleNamespace(method=method, model=model, source=source)


def test_a_point_is_the_mean_of_all_trainings_of_a_method_that_saw_as_many_images():
    table = curves(
        [
            (run("protonet", "p0"), log([100, 150, 200], [0.2, None, 0.4])),
            (run("protonet", "p1"), log([100, 200], [0.4, 0.6])),
            (run("supervised", "s0"), log([100, 200], [0.3, 0.5])),
        ]
    )
    found = {(row.method, row.images): round(row.accuracy, 3) for row in table.itertuples()}
    assert found == {
        ("protonet", 100): 0.3, ("protonet", 200): 0.5, ("supervised", 100): 0.3, ("supervised", 200): 0.5
    }  # fmt: skip


def test_a_training_that_is_not_done_and_a_network_that_is_not_trained_bend_no_curve():
    table = curves(
        [
            (run("protonet", "p0"), log([100, 200], [0.2, 0.4])),
            (run("protonet", "p1"), log([100], [0.4])),
            (run("frozen", "f0"), log([0], [0.3])),
            (run("old", "o0"), log([None], [0.3])),
        ]
    )
    assert list(table["images"]) == [100] and set(table["method"]) == {"protonet"}
