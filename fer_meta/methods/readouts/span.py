"""A linear classifier that is fitted to N features is a sum of these features: w = sum of a_i x_i. So it is
found, and answers, by inner products alone, in [N, N] numbers instead of [N, D].
"""

from typing import NamedTuple

from torch import Tensor


class Span(NamedTuple):
    """Inner products of E tasks: `gram` [E, N, N] within the support, `cross` [E, Q, N] of the
    queries with it.

    For coefficients a [E, N, way], the logits of the support are `gram @ a`, of the queries `cross @ a`.
    """

    gram: Tensor
    cross: Tensor


def span(support: Tensor, query: Tensor) -> Span:
    """Of features [E, N, D] and [E, Q, D]."""
    return Span(support @ support.mT, query @ support.mT)
