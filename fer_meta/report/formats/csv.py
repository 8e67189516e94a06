"""Numbers as CSV, for programs."""

from collections.abc import Iterable, Sequence

import pandas as pd

from fer_meta.statistics.rounding import settled

ROWS = 100_000
"""That are put into text together: a table of millions would be in memory several times."""


def render(table: pd.DataFrame, columns: Sequence[str] | None = None) -> str:
    """Numbers as numbers, an unknown one empty; six decimals, so that machines agree on the bytes."""
    shown = table[list(columns or table)]
    return render_parts(shown.iloc[start : start + ROWS] for start in range(0, max(len(shown), 1), ROWS))


def render_parts(parts: Iterable[pd.DataFrame]) -> str:
    """Tables of the same columns as one."""
    return "".join(_text(part, header=number == 0) for number, part in enumerate(parts))


def _text(table: pd.DataFrame, header: bool) -> str:
    numbers = table.select_dtypes("floating")
    settled_numbers = settled(numbers).round(6) + 0.0
    return table.assign(**settled_numbers).to_csv(index=False, header=header, lineterminator="\n")
