"""Each method and readout over all sources and targets: one number where the headline has one a pair."""

import pandas as pd

from fer_meta.sources import parts_of

WITHIN, ACROSS = "within", "across"

WIDE = 16
"""More readouts than these make no columns that a page can hold."""


def means_table(scores: pd.DataFrame) -> pd.DataFrame:
    """From the rows of `accuracy_table`, the checkpoint picked on the source's validation split: one row per
    way, shots, `place` (`within` a domain, `across` domains), method and readout, in their order there.

    `accuracy` (0 to 1) is the mean over `pairs` of source and target, each of equal weight; `failed` says
    whether a training behind it did not learn. A readout that lacks a pair of its place is left out, and so
    is a place of a single pair. Empty for a suite of experiments, whose rows are not of one kind, and for up
    to WIDE readouts, which the headline shows well enough.
    """
    columns = ["way", "shots", "place", "method", "readout"]
    rows = scores[(scores["selection"] == "source-val") & (scores["experiment"] == "")]
    if rows["readout"].nunique() <= WIDE:
        return pd.DataFrame(columns=[*columns, "accuracy", "pairs", "failed"])
    inside = [target in parts_of(source) for source, target in zip(rows["source"], rows["target"])]
    rows = rows.assign(
        place=[WITHIN if one else ACROSS for one in inside],
        pair=rows["source"] + " " + rows["target"],
        failed=rows["failed_seeds"] != "",
    )
    pairs = rows.groupby(["way", "shots", "place"])["pair"].transform("nunique")
    means = rows.assign(all_pairs=pairs).groupby(columns, sort=False, as_index=False)
    table = means.agg(
        accuracy=("accuracy", "mean"),
        pairs=("pair", "nunique"),
        all_pairs=("all_pairs", "first"),
        failed=("failed", "any"),
    )
    whole = table[(table["pairs"] == table["all_pairs"]) & (table["pairs"] > 1)]
    return whole.drop(columns="all_pairs").reset_index(drop=True)
