"""Do Relation Nets learn from every seed, and how soon? Trained on FER2013 and on the rendered wild from
several seeds, as they start now and, for comparison, as they would from torch's own initial weights without a
warm-up.

    python benchmarks/relationnet_seeds.py --data fer2013=PATH
    python benchmarks/relationnet_seeds.py --data fer2013=PATH --steps 1000
    python benchmarks/relationnet_seeds.py --shape 3-way --start after --start before

The first trains as `cross-domain`'s quick does, the second for longer (photographs are harder), the third as
`reproduction` does.

Writes results/benchmarks/relationnet.md with all that is finished, which is not redone. On one idle core half
a minute a training 3-way, over a minute 5-way.
"""

import functools
import json
from itertools import product
from pathlib import Path

import click
import torch
from tqdm import tqdm

from fer_meta.cli.data import data_option
from fer_meta.datasets.registry import load
from fer_meta.device import precision_on
from fer_meta.evaluation.answers import Shown
from fer_meta.expressions import BASIC
from fer_meta.fileio import write_json, write_text
from fer_meta.memory import keep_freed_memory
from fer_meta.methods import registry
from fer_meta.records.history import history
from fer_meta.runner.selection import validator
from fer_meta.statistics.failed import failure, last_tenth
from fer_meta.tasks.pools import Domain, divide
from fer_meta.tasks.protocol import EpisodeShape, Protocol, Validation
from fer_meta.training import batches, checkpoints, loop

SIZE, STEPS = 48, 400  # of `quick`
SHAPES = {"3-way": EpisodeShape(way=3, shots=5, queries=5), "5-way": EpisodeShape(way=5, shots=5, queries=10)}
STARTS = ("before", "after")
CPU = torch.device("cpu")


@click.command()
@data_option
@click.option(
    "--seeds",
    default=10,
    show_default=True,
    type=click.IntRange(1),
    help="Trainings of Relation Net on each data set.",
)
@click.option(
    "--mean-seeds",
    default=3,
    show_default=True,
    type=click.IntRange(0),
    help="Of the one with averaged maps.",
)
@click.option(
    "--shape",
    default=("5-way",),
    show_default=True,
    multiple=True,
    type=click.Choice(list(SHAPES)),
    help=(
        "3-way 5-shot 5-query as `reproduction` trains, 5-way 5-shot 10-query as `cross-domain` does."
        " Repeatable."
    ),
)
@click.option(
    "--start",
    default=("after",),
    show_default=True,
    multiple=True,
    type=click.Choice(STARTS),
    help="before: torch's initial weights and no warm-up; after: the method's own. Repeatable.",
)
@click.option(
    "--steps",
    default=(STEPS,),
    show_default=True,
    multiple=True,
    type=click.IntRange(21),
    help="Training steps. Repeatable.",
)
@click.option(
    "--runs",
    default="results/benchmarks/relationnet-runs",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where the trainings are kept.",
)
@click.option(
    "--out", default="results/benchmarks", show_default=True, type=click.Path(file_okay=False, path_type=Path)
)
def main(data, seeds, mean_seeds, shape, start, steps, runs, out):
    """Train from each seed, and write how each training ended."""
    keep_freed_memory()
    torch.set_num_threads(1)
    wanted = [
        (method, seed)
        for method, count in (("relationnet", seeds), ("relationnet_mean", mean_seeds))
        for seed in range(count)
    ]
    todo = [
        (one, beginning, length, name, *who)
        for one, beginning, length in product(shape, reversed(STARTS), steps)
        if beginning in start
        for name in [*data, "synthetic-wild"]
        for who in wanted
    ]
    open_domain = functools.cache(lambda name, way: domain_of(name, data.get(name), SHAPES[way]))
    with tqdm(todo, mininterval=2) as bar:
        for way, beginning, length, name, method, seed in bar:
            folder = runs / f"{name}-{method}-{way}-{length}steps-{beginning}-seed{seed}"
            bar.set_description(folder.name)
            if not (folder / "result.json").exists():
                write_json(
                    folder / "result.json",
                    run(open_domain(name, way), method, way, beginning, length, seed, folder),
                )
    found = [json.loads(path.read_text()) for path in sorted(runs.glob("*/result.json"))]
    given = "".join(f" --data {name}=PATH" for name in data) + "".join(
        f" --shape {one}" for one in sorted({row["way"] for row in found})
    )
    given += "".join(f" --steps {one}" for one in sorted({row["steps"] for row in found})) + "".join(
        f" --start {one}" for one in sorted({row["start"] for row in found})
    )
    lines = table(found, given)
    click.echo("\n".join(lines))
    write_text(out / "relationnet.md", "\n".join(lines))


def domain_of(name: str, root: Path | None, shape: EpisodeShape) -> Domain:
    faces = load(name, root, SIZE, **({} if root else {"subjects": 200, "images": 3000, "seed": 0}))
    return divide([faces], Protocol(train=shape), BASIC)[name]


def run(domain: Domain, name: str, way: str, start: str, length: int, seed: int, folder: Path) -> dict:
    """Train from one seed; how the training ended, accuracies 0 to 1."""
    shape, module = SHAPES[way], registry.load(name)
    config = module.Config(steps=length, validations=1, **({"warmup": 0} if start == "before" else {}))
    validation = Validation(way=shape.way, shots=shape.shots, queries=5, episodes=100)
    protocol = Protocol(way=shape.way, train=shape, validation=validation)
    method = loop.build(module, config, protocol, domain.train.classes, SIZE, seed, CPU)
    if start == "before":
        torch.manual_seed(seed)
        for layer in method.relation.modules():
            if hasattr(layer, "reset_parameters"):
                layer.reset_parameters()
    shown = [Shown(domain.images, pool) for pool in (domain.val, domain.train)]
    validate = validator(protocol, method, *shown, CPU, precision_on(config.precision, CPU))
    steps, batch_at = batches.steps_and_batches(method, config, domain, protocol, seed, CPU)
    checkpoints.forget(folder)  # what was stopped begins anew
    loop.fit(method, config, steps, batch_at, validate, folder)
    log = history(folder / "history.jsonl")
    for path in [folder / checkpoints.RESUME, *checkpoints.snapshots(folder).values()]:
        path.unlink()
    return {
        "data": domain.name,
        "method": name,
        "way": way,
        "steps": length,
        "start": start,
        "seed": seed,
        "chance": 1 / shape.way,
        "training": last_tenth(log).mean(),
        "validation": checkpoints.read_validations(folder)[steps][method.name],
        "learned": failure(log, 1 / shape.way) is None,
    }


def table(found: list[dict], given: str) -> list[str]:
    """Markdown: how many learned, and a row per data set, method, shape and seed."""
    lines = [
        "# Relation Net from many seeds",
        "",
        (
            f"`python benchmarks/relationnet_seeds.py{given}`; {SIZE} px, one thread (`quick` trains {STEPS}"
            f" steps), torch {torch.__version__}. Accuracy in %: in training, the mean over the last tenth of"
            " the log; in validation, after the last step, over 100 episodes of images not trained on."
            " Before: torch's initial weights, no warm-up; after: as in `relationnet.py`. †: the report"
            " calls it failed."
        ),
        "",
    ]
    groups = {}
    for row in found:
        groups.setdefault((row["data"], row["method"], row["way"], row["steps"]), {}).setdefault(
            row["seed"], {}
        )[row["start"]] = row
    groups = dict(sorted(groups.items()))
    lines += [
        "| data | method | episodes | steps | before: learned | after: learned |",
        "|---|---|---|--:|---|---|",
    ]
    for (data, method, way, steps), seeds in groups.items():
        lines.append(
            f"| {_called(data)} | {method} | {way} | {steps:,} | "
            + " | ".join(_learned(seeds, start) for start in STARTS)
            + " |"
        )
    lines += [
        "",
        (
            "| data | method | episodes | steps | seed | before: training | validation | after: training |"
            " validation | chance |"
        ),
        "|---|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for (data, method, way, steps), seeds in groups.items():
        for seed, starts in sorted(seeds.items()):
            numbers = [
                _percent(starts.get(start), key) for start, key in product(STARTS, ("training", "validation"))
            ]
            lines.append(
                f"| {_called(data)} | {method} | {way} | {steps:,} | {seed} | {' | '.join(numbers)} |"
                f" {100 / SHAPES[way].way:.1f} |"
            )
    return [*lines, ""]


def _called(data: str) -> str:
    return data + (" (rendered)" if data.startswith("synthetic-") else "")


def _learned(seeds: dict, start: str) -> str:
    rows = [starts[start] for starts in seeds.values() if start in starts]
    return f"{sum(row['learned'] for row in rows)} of {len(rows)}" if rows else "-"


def _percent(row: dict | None, key: str) -> str:
    return (
        "-"
        if row is None
        else f"{100 * row[key]:.1f}" + ("" if row["learned"] or key == "validation" else " †")
    )


if __name__ == "__main__":
    main()
