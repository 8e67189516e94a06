"""Action units (FACS): which there are, and how an index says how strongly each image shows them.

An index that knows the units of its images has a column for each unit that was coded: `AU12` (float32, from
0, not shown, to 1, the peak that FACS calls level E). NaN is unknown. Rendered sets have all of UNITS. A
loader of photographs that were coded adds the columns it has to what `make_index` gives.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

UNITS: dict[int, str] = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    11: "nasolabial deepener",
    12: "lip corner puller",
    14: "dimpler",
    15: "lip corner depressor",
    17: "chin raiser",
    20: "lip stretcher",
    23: "lip tightener",
    24: "lip pressor",
    25: "lips part",
    26: "jaw drop",
}
"""The units there are, by their numbers, in the order of every vector of units."""

COLUMNS = tuple(f"AU{number}" for number in UNITS)
"""What an index calls them."""

SHOWN = 0.5
"""The intensity from which a unit counts as shown, where that is a yes or a no."""

UNGRADED = 0.6
"""The intensity of a unit that was coded as shown and not graded: FACS level C, the middle of the five."""


def unit_columns(shown: Sequence[Mapping[int, float] | None]) -> dict[str, np.ndarray]:
    """The columns of images that show these units so strongly, and no others; None for an image that was not
    coded. An exaggerated unit, above 1, is at its peak.
    """
    table = np.array(
        [[np.nan if face is None else face.get(number, 0.0) for number in UNITS] for face in shown],
        dtype=np.float32,
    )
    return dict(zip(COLUMNS, table.reshape(-1, len(COLUMNS)).clip(0, 1).T))


def unit_intensities(index: pd.DataFrame) -> np.ndarray | None:
    """float32 [N, K], one row per image and one column per unit of UNITS, NaN where it is unknown; None if
    the index has no units at all.
    """
    if not any(column in index for column in COLUMNS):
        return None
    return index.reindex(columns=list(COLUMNS)).to_numpy(dtype=np.float32)
