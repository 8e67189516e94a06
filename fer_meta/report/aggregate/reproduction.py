"""A suite's experiments beside the published figures of the same experiments: the reproduction table."""

import numpy as np
import pandas as pd

from fer_meta.report.aggregate.per_seed import training_accuracy
from fer_meta.report.failed import MARK
from fer_meta.report.load import Results
from fer_meta.report.names import SELECTIONS, domain_name, is_own_head, rank
from fer_meta.report.sections.words import dagger, exact, failed_note, markdown, method, percent, pipes

TRAINING = "training accuracy, printed as evaluation"
FAULTS = {
    1: "what is printed as the evaluation's accuracy is the running mean over the training episodes",
    2: "a class's support comes from one clip, and its queries may be that clip's neighbouring frames",
    3: "episodes of different ways stand in one table without their chance levels",
    4: "test images were trained on, or the images that picked the checkpoint are those reported",
    5: "one run: no other seed, no interval",
}
SHORT = {
    "quick": "a check that the pipeline runs, without leaks",
    "smoke": "does it run at all? The numbers mean nothing",
}
REPEATED = (
    "The rows below **repeat the published experiments with their faults on purpose**, those in brackets"
    " behind each title. They are comparable with no row above. Nothing keeps apart the people trained on and"
    " those tested on. The checkpoint: {}."
)
CELL = ["experiment", "source", "target", "method", "shots", "selection"]
COLUMNS = [
    "experiment",
    "source",
    "target",
    "algorithm",
    "method",
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
    """A row an experiment, method and shots (0: an own head on each test image once) of a suite with
    published figures.

    Accuracies are 0 to 1, ours of the experiment's `checkpoint` (source-val unless it says otherwise).
    `published_*` are the first figures of each reading. `training_accuracy` is the mean over the last tenth
    of a training's log (mean over seeds), for methods trained on episodes, with `training_chance`. `shared_*`
    belong to the experiment `<key>-shared`. `uar` and clips are told where each test image is scored once.
    NaN where there is none; a published method that has not been run has a row too. No rows where nothing is
    published.
    """
    published = {
        key: told for key, told in results.experiments.items() if told["published"] or not told["against"]
    }
    if not any(told["published"] for told in published.values()):
        return pd.DataFrame(columns=COLUMNS)
    once = heads[[*CELL, "uar", "clip_accuracy_vote", "clip_accuracy_mean"]]
    own_heads = heads[heads["shots"] == 0].rename(columns={"classes": "way"})
    ours = table.drop(columns="uar").merge(once, "left", CELL)
    ours = pd.concat([ours, own_heads]) if len(own_heads) else ours
    ours = ours[
        ours["selection"]
        == ours["experiment"].map({key: told["checkpoint"] for key, told in results.experiments.items()})
    ]
    # Who has an own head is trained on batches, and has no training episodes.
    batches = set(heads.loc[heads["method"].map(is_own_head).astype(bool), "algorithm"])
    rows = []
    for key, told in published.items():
        block = [
            row | _training(results, row, batches) | _shared(results, row, ours, batches)
            for row in ours[ours["experiment"] == key].to_dict("records")
        ]
        block.sort(
            key=lambda row: (
                rank(results, row["method"]),
                row["shots"],
            )
        )
        for figure in told["published"]:
            if not any(_is_of(figure, row) for row in block):
                block.append({"experiment": key, "method": _bare(figure), "shots": np.nan})
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


def section(results: Results, rows: pd.DataFrame) -> str:
    """Markdown: the reproduction table with what is wrong with the published figures, and a table of the
    experiments that repeat their faults on purpose; nothing without rows.
    """
    if rows.empty:
        return ""
    repeat = rows["experiment"].map(lambda key: bool(results.experiments[key]["carries"]))
    clean, faulty = rows[~repeat], rows[repeat]
    parts = ["## Beside the published figures", _preset(results), _intro(results)]
    parts += [_table(results, clean)] if len(clean) else []
    if len(faulty):
        picked = sorted({results.experiments[key]["checkpoint"] for key in faulty["experiment"]})
        parts += [
            REPEATED.format(" or ".join(SELECTIONS.get(name, name) for name in picked)),
            _table(results, faulty),
        ]
    return "\n\n".join(filter(None, [*parts, _notes(results, rows)]))


def _preset(results: Results) -> str:
    preset = results.plan.get("preset")
    if preset not in SHORT:
        return ""
    return (
        f"**Preset {preset}: {SHORT[preset]}.** Nothing here explains the published figures: the trainings"
        " are hundreds of times shorter than the published ones. The long run (`--preset full`) does."
    )


def _table(results: Results, rows: pd.DataFrame) -> str:
    readings = results.plan.get("readings", [])
    lines = []
    for row in rows.itertuples():
        told, new = results.experiments[row.experiment], not lines or lines[-1][0] != row.experiment
        repeats = f"; repeats ({', '.join(map(str, told['carries']))})" if told["carries"] else ""
        lines.append(
            (
                row.experiment,
                {
                    "experiment": (
                        f"**{markdown(row.experiment)}** {markdown(told['title'])}{repeats}" if new else ""
                    ),
                    "trained on": _domain_words(results, told["trained_on"], row.source) if new else "",
                    "tested on": _domain_words(results, told["tested_on"], row.target) if new else "",
                    "method": method(results, row.method),
                    "protocol": _protocol(results, row),
                    "published test accuracy": _figure(row.published_test, told),
                    "ours": "not run" if pd.isna(row.accuracy) else percent(row) + dagger(row),
                    "chance": exact(row.chance),
                    "UAR": exact(row.uar),
                    "of clips, by vote": exact(row.clip_accuracy_vote),
                    "of clips, by mean": exact(row.clip_accuracy_mean),
                    "published as evaluation, in truth training accuracy": _figure(
                        row.published_training, told
                    ),
                    "ours, in training episodes": (
                        _marked(exact(row.training_accuracy), row.failed_seeds)
                        if "training" in readings
                        else ""
                    ),
                    "chance in training": exact(row.training_chance) if "training" in readings else "",
                    "shared clips: ours": _shared_percent(row) if "shared-clips" in readings else "",
                    "shared clips: in training episodes": (
                        _marked(exact(row.shared_training_accuracy), row.shared_failed_seeds)
                        if set(readings) >= {"training", "shared-clips"}
                        else ""
                    ),
                },
            )
        )
    columns = [name for name in lines[0][1] if any(line[name] for _, line in lines)]
    table = pipes(
        [columns, *([line[name] for name in columns] for _, line in lines)], columns.index("protocol") + 1
    )
    return "\n\n".join(filter(None, [table, _failed(results, rows)]))


def _failed(results: Results, rows: pd.DataFrame) -> str:
    """Of the experiments and of those with shared clips beside them."""
    ours = rows[rows["accuracy"].notna()]
    return failed_note(
        results, pd.concat([ours, ours.assign(experiment=ours["experiment"] + "-shared")]), markdown
    )


def _intro(results: Results) -> str:
    text = (
        "Accuracy in percent. Published: the figures printed for the same experiment, behind each in brackets"
        " the faults it carries, listed below. Ours: the checkpoint is picked on the source's validation"
        " split, ± as above. A published figure that is a training accuracy stands beside our training"
        " accuracy (running means over the last tenth of the training), never beside a test."
    )
    if "shared-clips" in results.plan.get("readings", []):
        text += (
            " Shared clips: the same, with a class's support from one clip, whose other frames may be"
            " queries."
        )
    if results.plan.get("rendered"):
        text += (
            " Domains that are called rendered are drawn faces and stand in for the published data: these"
            " rows show what a fault does, not what the published model would reach."
        )
    return text


def _notes(results: Results, rows: pd.DataFrame) -> str:
    told = [results.experiments[key] for key in rows["experiment"].unique()]
    faults = sorted({number for experiment in told for number in experiment["faults"]})
    lines = [f"- ({number}) {FAULTS[number]}." for number in faults if number in FAULTS]
    for key in rows["experiment"].unique():
        lines += [
            f"- {markdown(key)}, {method(results, figure['method'].replace('_', '-'))}"
            f" {exact(figure['figure'])}: {markdown(figure['note'])}."
            for figure in results.experiments[key]["published"]
            if figure.get("note")
        ]
        lines += [f"- {markdown(key)}: {markdown(remark)}." for remark in results.experiments[key]["remarks"]]
    return "\n".join(lines)


def _domain_words(results: Results, words: str, domain: str) -> str:
    rendered = pd.notna(domain) and domain_name(results, domain) != domain
    return markdown(words) + (" (rendered)" if rendered and "rendered" not in words else "")


def _protocol(results: Results, row) -> str:
    if pd.isna(row.accuracy):
        return ""
    run = next(
        run for run in results.runs if (run.experiment, run.algorithm) == (row.experiment, row.algorithm)
    )
    if row.shots == 0:
        return f"{row.way:.0f} classes, own head, each image once{_settings(run.config)}"
    queries = run.protocol["queries"]
    asked = (
        "each image a query once" if queries == "all" else f"{queries} quer{'y' if queries == 1 else 'ies'}"
    )
    return f"{row.way:.0f}-way {row.shots:.0f}-shot, {asked}{_settings(run.config)}"


def _settings(config: dict) -> str:
    """; Adam, 0.0001, ImageNet weights: how a method was trained. Nothing where an older version did not
    write it.
    """
    names = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}
    optimiser, rate = config.get("optimiser"), config.get("lr")
    if not isinstance(optimiser, str) or not isinstance(rate, float):
        return ""
    return f"; {names.get(optimiser, optimiser)}, {rate:g}" + ", ImageNet weights" * (
        config.get("weights") == "imagenet"
    )


def _figure(value: float, told: dict) -> str:
    faults = f" ({', '.join(map(str, told['faults']))})" if told["faults"] else ""
    return "" if pd.isna(value) else exact(value) + faults


def _shared_percent(row) -> str:
    half = "" if pd.isna(row.shared_ci95) else f" ± {exact(row.shared_ci95)}"
    return _marked(exact(row.shared_accuracy) and exact(row.shared_accuracy) + half, row.shared_failed_seeds)


def _marked(number: str, failed_seeds: str) -> str:
    """A number with the mark of a training that did not learn; nothing where there is no number."""
    return number and number + MARK * bool(failed_seeds)


def _reading(figure: dict) -> str:
    return "published_training" if figure["reading"] == TRAINING else "published_test"


def _is_of(figure: dict, row: dict) -> bool:
    """A figure of a method with an own head belongs to that head, on each test image once."""
    return row["method"] == _bare(figure) or (row["method"] == f"{_bare(figure)}-head" and row["shots"] == 0)


def _bare(figure: dict) -> str:
    return figure["method"].replace("_", "-").removesuffix("-head")


def _training(results: Results, row: dict, batches: set[str]) -> dict:
    """How an episodic training ended; nothing of those on `batches`."""
    runs = [
        run
        for run in results.runs
        if (run.experiment, run.source, run.algorithm) == (row["experiment"], row["source"], row["algorithm"])
    ]
    if not runs or row["algorithm"] in batches:
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
        & (ours["method"] == row["method"])
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
