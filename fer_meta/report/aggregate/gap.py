"""Accuracy against the size of the domain gap: the targets of a source that are one recipe at several
severities.
"""

import pandas as pd

from fer_meta.report.load import Results
from fer_meta.report.names import domain_key

STUDIO = "synthetic-studio"  # severity 0 of every recipe


def gap_table(results: Results, table: pd.DataFrame) -> pd.DataFrame:
    """The source-val rows of `table` that show a gap growing, with their targets' `recipe` and `severity` (0
    to 1).

    Sorted by source, recipe, shots, severity and method. A source that is the studio is its own target at
    severity 0. No rows where no source has two targets of one recipe at different severities; experiments of
    their own protocols are not compared.
    """
    places = results.plan.get("severity", {})
    shown = table[(table["selection"] == "source-val") & (table["experiment"] == "")]
    parts = [shown.iloc[:0].assign(recipe="", severity=0.0)]
    for source in sorted(shown["source"].unique(), key=lambda name: domain_key(results, name)):
        rows = shown[shown["source"] == source]
        recipes = {places[target]["recipe"] for target in rows["target"] if target in places}
        for recipe in sorted(recipes - {STUDIO}):
            severity = {
                target: float(places[target]["severity"])
                for target in rows["target"].unique()
                if target in places and places[target]["recipe"] == recipe
            }
            if len(set(severity.values())) < 2:
                continue
            if places.get(source, {}).get("recipe") == STUDIO and 0 not in severity.values():
                severity[source] = 0.0
            block = rows[rows["target"].isin(severity)]
            block = block.assign(recipe=recipe, severity=block["target"].map(severity))
            # Stable: the rows stand in the order of the methods already.
            parts.append(block.sort_values(["shots", "severity"], kind="stable"))
    return pd.concat(parts, ignore_index=True)
