"""How long it takes to open the cache of 30,000 images, and how fast it is built.

    python benchmarks/cache.py                    # 30,000 made-up JPEGs of 48 to 100 px, at 48 px

Makes the files in a temporary folder and writes results/benchmarks/cache.md. Opening is measured in fresh
processes: the source is listed again, each file's state is read, and the checksums are computed. Building is
compared with bare decoding: Pillow turns the same bytes, which are in memory already, into pixels, in as many
processes, and nothing is kept. So the ratio is what reading, hashing, resizing and writing cost. Both are
measured in turns, so that they share what else the machine does; of each, the median counts.
"""

import io
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import PIL
from joblib import Parallel, cpu_count, delayed
from PIL import Image, features

from fer_meta.datasets.base import SPLITS
from fer_meta.datasets.cache import load_images
from fer_meta.datasets.registry import spec_for
from fer_meta.datasets.scanning import image_files
from fer_meta.expressions import BASIC
from fer_meta.fileio import write_text

MEASURED = """
import json, sys, time
from pathlib import Path
from fer_meta.datasets.cache import load_images
from fer_meta.datasets.registry import spec_for
root, size = Path(sys.argv[1]), int(sys.argv[2])
began, busy = time.perf_counter(), time.process_time()
load_images(spec_for("faces", root), root, size, progress=False)
print(json.dumps([time.perf_counter() - began, time.process_time() - busy]))
"""


@click.command()
@click.option("--images", default=30_000, show_default=True)
@click.option("--size", default=48, show_default=True)
@click.option("--times", default=5, show_default=True, help="How often opening is measured.")
@click.option("--builds", default=3, show_default=True, help="How often building is measured.")
@click.option(
    "--out", default="results/benchmarks", show_default=True, type=click.Path(file_okay=False, path_type=Path)
)
def main(images, size, times, builds, out):
    """Time building and bare decoding in turns, then opening."""
    with tempfile.TemporaryDirectory() as folder:
        root, cache = Path(folder) / "faces", Path(folder) / "cache"
        make_files(root, images)
        os.environ["FER_META_CACHE"] = str(cache)
        bare, built = [], []
        for _ in range(builds):
            bare.append(images / bare_decoding(root))
            shutil.rmtree(cache, ignore_errors=True)
            built.append(images / building(root, size))
        opened = [opening(root, size) for _ in range(times)]
    text = report(images, size, opened, built, bare)
    click.echo(text)
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "cache.md", text)


def make_files(root: Path, images: int) -> None:
    """Colour JPEGs of quality 90 in <split>/<label>/, smooth noise, with sides of 48 to 100 pixels."""
    rng = np.random.default_rng(0)
    for number in range(images):
        side = int(rng.integers(48, 101))
        coarse = Image.fromarray(rng.integers(0, 256, (side // 4, side // 4, 3), dtype=np.uint8))
        path = root / SPLITS[number % 3] / BASIC[number % 7] / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(path, quality=90)


def bare_decoding(root: Path) -> float:
    """Seconds in which Pillow decodes all files, which the processes have in memory."""
    workers = cpu_count()
    chunks = [image_files(root)[start::workers] for start in range(workers)]
    seconds = Parallel(workers)(delayed(decode_files)(root, chunk) for chunk in chunks)
    return max(seconds)


def decode_files(root: Path, paths: list[str]) -> float:
    """Seconds of decoding, after all is read."""
    files = [(root / path).read_bytes() for path in paths]
    began = time.perf_counter()
    for data in files:
        Image.open(io.BytesIO(data)).load()
    return time.perf_counter() - began


def building(root: Path, size: int) -> float:
    began = time.perf_counter()
    load_images(spec_for("faces", root), root, size, progress=False)
    return time.perf_counter() - began


def opening(root: Path, size: int) -> tuple[float, float]:
    """Seconds by the clock, and of processor time, in a fresh process; without its imports."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, root, str(size)], check=True, capture_output=True, text=True
    )
    wall, busy = json.loads(done.stdout)
    return wall, busy


def report(images: int, size: int, opened: list, built: list[float], bare: list[float]) -> str:
    """The tables of cache.md."""
    median = statistics.median
    walls, busy = zip(*opened)
    turbo = "libjpeg-turbo" if features.check_feature("libjpeg_turbo") else "libjpeg"
    lines = [
        "# The cache of decoded images",
        "",
        (
            f"`python benchmarks/cache.py --images {images} --size {size} --times {len(opened)} --builds"
            f" {len(built)}`; {images:,} colour JPEGs of 48 to 100 px at {size} px; {platform.machine()},"
            f" {cpu_count()} cores, load {os.getloadavg()[2]:.1f} (15 minutes; this program is 2 of it),"
            f" Python {platform.python_version()}, Pillow {PIL.__version__} with {turbo}"
        ),
        "",
        "| measure | median | all |",
        "|---|---|---|",
        f"| seconds to open, by the clock | {median(walls):.2f} | {', '.join(f'{x:.2f}' for x in walls)} |",
        f"| seconds to open, processor time | {median(busy):.2f} | {', '.join(f'{x:.2f}' for x in busy)} |",
        f"| images built a second | {median(built):,.0f} | {', '.join(f'{x:,.0f}' for x in built)} |",
        f"| images decoded a second, bare | {median(bare):,.0f} | {', '.join(f'{x:,.0f}' for x in bare)} |",
        f"| building to bare decoding | {median(built) / median(bare):.2f} | "
        f"{', '.join(f'{x / y:.2f}' for x, y in zip(built, bare))} |",
        "",
        "Opening: a fresh process, after its imports. Bare: Pillow alone, the bytes in memory, in as many"
        " processes; nothing is read, hashed, resized or kept. The first build starts the processes.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
