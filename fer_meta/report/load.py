"""What a bench left on disk, read back: the plan, its finished runs, and what is missing and why."""

import json
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd
import pyarrow as pa

from fer_meta.errors import ResultsError

PLANNED = ("id", "algorithm", "source", "target", "seed", "model")
MEND = "delete the folder {folder} and run the bench again"


@dataclass(frozen=True)
class Run:
    """A finished run: who was trained on what, tested on what, and by which protocol."""

    folder: Path
    id: str
    algorithm: str
    source: str
    target: str
    seed: int
    model: str
    config: dict  # the method's hyper-parameters: backbone, steps, ...
    protocol: dict  # way, shots, queries, episodes, disjoint, batchnorm, copies, ...
    classes: list  # those tested: what source and target share
    excluded: dict  # class too small for a task -> its images
    copies_removed: int
    test_images: int


@dataclass(frozen=True)
class Results:
    """`runs` are the finished runs in the plan's order; `missing` the others, each with the reason."""

    folder: Path
    plan: dict
    runs: list[Run]
    missing: list[tuple[dict, str]]

    @property
    def command(self) -> str:
        """The command that made the runs, and that fills in the missing ones."""
        return self.plan["command"]


def read_results(folder: Path) -> Results:
    """Read the plan and the `run.json` of each finished run; tables of episodes are read when asked for.

    Raises:
        ResultsError: there is no plan, no finished run, or one of these files is damaged.
    """
    plan = _read_plan(folder)
    planned = {run["id"]: run for run in plan["runs"]}  # a run listed twice must not count twice
    runs, missing = [], []
    for run in planned.values():
        home = folder / "runs" / run["id"]
        if (home / "DONE").exists():
            runs.append(_read_run(home, run))
        else:
            missing.append((run, _why_missing(home)))
    if not runs:
        failures = "; ".join(f"{run['id']} {why}" for run, why in missing if why.startswith("failed"))
        raise ResultsError(f"{folder}: none of the {len(planned)} runs has finished"
                           f"{' (' + failures + ')' if failures else ''}; run `{plan['command']}`")
    return Results(folder, plan, runs, missing)


def episodes(runs: list[Run]) -> pd.DataFrame:
    """A row an episode: method, shots, selection, episode, accuracy (0 to 1), way, and the run's fields."""
    columns = ["method", "shots", "selection", "episode", "accuracy"]
    parts = []
    for run in runs:
        part = _read_parquet(run, "episodes.parquet", columns)
        if part.empty or not part["accuracy"].between(0, 1).all():
            raise _damaged(run.folder / "episodes.parquet", "empty, or has accuracies outside 0 to 1")
        parts.append(part.assign(algorithm=run.algorithm, source=run.source, target=run.target,
                                 way=run.protocol["way"], seed=run.seed))
    return pd.concat(parts, ignore_index=True)


def predictions(runs: list[Run]) -> pd.DataFrame:
    """A row a test image: method, selection, label, predicted, and source, target, seed; maybe no rows."""
    columns = ["method", "selection", "label", "predicted"]
    parts = [_read_parquet(run, "predictions.parquet", columns)
             .assign(source=run.source, target=run.target, seed=run.seed)
             for run in runs if (run.folder / "predictions.parquet").exists()]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(
        columns=[*columns, "source", "target", "seed"])


def confusion(runs: list[Run]) -> pd.DataFrame:
    """Counts by source, target, method, shots, selection, true and predicted class, summed over seeds."""
    columns = ["method", "shots", "selection", "true", "predicted", "count"]
    parts = [_read_parquet(run, "confusion.parquet", columns).assign(source=run.source, target=run.target)
             for run in runs]
    keys = ["source", "target", *columns[:-1]]
    return pd.concat(parts, ignore_index=True).groupby(keys, as_index=False)["count"].sum()


def history(path: Path) -> pd.DataFrame:
    """A row a log point of a `history.jsonl`: step, loss, val_accuracy (NaN where not logged); maybe no rows.

    The last line may be torn, for a killed training leaves it so; any other torn line is an error.
    """
    rows = []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            if number < len(lines):
                raise _damaged(path, f"not JSON in line {number}") from None
    return pd.DataFrame(rows).reindex(columns=["step", "loss", "val_accuracy"]).astype(float)


def _read_plan(folder: Path) -> dict:
    path = folder / "plan.json"
    if not path.exists():
        raise ResultsError(f"{folder}: no plan.json, run `fer-meta bench --suite NAME` first")
    plan = _read_json(path, "run the bench again, which rewrites it")
    try:
        plan["command"], plan["suite"]
        for run in plan["runs"]:
            for key in PLANNED:
                run[key]
        for place in plan.get("severity", {}).values():
            place["recipe"], place["severity"]
        for row in plan.get("bayes", []):
            row["source"], row["target"], row["way"], row["accuracy"]
    except (KeyError, TypeError) as error:
        raise ResultsError(f"{path}: no {error} in it; run the bench again, which rewrites it") from None
    return plan


def _read_run(folder: Path, planned: dict) -> Run:
    path = folder / "run.json"
    found = _read_json(path, MEND.format(folder=folder))
    told = [field.name for field in fields(Run) if field.name not in ("folder", *PLANNED)]
    try:
        found["protocol"]["way"]
        return Run(folder, *(planned[key] for key in PLANNED), *(found[key] for key in told))
    except (KeyError, TypeError) as error:
        raise _damaged(path, f"has no {error}") from None


def _why_missing(folder: Path) -> str:
    failed = folder / "FAILED.json"
    if failed.exists():
        try:
            return "failed: " + " ".join(str(json.loads(failed.read_text())["error"]).split())
        except (ValueError, KeyError, TypeError):
            return "failed: its FAILED.json cannot be read"
    return "not finished" if folder.exists() else "not run"


def _read_json(path: Path, mend: str):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path}: cannot be read ({_one_line(error)}); {mend}") from None


def _read_parquet(run: Run, name: str, columns: list[str]) -> pd.DataFrame:
    path = run.folder / name
    try:
        return pd.read_parquet(path, columns=columns)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _damaged(path, f"cannot be read ({_one_line(error)})") from None


def _damaged(path: Path, what: str) -> ResultsError:
    return ResultsError(f"{path}: {what}; {MEND.format(folder=path.parent)}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
