"""A bench that is killed again and again, anywhere, ends with the numbers of one that was never disturbed.

    python benchmarks/kills.py                 # 50 kills with one job, then 50 with two
    python benchmarks/kills.py --kills 5       # a quick look

Each kill is SIGKILL to the whole process group at a random moment of a bench of rendered faces: rendering,
training, prediction or report. Then the same command goes on. When it ends by itself, its answers and tables
are compared byte by byte, and the next begins with nothing. Also checked: nothing finished is done again, and
nothing temporary is left behind.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

SUITE = """\
name: kills
title: Killed again and again
rendered: {domains: [synthetic-studio, synthetic-film], subjects: 40, images: 600}
image_size: 32
seeds: [0]
selection: [source-val, last]
protocol:
  {way: 5, shots: [1, 2], queries: 3, episodes: 40,
   train: {shots: 2, queries: 3}, validation: {shots: 1, queries: 2, episodes: 10}}
methods:
  protonet: {steps: 30, validations: 10}
  supervised: {steps: 30, validations: 10, batch: 16, backbone: conv4}
presets: {quick: {}}
"""

# Times what an undisturbed bench takes: kills fall anywhere in it.
LONGEST = 0.8


def command(folder: Path, suite: Path, jobs: int) -> list[str]:
    return [
        sys.executable,
        "-m",
        "fer_meta",
        "bench",
        "--suite",
        str(suite),
        "--device",
        "cpu",
        "--jobs",
        str(jobs),
        "--out",
        str(folder / "results"),
    ]


def run(words: list[str], cache: Path, seconds: float | None = None) -> int | None:
    """The exit status of a bench, or None if it was killed after so many seconds."""
    env = {**os.environ, "FER_META_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(words, env=env, start_new_session=True, stdout=nowhere, stderr=nowhere)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None


def kill_and_go_on(
    words: list[str], cache: Path, whole: Path, results: Path, kills: int, longest: float, seed: int
) -> list[str]:
    """Kill a bench `kills` times and say what went wrong. One that ends before it is killed, and the last, is
    compared with the bench that was never disturbed (in `whole`); then the next begins with nothing.
    """
    rng, done, wrong, killed = random.Random(seed), {}, [], 0
    while True:
        status = run(words, cache, rng.uniform(0.1, longest) if killed < kills else None)
        again = [
            path for path, state in done.items() if not path.exists() or path.stat().st_mtime_ns != state
        ]
        wrong += [f"{path} was finished before kill {killed + 1} and was made again" for path in again]
        done = {path: path.stat().st_mtime_ns for path in results.rglob("DONE")}
        if status is None:
            killed += 1
            continue
        wrong += [f"it ended with status {status} after {killed} kills"] if status else []
        wrong += differences(whole, results) + [
            f"{path} is left behind" for path in cache.glob(".building-synthetic-*")
        ]
        if killed == kills or status:
            return wrong
        done = {}
        for folder in (results, cache):
            shutil.rmtree(folder, ignore_errors=True)


def differences(one: Path, other: Path) -> list[str]:
    """What two results folders do not share: answers, episodes, tables; and the temporary files in the
    second.
    """
    wanted = [
        path.relative_to(one)
        for pattern in ("runs/*/predictions.parquet", "episodes/*", "*.csv", "table.md", "*.tex", "table.txt")
        for path in one.glob(pattern)
        if path.name != "trainings.csv"  # it has seconds
    ]
    # The command of a table names its own --out.
    ends = [bytes(folder.parent) for folder in (one, other)]
    changed = [
        f"{path} differs"
        for path in wanted
        if not (other / path).exists()
        or _timeless((other / path).read_bytes()) != _timeless((one / path).read_bytes().replace(*ends))
    ]
    return changed + [f"{path} is left behind" for path in [*other.rglob(".tmp*"), *other.rglob("resume.pt")]]


def _timeless(content: bytes) -> bytes:
    """What a file says, without the section of a page that has the seconds of trainings."""
    return re.sub(rb"\n## Trainings\n.*?(?=\n## |\Z)", b"", content, flags=re.DOTALL)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--kills", default=50, show_default=True, help="With one job, and as many with two.")
@click.option("--seed", default=0, show_default=True)
def main(kills: int, seed: int) -> None:
    """Kill benches, and compare what they end with."""
    wrong = []
    with tempfile.TemporaryDirectory() as home:
        home = Path(home)
        suite = home / "kills.yaml"
        suite.write_text(SUITE)
        for jobs in (1, 2):
            whole, killed = home / f"whole-{jobs}", home / f"killed-{jobs}"
            began = time.perf_counter()
            if run(command(whole, suite, jobs), home / f"cache-{jobs}"):
                raise click.ClickException("the undisturbed bench failed")
            took = time.perf_counter() - began
            results = [folder / "results" / "kills" for folder in (whole, killed)]
            found = kill_and_go_on(
                command(killed, suite, jobs), killed / "cache", *results, kills, LONGEST * took, seed
            )
            click.echo(
                f"{jobs} job{'s' * (jobs > 1)}: {kills} kills of a bench of {took:.0f} s: {len(found)} faults"
            )
            wrong += found
    for line in wrong:
        click.echo(f"  {line}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
