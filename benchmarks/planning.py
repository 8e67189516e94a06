"""What a large study costs before anything of it is run: GPU hours, disk, jobs, and its report.

    python benchmarks/planning.py --out results/benchmarks

20 data sets x 18 methods x 4 backbones x 5 seeds, 10,000 test episodes; each model is tested on all data
sets. The cost of a step and of an episode are figures of docs/speed.md (`planning_costs.py`). What is not
there is measured here, each in a process of its own, on answers that are made up (`planned_study.py`): bytes
on disk, the time of a plan, and the time and memory of a report. What was measured is kept in planning.json,
beside the page, and is measured again with `--only NAME`. All of it takes half an hour and 2 GB of disk.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import torch
from planned_study import BACKBONES, EPISODES, settings_of, study, write_study
from planning_costs import BATCH, QUERIES, SHOTS, answers_of
from planning_page import page
from tqdm import tqdm

from fer_meta.fileio import write_text
from fer_meta.networks import backbones
from fer_meta.records.plan import read_plan, write_plan
from fer_meta.report import write_report
from fer_meta.runner.describe import MadeBy, plan_record
from fer_meta.runner.plan import make_plan


def measure_networks() -> dict:
    """Seconds of a forward and backward pass of a batch, and bytes of a checkpoint."""
    torch.set_num_threads(1)
    found = {}
    for name, size in [("conv4", 48), *((name, 84) for name in BACKBONES)]:
        network = backbones.vectors(name, "none", "auto", size).train()
        images, took = torch.randn(BATCH, 3, size, size), []
        for _ in range(3):
            began = time.process_time()
            network(images).mean().backward()
            took.append(time.process_time() - began)
        held = sum(one.numel() * one.element_size() for one in network.state_dict().values())
        found[f"{name}, {size} px"] = {"seconds": min(took), "bytes": held}
    return found


def measure_disk() -> dict:
    """Bytes of a stored answer, of a file of episodes and of what else a run leaves, at full length."""
    suite = study(seeds=1, methods=2)
    with tempfile.TemporaryDirectory() as home:
        runs = write_study(Path(home), suite, settings_of(suite, 2), runs=4)
        answers = sum(one.stat().st_size for one in Path(home).glob("runs/*/predictions.parquet"))
        episodes = [one.stat().st_size for one in Path(home).glob("episodes/*")]
        rest = sum(one.stat().st_size for one in Path(home).glob("runs/*/run.json"))
    rows = runs * 2 * len(SHOTS) * EPISODES * QUERIES  # two readouts
    return {"answer": answers / rows, "episodes": sum(episodes) / len(episodes), "run": rest / runs}


def measure_plan() -> dict:
    """Seconds of each part of the plan of one backbone, which every job makes."""
    took, began = {}, time.process_time()

    def lap(what: str) -> None:
        nonlocal began
        took[what], began = time.process_time() - began, time.process_time()

    suite = study()
    settings = settings_of(suite)
    lap("draw")
    runs = make_plan(suite, settings)
    lap("plan")
    record = plan_record(suite, suite, settings, runs, {}, MadeBy("planning"))
    with tempfile.TemporaryDirectory() as home:
        write_plan(Path(home), record)
        read_plan(Path(home)).differs(record)
        lap("write, read and compare")
        for run in runs:
            (Path(home) / "runs" / run.id / "DONE").exists()
        lap("look for finished runs")
    return took | {"runs": len(runs)}


REPORTS = {  # name: data sets, seeds, episodes, methods
    "4 data sets, 3 seeds": (4, 3, 100, 18),
    "4 data sets, 1 seed, 6 methods": (4, 1, EPISODES, 6),
    "20 data sets, 1 seed": (20, 1, 100, 18),
}


def measure_report(name: str) -> dict:
    """Seconds and memory of the first report of made-up answers."""
    data_sets, seeds, episodes, methods = REPORTS[name]
    suite = study(seeds=seeds, episodes=episodes, methods=methods)
    with tempfile.TemporaryDirectory() as home:
        runs = write_study(Path(home), suite, settings_of(suite, data_sets))
        began = time.perf_counter()
        took = json.loads(in_a_process("write-report", home))
        seconds = time.perf_counter() - began
    answers = sum(len(answers_of(suite, key)) for key in suite.methods) * runs // len(suite.methods)
    return took | {
        "seconds": seconds,
        "runs": runs,
        "episodes": episodes,
        "answers": answers * len(SHOTS) * episodes * QUERIES,
    }


MEASURES: dict[str, Callable[[], dict]] = {
    "networks": measure_networks,
    "disk": measure_disk,
    "plan": measure_plan,
    **{f"report: {name}": lambda name=name: measure_report(name) for name in REPORTS},
}


def in_a_process(*words: str) -> str:
    done = subprocess.run([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()[-1]


@click.group(invoke_without_command=True)
@click.option(
    "--out", default=Path("results/benchmarks"), type=Path, help="Of planning.json and planning.md."
)
@click.option("--only", multiple=True, help=f"Measure this again: {', '.join(MEASURES)}. Repeatable.")
@click.pass_context
def main(context: click.Context, out: Path, only: tuple[str, ...]) -> None:
    """Measure what is not yet known, and write the page."""
    if context.invoked_subcommand:
        return
    kept = out / "planning.json"
    found = json.loads(kept.read_text()) if kept.exists() else {}
    names = [name for name in MEASURES if name in only or (not only and name not in found)]
    for name in (bar := tqdm(names, disable=None)):
        bar.set_description(name)
        found[name] = json.loads(in_a_process("measure", name))
        write_text(kept, json.dumps(found, indent=1) + "\n")
    text = page(found)
    write_text(out / "planning.md", text)
    click.echo(text)


@main.command()
@click.argument("name")
def measure(name: str) -> None:
    """Measure one thing, and print it as JSON."""
    click.echo(json.dumps(MEASURES[name]()))


@main.command("write-report")
@click.argument("folder", type=Path)
def report(folder: Path) -> None:
    """Write a report, and print its processor time and memory as JSON."""
    write_report(folder)
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    memory = max(own.ru_maxrss, others.ru_maxrss) / 1024
    seconds = sum(one.ru_utime + one.ru_stime for one in (own, others))
    click.echo(json.dumps({"memory": memory, "cpu": seconds}))


if __name__ == "__main__":
    main()
