"""How a run ended, read from its folder: whichever process did it."""

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from fer_meta.methods import registry
from fer_meta.methods.labels import answer_in
from fer_meta.records.answers import ANSWERS
from fer_meta.records.base import read_record
from fer_meta.records.seals import FAILED, Failure
from fer_meta.records.search import outcome
from fer_meta.runner.plan import Run
from fer_meta.runner.run import Bench
from fer_meta.runner.search import deciding
from fer_meta.statistics.rounding import percent
from fer_meta.words import many


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


def failures_in_words(bench: Bench, runs: Sequence[Run], again: str) -> str:
    """How many of `runs` failed, the most common reason, and what to do: `again` is the command of the
    bench.
    """
    found = Counter(error_of(bench, run) or "not known" for run in runs if failed_at(bench, run))
    reason, times = max(found.items(), key=lambda one: one[1], default=("not known", 0))
    share = f", {times} of them for this reason" if len(found) > 1 else ""
    return (
        f"\n{found.total()} of {many(len(runs), 'run')} failed{share}: {reason}\n"
        f"Put that right and give the command again: `{again}` does what failed, and nothing twice. The"
        f" traceback of each is in {bench.folder}/runs/*/{FAILED}."
    )


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
    means = right.groupby([answers["readout"].astype(str), answers["shots"]]).mean()
    places = _places(bench, run)
    in_order = sorted(means.items(), key=lambda one: places.get(one[0][0], len(places)))
    return ", ".join(
        f"{readout} {f'{shots}-shot' if shots else 'on all images'} {percent(mean)} %"
        for (readout, shots), mean in in_order
    )


def _places(bench: Bench, run: Run) -> dict[str, int]:
    """The place of each readout in all lines: answers lie in the order of their checkpoints."""
    model = run.model
    labels = registry.load(model.method).labels(bench.suite.readouts)
    return {answer_in(model.key, model.method, name): place for place, name in enumerate(labels)}
