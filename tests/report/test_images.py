"""The plot of accuracy against images seen."""

from types import SimpleNamespace

import pandas as pd

from fer_meta.report.plots.images import curves, once_each


def log(images, accuracies):
    return pd.DataFrame({"images": images, "val_accuracy": accuracies})


def run(method, model, source="a", seed=0, failed=None):
    return SimpleNamespace(method=method, model=model, source=source, seed=seed, fold=None, failed=failed)


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


def test_a_method_of_which_a_training_did_not_learn_is_marked():
    logs = [
        (run("protonet", "p0"), log([100], [0.2])),
        (run("protonet", "p1", failed="at chance"), log([100], [0.2])),
    ]
    assert list(curves(logs)["failed"]) == [True] and list(curves(logs[:1])["failed"]) == [False]


def test_trainings_of_several_experiments_are_no_seeds_of_one_another():
    """The mean of a clean and a leaky validation put ProtoNet ahead where it was not."""
    seeds = [(run("protonet", f"p{seed}", seed=seed), log([100], [0.2])) for seed in (0, 1)]
    assert once_each(seeds)
    assert not once_each([*seeds, (run("protonet", "other", seed=1), log([100], [0.6]))])
