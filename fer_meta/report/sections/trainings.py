"""What was trained, and in words what two methods that are compared do not share."""

import pandas as pd

from fer_meta.report.aggregate.trainings import Shared
from fer_meta.report.document import Paragraph, Section, Text, by_column, filled
from fer_meta.report.load import Results
from fer_meta.report.names import in_order, training_name
from fer_meta.report.sections.words import domain

INTRODUCTION = (
    "Means over trainings (seeds, and folds of a cross-validation). An image is seen once for each time that"
    " it is in a training batch; seconds are those of training, without validation."
)


def section(results: Results, trainings: pd.DataFrame, scores: pd.DataFrame) -> Section:
    """From the rows of `trainings_table`, and of `accuracy_table` for the names of the methods."""
    read = {row.method: row.readout for row in scores[["method", "readout"]].drop_duplicates().itertuples()}
    ranked = {readout: place for place, readout in enumerate(in_order(results, read.values()))}
    rows = sorted(trainings.itertuples(), key=lambda row: ranked.get(read.get(row.method, ""), len(ranked)))
    sources = list(trainings["source"].drop_duplicates())
    rows = sorted(rows, key=lambda row: sources.index(row.source))
    words: dict[str, list[Text]] = {
        "experiment": [row.experiment for row in rows],
        "source": [domain(results, row.source) for row in rows],
        "method": [training_name(results, row.method, read.get(row.method, row.method)) for row in rows],
        "backbone": [row.backbone for row in rows],
        "initial weights": [row.weights for row in rows],
    }
    numbers = {
        "images seen": [_number(row.images) for row in rows],
        "steps": [_number(row.steps) for row in rows],
        "seconds": [_number(row.seconds) for row in rows],
        "trainings": [str(row.trainings) for row in rows],
    }
    text = " ".join(filter(None, [_budget(results), INTRODUCTION]))
    return Section("Trainings", (Paragraph(text), by_column(filled(words), filled(numbers))))


def held_equal(found: Shared, first: str, second: str) -> str:
    """A sentence or two on what is equal and what is not in a comparison of two readouts, by their names."""
    equal = _listed(found.equal)
    same = f"Equal on both sides: {equal}." if equal else ""
    if not found.differs:
        return f"{same} What differs is the objective, with its own settings."
    other = "; ".join(
        f"{aspect} ({first}: {one}; {second}: {two})" for aspect, (one, two) in found.differs.items()
    )
    return f"{same} Not equal: {other}. So this is not an effect of the objective alone.".strip()


def _listed(values: dict[str, str]) -> str:
    return ", ".join(f"{aspect} ({value})" for aspect, value in values.items())


def _budget(results: Results) -> str:
    budget = results.plan.get("budget", {})
    return "".join(f"Budget: {number:,g} {unit} in each training." for unit, number in budget.items())


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:,.0f}"
