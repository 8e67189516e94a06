"""Numbers as CSV, for programs."""

from collections.abc import Sequence

import pandas as pd

from fer_meta.statistics.rounding import settled


def render(table: pd.DataFrame, columns: Sequence[str] | None = None) -> str:
    """Numbers as numbers, an unknown one empty; six decimals, so that machines agree on the bytes."""
    shown = table[list(columns or table)]
    numbers = shown.select_dtypes("floating")
    return shown.assign(**(settled(numbers).round(6) + 0.0)).to_csv(index=False, lineterminator="\n")
