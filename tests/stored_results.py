"""A small but complete results folder, as a bench leaves it; the same bytes of numbers on every machine."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

COMMAND = ("fer-meta bench --suite cross-domain --domains fer2013,press_faces,synthetic-wild "
           "--preset smoke --seeds 2")
CLASSES = ["anger", "disgust", "fear", "happiness", "sadness"]
SELECTIONS = ["source-val", "last", "oracle"]
METHODS = {
    "protonet": {"protonet": 0.36},
    "relationnet": {"relationnet": 0.33},
    "maml": {"maml": 0.31},
    "supervised": {"supervised-head": 0.38, "supervised-ncm": 0.35, "supervised-probe": 0.34},
}
PAIRS = [("fer2013", "press_faces"), ("press_faces", "fer2013"), ("synthetic-wild", "fer2013")]
# Rendered domains at several severities, on one source; the plan's order is not the severities'.
GAP_COMMAND = "fer-meta bench --suite domain-gap --preset smoke"
GAP_SEVERITY = {
    "synthetic-studio": {"recipe": "synthetic-studio", "severity": 1.0},
    "synthetic-wild": {"recipe": "synthetic-wild", "severity": 1.0},
    "synthetic-wild@0.25": {"recipe": "synthetic-wild", "severity": 0.25},
    "synthetic-wild@0.5": {"recipe": "synthetic-wild", "severity": 0.5},
    "synthetic-film": {"recipe": "synthetic-film", "severity": 1.0},
    "synthetic-film@0.1": {"recipe": "synthetic-film", "severity": 0.1},
}
GAP_PAIRS = [("synthetic-studio", target) for target in GAP_SEVERITY]
UNFINISHED = "protonet-synthetic-wild-to-fer2013-seed1"
FAILED = "maml-synthetic-wild-to-fer2013-seed1"
ERROR = "the loss is not a number at step 300; lower the learning rate"


def write(folder: Path, seeds: int = 2, episodes: int = 40) -> Path:
    """Fill `folder` with a plan and its runs: all finished but `UNFINISHED` and `FAILED` (seed 1)."""
    plan = {"suite": "cross-domain", "title": "Cross-domain expression recognition", "preset": "smoke",
            "command": COMMAND, "rendered": ["synthetic-wild"]}
    return _write(folder, plan, PAIRS, seeds, episodes)


def write_gap(folder: Path, pairs: list[tuple[str, str]] = GAP_PAIRS, seeds: int = 1, episodes: int = 20) -> Path:
    """Fill `folder` with finished runs; the plan places the rendered domains and has the best accuracy on them."""
    domains = {name for pair in pairs for name in pair}
    severity = {name: place for name, place in GAP_SEVERITY.items() if name in domains}
    bayes = [{"source": source, "target": target, "way": way, "accuracy": 0.975}
             for source, target in pairs if target in severity for way in (4, 5)]
    plan = {"suite": "domain-gap", "title": "How far a domain gap reaches", "preset": "smoke",
            "command": GAP_COMMAND, "rendered": list(severity), "severity": severity, "bayes": bayes}
    return _write(folder, plan, pairs, seeds, episodes)


def _write(folder: Path, plan: dict, pairs: list[tuple[str, str]], seeds: int, episodes: int) -> Path:
    runs = [{"id": f"{algorithm}-{source}-to-{target}-seed{seed}", "algorithm": algorithm, "source": source,
             "target": target, "seed": seed, "model": f"{algorithm}-{source}-seed{seed}"}
            for source, target in pairs for algorithm in METHODS for seed in range(seeds)]
    folder.mkdir(parents=True, exist_ok=True)
    _json(folder / "plan.json", plan | {"runs": runs})
    for number, run in enumerate(runs):
        # The smaller the gap, the better; without a severity a target is as hard as any.
        near = 0.3 * (1 - plan.get("severity", {}).get(run["target"], {"severity": 1})["severity"])
        near = 0.4 if run["source"] == run["target"] else near
        _write_run(folder, run, np.random.RandomState(number), episodes, near)
    return folder


def _write_run(folder: Path, run: dict, rng: np.random.RandomState, episodes: int, near: float) -> None:
    home, model = folder / "runs" / run["id"], folder / "models" / run["model"]
    home.mkdir(parents=True)
    model.mkdir(parents=True, exist_ok=True)
    (model / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in _history(rng)))
    _episodes(run, rng, episodes, near).to_parquet(home / "episodes.parquet")
    if run["id"] == FAILED:
        return _json(home / "FAILED.json", {"error": ERROR})
    if run["id"] == UNFINISHED:
        return None
    to_press = run["target"] == "press_faces"
    _json(home / "run.json", run | {
        "config": {"backbone": "resnet50" if run["algorithm"] == "supervised" else "conv4", "steps": 1000},
        "protocol": {"way": 5 - to_press, "shots": [1, 5], "queries": 15, "episodes": episodes,
                     "disjoint": "image", "batchnorm": "eval", "copies": "removed",
                     "small_classes": "exclude"},
        "classes": CLASSES[:5 - to_press], "excluded": {"surprise": 2, "neutral": 1} if to_press else {},
        "copies_removed": 0 if to_press else 288, "test_images": 412 if to_press else 3301,
        "selected": {"source-val": 800, "last": 1000, "oracle": 600},
        "timings": {"train_s": 10.0, "evaluate_s": 2.0}})
    _confusion(run, rng).to_parquet(home / "confusion.parquet")
    if run["algorithm"] == "supervised":
        _predictions(rng, CLASSES[:5 - to_press]).to_parquet(home / "predictions.parquet")
    (home / "DONE").touch()


def _episodes(run: dict, rng: np.random.RandomState, episodes: int, near: float) -> pd.DataFrame:
    parts = []
    for method, mean in METHODS[run["algorithm"]].items():
        for shots in (1, 5):
            for selection in SELECTIONS:
                right = rng.binomial(75, mean + near + 0.02 * shots + 0.01 * (selection == "oracle"), episodes)
                parts.append(pd.DataFrame({"method": method, "shots": shots, "selection": selection,
                                           "episode": range(episodes), "accuracy": right / 75}))
    return pd.concat(parts, ignore_index=True)


def _confusion(run: dict, rng: np.random.RandomState) -> pd.DataFrame:
    classes = CLASSES[:5 - (run["target"] == "press_faces")]
    return pd.DataFrame([
        (method, shots, selection, true, predicted, rng.randint(5, 20) + 20 * (true == predicted))
        for method in METHODS[run["algorithm"]] for shots in (1, 5) for selection in SELECTIONS
        for true in classes for predicted in classes
    ], columns=["method", "shots", "selection", "true", "predicted", "count"])


def _predictions(rng: np.random.RandomState, classes: list[str]) -> pd.DataFrame:
    labels = np.repeat(classes, [40, 5, 30, 90, 35][:len(classes)])
    parts = [pd.DataFrame({"method": "supervised-head", "selection": selection,
                           "path": [f"{i}.png" for i in range(len(labels))], "label": labels,
                           "predicted": np.where(rng.rand(len(labels)) < 0.4, labels,
                                                 rng.choice(classes, len(labels)))})
             for selection in SELECTIONS]
    return pd.concat(parts, ignore_index=True)


def _history(rng: np.random.RandomState) -> list[dict]:
    rows = []
    for step in range(50, 1001, 50):
        rows.append({"step": step, "loss": 1.0 + 0.6 * np.exp(-step / 300) + 0.04 * rng.randn(),
                     "seconds": step / 10})
        if step % 200 == 0:
            learned = 0.45 - 0.25 * np.exp(-step / 300)
            rows.append({"step": step, "val_accuracy": learned + 0.01 * rng.randn()})
    return rows


def _json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=1))
