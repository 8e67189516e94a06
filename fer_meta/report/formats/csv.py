"""Numbers as CSV, for programs."""

from collections.abc import Iterable, Sequence

import pandas as pd

from fer_meta.statistics.rounding import settled


def render(table: pd.DataFrame, columns: Sequence[str] | None = None, header: bool = True) -> str:
    """Numbers as numbers, an unknown one empty; six decimals, so that machines agree on the bytes."""
    shown = table[list(columns or table)]
    numbers = shown.select_dtypes("floating")
    return shown.assign(**(settled(numbers).round(6) + 0.0)).to_csv(
        index=False, header=header, lineterminator="\n"
    )


def render_parts(parts: Iterable[pd.DataFrame]) -> str:
    """Tables of the same columns as one: of millions of rows, only a part is in memory besides the text."""
    return "".join(render(part, header=number == 0) for number, part in enumerate(parts))
