"""The stored test episodes of a run, read back: who is in the support, and who is asked."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from fer_meta.errors import ResultsError
from fer_meta.expressions import EXPRESSIONS
from fer_meta.report.load import Results, Run, coded, read_parts

STORED = {
    "episode": "whole",
    "role": "text",
    "label": "text",
    "data": "text",
    "path": "text",
    "clip": "text",
    "subject": "text",
}


def episodes_path(results: Results, run: Run, shots: int) -> Path:
    """Where the episodes of a run lie. Raises ResultsError if its run.json does not say."""
    if str(shots) not in run.episodes:
        raise run.damaged("run.json", f"names no episodes for {shots} shots")
    return results.folder / run.episodes[str(shots)]


def read_episodes(path: Path, command: str) -> tuple[pa.Table, np.ndarray]:
    """The rows of a file of episodes, columns as in STORED, and whether each is of the support [N]. Raises
    ResultsError, with `command` as the fix.
    """
    try:
        parts = list(read_parts(path, STORED))
        if not parts:
            raise ValueError("is empty")
        rows = pa.concat_tables(parts).unify_dictionaries()
    except ValueError as error:
        raise damaged(path, str(error), command) from None
    roles, role = coded(rows["role"])
    labels, label = coded(rows["label"])
    if (
        "support" not in roles.to_pylist()
        or rows["path"].null_count
        or not set(labels.to_pylist()) <= set(EXPRESSIONS)
        or (label < 0).any()
    ):
        raise damaged(
            path, "has no support, images without a path, or labels that are no expressions", command
        )
    return rows, role == roles.to_pylist().index("support")


def damaged(path: Path, what: str, command: str) -> ResultsError:
    return ResultsError(
        f"{path}: {what}; {'delete it and ' if path.exists() else ''}run `{command}` again, which writes it"
        " anew"
    )
