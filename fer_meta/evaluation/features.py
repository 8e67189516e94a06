"""The features of a data set's images under one checkpoint: each image is embedded once, when it is first
needed.
"""

import tempfile
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import torch
from torch import Tensor

from fer_meta.datasets.stacked import Images
from fer_meta.device import Precision, autocast
from fer_meta.fileio import naming
from fer_meta.methods.base import FewShotMethod
from fer_meta.preprocessing import fetch, normalise

# Images a forward pass.
EMBED_BATCH = 256


def features_once(
    method: FewShotMethod, device: torch.device, precision: Precision = "fp32"
) -> Callable[[Images], "Features"]:
    """The Features of each data set's images (its array), one for all that ask."""
    made: dict[int, Features] = {}

    def of(images: Images) -> Features:
        if id(images) not in made:
            made[id(images)] = Features(method, images, device, precision)
        return made[id(images)]

    return of


class Features:
    """Features of `images` (uint8 [N, H, W, 3]) by row, float32, on `device`.

    On a CPU they lie in a mapped temporary file, so that memory holds what is in use and the kernel may drop
    the rest; on a GPU in its memory. The network computes in `precision` (`auto`, `fp32` or `bf16`:
    autocast); what is kept is float32 all the same.
    """

    def __init__(
        self, method: FewShotMethod, images: Images, device: torch.device, precision: Precision = "fp32"
    ):
        self.method, self.images, self.device, self.precision = method, images, device, precision
        self.place = np.full(len(images), -1, dtype=np.int64)  # of each image's features in the table
        self.count = 0
        self.table: Tensor | None = None

    def __call__(self, rows: np.ndarray) -> Tensor:
        """Features [*rows.shape, ...] of `rows`, an array of any shape; those of images that were not needed
        before are made now.

        Raises OSError if the temporary folder is full.
        """
        new = np.unique(rows[self.place[rows] < 0])
        for part in np.split(new, range(EMBED_BATCH, len(new), EMBED_BATCH)):
            if len(part):
                self._keep(part, self._embed(part))
        if self.table is None or not rows.size:
            return torch.empty(*rows.shape, 0)
        flat = self.table.index_select(0, torch.from_numpy(self.place[rows.ravel()]).to(self.device))
        return flat.view(*rows.shape, *flat.shape[1:])

    def _embed(self, rows: np.ndarray) -> Tensor:
        """If the GPU's memory is too small for all at once, in halves."""
        if len(rows) == 1:
            return self._forward(rows)
        with suppress(torch.cuda.OutOfMemoryError):
            return self._forward(rows)
        torch.cuda.empty_cache()
        return torch.cat([self._forward(half) for half in np.array_split(rows, 2)])

    @torch.no_grad()
    def _forward(self, rows: np.ndarray) -> Tensor:
        with autocast(self.precision, self.device):
            pixels = fetch(self.images, rows, self.device)
            return self.method.embed(normalise(pixels, self.method.normalisation)).float()

    def _keep(self, rows: np.ndarray, features: Tensor) -> None:
        if self.device.type != "cpu":
            self.table = grown(self.table, features, self.count, len(self.images))
        else:
            if self.table is None:
                self._make_room((len(self.images), *features.shape[1:]))
            # Written, not assigned through the map: where the disk is full that would kill the process.
            values = features.contiguous().numpy()
            with naming(tempfile.gettempdir()):
                self.file.seek(self.count * values[0].nbytes)
                self.file.write(values.data)
                self.file.flush()
        self.place[rows] = np.arange(self.count, self.count + len(rows))
        self.count += len(rows)

    def _make_room(self, shape: tuple[int, ...]) -> None:
        with naming(tempfile.gettempdir()):
            self.file = tempfile.TemporaryFile()  # noqa: SIM115 - gone from its folder at once, from the disk with the map
            self.file.truncate(4 * int(np.prod(shape, dtype=np.int64)))  # takes no space until it is written
        self.table = torch.from_numpy(np.memmap(self.file, dtype=np.float32, mode="r+", shape=shape))


def grown(table: Tensor | None, features: Tensor, count: int, most: int) -> Tensor:
    """A table [M, ...] whose first `count` rows are those of `table`, and the next ones `features` [N, ...].
    It doubles where it must, up to `most` rows. One that grew by each batch would leave tables of all sizes
    to torch, which keeps the memory of each: tens of gigabytes of a GPU for a table of one.
    """
    needed = count + len(features)
    if table is None or len(table) < needed:
        larger = features.new_empty(max(needed, min(most, 2 * needed)), *features.shape[1:])
        if table is not None:
            larger[:count] = table[:count]
        table = larger
    table[count:needed] = features
    return table
