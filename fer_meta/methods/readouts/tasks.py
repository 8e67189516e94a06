"""What a readout is given."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from fer_meta.errors import FerMetaError

# query features [Q, ...] -> logits [Q, way]
Classifier = Callable[[Tensor], Tensor]


class Pixels(NamedTuple):
    """One task's images, normalised: the support [N, 3, H, W], and the queries in parts [., 3, H, W]."""

    support: Tensor
    query: Iterable[Tensor]


@dataclass(frozen=True)
class Context:
    """What readouts may use beside the features of tasks, made when it is first needed.

    `centre`: the mean feature [D] of the source's training images, under the same checkpoint. `pixels`: the
    number of a task, among those that are answered together, -> its images.
    """

    centre: Callable[[], Tensor] | None = None
    pixels: Callable[[int], Pixels] | None = None


NO_CONTEXT = Context()


@dataclass(frozen=True)
class Tasks:
    """E tasks of one shape, to be answered together.

    Features of the support [E, N, D] and of the queries [E, Q, D] (floating point); `labels` [N] (int64, 0 ..
    way - 1) are those of every support. `network` made the features, by its `embed`. `own_head`: the logits
    [E, Q, way] of the network's own head; None if it has none for these classes.
    """

    support: Tensor
    labels: Tensor
    query: Tensor
    way: int
    context: Context = Context()
    network: nn.Module | None = None
    own_head: Callable[[], Tensor] | None = None

    @property
    def targets(self) -> Tensor:
        """The labels as rows of zeros and a one: [N, way], of the features' type."""
        return torch.nn.functional.one_hot(self.labels, self.way).to(self.support)

    @property
    def unit(self) -> tuple[Tensor, Tensor]:
        """Support and query, each feature brought to length 1 (L2)."""
        return normalize(self.support, dim=2), normalize(self.query, dim=2)

    @property
    def centre(self) -> Tensor:
        """Raises FerMetaError if the caller gave none."""
        if self.context.centre is None:
            raise FerMetaError(
                "the readout `cl2n` needs the source's mean feature; give `answer` a Context with `centre`"
            )
        return self.context.centre()

    def pixels(self, task: int) -> Pixels:
        """Raises FerMetaError if the caller gave none."""
        if self.context.pixels is None:
            raise FerMetaError("the readout `finetune` needs images; give `answer` a Context with `pixels`")
        return self.context.pixels(task)
