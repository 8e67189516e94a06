"""The search for hyper-parameters: what was tried, and what was picked."""

from collections.abc import Sequence

import pandas as pd

from fer_meta.report.aggregate.search import COLUMNS, search_of
from fer_meta.report.document import Code, Paragraph, Section, Table, Text, by_column, filled
from fer_meta.report.load import Results
from fer_meta.report.names import readout_name
from fer_meta.report.sections.words import domain, exact


def section(results: Results, table: pd.DataFrame) -> Section | None:
    """From the rows of `search_table`; nothing without rows."""
    search = search_of(results)
    if search is None or table.empty:
        return None
    share = f"{search.budget:.3g} of a training" if search.budget < 1 else "a whole training"
    words: Text = (
        f"Each setting was trained once, for {share}, with seed {search.seed}, which is none of the tables'."
        " The one with the best validation on the source was then trained with the seeds of the tables. No"
        " target was looked at. Validation in percent, of the best checkpoint and of the method's first own"
        " answer (UAR of an own head), or of the nearest mean for a method without one. The best of many is"
        " high in part by luck: compare methods by the tables. ",
        Code("search.csv"),
        " has every setting.",
    )
    return Section("Settings searched", (Paragraph(words), _table(results, table)))


def _table(results: Results, table: pd.DataFrame) -> Table:
    """One row per method and source, over all folds."""
    blocks = [block for _, block in table.groupby(["experiment", "readout", "source"], sort=False)]
    folds = table["fold"].notna().any()
    words: dict[str, Sequence[Text]] = {
        "experiment": [block["experiment"].iloc[0] for block in blocks],
        "validated by": [readout_name(results, block["readout"].iloc[0]) for block in blocks],
        "source": [domain(results, block["source"].iloc[0]) for block in blocks],
        "picked": [_picked(block) for block in blocks],
    }
    default, best = (
        [exact(block.loc[which(block), "validation"].mean()) for block in blocks]
        for which in (lambda block: block["draw"] == 0, lambda block: block["picked"])
    )
    numbers: dict[str, Sequence[Text]] = {
        "trainings" if folds else "settings": [str(len(block)) for block in blocks],
        "lost": [str(block["validation"].isna().sum()) for block in blocks],
        "suite's own setting": default,
        "best": best,
    }
    return by_column(filled(words), numbers)


def _picked(block: pd.DataFrame) -> Text:
    """The settings that were picked, in words."""
    names = [name for name in block.columns if name not in COLUMNS]
    found = [
        ", ".join(f"{name} {row[name]}" for name in names if row[name])
        for row in block[block["picked"]].to_dict("records")
    ]
    if len(set(found)) > 1:
        return "another in each fold" if len(set(found)) == len(found) else "not the same in all folds"
    return found[0] if found else "the search goes on"
