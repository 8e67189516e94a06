"""The whole bench and its start: how busy the cores are, where the time goes, and what waits for nothing.

The bench is `fer-meta bench --suite cross-domain`, cut to the rendered wild, with as many jobs as there are
cores; its faces are rendered before. A shell's commands are timed as a user waits for them.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from speed_data import Row, median
from stored_suite import write_stored_suite

from fer_meta.datasets.synthetic.rendered import load_rendered
from fer_meta.suites.schema import read_suite

DOMAIN = "synthetic-wild"
SUITE = ["bench", "--suite", "cross-domain", "--domains", DOMAIN]
CORES = len(os.sched_getaffinity(0))
STAGES = {
    "train_s": "training",
    "data_s": "... of it batches",
    "validate_s": "... of it validation",
    "evaluate_s": "tests",
}


@dataclass
class Benched:
    """A bench that was run: wall seconds, processor seconds, and seconds by stage summed over its runs."""

    jobs: int
    wall: float
    processor: float
    stages: dict[str, float]
    predicted: float

    @property
    def busy(self) -> float:
        """The share of all cores' time that was computed in."""
        return self.processor / (self.wall * CORES)


def benched(out: Path) -> Benched:
    """With a job a core, the faces rendered before."""
    suite = read_suite("cross-domain", "quick")
    load_rendered(
        DOMAIN, size=suite.image_size, **suite.rendered.model_dump(include={"subjects", "images", "seed"})
    )
    return _bench(out, CORES)


def bench_rows(found: Benched) -> list[Row]:
    stages = ", ".join(f"{name} {found.stages[key]:.0f} s" for key, name in STAGES.items())
    return [
        Row(
            "bench",
            f"cross-domain quick, one source, {found.jobs} jobs",
            "s",
            found.wall,
            {},
            found.processor / CORES,
            "all cores busy",
            "cores busy over 90 %",
            found.busy > 0.9,
            f"{100 * found.busy:.0f} % busy; {stages}, summed over jobs",
        ),
        Row(
            "bench",
            "its estimate",
            "s",
            found.predicted,
            {},
            found.wall,
            "what it took",
            "",
            None,
            f"{100 * (found.predicted / found.wall - 1):+.0f} %",
        ),
    ]


def start_rows(folder: Path, finished: Path) -> list[Row]:
    """`finished` is the folder of a bench of SUITE that is done."""
    stored = folder / "stored"
    write_stored_suite(stored / "cross-domain", 200)
    first = _seconds(["report", "--out", stored])
    report = median([_seconds(["report", "--out", stored]) for _ in range(3)])
    again = median([_seconds([*SUITE, "--out", finished]) for _ in range(3)])
    helped = median([_seconds(["--help"]) for _ in range(5)])
    return [
        Row("start", "fer-meta --help", "s", helped, {}, None, "", "0.3 s", helped < 0.3),
        Row(
            "start",
            "fer-meta report, 200 runs, the first time",
            "s",
            first,
            {},
            None,
            "",
            "3 s",
            first < 3,
            "all tables and plots drawn",
        ),
        Row(
            "start",
            "fer-meta report, 200 runs, again",
            "s",
            report,
            {},
            None,
            "",
            "3 s",
            report < 3,
            "nothing changed since",
        ),
        Row("start", "a finished bench again", "s", again, {}, None, "", "2 s", again < 2),
    ]


def _bench(out: Path, jobs: int) -> Benched:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    told = _command([*SUITE, "--jobs", jobs, "--out", out])
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    stages = Counter()
    for path in out.glob("cross-domain/runs/*/run.json"):
        stages.update(json.loads(path.read_text())["timings"])
    return Benched(jobs, wall, processor, stages, _first_estimate(told))


def _first_estimate(told: str) -> float:
    """Seconds that the first line of a run announces: "(0:00 so far, about 3:21 left)"."""
    clock = told.split(" left)")[0].rsplit("about ", 1)[1].split(":")
    return sum(int(part) * 60**place for place, part in enumerate(reversed(clock)))


def _command(arguments: list) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "fer_meta", *map(str, arguments)], capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(
            f"fer-meta {' '.join(map(str, arguments))}: {done.stderr.strip().splitlines()[-1]}"
        )
    return done.stdout


def _seconds(arguments: list) -> float:
    began = time.perf_counter()
    _command(arguments)
    return time.perf_counter() - began
