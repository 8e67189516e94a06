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
    a part of its queries. Labelled images are divided alike. What is too small to be divided is in the first.
    """
    weight = 1 / len(parts)
    if len(parts) >= of:
        return [(part, weight) for part in parts[number::of]]
    divided = ((part, _rows(part)) for part in parts)
    return [
        (_take(part, slice(number, None, of)), weight * len(range(number, rows, of)) / rows)
        if rows >= SMALLEST * of
        else (part, weight if number == 0 else 0.0)
        for part, rows in divided
    ]


def _rows(part: Episode | LabelledImages) -> int:
    return len(part.query_labels if isinstance(part, Episode) else part.labels)


def _take(part: Part, rows: slice) -> Part:
    """Every so-many-th query or image: the queries lie in the order of their labels, so that each share has
    of all classes.
    """
    if isinstance(part, Episode):
        return replace(part, query=part.query[rows], query_labels=part.query_labels[rows])
    units: Tensor | None = None if part.units is None else part.units[rows]
    return part._replace(images=part.images[rows], labels=part.labels[rows], units=units)
