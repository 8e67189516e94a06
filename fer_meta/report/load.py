"""What a bench left on disk, read back: the plan, its finished runs, what is missing and why, and its tables."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fer_meta.errors import ResultsError

PLANNED = ("id", "experiment", "algorithm", "source", "target", "seed", "model")
TOLD = ("title", "trained_on", "tested_on", "published", "faults", "against")  # of each experiment
MEND = "delete the folder {folder} and run the bench again"


@dataclass(frozen=True)
class Run:
    """A finished run: who was trained on what, tested on what, and by which protocol."""

    folder: Path
    id: str
    experiment: str  # its key in the plan's `experiments`; "" in a suite that crosses domains
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
    episodes: dict  # shots, as text -> the stored evaluation episodes, relative to the suite's folder
    image_size: int | None  # pixels

    @property
    def predictions(self) -> Path:
        return self.folder / "predictions.parquet"


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

    @property
    def experiments(self) -> dict:
        """Key -> title, trained_on, tested_on, published, faults, against; empty in suites that cross domains."""
        return self.plan.get("experiments", {})


def read_results(folder: Path) -> Results:
    """Read the plan and the `run.json` of each finished run; `cells.py` reads what they predicted.

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


def history(path: Path) -> pd.DataFrame:
    """A row a log point of a `history.jsonl`: step, loss, train_accuracy, val_accuracy (NaN where not logged).

    The last line may be torn, for a killed training leaves it so; any other torn line is an error.
    """
    rows = []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            if number < len(lines):
                raise damaged(path, f"not JSON in line {number}") from None
    return pd.DataFrame(rows).reindex(columns=["step", "loss", "train_accuracy", "val_accuracy"]).astype(float)


def read_parts(path: Path, columns: list[str], prefix: str | None = None) -> Iterator[pa.Table]:
    """`columns` of a table (and those that begin with `prefix`), part by part as it was written, texts as dictionaries.

    Raises:
        ResultsError: it cannot be read, or a column is not there.
    """
    try:
        footer = pq.read_metadata(path)
        schema = footer.schema.to_arrow_schema()
        lacking = [name for name in columns if name not in schema.names]
        if lacking:
            raise ValueError(f"it has no column {', '.join(lacking)}")
        columns = columns + [name for name in schema.names if prefix and name.startswith(prefix)]
        texts = [name for name in columns if not _is_number(schema.field(name).type)]
        with pq.ParquetFile(path, metadata=footer, read_dictionary=texts) as file:
            for number in range(file.num_row_groups):
                yield file.read_row_group(number, columns, use_threads=False)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise damaged(path, f"cannot be read ({_one_line(error)})") from None


def damaged(path: Path, what: str) -> ResultsError:
    """The error for a file of a finished run, with the mend."""
    return ResultsError(f"{path}: {what}; {MEND.format(folder=path.parent)}")


def _read_plan(folder: Path) -> dict:
    path = folder / "plan.json"
    if not path.exists():
        raise ResultsError(f"{folder}: no plan.json, run `fer-meta bench --suite NAME` first")
    plan = _read_json(path, "run the bench again, which rewrites it")
    try:
        plan["command"], plan["suite"]
        for run in plan["runs"]:
            run.setdefault("experiment", "")  # a folder of an older version is named as such by its runs
            for key in PLANNED:
                run[key]
        for key, experiment in plan.get("experiments", {}).items():
            for word in TOLD:
                experiment[word]
            for row in experiment["published"]:
                row["method"], row["figure"], row["reading"]
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
    if not (folder / "predictions.parquet").exists():
        raise ResultsError(f"{folder}: made by an older version of fer-meta, which kept no predictions; "
                           f"{MEND.format(folder=folder.parent)}")
    found.setdefault("image_size", None)
    told = [field.name for field in fields(Run) if field.name not in ("folder", *PLANNED)]
    try:
        found["protocol"]["way"], found["protocol"]["queries"], found["config"]["backbone"]
        return Run(folder, *(planned[key] for key in PLANNED), *(found[key] for key in told))
    except (KeyError, TypeError) as error:
        raise damaged(path, f"has no {error}") from None


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


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
