"""A suite's experiments beside the published figures of the same experiments: the reproduction table."""

import numpy as np
import pandas as pd

from fer_meta.report.aggregate.per_seed import training_accuracy
from fer_meta.report.load import Results
from fer_meta.report.names import is_own_head, rank

TRAINING = "training accuracy, printed as evaluation"
CELL = ["experiment", "source", "target", "readout", "shots", "selection"]
COLUMNS = [
    "experiment",
    "source",
    "target",
    "method",
    "readout",
    "way",
    "shots",
    "accuracy",
    "ci95",
    "chance",
    "uar",
    "clip_accuracy_vote",
    "clip_accuracy_mean",
    "seeds",
    "failed_seeds",
    "published_test",
    "published_training",
    "training_accuracy",
    "training_chance",
    "shared_accuracy",
    "shared_ci95",
    "shared_failed_seeds",
    "shared_training_accuracy",
]


def reproduction_table(results: Results, table: pd.DataFrame, heads: pd.DataFrame) -> pd.DataFrame:
    """One row per experiment, readout and shots (0: an own head on each test image once) of a suite with
    published figures.

    Accuracies are 0 to 1, ours of the experiment's `checkpoint` (source-val unless it says otherwise).
    `published_*` are the first figures of each reading. `training_accuracy` is the mean over the last tenth
    of a training's log (mean over seeds), for methods trained on episodes, with `training_chance`. `shared_*`
    belong to the experiment `<key>-shared`. `uar` and clips are filled where each test image is scored once.
    NaN where there is none; a published method that has not been run has a row too. No rows where nothing is
    published.
    """
    published = {
        key: experiment
        for key, experiment in results.experiments.items()
        if experiment["published"] or not experiment["against"]
    }
    if not any(experiment["published"] for experiment in published.values()):
        return pd.DataFrame(columns=COLUMNS)
    once = heads[[*CELL, "uar", "clip_accuracy_vote", "clip_accuracy_mean"]]
    own_heads = heads[heads["shots"] == 0].rename(columns={"classes": "way"})
    ours = table.drop(columns="uar").merge(once, "left", CELL)
    ours = pd.concat([ours, own_heads]) if len(own_heads) else ours
    ours = ours[
        ours["selection"]
        == ours["experiment"].map(
            {key: experiment["checkpoint"] for key, experiment in results.experiments.items()}
        )
    ]
    # Who has an own head is trained on batches, and has no training episodes.
    batches = set(heads.loc[heads["readout"].map(is_own_head).astype(bool), "method"])
    rows = []
    for key, experiment in published.items():
        block = [
            row | _training(results, row, batches) | _shared(results, row, ours, batches)
            for row in ours[ours["experiment"] == key].to_dict("records")
        ]
        block.sort(
            key=lambda row: (
                rank(results, row["readout"]),
                row["shots"],
            )
        )
        for figure in experiment["published"]:
            if not any(_is_of(figure, row) for row in block):
                block.append({"experiment": key, "readout": _bare(figure), "shots": np.nan})
            for row in block:
                if _is_of(figure, row):
                    row.setdefault(_reading(figure), figure["figure"])
        rows += block
    table = pd.DataFrame(rows).reindex(columns=COLUMNS)
    return table.assign(
        **{
            name: table[name].astype(object).where(table[name].notna(), "")
            for name in ("failed_seeds", "shared_failed_seeds")
        }
    )


def _reading(figure: dict) -> str:
    return "published_training" if figure["reading"] == TRAINING else "published_test"


def _is_of(figure: dict, row: dict) -> bool:
    """A figure of a method with an own head belongs to that head, on each test image once."""
    return row["readout"] == _bare(figure) or (
        row["readout"] == f"{_bare(figure)}-head" and row["shots"] == 0
    )


def _bare(figure: dict) -> str:
    return figure["method"].replace("_", "-").removesuffix("-head")


def _training(results: Results, row: dict, batches: set[str]) -> dict:
    """How an episodic training ended; nothing of those on `batches`."""
    runs = [
        run
        for run in results.runs
        if (run.experiment, run.source, run.method) == (row["experiment"], row["source"], row["method"])
    ]
    if not runs or row["method"] in batches:
        return {}
    ends = [training_accuracy(results, model) for model in sorted({run.model for run in runs})]
    train = runs[0].protocol.get("train", {})
    return {
        "training_accuracy": float(np.mean(ends)),
        "training_chance": 1 / train["way"] if "way" in train else np.nan,
    }


def _shared(results: Results, row: dict, ours: pd.DataFrame, batches: set[str]) -> dict:
    same = ours[
        (ours["experiment"] == f"{row['experiment']}-shared")
        & (ours["readout"] == row["readout"])
        & (ours["shots"] == row["shots"])
    ].to_dict("records")
    if not same:
        return {}
    return {
        "shared_accuracy": same[0]["accuracy"],
        "shared_ci95": same[0]["ci95"],
        "shared_failed_seeds": same[0]["failed_seeds"],
        "shared_training_accuracy": _training(results, same[0], batches).get("training_accuracy", np.nan),
    }
