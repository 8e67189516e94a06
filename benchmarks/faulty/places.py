"""The places of a bench, each a small disk in memory of its own: it can be full, read-only or gone."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

LABELS = ("anger", "happiness", "neutral", "sadness", "surprise")
EACH, SIDE = 24, 32
WHEN = 1_000_000_000  # when each picture was changed last: painted again, it is the same
PLACES = ("results", "cache", "data", "tmp")

SUITE = """\
name: tiny
title: Bad days
image_size: 32
seeds: [0]
selection: [source-val]
protocol:
  {way: 5, shots: [1], queries: 3, episodes: 12,
   train: {shots: 2, queries: 3}, validation: {shots: 1, queries: 2, episodes: 4}}
methods:
  protonet: {steps: 6, validations: 3}
  supervised: {steps: 4, validations: 2, batch: 16, backbone: conv4}
presets: {quick: {}}
"""
RENDERED = "rendered: {domains: [synthetic-studio], subjects: 40, images: 300}\n"


@dataclass(frozen=True)
class Home:
    """The folder that holds the places of a bench."""

    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def bench(self) -> Path:
        """The results of the suite."""
        return self.results / "tiny"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def day(self) -> Path:
        """The data set."""
        return self.data / "day"

    @property
    def tmp(self) -> Path:
        """For temporary files."""
        return self.folder / "tmp"

    @property
    def suite(self) -> Path:
        return self.folder / "tiny.yaml"

    @property
    def elsewhere(self) -> Path:
        """Where the bench is started: an empty folder."""
        return self.folder / "elsewhere"

    @property
    def user(self) -> Path:
        """The user's own folder, the same for all benches: libraries keep their caches there."""
        return self.folder.parent / "user"


def alone() -> None:
    """Go on in a process whose mounts nobody else sees: they end with it, however it ends."""
    if os.environ.get("FER_META_FAULTS"):
        return
    os.environ["FER_META_FAULTS"] = "1"
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    own = ["--mount"] if os.getuid() == 0 else ["--mount", "--map-root-user"]
    os.execvp("unshare", ["unshare", *own, "--", sys.executable, *sys.argv])


def fresh(home: Home, rendered: bool = False) -> None:
    """Empty places, a data set and a suite."""
    clear(home)
    for place in PLACES:
        disk(home.folder / place)
    for folder in (home.elsewhere, home.user):
        folder.mkdir(exist_ok=True)
    home.suite.write_text(SUITE.replace("protocol:", RENDERED + "protocol:", rendered))
    if not rendered:
        paint(home.day)


def disk(place: Path, options: str = "size=64m") -> None:
    place.mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "-o", f"mode=777,{options}", "tmpfs", str(place))


def clear(home: Home) -> None:
    """Remove the places, and whatever was mounted in them."""
    mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for place in reversed([place for place in mounted if place.startswith(f"{home.folder}/")]):
        subprocess.run(["umount", "-l", place.encode().decode("unicode_escape")], check=True)
    shutil.rmtree(home.folder, ignore_errors=True)


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)


def paint(root: Path) -> None:
    """Pictures of noise, with a bright bar for each label."""
    rng = np.random.default_rng(0)
    for row, label in enumerate(LABELS):
        (root / label).mkdir(parents=True)
        for number in range(EACH):
            pixels = rng.integers(0, 120, (SIDE, SIDE, 3))
            pixels[6 * row : 6 * row + 6] += 100
            picture = root / label / f"{number}.png"
            Image.fromarray(pixels.astype("uint8")).save(picture)
            os.utime(picture, (WHEN, WHEN))


# --- what befalls a place -----------------------------------------------------------------------------------


def fill(place: Path) -> None:
    """Leave not a byte."""
    part = bytes(1 << 16)
    with contextlib.suppress(OSError), (place / "full").open("wb", buffering=0) as file:
        while True:
            file.write(part)


def empty_again(place: Path) -> None:
    (place / "full").unlink(missing_ok=True)


def read_only(folder: Path) -> None:
    """Nobody can write there any more, whoever has it open."""
    folder.mkdir(parents=True, exist_ok=True)
    mount("--bind", str(folder), str(folder))
    mount("-o", "remount,ro,bind", str(folder))


def writable(folder: Path) -> None:
    subprocess.run(["umount", "-l", str(folder)], check=True)


def state(folders: Iterable[Path]) -> dict[Path, bytes | None]:
    """All that lies in some folders: the bytes of files, None for the rest."""
    found = [path for folder in folders for path in sorted(folder.rglob("*"))]
    return {path: path.read_bytes() if path.is_file() else None for path in found}
