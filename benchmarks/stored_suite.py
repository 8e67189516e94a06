"""A finished cross-domain suite whose answers are made up, to time what is done with stored results: nothing
is rendered or trained.

    python benchmarks/stored_suite.py made-up 200 10000
    time fer-meta report --suite cross-domain --out made-up

The plan, the episodes and the tables of answers are those of the `quick` preset and come from the bench's own
code, in its own format: three methods, five rendered domains, each trained on and tested on all, 5-way 1- and
5-shot, 15 queries, 100 episodes unless said otherwise; a seed for every 75 runs.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from fer_meta.bench.store import episodes_file, write_episodes, write_plan, write_predictions

from fer_meta.bench.plan import Run, Setting, cross, make_plan
from fer_meta.datasets.synthetic.rendered import planned
from fer_meta.fileio import write_json, write_text
from fer_meta.suites.schema import read_suite

DOMAINS = ["synthetic-studio", "synthetic-wild@0.5", "synthetic-wild", "synthetic-film@0.5", "synthetic-film"]
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
    methods = read_suite("cross-domain", "quick").algorithms
    suite = read_suite(
        "cross-domain", "quick", seeds=tuple(range(-(-runs // (len(methods) * len(DOMAINS) ** 2))))
    )
    suite = suite.model_copy(update={"protocol": suite.protocol.model_copy(update={"episodes": episodes})})
    faces = [planned(name, size=suite.image_size) for name in DOMAINS]
    settings = cross(suite, faces)
    plan = make_plan(suite, settings)[:runs]
    command = f"python benchmarks/stored_suite.py {folder.parent.name} {runs}"
    write_plan(
        folder,
        suite,
        suite,
        settings,
        plan,
        {one.name: one.spec.rendered for one in faces},
        {},
        {"command": command},
    )
    for setting in settings:
        write_episodes(folder, setting)
    for number, run in enumerate(plan):
        rng = np.random.default_rng(number)
        home = folder / "runs" / run.id
        answers = _answers(run, rng)
        write_predictions(
            home / "predictions.parquet",
            answers,
            run.setting,
            any(set(OWN_HEAD) & {*part["method"]} for part in answers),
        )
        write_json(home / "run.json", _told(run, suite))
        write_text(home / "DONE", "")
        log = folder / "models" / run.model.id / "history.jsonl"
        if not log.exists():
            write_text(log, _history(run.model.config.steps, rng))


def _answers(run: Run, rng: np.random.Generator) -> list[pd.DataFrame]:
    setting = run.setting
    far = 0.15 * (setting.source is not setting.target)
    asked = {shots: np.concatenate(fixed.queries) for shots, fixed in setting.episodes.items()}
    parts = [
        _answer(setting, rows, name, shots, skill - far + 0.1 * (shots > 1), rng).assign(
            episode=np.repeat(
                np.arange(len(setting.episodes[shots])),
                [len(part) for part in setting.episodes[shots].queries],
            )
        )
        for shots, rows in asked.items()
        for name, skill in SKILL[run.model.algorithm].items()
    ]
    if run.model.algorithm == "supervised":
        parts += [
            _answer(setting, setting.test.rows, name, 0, skill - far, rng).assign(episode=0)
            for name, skill in OWN_HEAD.items()
        ]
    return [part.assign(selection="source-val") for part in parts]


def _answer(
    setting: Setting, rows: np.ndarray, method: str, shots: int, skill: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Right with probability `skill`, else any other class."""
    classes, truth = setting.test.classes, setting.test.class_numbers(rows)
    other = (truth + rng.integers(1, len(classes), len(rows))) % len(classes)
    predicted = np.where(rng.random(len(rows)) < skill, truth, other)
    confidence = rng.uniform(0.3, 1, len(rows)).round(3).astype(np.float32)
    part = pd.DataFrame(
        {
            "method": method,
            "shots": shots,
            "row": rows,
            "label": pd.Categorical.from_codes(truth, classes),
            "predicted": pd.Categorical.from_codes(predicted, classes),
            "confidence": np.nan if method == "relationnet" else confidence,
        }
    )
    if shots == 0:
        chances = np.repeat(((1 - confidence) / (len(classes) - 1))[:, None], len(classes), 1)
        chances[np.arange(len(rows)), predicted] = confidence
        part[[f"p_{name}" for name in classes]] = chances
    return part


def _told(run: Run, suite) -> dict:
    setting, model = run.setting, run.model
    return {
        "id": run.id,
        "suite": suite.name,
        "preset": suite.preset,
        "experiment": "",
        "algorithm": model.algorithm,
        "source": setting.source.name,
        "target": setting.target.name,
        "seed": model.seed,
        "model": model.id,
        "identity": run.identity,
        "config": model.config.model_dump(mode="json"),
        "protocol": setting.protocol.model_dump(mode="json"),
        "image_size": suite.image_size,
        "classes": list(setting.test.classes),
        "excluded": setting.test.excluded,
        "copies_removed": setting.test.copies_removed,
        "test_images": len(setting.test),
        "episodes": {str(shots): episodes_file(setting, shots) for shots in setting.episodes},
    }


def _history(steps: int, rng: np.random.Generator) -> str:
    """A hundred lines, a validation in every 25."""
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
    return "".join(json.dumps(row) + "\n" for row in rows)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit("python benchmarks/stored_suite.py FOLDER RUNS [EPISODES]")
    write_stored_suite(Path(sys.argv[1]) / "cross-domain", *map(int, sys.argv[2:]))
