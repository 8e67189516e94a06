"""Divisions of a suite's classes into some that are trained on and others, never seen, that are tested.

A division is written as its classes that are tested, in the order of the suite's classes.
"""

from collections.abc import Collection, Iterable, Sequence
from itertools import combinations

from fer_meta.tasks.protocol import Protocol


def division_key(tested: Iterable[str]) -> str:
    """What a division is called in options, tables and names of runs."""
    return "+".join(tested)


def every_choice(classes: Sequence[str], number: int) -> tuple[tuple[str, ...], ...]:
    """All divisions that test `number` of the classes. Raises ValueError if none or all would be tested.

    >>> every_choice(("anger", "fear", "neutral"), 2)
    (('anger', 'fear'), ('anger', 'neutral'), ('fear', 'neutral'))
    """
    if not 1 <= number < len(classes):
        raise ValueError(f"must be at least 1 and fewer than the {len(classes)} classes")
    return tuple(combinations(classes, number))


def in_order(classes: Sequence[str], tested: Iterable[str]) -> tuple[str, ...]:
    """The classes tested, in the order of `classes`; unknown ones come last."""
    return tuple(sorted(tested, key=lambda name: (*classes, name).index(name)))


def why_impossible(classes: Collection[str], tested: Collection[str], protocol: Protocol) -> str:
    """Why a division cannot be trained or tested, whatever the data; "" if it can."""
    unknown = [name for name in tested if name not in classes]
    if unknown:
        return f"{unknown[0]!r} is not among the suite's classes; there are {', '.join(classes)}"
    seen = len(classes) - len(tested)
    needs = [
        ("way", protocol.way, len(tested), "tested"),
        ("train.way", protocol.train.way, seen, "trained on"),
        ("validation.way", protocol.validation.way, seen, "trained on"),
    ]
    return next(
        (
            f"{there} classes are {what}, fewer than `protocol.{name}` ({way}); lower it, or divide otherwise"
            for name, way, there, what in needs
            if there < way
        ),
        "",
    )
