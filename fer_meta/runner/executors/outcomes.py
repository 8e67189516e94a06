"""How a run ended, read from its folder: whichever process did it."""

import pandas as pd

from fer_meta.records.answers import ANSWERS
from fer_meta.records.base import read_record
from fer_meta.records.seals import FAILED, Failure
from fer_meta.records.search import outcome
from fer_meta.runner.plan import Run
from fer_meta.runner.run import Bench
from fer_meta.runner.search import deciding


def failed_at(bench: Bench, run: Run) -> int:
    """When a run failed, in ns of the file system's clock; 0 if it did not."""
    try:
        return (bench.run_folder(run) / FAILED).stat().st_mtime_ns
    except OSError:
        return 0


def error_of(bench: Bench, run: Run) -> str | None:
    """What a run failed of; None if its file does not say."""
    try:
        return read_record(bench.run_folder(run) / FAILED, Failure).error
    except ValueError:
        return None


def accuracies_of(bench: Bench, run: Run) -> str:
    """The accuracies of a finished run in one line; of a trial, what it was validated at."""
    if run.trial:
        ended = outcome(bench.run_folder(run), deciding(run.model.method, run.model.config))
        return "" if ended is None else ended.in_words
    answers = pd.read_parquet(
        bench.run_folder(run) / ANSWERS,
        columns=["readout", "shots", "selection", "label", "predicted"],
    )
    answers = answers[answers["selection"] == bench.suite.selection[0]]
    right = answers["label"].astype(str) == answers["predicted"].astype(str)
    means = right.groupby([answers["readout"].astype(str), answers["shots"]], sort=False).mean()
    return ", ".join(
        f"{readout} {f'{shots}-shot' if shots else 'on all images'} {100 * mean:.1f} %"
        for (readout, shots), mean in means.items()
    )
