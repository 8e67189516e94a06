"""Who is asked and who is in the support, as numbers that are summed fast: of one person, one image, one
episode.
"""

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import pandas as pd

# Integers up to so many times their number are counted in a table, not sorted.
DENSE = 16


@dataclass(frozen=True, eq=False)
class Support:
    """The support images of all episodes, one entry each [M]: `episode`, `group`, `image` and `label`,
    numbers as in `Queries`.
    """

    episode: np.ndarray
    group: np.ndarray
    image: np.ndarray
    label: np.ndarray


@dataclass(frozen=True, eq=False)
class Queries:
    """The queries of every method and seed: numbers [N], equal ones meaning equal things in all that is
    compared.

    `group` is the query's person where known for all, else its clip, else the image itself; `groups` says
    which ("people", "clips", "images"). `support` is None where there is none (a network's own head on each
    image once). `fold`: of a cross-validation, None else.
    """

    episode: np.ndarray
    label: np.ndarray
    group: np.ndarray
    image: np.ndarray
    support: Support | None = None
    groups: str = "images"
    fold: np.ndarray | None = None

    @cached_property
    def episodes(self) -> tuple[np.ndarray, int]:
        """The number from 0 of each query's episode [N], and how many there are."""
        return numbered(self.episode)

    @cached_property
    def labels(self) -> tuple[np.ndarray, int]:
        return numbered(self.label)

    @cached_property
    def of_each_class(self) -> np.ndarray:
        """How many queries each class has [C]."""
        labels, classes = self.labels
        return np.bincount(labels, minlength=classes)

    @cached_property
    def lone(self) -> np.ndarray:
        """Whether a query's class is shown by one group alone [N]."""
        (labels, classes), members = self.labels, self.by_group
        shown = (
            np.bincount(
                members.asked * np.int64(classes) + labels, minlength=len(members.names) * classes
            ).reshape(-1, classes)
            > 0
        )
        return (shown.sum(0) == 1)[labels]

    @cached_property
    def support_share(self) -> float:
        """The part of a class's images for support that one episode takes, of the class where it is largest;
        0 without a support.
        """
        return self.by_image.support_share

    @cached_property
    def by_group(self) -> "Members":
        return _members(self, "group")

    @cached_property
    def by_image(self) -> "Members":
        same = self.group is self.image or np.array_equal(self.group, self.image)
        return self.by_group if same else _members(self, "image")

    @cached_property
    def barred(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Episode and group [K] of the groups in an episode's support, if none of them is ever asked in the
        same episode: else None.
        """
        if self.support is None or self.by_group is self.by_image:
            return None
        members = self.by_group
        asked = np.bincount(members.pair, minlength=len(members.pair_member)) > 0
        shown = np.bincount(members.shown, minlength=len(members.pair_member)) > 0
        return None if (asked & shown).any() else (members.pair_episode[shown], members.pair_member[shown])

    def weights(self, metric: str) -> np.ndarray:
        """Each query's weight [N] in "accuracy" or "uar"; they add to 1."""
        if metric == "accuracy":
            return np.full(len(self.label), 1 / len(self.label))
        if metric == "uar":
            labels, classes = self.labels
            return 1 / (classes * self.of_each_class[labels])
        raise ValueError(f"unknown metric {metric!r}; use 'accuracy' or 'uar'")


@dataclass(frozen=True, eq=False)
class Members:
    """Who is in the queries and supports: groups, or images.

    `names` [G], `queries` [G]: who, and how many queries show them. Of each query: `asked` [N], the member;
    `own` [N], k_gc; `pair` [N], the (episode, member). Of each such pair, in queries or support:
    `pair_member` [P], `pair_episode` [P] and `pair_support` [P], the member's centred count in the episode's
    support. Of each image of the support: `shown` [M], the pair; `member`, `episode` and `factor` (f_c k_gc)
    [M]. `expected` [G, C]: the mean count; `has` [E, C]: which classes an episode supports; `squares` [E]:
    the sum over all members of their squared centred counts. `support_share`: as in `Queries`.
    """

    names: np.ndarray
    queries: np.ndarray
    own: np.ndarray
    pair: np.ndarray
    pair_member: np.ndarray
    pair_episode: np.ndarray
    pair_support: np.ndarray
    asked: np.ndarray
    shown: np.ndarray
    member: np.ndarray
    episode: np.ndarray
    factor: np.ndarray
    expected: np.ndarray
    has: np.ndarray
    squares: np.ndarray
    support_share: float

    def moves(self, u: np.ndarray, by_episode: np.ndarray) -> "Moves":
        """From the queries' influences [N] and their sums by episode [E]."""
        pairs, size = np.bincount(self.pair, self.own * u, len(self.pair_member)), len(self.names)
        return Moves(
            pairs,
            np.bincount(self.pair_member, pairs, size),
            np.bincount(self.member, self.factor * by_episode[self.episode], size)
            - self.expected @ (self.has.T @ by_episode),
            np.bincount(self.pair_episode, pairs * self.pair_support, len(by_episode)),
            by_episode,
        )

    def sums(self, moves: "Moves") -> "Sums":
        """From what the members move."""
        own, by_episode = float(moves.pairs @ moves.pairs), moves.by_episode
        cross = 2 * float(by_episode @ moves.crossed)
        return Sums(
            self.names,
            self.queries,
            moves.asked,
            moves.asked + moves.supported,
            own,
            own + cross + float(by_episode**2 @ self.squares),
        )


@dataclass(frozen=True, eq=False)
class Moves:
    """What members do to a score, all of it linear in the scores of the queries: as queries in an episode
    (`pairs` [P], and `crossed` [E], times their centred counts in its support), as queries altogether
    (`asked` [G]), and by their support (`supported` [G]); and the queries' sums `by_episode` [E].
    """

    pairs: np.ndarray
    asked: np.ndarray
    supported: np.ndarray
    crossed: np.ndarray
    by_episode: np.ndarray

    def __sub__(self, other: "Moves") -> "Moves":
        """Those of the difference of two scores of the same queries."""
        return Moves(*(getattr(self, one.name) - getattr(other, one.name) for one in fields(self)))


@dataclass(frozen=True, eq=False)
class Sums:
    """Of members `names` [G]: the sums over all episodes of what they do as queries (`asked` [G]) and
    altogether (`whole` [G]), and the sums of squares over episodes of the same. `queries` [G]: how many
    queries show them.
    """

    names: np.ndarray
    queries: np.ndarray
    asked: np.ndarray
    whole: np.ndarray
    asked_squares: float
    whole_squares: float


def _members(queries: Queries, kind: str) -> Members:
    episode, episodes = queries.episodes
    support, known = queries.support, np.unique(queries.episode)
    if support is None:
        nothing = np.zeros(0, int)
        support = Support(nothing, nothing, nothing, nothing)
    elif not (there := np.isin(support.episode, known)).all():
        support = Support(*(getattr(support, name)[there] for name in ("episode", "group", "image", "label")))
    numbers, names = pd.factorize(np.concatenate([getattr(queries, kind), getattr(support, kind)]))
    size, place = len(names), np.searchsorted(known, support.episode)
    keys = np.concatenate([episode, place]) * np.int64(size) + numbers
    pair, count = numbered(keys)
    pair_key = np.empty(count, np.int64)
    pair_key[pair] = keys
    pair_episode, pair_member = np.divmod(pair_key, size)
    (asked, member), (pair, shown) = (np.split(one, [len(episode)]) for one in (numbers, pair))

    label, classes = numbered(support.label)
    has = np.zeros((episodes, classes))
    has[place, label] = 1
    # Of each class: its images in the support, and shots, the support images of an episode with that class.
    images = np.bincount(
        np.unique(label.astype(np.int64) << 32 | numbered(support.image)[0]) >> 32, minlength=classes
    )
    shots = np.bincount(label, minlength=classes) / has.sum(0)
    # Where all images of a class are support in every episode, nothing of their luck can be seen.
    by_class = np.where(images > shots, (images - 1) / np.maximum(images - shots, 1e-9), 1.0)
    factor = by_class[label] * _without_own(member, label, classes, size)
    expected = np.bincount(member * classes + label, factor, size * classes).reshape(size, classes) / has.sum(
        0
    )
    counts, at_pair = (
        np.bincount(shown, factor, count),
        np.einsum("pc,pc->p", has[pair_episode], expected[pair_member]),
    )
    squares = np.bincount(pair_episode, counts * (counts - 2 * at_pair), episodes) + np.einsum(
        "ec,cd,ed->e", has, expected.T @ expected, has
    )
    own = _without_own(asked, *queries.labels, size)
    share = float(np.max(shots / images, initial=0))
    asked_times = np.bincount(asked, minlength=size)
    return Members(
        names,
        asked_times,
        own,
        pair,
        pair_member,
        pair_episode,
        counts - at_pair,
        asked,
        shown,
        member,
        place,
        factor,
        expected,
        has,
        squares,
        share,
    )


def _without_own(member: np.ndarray, label: np.ndarray, classes: int, size: int) -> np.ndarray:
    """k_gc [N] of entries of members in classes. A class with a single member has no spread to correct."""
    counts = np.bincount(member * np.int64(classes) + label, minlength=size * classes).reshape(size, classes)
    share = (counts / np.maximum(counts.sum(0), 1))[member, label]
    return np.where(share < 1, 1 / np.sqrt(np.maximum(1 - share, 1e-9)), 1.0)


def numbered(names: np.ndarray) -> tuple[np.ndarray, int]:
    """A number from 0 for each of integers [N], in their order, and how many there are."""
    if len(names) and names.min() >= 0 and names.max() <= DENSE * len(names):
        there = np.bincount(names) > 0  # no need to sort
        numbers = names if there.all() else (there.cumsum(dtype=np.int32) - 1)[names]
        return numbers.astype(np.intp, copy=False), int(there.sum())  # others are converted by each bincount
    distinct, numbers = np.unique(names, return_inverse=True)
    return numbers, len(distinct)
