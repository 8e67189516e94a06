"""The settings of a suite that divides its classes: some are trained on, the others tested."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from fer_meta.errors import ProtocolError
from fer_meta.runner.settings import needed
from fer_meta.tasks.pools import IN_FILE, Domain, Pool, restrict
from fer_meta.tasks.protocol import Protocol

Tested = tuple[str, ...]  # the classes of a division that are tested


def possible(
    divisions: Sequence[Tested], classes: Sequence[str], protocol: Protocol, source: Domain, target: Domain
) -> tuple[dict[Tested, Domain], str]:
    """The source of each division that has enough images, with the classes alone that are trained on; and
    which divisions are left out, and why, in one line ("" if none is).

    Raises ProtocolError if no division is left.
    """
    sources, too_small = {}, set()
    for tested in divisions:
        seen = [name for name in classes if name not in tested]
        if lacking := _lacking(tested, seen, protocol, source, target):
            too_small |= lacking
        else:
            sources[tested] = _with_classes(source, seen, protocol)
    if len(sources) == len(divisions):
        return sources, ""
    why = f"too few images {'; '.join(sorted(too_small))}"
    if not sources:
        raise ProtocolError(
            f"{source.name}: none of the {len(divisions)} divisions can be used: {why}; lower `shots` or"
            f" `queries` {IN_FILE}, or leave this data set out of --domains"
        )
    left_out = len(divisions) - len(sources)
    return sources, f"{source.name}: {left_out} of {len(divisions)} divisions left out: {why}"


def _lacking(
    tested: Collection[str], seen: Collection[str], protocol: Protocol, source: Domain, target: Domain
) -> set[str]:
    """The classes for which a division has too few images, in words; empty if it can be used."""
    train, val, test = needed(source.train), needed(source.val), needed(target.test)
    found = {f"to test {_count(test, name)}" for name in tested if name not in test.classes}
    found |= {f"to train on {_count(train, name)}" for name in seen if name not in train.classes}
    if len(set(seen) & set(val.classes)) < protocol.validation.way:
        found |= {f"to validate on {_count(val, name)}" for name in seen if name not in val.classes}
    return found


def _count(pool: Pool, name: str) -> str:
    return f"{name} ({pool.excluded.get(name, 0)})"


def _with_classes(source: Domain, seen: Collection[str], protocol: Protocol) -> Domain:
    """The source, trained and validated on the classes `seen` alone."""
    train = restrict(needed(source.train), seen, source.index, len(seen))
    val = restrict(needed(source.val), seen, source.index, protocol.validation.way)
    return replace(source, train=train, val=val)
