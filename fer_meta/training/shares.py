"""A step's tasks or images, divided among the processes that train one model."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from torch import Tensor

from fer_meta.methods.base import Episode, LabelledImages
from fer_meta.training.batches import SMALLEST

Part = TypeVar("Part", Episode, LabelledImages)


def share(parts: Sequence[Part], number: int, of: int) -> list[tuple[Part, float]]:
    """The `number`-th of `of` shares (from 0) of a step: each part with its weight in the step's loss. The
    weights of all shares sum to 1, so that the sum of the shares' gradients is the step's.

    Whole tasks, if there is one for each share; else every task is in all shares, with its whole support and
    a part of each class's queries. Labelled images are divided alike. What is too small to be divided is in
    the first.
    """
    weight = 1 / len(parts)
    if len(parts) >= of:
        return [(part, weight) for part in parts[number::of]]
    return [(taken, weight * size) for taken, size in (_share_of(part, number, of) for part in parts)]


def _share_of(part: Part, number: int, of: int) -> tuple[Part, float]:
    """The share of a part, and how much of the part it is."""
    rows, needed = (
        (len(part.query) // len(part.classes), of)
        if isinstance(part, Episode)
        else (len(part.labels), SMALLEST * of)
    )
    if rows < needed:
        return part, float(number == 0)
    taken = slice(number, None, of)
    size = len(range(rows)[taken]) / rows
    if isinstance(part, Episode):

        def of_each_class(queries: Tensor) -> Tensor:
            return queries.unflatten(0, (-1, rows))[:, taken].flatten(0, 1)

        query, labels = of_each_class(part.query), of_each_class(part.query_labels)
        return replace(part, query=query, query_labels=labels), size
    units = None if part.units is None else part.units[taken]
    return part._replace(images=part.images[taken], labels=part.labels[taken], units=units), size
