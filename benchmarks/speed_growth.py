"""Growth: time and memory of an evaluation as images and tasks become more, each point in a process of its
own.

ProtoNet over Conv4 with random weights, made-up images of 32 px in a memory map on disk, 5-way 5-shot
15-query: drawing the episodes, embedding, answering and writing the answers, as a bench does. Memory is what
the process holds by itself (RssAnon of /proc): pages of files can be dropped, and are not counted.

    python benchmarks/speed_growth.py point 1000 1000        # images, tasks; as JSON
"""

import json
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
from speed_data import CPU, Row, in_a_process

from fer_meta.bench.settings import Setting
from fer_meta.bench.words import write_predictions
from fer_meta.evaluation.answers import Shown, answer_episodes, embedder
from fer_meta.expressions import BASIC
from fer_meta.memory import keep_freed_memory
from fer_meta.methods import registry
from fer_meta.tasks.episodes import draw
from fer_meta.tasks.pools import Domain, Pool
from fer_meta.tasks.protocol import EpisodeShape, Protocol
from fer_meta.training import loop

SIZE = 32
POINTS = [(1000, 1000), (10_000, 1000), (100_000, 1000), (1000, 10_000), (1000, 100_000)]
ALLOWED = 1.25  # of the memory of the first point


def points() -> list[dict]:
    """Images, tasks, seconds by stage and memory in MB of each point."""
    return [in_a_process(Path(__file__), "point", images, tasks) for images, tasks in POINTS]


def rows(found: list[dict]) -> list[Row]:
    first = found[0]
    return [
        Row(
            "growth",
            f"{one['images']:,} images, {one['tasks']:,} tasks",
            "MB",
            one["memory"],
            {},
            first["memory"],
            "the first point's memory",
            "" if one is first else f"{ALLOWED} of it",
            None if one is first else one["memory"] <= ALLOWED * first["memory"],
            f"draw {one['draw']:.1f} s, embed {one['embed']:.1f} s, answer and write {one['answer']:.1f} s",
        )
        for one in found
    ]


def point(images: int, tasks: int, folder: Path) -> dict:
    keep_freed_memory()
    shown = Shown(*_faces(images, folder))
    module = registry.load("protonet")
    method = loop.build(module, module.Config(steps=1), Protocol(), BASIC, SIZE, 0, CPU).eval()
    told = {"images": images, "tasks": tasks}
    with Memory() as memory:
        began = time.perf_counter()
        episodes = draw(shown.pool, EpisodeShape(way=5, shots=5, queries=15), tasks, "growth")
        drawn = time.perf_counter()
        embed = embedder(method, shown, shown, "eval", CPU)
        for start in range(0, images, 1000):
            rows = shown.pool.rows[start : start + 1000]
            embed(rows[None, None, :0], rows[None])
        embedded = time.perf_counter()
        parts = (
            part.assign(shots=5, selection="last")
            for part in answer_episodes(method, embed, shown.pool, shown.pool, episodes)
        )
        write_predictions(folder / "predictions.parquet", parts, _setting(shown, episodes), False)
        ended = time.perf_counter()
    return told | {
        "draw": drawn - began,
        "embed": embedded - drawn,
        "answer": ended - embedded,
        "memory": memory.most,
    }


def _faces(count: int, folder: Path) -> tuple[np.ndarray, Pool]:
    """Made-up images in a map on disk, written a thousand at a time."""
    path, rng = folder / "images.npy", np.random.default_rng(0)
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (count, SIZE, SIZE, 3))
    for start in range(0, count, 1000):
        images[start : start + 1000] = rng.integers(
            0, 256, (min(1000, count - start), SIZE, SIZE, 3), dtype=np.uint8
        )
    images.flush()
    labels = np.arange(count) % len(BASIC)
    return np.load(path, mmap_mode="r"), Pool(
        "made up", np.arange(count), labels, tuple(BASIC), None, None, {}, 0, ""
    )


def _setting(shown: Shown, episodes) -> Setting:
    index = pd.DataFrame(
        {"path": [f"{row:06d}" for row in shown.pool.rows], "subject": pd.NA, "clip": pd.NA}, dtype="string"
    )
    domain = Domain("made up", shown.images, index, shown.pool, shown.pool, shown.pool, None)
    return Setting("", Protocol(), ("protonet",), domain, domain, shown.pool, shown.pool, {5: episodes}, {})


class Memory:
    """The most memory, in MB, that the process held by itself while the block ran."""

    def __enter__(self):
        self.most, self.done = 0.0, threading.Event()
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        self.watcher.start()
        return self

    def _watch(self):
        while not self.done.wait(0.02):
            status = Path("/proc/self/status").read_text()
            self.most = max(self.most, int(status.split("RssAnon:")[1].split()[0]) / 1024)

    def __exit__(self, *_):
        self.done.set()
        self.watcher.join()


if __name__ == "__main__":
    if sys.argv[1:2] == ["point"]:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(point(int(sys.argv[2]), int(sys.argv[3]), Path(folder))))
    else:
        print(*rows(points()), sep="\n")
