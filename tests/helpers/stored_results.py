"""Small but complete results folders, as a bench leaves them; the same bytes of numbers on every machine."""

import json
from pathlib import Path

import numpy as np

from helpers.stored_answers import (
    CLASSES,
    QUERIES,
    SELECTIONS,
    answers_to,
    episodes_of,
    history_of,
    images_of,
)

COMMAND = (
    "fer-meta bench --suite cross-domain --domains fer2013,press_faces,synthetic-wild "
    "--preset smoke --seeds 2"
)
METHODS = {
    "protonet": {"protonet": 0.36},
    "relationnet": {"relationnet": 0.33},
    "maml": {"maml": 0.31},
    "supervised": {"supervised-head": 0.38, "supervised-ncm": 0.35, "supervised-probe": 0.34},
}
EXPERIMENT_METHODS = {
    "protonet": {"protonet": 0.40},
    "relationnet": {"relationnet": 0.36},
    "relationnet_mean": {"relationnet-mean": 0.35},
    "supervised": {"supervised-head": 0.44, "supervised-ncm": 0.42},
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
    plan = {
        "suite": "cross-domain",
        "title": "Cross-domain expression recognition",
        "preset": "smoke",
        "command": COMMAND,
        "rendered": ["synthetic-wild"],
    }
    runs = _runs(PAIRS, METHODS, seeds)
    for run in runs:
        to_press = run["target"] == "press_faces"
        run["told"] = {
            "classes": CLASSES[: 5 - to_press],
            "excluded": {"surprise": 2, "neutral": 1} if to_press else {},
            "copies_removed": 0 if to_press else 288,
            "test_images": 412 if to_press else 3301,
        }
    return _write(folder, plan, runs, METHODS, episodes)


def write_gap(
    folder: Path, pairs: list[tuple[str, str]] = GAP_PAIRS, seeds: int = 1, episodes: int = 20
) -> Path:
    """Fill `folder` with finished runs; the plan places the rendered domains and has the best accuracy on
    them.
    """
    domains = {name for pair in pairs for name in pair}
    severity = {name: place for name, place in GAP_SEVERITY.items() if name in domains}
    bayes = [
        {"source": source, "target": target, "way": way, "accuracy": 0.975}
        for source, target in pairs
        if target in severity
        for way in (4, 5)
    ]
    plan = {
        "suite": "domain-gap",
        "title": "How far a domain gap reaches",
        "preset": "smoke",
        "command": GAP_COMMAND,
        "rendered": list(severity),
        "severity": severity,
        "bayes": bayes,
    }
    runs = _runs(pairs, METHODS, seeds)
    for run in runs:
        # The smaller the gap, the better; without a severity a target is as hard as any.
        near = 0.3 * (1 - severity.get(run["target"], {"severity": 1})["severity"])
        run["near"] = 0.4 if run["source"] == run["target"] else near
    return _write(folder, plan, runs, METHODS, episodes)


def write_experiments(folder: Path, seeds: int = 2, episodes: int = 30) -> Path:
    """A reproduction: E1 with its shared-clips reading, and E4, whose episodes share out the test images
    once.
    """
    note = {"reading": "training accuracy, printed as evaluation", "note": ""}
    experiments = {
        "E1": {
            "title": "basic to film",
            "trained_on": "the basic classes of synthetic-wild (rendered)",
            "tested_on": "synthetic-film (rendered)",
            "faults": [1, 4, 5],
            "against": None,
            "published": [
                {"method": "protonet", "figure": 0.37, "reading": "test accuracy", "note": ""},
                {"method": "protonet", "figure": 0.87, **note},
            ],
        },
        "E1-shared": {
            "title": "E1, support from one clip",
            "trained_on": "as E1",
            "tested_on": "as E1",
            "faults": [],
            "against": "E1",
            "published": [],
        },
        "E4": {
            "title": "mixed",
            "trained_on": "synthetic-wild and clips of synthetic-film (rendered)",
            "tested_on": "synthetic-film (rendered)",
            "faults": [2, 5],
            "against": None,
            "published": [
                {"method": "supervised", "figure": 0.18, "reading": "test accuracy", "note": "7 classes"}
            ],
        },
    }
    plan = {
        "suite": "reproduction",
        "title": "The note of 2022, again",
        "preset": "smoke",
        "command": "fer-meta bench --suite reproduction --preset smoke",
        "rendered": ["synthetic-wild", "synthetic-mix", "synthetic-film"],
        "experiments": experiments,
        "readings": ["training", "shared-clips"],
    }
    runs = []
    for key, source in [("E1", "synthetic-wild"), ("E1-shared", "synthetic-wild"), ("E4", "synthetic-mix")]:
        runs += _runs([(source, "synthetic-film")], EXPERIMENT_METHODS, seeds, key)
    for run in runs:
        shared, whole = run["experiment"] == "E1-shared", run["experiment"] == "E4"
        run["near"], run["leak"] = 0.1 * whole, 0.3 * shared
        run["told"] = {
            "protocol": {
                "shots": [5],
                "queries": "all" if whole else QUERIES,
                "disjoint": "image" if shared else "clip",
                "support_clips": "one" if shared else "any",
                "support_from": "source-train" if whole else "target",
                "train": {"way": 3, "shots": 5, "queries": 5, "disjoint": "clip", "support_clips": "any"},
            }
        }
    return _write(folder, plan, runs, EXPERIMENT_METHODS, episodes)


def write_leakage(folder: Path, seeds: int = 2, episodes: int = 30) -> Path:
    """The same models tested on episodes whose sides share nobody, clips, or anything."""
    told = {"trained_on": "synthetic-wild", "tested_on": "synthetic-film", "faults": [], "published": []}
    experiments = {
        "subject": told | {"title": "nobody on both sides", "against": None},
        "image": told | {"title": "no image on both sides", "against": "subject"},
        "nothing": told | {"title": "drawn independently", "against": "subject"},
    }
    plan = {
        "suite": "leakage",
        "title": "What a leak is worth",
        "preset": "smoke",
        "readings": [],
        "command": "fer-meta bench --suite leakage --preset smoke",
        "rendered": ["synthetic-wild", "synthetic-film"],
        "experiments": experiments,
    }
    runs = [
        run
        for key in experiments
        for run in _runs([("synthetic-wild", "synthetic-film")], METHODS, seeds, key)
    ]
    for run in runs:
        run["leak"] = 0.3
        run["told"] = {"protocol": {"disjoint": run["experiment"]}}
    return _write(folder, plan, runs, METHODS, episodes)


def _runs(pairs: list[tuple[str, str]], methods: dict, seeds: int, experiment: str = "") -> list[dict]:
    start = f"{experiment}-" if experiment else ""
    return [
        {
            "id": f"{start}{method}-{source}-to-{target}-seed{seed}",
            "experiment": experiment,
            "method": method,
            "source": source,
            "target": target,
            "seed": seed,
            "model": f"{method}-{source}-seed{seed}",
        }
        for source, target in pairs
        for method in methods
        for seed in range(seeds)
    ]


def _write(folder: Path, plan: dict, runs: list[dict], methods: dict, episodes: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    planned = [
        {key: value for key, value in run.items() if key not in ("near", "leak", "told")} for run in runs
    ]
    _json(folder / "plan.json", plan | {"runs": planned})
    for number, (run, told) in enumerate(zip(planned, runs)):
        _write_run(
            folder,
            run,
            methods[run["method"]],
            np.random.RandomState(number),
            episodes,
            told.get("near", 0),
            told.get("leak", 0),
            told.get("told", {}),
        )
    return folder


def _write_run(
    folder: Path,
    run: dict,
    methods: dict,
    rng: np.random.RandomState,
    episodes: int,
    near: float,
    leak: float,
    told: dict,
) -> None:
    home, model = folder / "runs" / run["id"], folder / "models" / run["model"]
    home.mkdir(parents=True)
    model.mkdir(parents=True, exist_ok=True)
    (model / "history.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in history_of(rng, run["method"]))
    )
    protocol = {
        "way": 5,
        "shots": [1, 5],
        "queries": QUERIES,
        "episodes": episodes,
        "disjoint": "image",
        "support_from": "target",
        "held_out": 50,
        "support_clips": "any",
        "tested_classes": "seen",
        "batchnorm": "eval",
        "copies": "removed",
        "small_classes": "exclude",
        "split": [0.4, 0.2, 0.4],
        "carve": 0.1,
        "train": {"way": 5, "shots": 5, "queries": 10, "disjoint": "image", "support_clips": "any"},
        "validation": {
            "way": 5,
            "shots": 5,
            "queries": 5,
            "episodes": 50,
            "disjoint": "image",
            "support_clips": "any",
        },
    } | told.get("protocol", {})
    classes = told.get("classes", CLASSES)
    protocol["way"] = len(classes)
    images = images_of(run["target"], classes)
    stored = {}
    for shots in protocol["shots"]:
        words = f"{run['target']}-{shots}shot-{run['experiment'] or len(classes)}"
        stored[str(shots)] = f"episodes/{words}.parquet"
        path = folder / stored[str(shots)]
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            episodes_of(images, classes, shots, protocol, run["target"]).to_parquet(path)
    answers_to(folder, stored, images, methods, rng, near, leak, protocol).to_parquet(
        home / "predictions.parquet"
    )
    if run["id"] == FAILED:
        _json(home / "FAILED.json", {"error": ERROR})
    if run["id"] in (FAILED, UNFINISHED):
        return
    _json(
        home / "run.json",
        run
        | {"excluded": {}, "copies_removed": 0, "test_images": len(images), "image_size": 48}
        | told
        | {
            "config": (
                {"backbone": "resnet50", "class_balance": "balanced", "steps": 1000}
                if run["method"] == "supervised"
                else {"backbone": "conv4", "steps": 1000}
            ),
            "protocol": protocol,
            "classes": classes,
            "episodes": stored,
            "selected": {
                rule: dict.fromkeys(methods, step) for rule, step in zip(SELECTIONS, (800, 1000, 600))
            },
            "timings": {"train_s": 10.0, "evaluate_s": 2.0},
        },
    )
    (home / "DONE").touch()


def _json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=1))


def stay_at_chance(folder: Path, *models: str) -> Path:
    """Say of every run what its training's chance was (0.2), and let those of `models` have stayed there."""
    for path in folder.glob("runs/*/run.json"):
        run = json.loads(path.read_text())
        _json(path, run | {"training_chance": 0.2})
    for path in folder.glob("models/*/history.jsonl"):
        rows = []
        for row in map(json.loads, path.read_text().splitlines()):
            flat = (
                [{"train_accuracy": 0.198}, {"train_accuracy": 0.202}]
                if path.parent.name in models
                else [{}, {}]
            )
            if "train_accuracy" in row:  # twice as many points, by which it can be judged
                rows += [row | flat[0] | {"step": row["step"] - 25}, row | flat[1]]
            else:
                rows.append(row)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def only(folder: Path, *wanted: str) -> list[dict]:
    """Let the plan have none but these runs."""
    plan = json.loads((folder / "plan.json").read_text())
    runs = [run for run in plan["runs"] if run["id"] in wanted]
    (folder / "plan.json").write_text(json.dumps(plan | {"runs": runs}))
    return runs


LAST_LOG = json.dumps(
    {"step": 200, "loss": 1.25, "val_accuracy": {"protonet": 0.4321}, "seconds": 12.3456789}
)
