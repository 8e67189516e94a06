"""What it costs to have the models of a bench trained elsewhere, and whether the answers stay what they are.

    pip install -e '.[dask,slurm]'            # and ray, if it is to be measured too
    python benchmarks/scaling.py

A bench of 40 small models of rendered faces: in this process, with two jobs, and through each engine, all on
this machine with one thread a model; of dask and Ray once more with a worker that is killed in the middle.
SLURM is not here: without it, submitit begins all models at once.
Writes results/benchmarks/scaling.md. Ray is no engine of fer-meta: it is here to be compared.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click
import pandas as pd

SUITE = """\
name: scaling
title: Many small models
rendered: {domains: [synthetic-studio], subjects: 40, images: 600}
image_size: 32
selection: [source-val]
protocol:
  {way: 5, shots: [1], queries: 3, episodes: 60,
   train: {shots: 2, queries: 3}, validation: {shots: 1, queries: 2, episodes: 10}}
methods:
  protonet: {steps: 60, validations: 2}
  supervised: {steps: 60, validations: 2, batch: 16, backbone: conv4}
presets: {quick: {}}
"""
MODELS = 40
WORKERS = 2
KILLED_AFTER = 20.0  # seconds: the workers have imported torch, and are in the middle

WAYS = {
    "this process": {"jobs": 1},
    "2 jobs": {"jobs": WORKERS},
    "2 processes, as of `--devices`": {"devices": ["0", "1"]},
    "dask, 2 workers": {"executor": "dask", "jobs": WORKERS},
    "dask, a worker of 2 killed": {"executor": "dask", "killed": True},
    "Ray, 2 nodes": {"ray": True},
    "Ray, a node of 2 killed": {"ray": True, "killed": True},
}


@click.group(invoke_without_command=True)
@click.option("--only", multiple=True, help="Only this way. Repeatable; nothing is written.")
@click.pass_context
def main(context: click.Context, only: tuple[str, ...]) -> None:
    """Measure all ways, each in a process of its own."""
    if context.invoked_subcommand:
        return
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "scaling.yaml").write_text(SUITE)
        took = {way: measured(way, Path(home)) for way in WAYS if not only or way in only or "this" in way}
    text = page(took)
    click.echo(text)
    if not only:
        (Path(__file__).parents[1] / "results/benchmarks/scaling.md").write_text(text)


def measured(way: str, home: Path) -> dict | None:
    """Seconds of a way, and whether its answers are those of the first; None if it cannot be measured."""
    env = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "FER_META_CACHE": str(home / "cache"),
        "RAY_AUTH_MODE": "disabled",
    }
    words = [sys.executable, __file__, "one", way, str(home)]
    done = subprocess.run(words, env=env, capture_output=True, text=True)
    if done.returncode:
        click.echo(f"{way}: {done.stderr.strip().splitlines()[-1]}", err=True)
        return None
    found = json.loads(done.stdout.splitlines()[-1])
    click.echo(f"{way}: {found}", err=True)
    return found


def page(took: dict[str, dict | None]) -> str:
    rows = []
    for way, found in took.items():
        if found is None:
            rows.append(f"| {way} | not measured | | | |")
            continue
        workers = 1 if way == "this process" else WORKERS
        each = workers * found["seconds"] / MODELS - took["this process"]["seconds"] / MODELS
        cost = "" if workers == 1 or "killed" in way else f"{each:.2f}"
        equal = "" if found["same"] is None else "yes" if found["same"] else "**no**"
        rows.append(
            f"| {way} | {found['seconds']:.0f} | {60 * MODELS / found['seconds']:.0f} | {cost} | {equal} |"
        )
    return "\n".join(
        [
            "# A bench of 40 small models, elsewhere",
            "",
            (
                "`python benchmarks/scaling.py`; one thread a model, 2 cores that are threads of one. `more a"
                " model` is the time of both workers for a model, less that of one process alone: what"
                " starting, planning and sharing a core cost. Where a worker is killed, it is killed in the"
                " middle of its models."
            ),
            "",
            "| how | seconds | models a minute | more a model, s | answers equal |",
            "|---|--:|--:|--:|---|",
            *rows,
            "",
        ]
    )


# --- one way, in a process of its own -----------------------------------------------------------------------


@main.command()
@click.argument("way")
@click.argument("home", type=Path)
def one(way: str, home: Path) -> None:
    """Do the bench in one way, and print what it took."""
    from fer_meta.runner import main as runner
    from fer_meta.runner.options import BenchOptions

    how = dict(WAYS[way])
    killed, ray = how.pop("killed", False), how.pop("ray", False)
    out = home / way.replace(" ", "-").replace("`", "")
    options = BenchOptions(
        str(home / "scaling.yaml"), seeds=tuple(range(MODELS // 2)), device="cpu", out=out, **how
    )
    if ray:
        runner.engine = lambda options: nodes(killed)
    with scheduler() if killed and not ray else no_scheduler() as address:
        if address:
            options = BenchOptions(**{**vars(options), "scheduler": address})
        began = time.perf_counter()
        failed = runner.work(runner.plan(options))
        seconds = time.perf_counter() - began
    if failed:
        raise click.ClickException(f"{failed} runs failed")
    whole = home / "this-process"
    same = None if out == whole else answers(out).equals(answers(whole))
    click.echo(json.dumps({"seconds": seconds, "same": same}))


def answers(out: Path) -> pd.DataFrame:
    files = sorted(out.glob("scaling/runs/*/predictions.parquet"))
    assert len(files) == MODELS
    return pd.concat(
        [pd.read_parquet(file).assign(run=file.parent.name) for file in files], ignore_index=True
    )


@contextmanager
def no_scheduler() -> Iterator[None]:
    yield None


@contextmanager
def scheduler() -> Iterator[str]:
    """A dask scheduler and two workers, of which one is killed, with its nanny, after a while."""
    from distributed import Client, Scheduler  # noqa: F401  (installed?)

    address = "tcp://127.0.0.1:18786"
    words = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler",
        "--port",
        "18786",
        "--dashboard-address",
        ":0",
    ]
    processes = [begun(words)]
    for _ in range(WORKERS):
        words = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1"]
        processes.append(begun(words))
    after(KILLED_AFTER, lambda: ended(processes[-1]))
    try:
        yield address
    finally:
        for process in processes:
            ended(process)


@contextmanager
def nodes(killed: bool) -> Iterator[Callable]:
    """An engine: two Ray nodes, of which one is killed after a while."""
    import ray
    from ray.cluster_utils import Cluster

    from fer_meta.runner.executors.remote import Silent

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    do = ray.remote(max_retries=3)(lambda job, model: job(model))
    if killed:
        after(KILLED_AFTER, lambda: cluster.remove_node(second, allow_graceful=False))
    try:
        yield lambda job, models: [do.remote(Silent(job), model).future() for model in models]
    finally:
        ray.shutdown()
        cluster.shutdown()


def begun(words: list[str]) -> subprocess.Popen:
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(words, stdout=nowhere, stderr=nowhere, start_new_session=True)


def ended(process: subprocess.Popen) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def after(seconds: float, do: Callable[[], object]) -> None:
    timer = threading.Timer(seconds, do)
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    main()
