"""Which class balance in supervised training reads a source's validation split best? `natural`, `balanced`
and `logit-adjusted`, side by side.

    python benchmarks/class_balance.py                          # the rendered wild
    python benchmarks/class_balance.py --data fer2013=PATH      # and photographs

A ResNet18 is trained and validated as a bench does it, under the protocol of `cross-domain`'s quick preset;
no test image is looked at. Writes results/benchmarks/class_balance.md. What is finished is not redone. One
and a half to two minutes a training on one core with bf16 units.
"""

from pathlib import Path

import click
import pandas as pd
import torch
from tqdm import tqdm

from fer_meta.cli.data import data_option
from fer_meta.datasets.registry import load, resolve
from fer_meta.device import precision_on
from fer_meta.evaluation.answers import Shown
from fer_meta.fileio import write_text
from fer_meta.memory import keep_freed_memory
from fer_meta.methods import supervised
from fer_meta.records.seals import DONE
from fer_meta.report.names import KNOWN
from fer_meta.runner.selection import pick, validator
from fer_meta.suites.schema import Suite, read_suite
from fer_meta.tasks.pools import Domain, divide
from fer_meta.training import batches, checkpoints, loop
from fer_meta.training.batches import class_shares

BALANCES = ("natural", "balanced", "logit-adjusted")
CPU = torch.device("cpu")

NETWORK = {"backbone": "resnet18", "stem": "large", "steps": 250, "batch": 64}


@click.command()
@data_option
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="Trainings of each.")
@click.option(
    "--runs",
    default="results/benchmarks/class_balance-runs",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where the trainings are kept.",
)
@click.option(
    "--out", default="results/benchmarks", show_default=True, type=click.Path(file_okay=False, path_type=Path)
)
def main(data, seeds, runs, out):
    """Train with each class balance and print what each readout reaches on the source's validation split."""
    keep_freed_memory()
    suite, rows = read_suite("cross-domain", "quick"), []
    domains = [
        domain_of(suite, name, root) for name, root in resolve(["synthetic-wild", *data], data).items()
    ]
    cases = [(domain, balance, seed) for seed in range(seeds) for domain in domains for balance in BALANCES]
    with tqdm(cases) as bar:
        for domain, balance, seed in bar:
            bar.set_description(f"{domain.name}, {balance}, seed {seed}")
            values = validated(suite, domain, balance, seed, runs / f"{domain.name}-{balance}-seed{seed}")
            rows += [(domain.name, balance, seed, readout, value) for readout, value in values.items()]
    found = pd.DataFrame(rows, columns=["source", "balance", "seed", "readout", "value"])
    lines = table(found, domains, f" --seeds {seeds}" + "".join(f" --data {name}=PATH" for name in data))
    click.echo("\n".join(lines))
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "class_balance.md", "\n".join(lines))


def domain_of(suite: Suite, name: str, root: Path | None) -> Domain:
    faces = load(
        name, root, suite.image_size, **suite.rendered.model_dump(include={"subjects", "images", "seed"})
    )
    return divide([faces], suite.protocol, suite.classes)[name]


def validated(suite: Suite, domain: Domain, balance: str, seed: int, folder: Path) -> dict[str, float]:
    """What each readout reaches, 0 to 1, with the checkpoint that it picks: the own head UAR, the others
    accuracy in validation episodes.
    """
    config = suite.methods["supervised"].model_copy(update={**NETWORK, "class_balance": balance})
    if not (folder / DONE).exists():
        precision = precision_on(config.precision, CPU)
        method = loop.build(
            supervised.Method, config, suite.protocol, domain.train.classes, suite.image_size, seed, CPU
        )
        steps, batch_at = batches.steps_and_batches(method, config, domain, suite.protocol, seed, CPU)
        shown = [Shown(domain.images, pool) for pool in (domain.val, domain.train)]
        validate = validator(suite.protocol, method, *shown, CPU, precision)
        loop.fit(method, config, steps, batch_at, validate, folder)
        checkpoints.finish(folder)
    validations = checkpoints.read_validations(folder)
    readouts = validations[max(validations)]
    return {readout: validations[step][readout] for readout, step in pick(validations, readouts).items()}


def table(found: pd.DataFrame, domains: list[Domain], given: str) -> list[str]:
    """Markdown, a row a source and balance; `found` has a row a training and readout."""
    readouts = list(found["readout"].unique())
    heads = [
        f"{KNOWN[name].label}, {'UAR' if name == supervised.Method.head_name else 'episodes'}"
        for name in readouts
    ]
    shares = {domain.name: 100 * class_shares(domain.train) for domain in domains}
    spread = ", ".join(f"`{name}` {share.min():.1f} to {share.max():.1f} %" for name, share in shares.items())
    lines = [
        "# Class balance in supervised training",
        "",
        (
            f"`python benchmarks/class_balance.py{given}`; a ResNet18 under the protocol of `cross-domain`'s"
            f" quick preset (250 steps of 64 images of 48 px), {found['seed'].nunique()} seeds. On the"
            " source's validation split, in %: recall averaged over classes (UAR) of the own head on all of"
            " its images, and accuracy of the nearest mean and the probe in 5-way 5-shot validation episodes,"
            " each with the checkpoint that it picks; mean and standard deviation over the trainings. Shares"
            f" of the smallest and the largest class in training: {spread}."
        ),
        "",
        f"| source | class balance | {' | '.join(heads)} |",
        "|---|---|" + "---|" * len(heads),
    ]
    for (source, balance), rows in found.groupby(["source", "balance"], sort=False):
        values = 100 * rows.pivot(index="seed", columns="readout", values="value")[readouts]
        cells = [
            f"{values[name].mean():.1f}" + (f" ({values[name].std():.1f})" if len(values) > 1 else "")
            for name in readouts
        ]
        rendered = " (rendered)" if source.startswith("synthetic-") else ""
        lines.append(f"| {source}{rendered} | {balance} | {' | '.join(cells)} |")
    return [*lines, ""]


if __name__ == "__main__":
    main()
