"""What a bench left on disk, read back: the plan, its finished runs, what is missing and why, and
its tables.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from fer_meta.errors import ResultsError
from fer_meta.fileio import DONE, broken_seal
from fer_meta.oneline import cleaned, one_line
from fer_meta.report.failed import Failed, failure
from fer_meta.report.stored import Plan, RunFile, UnplannedRun, in_words

PLANNED = ("id", "experiment", "algorithm", "source", "target", "seed", "model")
PLAN_FIX = "run the bench again, which rewrites it"
HISTORY_FIX = "delete it, and the report leaves this training out of its curves"
# accuracies of episodes, which an older version kept of a run instead of answers
OLD_ANSWERS = "episodes.parquet"
LOGGED = ["step", "loss", "train_accuracy", "val_uar", "val_accuracy"]


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
    command: str = ""  # makes it, and others of the plan
    # data set -> images that could not be read and were left out
    unreadable: dict = field(default_factory=dict)
    precision: str = ""  # fp32, bf16; "" where it is not known
    # selection -> readout -> the training step of its checkpoint
    selected: dict = field(default_factory=dict)
    fold: int | None = None  # from 1, of a cross-validation
    # accuracy of a guess on what was trained on; None where it is not known
    training_chance: float | None = None
    failed: Failed | None = None  # that its training did not learn
    settings_hash: str = ""  # of the bench that made it

    @property
    def predictions(self) -> Path:
        return self.folder / "predictions.parquet"

    def damaged(self, file: str, what: str) -> ResultsError:
        """The error for what is wrong in a file that is as it was sealed (or was never sealed, by an older
        version).
        """
        return ResultsError(
            f"{self.folder / file}: {what}; delete {self.folder / DONE} and {_anew(self.command)}"
        )


@dataclass(frozen=True)
class Results:
    """`runs` are the finished runs in the plan's order; `missing` the others, each with the reason;
    `unplanned` are the finished runs that lie in the folder and are not in the plan, such as those of a bench
    with other options, by the name of their folder.
    """

    folder: Path
    plan: dict
    runs: list[Run]
    missing: list[tuple[dict, str]]
    unplanned: dict[str, dict] = field(default_factory=dict)
    # model of a finished run -> its training's `history`
    logs: dict[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """The command that made the runs, and that fills in the missing ones."""
        return self.plan["command"]

    @property
    def experiments(self) -> dict:
        """Key -> title, trained_on, tested_on, published, faults, against; empty in suites that cross
        domains.
        """
        return self.plan.get("experiments", {})


def read_results(folder: Path) -> Results:
    """Read the plan, the `run.json` of each finished run and its training's log; `cells.py` reads what they
    predicted.

    Raises:
        ResultsError: there is no plan, no finished run, or one of these files is damaged.
    """
    plan = _read_plan(folder)
    planned = {run["id"]: run for run in plan["runs"]}  # a run listed twice must not count twice
    runs, missing = [], []
    done = {home.name: home for home in sorted(folder.glob("runs/*")) if (home / DONE).is_file()}
    if done and all(
        (home / OLD_ANSWERS).exists() and not (home / "predictions.parquet").exists()
        for home in done.values()
    ):
        raise ResultsError(
            f"{folder}: made by an older version of fer-meta, which kept no predictions; "
            f"delete the folder {folder / 'runs'} and run the bench again"
        )
    for run in planned.values():
        if run["id"] in done:
            runs.append(_read_run(done[run["id"]], run, plan["command"]))
        else:
            missing.append((run, _why_missing(folder / "runs" / run["id"])))
    if not runs:
        failures = "; ".join(f"{run['id']} {why}" for run, why in missing if why.startswith("failed"))
        raise ResultsError(
            f"{folder}: none of the {len(planned)} runs has finished"
            f"{' (' + failures + ')' if failures else ''}; run `{plan['command']}`"
        )
    logs = {
        model: history(folder / "models" / model / "history.jsonl")
        for model in dict.fromkeys(run.model for run in runs)
    }
    runs = [replace(run, failed=failure(logs[run.model], run.training_chance)) for run in runs]
    return Results(
        folder,
        plan,
        runs,
        missing,
        {name: _unplanned(home) for name, home in done.items() if name not in planned},
        logs,
    )


def history(path: Path) -> pd.DataFrame:
    """A row a log point of a `history.jsonl`: step, loss, train_accuracy, and in a validation val_uar (own
    head) and val_accuracy (first of the other readouts); NaN where not logged.

    The last line may be torn, for a killed training leaves it so; any other torn line is an error, as is a
    log that was changed after its training was finished.
    """
    if not path.is_file():
        return pd.DataFrame(columns=LOGGED, dtype=float)
    if (path.parent / DONE).is_file() and (broken := broken_seal(path.parent, only=path.name)):
        raise ResultsError(f"{path.parent}: {broken}; {HISTORY_FIX}")
    rows = []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            rows.append({name: _number(name, row[name]) for name in LOGGED if row.get(name) is not None})
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            if number < len(lines):
                raise ResultsError(f"{path}: no log point in line {number}; {HISTORY_FIX}") from None
    return pd.DataFrame(rows, columns=LOGGED, dtype=float)


def _number(name: str, value) -> float:
    """A logged value; a validation has one for each readout, of which the first counts. Raises what a value
    that is none raises.
    """
    if name.startswith("val_") and isinstance(value, dict):
        [value, *_] = value.values()
    return float(value)


def read_parts(path: Path, columns: dict[str, str], prefix: str | None = None) -> Iterator[pa.Table]:
    """`columns` of a table (and those that begin with `prefix`, where they hold something), part by part as
    it was written, texts as dictionaries.

    `columns` says of each what it holds: "text", "whole" (numbers, no cell empty) or "number"; those of
    `prefix` hold numbers. Whole numbers come as int64, numbers as floats with NaN for an empty cell. The
    checksums of the pages are verified.

    Raises:
        ValueError: it cannot be read, a column is not there, or it holds something else; in one line.
    """
    if not path.is_file():
        raise ValueError("is missing")
    try:
        footer = pq.read_metadata(path)
        schema = footer.schema.to_arrow_schema()
        kinds = columns | {name: "number" for name in schema.names if prefix and name.startswith(prefix)}
        for name, kind in kinds.items():
            _check_column(schema, name, kind)
        texts = [name for name, kind in kinds.items() if kind == "text"]
        with pq.ParquetFile(
            path, metadata=footer, read_dictionary=texts, page_checksum_verification=True
        ) as file:

            def part(number: int) -> pa.Table:
                empty = _empty(footer.row_group(number)) if prefix else ()
                return _as_kinds(
                    file.read_row_group(
                        number, [name for name in kinds if name in columns or name not in empty]
                    ),
                    kinds,
                )

            yield from _ahead(part, file.num_row_groups)
    except OSError as error:
        if error.errno:  # the machine's; what cannot be decoded has none
            raise
        raise ValueError(f"cannot be read ({one_line(str(error), 120)})") from None
    except MemoryError:  # the machine's, too
        raise
    except (ValueError, ArithmeticError, LookupError, RuntimeError, pa.ArrowException) as error:
        raise ValueError(f"cannot be read ({one_line(str(error), 120)})") from None


def _empty(group: pq.RowGroupMetaData) -> set[str]:
    """The columns of a part in which no cell is filled."""
    columns = map(group.column, range(group.num_columns))
    return {
        one.path_in_schema
        for one in columns
        if one.statistics and one.statistics.null_count == group.num_rows
    }


def _ahead(part: Callable[[int], pa.Table], parts: int) -> Iterator[pa.Table]:
    """part(0), part(1), ..., each begun while the one before is used: decoding needs no lock of Python's."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(part, 0) if parts else None
        for number in range(1, parts + 1):
            here, coming = coming.result(), reader.submit(part, number) if number < parts else None
            yield here


def coded(texts: pa.ChunkedArray) -> tuple[pa.StringArray, np.ndarray]:
    """The distinct texts of a column, and the place of each of its cells among them [N], -1 where it is
    empty.
    """
    column = texts.combine_chunks()
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.string()).dictionary_encode()
    codes = column.indices.fill_null(-1) if column.null_count else column.indices
    return column.dictionary.cast(pa.string()), codes.to_numpy()


def _check_column(schema: pa.Schema, name: str, kind: str) -> None:
    found = schema.names.count(name)
    if found != 1:
        raise ValueError(f"it has {'two columns' if found else 'no column'} {one_line(name, 60)}")
    held = schema.field(name).type
    value = held.value_type if pa.types.is_dictionary(held) else held
    empty, number = pa.types.is_null(held), pa.types.is_integer(held) or pa.types.is_floating(held)
    words, right = {
        "text": ("text", empty or pa.types.is_string(value) or pa.types.is_large_string(value)),
        "whole": ("whole numbers", pa.types.is_integer(held)),
        "number": ("numbers", empty or number),
    }[kind]
    if not right:
        raise ValueError(f"its column {one_line(name, 60)} holds {one_line(str(held), 60)}, not {words}")


def _as_kinds(table: pa.Table, kinds: dict[str, str]) -> pa.Table:
    table.validate(full=True)  # texts may be no UTF-8, and codes may stand for no text
    for place, name in enumerate(table.column_names):
        column, kind = table[name], kinds[name]
        if kind == "whole" and column.null_count:
            raise ValueError(f"its column {name} has empty cells")
        if kind == "whole":
            table = table.set_column(place, name, column.cast(pa.int64()))
        elif kind == "number" and not pa.types.is_floating(column.type):
            table = table.set_column(place, name, column.cast(pa.float64()))
    return table


def _anew(command: str) -> str:
    return f"run `{command}` again, which makes this run anew"


def _read_plan(folder: Path) -> dict:
    path = folder / "plan.json"
    if not path.exists():
        raise ResultsError(f"{folder}: no plan.json, run `fer-meta bench --suite NAME` first")
    try:
        return Plan.model_validate(_read_json(path)).model_dump()
    except ValidationError as error:
        raise ResultsError(f"{path}: {in_words(error)}; {PLAN_FIX}") from None
    except ValueError as error:
        raise ResultsError(f"{path}: {error}; {PLAN_FIX}") from None


def _read_run(folder: Path, planned: dict, command: str) -> Run:
    broken = broken_seal(folder)
    if broken:
        raise ResultsError(f"{folder}: {broken}; {_anew(command)}")
    try:
        found = _read_json(folder / "run.json")
        checked, what = RunFile.model_validate(found), None
    except ValidationError as error:
        what = in_words(error)
    except ValueError as error:
        what = str(error)
    if what is not None:
        raise ResultsError(f"{folder / 'run.json'}: {what}; delete {folder / DONE} and {_anew(command)}")
    same = {
        name: found[name]
        for name in ("config", "protocol", "classes", "excluded", "copies_removed", "test_images", "episodes")
    }
    return Run(
        folder,
        *(planned[key] for key in PLANNED),
        **same,
        image_size=checked.image_size,
        command=command,
        unreadable=checked.unreadable,
        precision=checked.precision,
        selected=checked.selected,
        fold=planned["fold"],
        training_chance=checked.training_chance,
        settings_hash=checked.settings_hash,
    )


def _unplanned(folder: Path) -> dict:
    """What a run says of itself; nothing if that cannot be read, for the plan does not ask for it."""
    try:
        return UnplannedRun.model_validate(_read_json(folder / "run.json")).model_dump()
    except ValueError:
        return {}


def _why_missing(folder: Path) -> str:
    failed = folder / "FAILED.json"
    if failed.is_file():
        try:
            return "failed: " + str(_read_json(failed)["error"])
        except (ValueError, LookupError, TypeError):
            return "failed: its FAILED.json cannot be read"
    return "not finished" if folder.exists() else "not run"


def _read_json(path: Path):
    """What the file holds, each text in one line. Raises ValueError, with what is wrong in one line."""
    if not path.is_file():
        raise ValueError("is no regular file" if path.exists() else "is missing")
    try:
        return cleaned(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"cannot be read ({one_line(str(error), 120)})") from None
