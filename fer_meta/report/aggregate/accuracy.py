"""The tables of accuracies, with the names of their columns; `sections/` gives them their form."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import partial

import numpy as np
import pandas as pd

from fer_meta.report.cells import Cell
from fer_meta.report.load import Results, Run
from fer_meta.report.names import classes_in_order, order
from fer_meta.sources import is_rendered
from fer_meta.statistics.intervals import Estimate, hierarchical_interval, of_episodes

CELL = ["experiment", "target", "source", "method", "readout", "way", "shots", "selection"]
PLACE = ["experiment", "source", "target"]
CSV_COLUMNS = [
    "experiment",
    "readout",
    "backbone",
    "class_balance",
    "source",
    "target",
    "way",
    "shots",
    "selection",
    "accuracy",
    "ci95",
    "ci95_episodes",
    "sd_seeds",
    "uar",
    "uar_ci95",
    "macro_f1",
    "ece",
    "chance",
    "bayes",
    "episodes",
    "seeds",
    "failed_seeds",
    "groups",
    "members",
    "classes",
    "test_images",
    "copies_removed",
    "excluded",
    "rendered",
    "transductive",
]
HEAD_COLUMNS = [
    "experiment",
    "target",
    "source",
    "method",
    "readout",
    "shots",
    "selection",
    "accuracy",
    "ci95",
    "uar",
    "uar_ci95",
    "macro_f1",
    "ece",
    "clip_accuracy_vote",
    "clip_accuracy_mean",
    "clips",
    "images",
    "classes",
    "seeds",
    "failed_seeds",
    "groups",
    "members",
    "chance",
    "bayes",
]


def accuracy_table(results: Results, cells: list[Cell]) -> pd.DataFrame:
    """One row per cell (experiment, readout, source, target, way, shots, selection), sorted; all scores are
    0 to 1.

    `accuracy`, `uar`, `macro_f1` and `ece` (expected calibration error, NaN where a readout gives no
    probability) are over all queries, means over seeds. `ci95` is the half width of the 95 % interval of
    accuracy over seeds, episodes and people (clips, images where people are unknown: `groups`, of which
    `members` are tested), `uar_ci95` that of UAR; `ci95_episodes` over episodes alone; NaN where there is one
    of each. `sd_seeds` is the sample sd of the seeds' accuracies, NaN for one seed. `bayes` is the exact
    accuracy of a perfect reader of the rendered action units, NaN where the plan has none. `class_balance` is
    that of supervised training, empty for episodes, whose classes have equal size. `failed_seeds` names,
    with spaces between, the seeds whose training did not learn. `transductive`: each answer may use the other
    queries of its episode. `planned_seeds`, which is not in the csv
    file, shows where a cell lacks seeds.
    """
    rows = []
    for cell in cells:
        if cell.shots > 0:
            row, interval = _scores(cell)
            rows.append(
                row
                | {
                    "transductive": cell.transductive,
                    "ci95_episodes": half_width(of_episodes(interval)),
                    "episodes": interval.counts["episodes"],
                }
            )
    if not rows:
        raise results.runs[0].damaged("predictions.parquet", "has no answers in episodes")
    table = pd.DataFrame(rows)
    table["chance"] = 1 / table["way"]
    table["bayes"] = _bayes(results, table, "way")
    # The classes, and with them the test images, may depend on what source and target share.
    runs: dict[tuple, dict[int | None, Run]] = defaultdict(dict)
    for run in results.runs:
        runs[place_of(run)][run.fold] = run
    tested = pd.DataFrame(
        {place: _tested(list(folds.values())) for place, folds in runs.items()}
    ).T.rename_axis(PLACE)
    table = table.join(tested.infer_objects(), on=PLACE)
    rendered = results.plan.get("rendered", [])
    table["rendered"] = [
        is_rendered(source, rendered) or is_rendered(target, rendered)
        for source, target in zip(table["source"], table["target"])
    ]
    # An experiment may train in its own way.
    configs = {(run.experiment, run.method): run.config for run in results.runs}
    trained = [configs[key] for key in zip(table["experiment"], table["method"])]
    table["backbone"] = [config["backbone"] for config in trained]
    table["class_balance"] = [str(config.get("class_balance", "")) for config in trained]
    pair = ["method", *PLACE]
    planned = pd.DataFrame(results.plan["runs"]).groupby(pair)["seed"].nunique()
    table = table.join(planned.rename("planned_seeds"), on=pair)
    return table.sort_values(
        ["experiment", "target", "way", "source", "readout", "shots", "selection"],
        key=partial(order, results),
        kind="stable",
        ignore_index=True,
    )


def _tested(folds: list[Run]) -> dict:
    """What a run was tested on, or the folds of a cross-validation together."""
    excluded: Counter[str] = Counter()
    for run in folds:
        excluded.update(run.excluded)
    return {
        "classes": len({name for run in folds for name in run.classes}),
        "test_images": sum(run.test_images for run in folds),
        "copies_removed": sum(run.copies_removed for run in folds),
        "excluded": " ".join(f"{name}:{images}" for name, images in sorted(excluded.items())),
    }


def head_table(results: Results, cells: list[Cell]) -> pd.DataFrame:
    """Each test image scored once: one row per experiment, target, source, readout, shots and selection;
    scores are 0 to 1.

    `shots` is 0 for a model's own head, which needs no support. Columns as in `accuracy_table`, and `clips`
    with `clip_accuracy_vote` and `clip_accuracy_mean`: the clips and how many of them are named right by most
    of their frames and by their mean probability; NaN where no clip has two frames. `bayes` is the exact UAR
    of a perfect reader of the rendered action units, NaN where the plan has none.
    """
    classes = defaultdict(set)  # those that could be answered: a target may have no image of one
    for run in results.runs:
        classes[place_of(run)].update(run.classes)
    rows = [
        _scores(cell)[0]
        | {
            "images": len(cell.queries.image),
            "classes": len(classes[place_of(cell)]),
            "clips": cell.clips["clips"].max(),
            "clip_accuracy_vote": cell.clips["vote"].mean(),
            "clip_accuracy_mean": cell.clips["mean"].mean(),
        }
        for cell in cells
        if cell.once
    ]
    table = pd.DataFrame(rows, columns=None if rows else HEAD_COLUMNS)
    table["chance"] = 1 / table["classes"]
    table["bayes"] = _bayes(results, table, "classes")
    keys = ["experiment", "target", "source", "readout", "shots", "selection"]
    return table.sort_values(keys, key=partial(order, results), kind="stable", ignore_index=True)[
        HEAD_COLUMNS
    ]


def recall_table(results: Results, cells: list[Cell]) -> pd.DataFrame:
    """One row per cell and true class: `recall`, the mean over seeds, 0 to 1."""
    rows = [
        _key(cell)
        | {
            "failed_seeds": in_one_text(cell.failed),
            "class": name,
            "recall": np.mean([scores.recall[name] for scores in cell.scores]),
        }
        for cell in cells
        for name in classes_in_order(results, cell.scores[0].recall)
    ]
    keys = ["experiment", "target", "source", "readout", "shots", "selection"]
    return pd.DataFrame(rows).sort_values(keys, key=partial(order, results), kind="stable", ignore_index=True)


def half_width(interval: Estimate) -> float:
    """Half the width of a 95 % interval; NaN where there is one member of each level, so that no spread is
    known.
    """
    return (interval.high - interval.low) / 2


def place_of(run: Run | Cell) -> tuple[str, str, str]:
    """What tells an experiment's source and target apart from the others: PLACE."""
    return run.experiment, run.source, run.target


def _scores(cell: Cell) -> tuple[dict, Estimate]:
    """A cell's scores, and its accuracy with the interval."""
    accuracy, interval = (
        pd.Series([scores.accuracy for scores in cell.scores]),
        hierarchical_interval(cell.outcomes()),
    )
    return (
        _key(cell)
        | {
            "accuracy": accuracy.mean(),
            "ci95": half_width(interval),
            "sd_seeds": accuracy.std(),
            "uar": np.mean([scores.uar for scores in cell.scores]),
            # Where all classes have equally many queries, UAR is accuracy, and so is its interval.
            "uar_ci95": half_width(hierarchical_interval(cell.outcomes(), "uar")) if cell.once else np.nan,
            "ece": cell.ece.mean(),
            "macro_f1": np.mean([scores.macro_f1 for scores in cell.scores]),
            "seeds": len(cell.seeds),
            "failed_seeds": in_one_text(cell.failed),
            "groups": cell.queries.groups,
            "members": interval.counts["groups"],
            # The spread between folds holds what their few images for support do.
            "support_share": 0.0 if cell.queries.fold is not None else cell.queries.support_share,
        },
        interval,
    )


def in_one_text(seeds: Iterable[int]) -> str:
    """Seeds as one column of a CSV has them: 0 2."""
    return " ".join(map(str, seeds))


def _key(cell: Cell) -> dict:
    return {name: getattr(cell, name) for name in CELL}


def _bayes(results: Results, table: pd.DataFrame, way: str) -> list[float]:
    known = {
        (row["experiment"], row["source"], row["target"], row["way"]): row["accuracy"]
        for row in results.plan.get("bayes", [])
    }
    places = zip(*(table[name] for name in ("experiment", "source", "target", way)))
    return [float(known.get(place, known.get(("", *place[1:]), "nan"))) for place in places]
