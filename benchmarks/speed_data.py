"""What the measurements of speed share: image files and the same images as fer-meta keeps them, and rows of
the table.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision import datasets, transforms

from fer_meta.datasets.cache import load_images
from fer_meta.datasets.loaders.folder import folder_spec
from fer_meta.device import precision_on
from fer_meta.expressions import BASIC
from fer_meta.preprocessing import IMAGENET
from fer_meta.tasks.pools import Pool

SIZE = 84
CPU = torch.device("cpu")
# Measured in bf16 too where the processor has units for it; where it has none, that is several times slower
# than fp32 and nobody would use it.
PRECISIONS = ("fp32", "bf16") if precision_on("auto", CPU) == "bf16" else ("fp32",)
TEST_IMAGES = 3589  # as many as FER2013's test split


@dataclass
class Row:
    """One line of the table: how long `ours` takes (in `unit`), how long others, and what the limit is."""

    stage: str
    case: str
    unit: str
    ours: float
    peers: dict[str, float] = field(default_factory=dict)
    limit: float | None = None
    limit_is: str = ""
    asked: str = ""
    reached: bool | None = None
    note: str = ""


def image_files(folder: Path, data: Path | None) -> Path:
    """A folder of face images, a folder a class: FER2013's test split if `data` names it, else as many
    made-up grey JPEGs of 48 px.
    """
    if data:
        return data / "test"
    made = folder / "faces"
    rng = np.random.default_rng(0)
    for number in range(TEST_IMAGES):
        path = made / BASIC[number % len(BASIC)] / f"{number:05d}.jpg"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            coarse = Image.fromarray(rng.integers(0, 256, (12, 12), dtype=np.uint8))
            coarse.resize((48, 48), Image.Resampling.BICUBIC).save(path, quality=90)
    return made


def as_the_others(files: Path) -> datasets.ImageFolder:
    """The images as learn2learn and easyfsl users read them: a file an item, decoded when it is asked for."""
    steps = (
        transforms.Resize(SIZE),
        transforms.Grayscale(3),
        transforms.ToTensor(),
        transforms.Normalize(*IMAGENET),
    )
    return datasets.ImageFolder(files, transforms.Compose(steps))


def as_ours(files: Path, folder: datasets.ImageFolder) -> tuple[np.ndarray, Pool]:
    """The same images decoded once, as fer-meta keeps them, in the order of `folder`."""
    faces = load_images(folder_spec("speed", files), files, SIZE, progress=False)
    place = {path: row for row, path in enumerate(faces.index["path"])}
    rows = np.array([place[str(Path(path).relative_to(files))] for path, _ in folder.samples])
    order = np.argsort(rows)
    labels = np.array(folder.targets)[order]
    return faces.images, Pool("speed", rows[order], labels, tuple(folder.classes), None, None, {}, 0, "")


def processor() -> str:
    """The processor by name, how many cores may be used, the instructions that torch takes it to have, and
    whether there are bf16 units.
    """
    told = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.split(":", 1)[1].strip() for line in told.splitlines() if line.startswith("model name")]
    units = "bf16 units" if "bf16" in PRECISIONS else "no bf16 units: all in fp32"
    return (
        f"{names[0] if names else platform.processor() or platform.machine()}, {len(os.sched_getaffinity(0))}"
        f" cores, {torch.backends.cpu.get_cpu_capability()}, {units}"
    )


def seconds(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def median(values) -> float:
    return statistics.median(values)


def in_a_process(script: Path, *arguments: str) -> dict:
    """The JSON that `script` prints last: a process of its own, for peak memory and for settings that cannot
    be taken back.
    """
    done = subprocess.run([sys.executable, str(script), *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(
            f"{script.name} {' '.join(map(str, arguments))}: {done.stderr.strip().splitlines()[-1]}"
        )
    return json.loads(done.stdout.strip().splitlines()[-1])


def as_json(rows: list[Row]) -> str:
    return json.dumps([asdict(row) for row in rows], indent=1)
