"""How one data set of faces is divided for a training from Python, and faults of settings in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

from pydantic import ValidationError

from fer_meta.datasets.cache import CachedFaces
from fer_meta.errors import SuiteError, TooSmallError
from fer_meta.tasks.pools import Domain, divide
from fer_meta.tasks.protocol import Protocol

VALIDATION_EPISODES = 50


def training_protocol(way: int, shots: int, queries: int, disjoint: str) -> Protocol:
    """Training and validation episodes of one shape."""
    shape = {"way": way, "shots": shots, "queries": queries, "disjoint": disjoint}
    validation = {**shape, "episodes": VALIDATION_EPISODES}
    with in_one_line("training episodes"):
        return Protocol.model_validate({**shape, "shots": (shots,), "train": shape, "validation": validation})


@contextmanager
def in_one_line(what: str) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        [first, *_] = error.errors()
        where = ": ".join([what, *map(str, first["loc"])])
        message = "unknown setting" if first["type"] == "extra_forbidden" else first["msg"]
        raise SuiteError(f"{where}: {message.removeprefix('Value error, ')}") from None


def classes_of(*faces: CachedFaces) -> list[str]:
    """The classes of any of these, in their usual order."""
    there = {label for one in faces for label in one.index["label"].unique()}
    return [name for name in dict.fromkeys(chain(*(one.spec.vocabulary for one in faces))) if name in there]


def domain_of(faces: CachedFaces, protocol: Protocol, *pools: str) -> Domain:
    """`faces` with `pools` of POOLS alone."""
    with without_suite():
        return divide([faces], protocol, classes_of(faces), pools=pools)[faces.name]


@contextmanager
def without_suite() -> Iterator[None]:
    """Faults of too few images name the arguments that help, for there is no suite file."""
    try:
        yield
    except TooSmallError as error:
        raise error.from_python() from None
