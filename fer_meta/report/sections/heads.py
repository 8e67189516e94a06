"""Each test image scored once: own heads, and episodes that share out the test images."""

from collections.abc import Sequence

import pandas as pd

from fer_meta.report.document import Paragraph, Section, Table, Text, by_column, filled, paragraphs
from fer_meta.report.load import Results
from fer_meta.report.names import BAYES, SELECTIONS, readout_name
from fer_meta.report.sections.words import domain, exact, failed_note, measured, with_half

SCORES = {
    "of clips, by vote": "clip_accuracy_vote",
    "of clips, by mean": "clip_accuracy_mean",
    "UAR": "uar",
    "macro-F1": "macro_f1",
    "ECE": "ece",
}


def section(results: Results, heads: pd.DataFrame) -> Section | None:
    """From the rows of `head_table`; nothing without rows."""
    if heads.empty:
        return None
    words = (
        "Own heads, and episodes that share out the test images. Means over seeds in percent; UAR: recall"
        " averaged over classes; ECE: expected calibration error, empty where a method gives no"
        " probability."
    )
    if heads["clips"].notna().any():
        words += (
            " Clips: all frames of a clip decide together, by the class most of them vote for, or by"
            " their mean probability."
        )
    return Section(
        "Each test image scored once",
        (Paragraph(words), _table(results, heads), *paragraphs(failed_note(results, heads))),
    )


def _table(results: Results, heads: pd.DataFrame) -> Table:
    clips = heads["clips"].notna().any()
    names: dict[str, Sequence[Text]] = {
        "experiment": [*heads["experiment"]] if results.experiments else [],
        "method": [
            readout_name(results, row.readout) + (f", {row.shots}-shot" if row.shots else "")
            for row in heads.itertuples()
        ],
        "source": [domain(results, source) for source in heads["source"]],
        "target": [domain(results, target) for target in heads["target"]],
        "checkpoint": [SELECTIONS.get(name, name) for name in heads["selection"]],
    }
    numbers: dict[str, Sequence[Text]] = {
        "accuracy of frames" if clips else "accuracy": [measured(row) for row in heads.itertuples()]
    }
    numbers |= {name: [*map(exact, heads[column])] for name, column in SCORES.items()}
    numbers["UAR"] = [with_half(row.uar, row.uar_ci95) for row in heads.itertuples()]
    numbers |= {
        name: ["" if pd.isna(value) else f"{value:.0f}" for value in heads[name]]
        for name in ("images", "clips", "classes", "seeds")
    }
    numbers["Chance"] = [*map(exact, heads["chance"])]
    numbers[f"{BAYES} (UAR)"] = [*map(exact, heads["bayes"])]
    return by_column(filled(names), filled(numbers))
