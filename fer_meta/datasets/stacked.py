"""The images of several data sets as those of one, without a copy of any."""

from collections.abc import Sequence

import numpy as np


class Stacked:
    """uint8 [N, H, W, 3], one array after the other, read by rows. Each stays where it is, mostly a memory
    map. Raises ValueError for images of different sizes.
    """

    def __init__(self, arrays: Sequence[np.ndarray]):
        if len({array.shape[1:] for array in arrays}) > 1:
            raise ValueError(f"images of {[array.shape[1:] for array in arrays]} pixels cannot be stacked")
        self.arrays = list(arrays)
        self.starts = np.cumsum([0, *map(len, arrays)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """The images of `rows` [B]: one gather from each array that has some of them."""
        found = np.empty((len(rows), *self.arrays[0].shape[1:]), dtype=np.uint8)
        home = np.searchsorted(self.starts, rows, side="right") - 1
        for number in np.unique(home):
            chosen = home == number
            found[chosen] = self.arrays[number][rows[chosen] - self.starts[number]]
        return found


Images = np.ndarray | Stacked
"""uint8 [N, H, W, 3], indexed by arrays of rows."""
