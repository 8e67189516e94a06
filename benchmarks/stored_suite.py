"""A finished cross-domain suite whose answers are made up, to time what is done with stored results: nothing
is rendered or trained.

    python benchmarks/stored_suite.py made-up 200 10000
    time fer-meta report --suite cross-domain --out made-up

The plan, the episodes and the tables of answers are those of the `quick` preset and come from the bench's own
code, in its own format: three methods, five rendered domains, each trained on and tested on all, 5-way 1- and
5-shot, 15 queries, 100 episodes unless said otherwise; a seed for every 75 runs.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from fer_meta.datasets.synthetic.rendered import planned
from fer_meta.fileio import write_text
from fer_meta.records.answers import ANSWERS
from fer_meta.records.history import write_history
from fer_meta.records.plan import write_plan
from fer_meta.records.run import write_run
from fer_meta.records.seals import DONE
from fer_meta.runner.crossing import cross
from fer_meta.runner.describe import MadeBy, plan_record, run_record
from fer_meta.runner.plan import Run, make_plan
from fer_meta.runner.settings import Setting
from fer_meta.runner.words import write_episodes, write_predictions
from fer_meta.suites.schema import read_suite

DOMAINS = ["synthetic-studio", "synthetic-wild@0.5", "synthetic-wild", "synthetic-film@0.5", "synthetic-film"]
METHODS = ["protonet", "relationnet", "supervised"]
# How often each classifier of a method is right within a domain, in 1-shot episodes.
SKILL = {
    "protonet": {"protonet": 0.5},
    "relationnet": {"relationnet": 0.48},
    "maml": {"fomaml": 0.4},
    "supervised": {"supervised-ncm": 0.55, "supervised-probe": 0.54},
}
OWN_HEAD = {"supervised-head": 0.6}


def write_stored_suite(folder: Path, runs: int, episodes: int = 100) -> None:
    """Fill `folder` with a plan of `runs` finished runs; `episodes` of each number of shots."""
    seeds = tuple(range(-(-runs // (len(METHODS) * len(DOMAINS) ** 2))))
    suite = read_suite("cross-domain", "quick", asked=METHODS, seeds=seeds)
    suite = suite.model_copy(
        update={
            "methods": {name: suite.methods[name] for name in METHODS},
            "protocol": suite.protocol.model_copy(update={"episodes": episodes}),
        }
    )
    faces = [planned(name, size=suite.image_size) for name in DOMAINS]
    settings = cross(suite, faces)
    plan = make_plan(suite, settings)[:runs]
    made_by = MadeBy(f"python benchmarks/stored_suite.py {folder.parent.name} {runs}")
    write_plan(folder, plan_record(suite, suite, settings, plan, {}, made_by))
    for setting in settings:
        write_episodes(folder, setting)
    for number, run in enumerate(plan):
        rng = np.random.default_rng(number)
        home = folder / "runs" / run.id
        answers = _answers(run, rng)
        write_predictions(
            home / ANSWERS,
            answers,
            run.setting,
            any(set(OWN_HEAD) & {*part["readout"]} for part in answers),
        )
        write_run(home, run_record(suite, run, made_by))
        write_text(home / DONE, "")
        model = folder / "models" / run.model.id
        if not model.exists():
            write_history(model, history_made_up(run.model.config.steps, rng))


def _answers(run: Run, rng: np.random.Generator) -> list[pd.DataFrame]:
    setting = run.setting
    far = 0.15 * (setting.source is not setting.target)
    asked = {shots: np.concatenate(fixed.queries) for shots, fixed in setting.episodes.items()}
    parts = [
        answer(setting, rows, name, shots, skill - far + 0.1 * (shots > 1), rng).assign(
            episode=np.repeat(
                np.arange(len(setting.episodes[shots])),
                [len(part) for part in setting.episodes[shots].queries],
            )
        )
        for shots, rows in asked.items()
        for name, skill in SKILL[run.model.method].items()
    ]
    if run.model.method == "supervised":
        parts += [
            answer(setting, setting.test.rows, name, 0, skill - far, rng).assign(episode=0)
            for name, skill in OWN_HEAD.items()
        ]
    return [part.assign(selection="source-val") for part in parts]


def answer(
    setting: Setting, rows: np.ndarray, readout: str, shots: int, skill: float, rng: np.random.Generator
) -> pd.DataFrame:
    """What `readout` answers to the images `rows` of the target: right with probability `skill`, else any
    other class.
    """
    classes, truth = setting.test.classes, setting.test.class_numbers(rows)
    other = (truth + rng.integers(1, len(classes), len(rows))) % len(classes)
    predicted = np.where(rng.random(len(rows)) < skill, truth, other)
    confidence = rng.uniform(0.3, 1, len(rows)).round(3).astype(np.float32)
    part = pd.DataFrame(
        {
            "readout": readout,
            "shots": shots,
            "row": rows,
            "label": pd.Categorical.from_codes(truth, classes),
            "predicted": pd.Categorical.from_codes(predicted, classes),
            "confidence": np.nan if readout == "relationnet" else confidence,
        }
    )
    if shots == 0:
        chances = np.repeat(((1 - confidence) / (len(classes) - 1))[:, None], len(classes), 1)
        chances[np.arange(len(rows)), predicted] = confidence
        part[[f"p_{name}" for name in classes]] = chances
    return part


def history_made_up(steps: int, rng: np.random.Generator) -> list[dict]:
    """The log of a training: a hundred log points, a validation in every 25."""
    rows = []
    for number, step in enumerate(np.linspace(0, steps, 101)[1:].astype(int).tolist(), start=1):
        learned = 0.6 - 0.4 * np.exp(-2 * step / steps)
        row = {
            "step": step,
            "loss": 2 - 2 * learned + 0.1 * rng.random(),
            "train_accuracy": learned + 0.05 * rng.random(),
            "seconds": step / 10,
        }
        rows.append(
            row | ({"val_accuracy": {"made-up": learned - 0.05 * rng.random()}} if number % 25 == 0 else {})
        )
    return rows


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit("python benchmarks/stored_suite.py FOLDER RUNS [EPISODES]")
    write_stored_suite(Path(sys.argv[1]) / "cross-domain", *map(int, sys.argv[2:]))
