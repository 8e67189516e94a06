"""`fer-meta doctor`: is this machine ready?

Nothing that is looked at is changed, and nothing that is wrong with it ends the doctor: it is what the doctor
finds. A module a section. They are imported one by one, for what they import may be what is missing; torch is
imported by processes of their own alone (`facts`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

from fer_meta.doctor.children import Child
from fer_meta.doctor.findings import Finding, looked_at

SECTIONS = {
    "Installation": "installation",
    "Processor": "processor",
    "GPU": "gpu",
    "Data": "data",
    "Cache": "cache",
    "Results": "results",
}
"""Title and module, in the order in which they are shown."""

_WAITING = ("Installation", "Processor", "GPU")  # for processes; the others are looked at meanwhile


@dataclass(frozen=True)
class Asked:
    """What the sections look at: the data sets and the folder of results that were given, and two processes
    that tell what torch and learn2learn say.
    """

    data: dict[str, Path]
    out: Path
    torch: Child
    learn2learn: Child


def examine(data: dict[str, Path], out: Path) -> Iterator[tuple[str, list[Finding]]]:
    """Each section's title and findings, as soon as they are known, so not in the order of SECTIONS."""
    with Child("torch") as torch, Child("learn2learn") as learn2learn:
        asked = Asked(data, out, torch, learn2learn)
        for title in sorted(SECTIONS, key=_WAITING.__contains__):
            yield title, looked_at(title, partial(_findings, title, asked))


def _findings(title: str, asked: Asked) -> Iterator[Finding]:
    yield from import_module(f"{__name__}.{SECTIONS[title]}").findings(asked)
