"""A bench that is killed again and again, anywhere, ends with the numbers of one that was never disturbed.

    python benchmarks/kills.py                 # 50 kills with one job, then 50 with two; about 20 minutes
    python benchmarks/kills.py --kills 5       # a quick look

Each kill is SIGKILL to the whole process group at a random moment of a bench of rendered faces: rendering, training, prediction or report.
Then the same command goes on, until it has ended by itself. What is compared: all answers and tables, byte by byte. What is checked: nothing
finished is done again, and nothing temporary is left behind.
"""

import os
import random
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
protocol: {way: 5, shots: [1, 2], queries: 3, episodes: 40, train: {shots: 2, queries: 3}, validation: {shots: 1, queries: 2, episodes: 10}}
algorithms:
  protonet: {steps: 30, validations: 10}
  supervised: {steps: 30, validations: 10, batch: 16, backbone: conv4}
presets: {quick: {}}
"""

# What an undisturbed bench takes: kills fall anywhere in it. More of them than of seconds would keep it from ever getting far.
LONGEST = 1.2


def command(folder: Path, suite: Path, jobs: int) -> list[str]:
    return [sys.executable, "-m", "fer_meta", "bench", "--suite", str(suite), "--device", "cpu", "--jobs", str(jobs), "--out", str(folder / "results")]


def run(words: list[str], cache: Path, seconds: float | None = None) -> int | None:
    """The exit status of a bench, or None if it was killed after so many seconds."""
    process = subprocess.Popen(words, env={**os.environ, "FER_META_CACHE": str(cache), "OMP_NUM_THREADS": "1"}, start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None


def kill_and_go_on(words: list[str], cache: Path, results: Path, kills: int, longest: float, seed: int) -> list[str]:
    """Kill a bench `kills` times, let it end, and say what went wrong: what was finished and is another file now, a status that is not 0."""
    rng, done, wrong = random.Random(seed), {}, []
    for number in range(kills):
        status = run(words, cache, rng.uniform(0.1, longest))
        if status:
            wrong.append(f"it ended with status {status} before kill {number + 1}")
        for path, state in done.items():
            if not path.exists() or path.stat().st_mtime_ns != state:
                wrong.append(f"{path} was finished before kill {number + 1} and was made again")
        done = {path: path.stat().st_mtime_ns for path in results.rglob("DONE")}
    status = run(words, cache)
    return wrong + ([f"it ended with status {status}"] if status else [])


def differences(one: Path, other: Path) -> list[str]:
    """What two results folders do not share: answers, episodes, tables; and the temporary files in the second."""
    wanted = [path.relative_to(one) for pattern in ("runs/*/predictions.parquet", "episodes/*", "*.csv", "*.md", "*.tex", "table.txt") for path in one.glob(pattern)]
    changed = [f"{path} differs" for path in wanted if not (other / path).exists() or (other / path).read_bytes() != (one / path).read_bytes()]
    return changed + [f"{path} is left behind" for path in [*other.rglob(".tmp*"), *other.rglob("resume.pt")]]


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
            found = kill_and_go_on(command(killed, suite, jobs), killed / "cache", killed / "results", kills, LONGEST * took, seed)
            found += differences(whole / "results" / "kills", killed / "results" / "kills")
            found += [f"{path} is left behind" for path in (killed / "cache").glob(".building-*")]
            click.echo(f"{jobs} job{'s' * (jobs > 1)}: {kills} kills of a bench of {took:.0f} s: {len(found)} faults")
            wrong += found
    for line in wrong:
        click.echo(f"  {line}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
