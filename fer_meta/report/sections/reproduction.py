"""A suite's experiments beside the published figures of the same experiments."""

import pandas as pd

from fer_meta.report.document import (
    Block,
    Bold,
    Code,
    Items,
    Measured,
    Paragraph,
    Section,
    Table,
    Text,
    by_column,
    filled,
    paragraphs,
)
from fer_meta.report.load import Results
from fer_meta.report.names import SELECTIONS, domain_name, readout_name
from fer_meta.report.sections.words import exact, failed_note, measured

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


def section(results: Results, rows: pd.DataFrame) -> Section | None:
    """From the rows of `reproduction_table`: what is wrong with the published figures, and a table of the
    experiments that repeat their faults on purpose; nothing without rows.
    """
    if rows.empty:
        return None
    repeat = rows["experiment"].map(lambda key: bool(results.experiments[key]["carries"]))
    clean, faulty = rows[~repeat], rows[repeat]
    blocks: list[Block] = [*paragraphs(_preset(results), _intro(results))]
    if len(clean):
        blocks += [_table(results, clean), *paragraphs(_failed(results, clean))]
    if len(faulty):
        blocks += [
            Paragraph(_repeated(results, faulty)),
            _table(results, faulty),
            *paragraphs(_failed(results, faulty)),
        ]
    notes = _notes(results, rows)
    return Section("Beside the published figures", (*blocks, *([Items(tuple(notes))] if notes else [])))


def _preset(results: Results) -> Text:
    preset = results.plan.get("preset")
    if preset not in SHORT:
        return ""
    return (
        Bold(f"Preset {preset}: {SHORT[preset]}."),
        " Nothing here explains the published figures: the trainings are hundreds of times shorter than the"
        " published ones. The long run (",
        Code("--preset full"),
        ") does.",
    )


def _repeated(results: Results, faulty: pd.DataFrame) -> Text:
    picked = sorted({results.experiments[key]["checkpoint"] for key in faulty["experiment"]})
    return (
        "The rows below ",
        Bold("repeat the published experiments with their faults on purpose"),
        ", those in brackets behind each title. They are comparable with no row above. Nothing keeps apart"
        " the people trained on and those tested on. The checkpoint:"
        f" {' or '.join(SELECTIONS.get(name, name) for name in picked)}.",
    )


def _table(results: Results, rows: pd.DataFrame) -> Table:
    lines = list(rows.itertuples())
    experiments = list(rows["experiment"])
    new = [key != before for key, before in zip(experiments, ["", *experiments])]
    named = [results.experiments[key] for key in experiments]
    readings = results.plan.get("readings", [])
    training, shared = "training" in readings, "shared-clips" in readings
    words: dict[str, list[Text]] = {
        "experiment": [_experiment(*one) if first else "" for *one, first in zip(experiments, named, new)],
        "trained on": [
            _domain_words(results, one["trained_on"], row.source) if first else ""
            for row, one, first in zip(lines, named, new)
        ],
        "tested on": [
            _domain_words(results, one["tested_on"], row.target) if first else ""
            for row, one, first in zip(lines, named, new)
        ],
        "method": [readout_name(results, row.readout) for row in lines],
        "protocol": [_protocol(results, row) for row in lines],
    }
    numbers: dict[str, list[Text]] = {
        "published test accuracy": [_figure(row.published_test, one) for row, one in zip(lines, named)],
        "ours": ["not run" if pd.isna(row.accuracy) else measured(row) for row in lines],
        "chance": [exact(row.chance) for row in lines],
        "UAR": [exact(row.uar) for row in lines],
        "of clips, by vote": [exact(row.clip_accuracy_vote) for row in lines],
        "of clips, by mean": [exact(row.clip_accuracy_mean) for row in lines],
        "published as evaluation, in truth training accuracy": [
            _figure(row.published_training, one) for row, one in zip(lines, named)
        ],
        "ours, in training episodes": [
            _marked(row.training_accuracy, row.failed_seeds) if training else "" for row in lines
        ],
        "chance in training": [exact(row.training_chance) if training else "" for row in lines],
        "shared clips: ours": [
            _marked(row.shared_accuracy, row.shared_failed_seeds, row.shared_ci95) if shared else ""
            for row in lines
        ],
        "shared clips: in training episodes": [
            _marked(row.shared_training_accuracy, row.shared_failed_seeds) if training and shared else ""
            for row in lines
        ],
    }
    return by_column(filled(words) | {"protocol": words["protocol"]}, filled(numbers))


def _experiment(key: str, experiment: dict) -> Text:
    repeats = f"; repeats ({', '.join(map(str, experiment['carries']))})" if experiment["carries"] else ""
    return Bold(key), " ", experiment["title"], repeats


def _failed(results: Results, rows: pd.DataFrame) -> str:
    """Of the experiments and of those with shared clips beside them."""
    ours = rows[rows["accuracy"].notna()]
    return failed_note(results, pd.concat([ours, ours.assign(experiment=ours["experiment"] + "-shared")]))


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


def _notes(results: Results, rows: pd.DataFrame) -> list[Text]:
    """What is wrong with the figures, by number, and the remarks on each experiment."""
    keys = list(rows["experiment"].unique())
    faults = sorted({number for key in keys for number in results.experiments[key]["faults"]})
    lines: list[Text] = [f"({number}) {FAULTS[number]}." for number in faults if number in FAULTS]
    for key in keys:
        for figure in results.experiments[key]["published"]:
            if figure.get("note"):
                name = readout_name(results, figure["method"].replace("_", "-"))
                lines.append((key, ", ", name, f" {exact(figure['figure'])}: ", figure["note"], "."))
        lines += [(key, ": ", remark, ".") for remark in results.experiments[key]["remarks"]]
    return lines


def _domain_words(results: Results, words: str, domain: str) -> str:
    rendered = pd.notna(domain) and domain_name(results, domain) != domain
    return words + (" (rendered)" if rendered and "rendered" not in words else "")


def _protocol(results: Results, row) -> str:
    if pd.isna(row.accuracy):
        return ""
    run = next(run for run in results.runs if (run.experiment, run.method) == (row.experiment, row.method))
    if row.shots == 0:
        return f"{row.way:.0f} classes, own head, each image once{_settings(run.config)}"
    queries = run.protocol["queries"]
    shown = (
        "each image a query once" if queries == "all" else f"{queries} quer{'y' if queries == 1 else 'ies'}"
    )
    return f"{row.way:.0f}-way {row.shots:.0f}-shot, {shown}{_settings(run.config)}"


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


def _figure(value: float, experiment: dict) -> str:
    faults = f" ({', '.join(map(str, experiment['faults']))})" if experiment["faults"] else ""
    return "" if pd.isna(value) else exact(value) + faults


def _marked(accuracy: float, failed_seeds: str, half: float = float("nan")) -> Text:
    """A number with the mark of a training that did not learn; nothing where there is no number."""
    if pd.isna(accuracy):
        return ""
    return Measured(exact(accuracy), exact(half), failed=bool(failed_seeds))
