"""What is wrong with a suite whose every field is fine: names of what there is not, and settings that do not
fit each other.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from fer_meta.methods import registry
from fer_meta.methods.labels import answer_in
from fer_meta.spelling import offered
from fer_meta.suites.divisions import why_impossible
from fer_meta.suites.search import search_faults
from fer_meta.suites.settings import Fault, plain

if TYPE_CHECKING:
    from fer_meta.suites.schema import Suite


@dataclass(frozen=True)
class Written:
    """Where a suite is not as its file has it: `asked` are the methods that a bench is to have, if not all;
    `methods` and `readouts` are the file's own, which presets and options change.
    """

    asked: Collection[str] | None
    methods: Collection[str]
    readouts: Sequence[str] | None


def faults_of(suite: "Suite", file: Written) -> list[Fault]:
    """The first kind of fault that a suite has, as (path of keys, message)."""
    return (
        _dangling(suite)
        or _unfit(suite)
        or _undivided(suite)
        or search_faults(suite.search, suite.seeds, suite.methods)
        or _unread(suite, file.asked)
        or _untested(suite, file)
    )


def _unfit(suite: "Suite") -> list[Fault]:
    """What experiments change of methods and cannot be, as (path of keys, message)."""
    errors = []
    for name, one in suite.experiments.items():
        for method in one.training:
            try:
                suite.config(method, name)
            except ValidationError as error:
                errors += [
                    (("experiments", name, "training", method, *loc), message)
                    for loc, message in plain(error)
                ]
    return errors


def _undivided(suite: "Suite") -> list[Fault]:
    """Divisions that cannot be trained or tested, whatever the data, as (path of keys, message)."""
    if suite.divisions is None:
        return []
    if suite.experiments:
        return [(("divisions",), "a suite with `experiments` has none; leave one of the two out")]
    if suite.protocol.tested_classes == "seen":
        return [(("divisions",), "need `tested_classes: unseen` in `protocol`")]
    return [
        (("divisions", number), fault)
        for number, tested in enumerate(suite.divisions)
        if (fault := why_impossible(suite.classes, tested, suite.protocol))
    ]


def _dangling(suite: "Suite") -> list[Fault]:
    """Names of roles, mixtures, experiments and methods that there are not, as (path of keys,
    message).
    """
    used: list[tuple[tuple, str, str, Collection[str]]] = [
        (("mixtures", name, "parts", number, "role"), part.role, "role", suite.roles)
        for name, mixture in suite.mixtures.items()
        for number, part in enumerate(mixture.parts)
    ]
    for name, one in suite.experiments.items():
        where = "experiments", name
        used += [
            ((*where, "train"), one.train, "role or mixture", [*suite.roles, *suite.mixtures]),
            ((*where, "test"), one.test, "role", suite.roles),
        ]
        used += [
            ((*where, field), method, "method of the suite", suite.methods)
            for field in ("methods", "training")
            for method in getattr(one, field) or ()
        ]
        used += (
            [((*where, "checkpoint"), one.checkpoint, "selection of the suite", suite.selection)]
            if one.checkpoint != "source-val"
            else []
        )
        used += (
            [((*where, "against"), one.against, "experiment", suite.experiments)]
            if one.against is not None
            else []
        )
    if suite.primary:
        places: Collection[str] = suite.experiments or [
            name for name in ("across", "within") if getattr(suite, name)
        ]
        used += [
            (("primary", part), name, "experiment" if suite.experiments else "set of pairs", places)
            for part in ("over", "less")
            if (name := getattr(suite.primary, part)) is not None
        ]
    return [
        (
            loc,
            f"no {what} is called {name!r}" + offered(name, there, f"there are {', '.join(there) or 'none'}"),
        )
        for loc, name, what, there in used
        if name not in there
    ]


def _unread(suite: "Suite", asked: Collection[str] | None) -> list[Fault]:
    """Methods that would give no answer, as (path of keys, message)."""
    return [
        (
            ("readouts",),
            f"method {name!r} has no answers of its own, and none of these reads it; name ncm, or leave"
            f" {name} out",
        )
        for name in suite.methods
        if (asked is None or name in asked) and not _answers(suite, name, suite.readouts)
    ]


def _untested(suite: "Suite", file: Written) -> list[Fault]:
    """What the primary contrast names and its experiments do not test, as (path of keys, message).

    By the methods and readouts of the file: a preset or an option may leave one out, and has no contrast
    then.
    """
    named = suite.primary
    errors: list[Fault] = []
    if not named:
        return errors
    parts = [suite.experiments[part] for part in (named.over, named.less) if part in suite.experiments]
    shots = [one.protocol.shots for one in parts] or [suite.protocol.shots]
    methods = [one.methods or file.methods for one in parts] or [file.methods]
    if any(named.shots not in tested for tested in shots):
        there = [str(number) for number in shots[0] if all(number in tested for tested in shots)]
        errors.append(
            (
                ("primary", "shots"),
                f"{named.shots} is not tested; the protocol has shots {', '.join(there) or 'none in common'};"
                " name one of these in `primary`",
            )
        )
    known = [
        readout
        for name in methods[0]
        if all(name in own for own in methods)
        for readout in _answers(suite, name, file.readouts)
    ]
    return errors + [
        (
            ("primary", side),
            f"no answer is called {name!r}" + offered(name, known, f"there are {', '.join(known)}"),
        )
        for side in ("first", "second")
        if (name := getattr(named, side)) not in known
    ]


def _answers(suite: "Suite", key: str, readouts: Sequence[str] | None) -> list[str]:
    """The names on disk of all answers that a method may give, whether a preset leaves it out or not."""
    method = (suite.methods[key].method if key in suite.methods else "") or key
    if method not in registry.names():
        return []  # a preset leaves it out, and with it whose settings they are
    return [answer_in(key, method, answer) for answer in registry.answers(method, readouts)]
