"""Which images count as copies: identical ones, or nearly identical ones too."""

from collections.abc import Mapping, Sequence

from fer_meta.datasets.cache import CachedFaces
from fer_meta.datasets.near_copies import with_near_copies
from fer_meta.tasks.protocol import Protocol


def compared(faces: Sequence[CachedFaces], protocol: Protocol) -> list[CachedFaces]:
    """`faces`, all data sets of a bench, which know their near copies if the protocol removes those."""
    return with_near_copies(faces) if protocol.removes_near_copies else list(faces)


def compared_cast(cast: Mapping[str, CachedFaces], protocol: Protocol) -> dict[str, CachedFaces]:
    """As `compared`, of the data set of each role; two roles may share one."""
    several = {one.name: one for one in cast.values()}
    known = dict(zip(several, compared(list(several.values()), protocol)))
    return {role: known[one.name] for role, one in cast.items()}
