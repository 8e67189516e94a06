"""Chance, ProtoNet, supervised Conv4 and ResNet18, and the Bayes-optimal reader of action units, within and
across domains.

    python benchmarks/sanity_ladder.py      # the rendered domains
    python benchmarks/sanity_ladder.py --data fer2013=PATH --data pressfaces=PATH   # photographs too

A domain on which every method is at chance or at the ceiling tells methods apart badly: then the recipe is to
be changed. Writes results/benchmarks/ladder.md; what is finished is not redone. With two photograph sets it
takes a quarter of an hour on two cores.
"""

from pathlib import Path

import click
import pandas as pd

from fer_meta.cli.data import data_option
from fer_meta.fileio import write_text
from fer_meta.runner.main import run_bench
from fer_meta.runner.options import BenchOptions
from fer_meta.suites.folders import results_folder

SUITE = Path(__file__).with_name("ladder.yaml")
RENDERED = ("synthetic-studio", "synthetic-wild", "synthetic-film")
RUNGS = {"conv4": ["protonet", "supervised"], "resnet18": ["supervised"]}


@click.command()
@data_option
@click.option("--device", default="auto", show_default=True)
@click.option(
    "--runs",
    default="results/benchmarks/ladder-runs",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where the runs are kept.",
)
@click.option(
    "--out", default="results/benchmarks", show_default=True, type=click.Path(file_okay=False, path_type=Path)
)
def main(data, device, runs, out):
    """Train each rung on each source, test it on every domain, and print the ladder."""
    for preset, methods in RUNGS.items():
        run_bench(
            BenchOptions(
                suite=str(SUITE),
                preset=preset,
                domains=[*RENDERED, *data],
                sources=["synthetic-studio", "synthetic-wild", *data],
                data=data,
                methods=methods,
                device=device,
                out=runs / preset,
                command="sanity_ladder.py",
            )
        )
    table = pd.concat(
        [
            pd.read_csv(results_folder(runs / preset, "ladder", preset) / "table.csv").assign(rung=preset)
            for preset in RUNGS
        ]
    )
    lines = ladder(table, "".join(f" --data {name}=PATH" for name in data))
    click.echo("\n".join(lines))
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "ladder.md", "\n".join(lines))


def ladder(table: pd.DataFrame, given: str) -> list[str]:
    """The 5-way 5-shot table in Markdown, one row per source and target; the supervised networks by their own
    head.
    """
    table = table[table["readout"].isin(["protonet", "supervised-head", "supervised-probe"])]
    names = {
        ("protonet", "conv4"): "ProtoNet Conv4",
        ("supervised-head", "conv4"): "Supervised Conv4",
        ("supervised-head", "resnet18"): "Supervised ResNet18",
        ("supervised-probe", "resnet18"): "ResNet18, linear probe",
    }
    rendered = set(RENDERED)
    lines = [
        "# Sanity ladder",
        "",
        (
            f"`python benchmarks/sanity_ladder.py{given}`; 5-way 5-shot accuracy in % on each target's test"
            " split, 200 episodes, one seed, 48 px, 95 % interval over episodes. The supervised networks"
            " answer with their own head of all classes, read on the episode's; the linear probe is fitted"
            " to an episode's support. A model is tested on the classes that its source and the target both"
            " have enough images of. (r): rendered faces."
        ),
        "",
        "| source -> target | chance | " + " | ".join(names.values()) + " | Bayes-optimal AU reader |",
        "|---|" + "---|" * (len(names) + 2),
    ]
    for (source, target), cells in table.groupby(["source", "target"], sort=False):
        found = {
            (row.readout, row.backbone): f"{100 * row.accuracy:.1f} ± {100 * row.ci95_episodes:.1f}"
            for row in cells.itertuples()
        }
        first = cells.iloc[0]
        bayes = f"{100 * first['bayes']:.1f}" if pd.notna(first["bayes"]) else ""
        place = " -> ".join(name + (" (r)" if name in rendered else "") for name in (source, target))
        lines.append(
            f"| {place} | {100 * first['chance']:.1f} | "
            + " | ".join(found.get(key, "") for key in names)
            + f" | {bayes} |"
        )
    return [*lines, ""]


if __name__ == "__main__":
    main()
