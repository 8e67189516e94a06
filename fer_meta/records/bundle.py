"""`manifest.json` of a bundle: what is in it, and the SHA-256 of every other file of it."""

import re
from typing import Annotated

from pydantic import Field

from fer_meta.records.base import Below, Count, FolderName, Positive, Stored

MANIFEST = "manifest.json"

FORMAT = 1
"""Raised when an older fer-meta could no longer read a bundle."""

_LONGEST = 255  # bytes of a name on most disks
_ONE = r"[^/\\]{1,250}"
_MEMBER = re.compile(
    rf"plan\.json|[a-z-]+\.csv|episodes/{_ONE}\.parquet"
    rf"|runs/{_ONE}/(run\.json|predictions\.parquet|DONE)"
    rf"|models/{_ONE}/(model\.json|history\.jsonl|DONE|FAILED\.json|checkpoints/{_ONE}\.safetensors)"
)


def may_hold(name: str) -> bool:
    """Whether a bundle may hold a file of this name: no image, no page, no code."""
    parts = name.split("/")
    return (
        _MEMBER.fullmatch(name) is not None
        and not {".", ".."} & {*parts}
        and max(len(part.encode(errors="replace")) for part in parts) <= _LONGEST
    )


class Member(Stored):
    """A file of a bundle."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    size: Count  # bytes


class Facts(Stored):
    """What the plan and the runs of a bundle say, so that a reader need not open them."""

    suite: FolderName
    title: str
    preset: str
    command: str
    suite_hash: str
    settings_hash: str
    methods: list[str]
    sources: list[str]
    targets: list[str]
    seeds: list[Count]
    runs: Count  # finished
    missing: list[str]  # runs of the plan that were not finished
    # data set -> fingerprints of the images that were trained and tested on; none where they are not known
    trained_on: dict[str, list[str]]
    tested_on: dict[str, list[str]]
    commits: list[str]  # of fer-meta, that made the runs
    versions: list[str]  # of what computed them


class Manifest(Stored):
    """The whole file."""

    format: Positive
    fer_meta: str  # the version that exported it
    facts: Facts
    weights: bool  # whether the models' weights are in it
    rewritten: list[str]  # files out of which paths of a machine were taken
    files: dict[Below, Member]
