"""The stored test episodes of a run, or the error that says how to have them again."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from fer_meta.errors import ResultsError
from fer_meta.records import episodes
from fer_meta.report.load import Results, Run


def episodes_path(results: Results, run: Run, shots: int) -> Path:
    """Where the episodes of a run lie. Raises ResultsError if its run.json does not say."""
    if str(shots) not in run.episodes:
        raise run.damaged("run.json", f"names no episodes for {shots} shots")
    return results.folder / run.episodes[str(shots)]


def read_episodes(path: Path, command: str) -> tuple[pa.Table, np.ndarray]:
    """`records.episodes.read_episodes`. Raises ResultsError, with `command` as the fix."""
    try:
        return episodes.read_episodes(path)
    except ValueError as error:
        raise damaged(path, str(error), command) from None


def damaged(path: Path, what: str, command: str) -> ResultsError:
    """The error for what is wrong with a file of episodes."""
    return ResultsError(
        f"{path}: {what}; {'delete it and ' if path.exists() else ''}run `{command}` again, which writes it"
        " anew"
    )
