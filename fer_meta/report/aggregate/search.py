"""The trials of a search: one row per setting of a method and source."""

import pandas as pd

from fer_meta.records.plan import PlannedSearch
from fer_meta.records.search import Outcome, outcomes, picked
from fer_meta.report.load import Results
from fer_meta.report.names import order

COLUMNS = ["experiment", "method", "source", "fold", "readout", "draw", "validation", "picked", "lost"]


def search_of(results: Results) -> PlannedSearch | None:
    """The search of a bench, if it has one."""
    found = results.plan.get("search")
    return PlannedSearch.model_validate(found) if found else None


def search_table(results: Results) -> pd.DataFrame:
    """One row per trial: `experiment` (all that use what is picked, with commas), `validation` (0 to 1, of
    `readout`; NaN where the training failed, and then `lost` says why), `picked`, and a column for each
    setting, which holds texts. No rows without a search.

    Raises ResultsError if a trial's files are damaged.
    """
    search = search_of(results)
    trials = search.trials if search else []
    ended = outcomes(results.folder, trials)
    best = {trial.model for trial in picked(trials, ended).values()}
    rows = []
    for trial in trials:
        value, why = ended.get(trial.model, Outcome(None, "not finished"))
        place = (
            ", ".join(trial.experiments),
            trial.method,
            trial.source,
            trial.fold,
            trial.readout,
            trial.draw,
        )
        row = dict(zip(COLUMNS, (*place, value, trial.model in best, why)))
        rows.append(row | {name: str(one) for name, one in trial.values.items()})
    names = dict.fromkeys(name for trial in trials for name in trial.values)
    table = pd.DataFrame(rows, columns=[*COLUMNS, *names]).fillna(dict.fromkeys(names, ""))
    table = table.astype({"validation": float, "fold": "Int64"})
    keys = ["readout", "source", "fold", "draw"]
    return table.sort_values(
        keys, kind="stable", key=lambda column: order(results, column), ignore_index=True
    )
