"""Does a supervised network reach the published accuracy on FER2013 here? If not, the pipeline is the limit,
and no comparison of methods means much.

    fer-meta bench --suite benchmarks/studies/control.yaml --data fer2013=PATH --domains fer2013 \\
        --precision fp32
    python benchmarks/control.py --data fer2013=PATH

The second reads what the first stored: the own head's answers to all test images. It counts them once with
the copies that the literature keeps, and once without test images of which there is a copy in train, val or
test. Writes results/benchmarks/control.md.
"""

import json
from pathlib import Path

import click
import pandas as pd

from fer_meta.cli.data import data_option
from fer_meta.datasets.registry import load
from fer_meta.fileio import write_text
from fer_meta.tasks.pools import divide, needed
from fer_meta.tasks.protocol import Protocol

OUT = Path(__file__).parents[1] / "results" / "benchmarks" / "control.md"
CHECKPOINTS = {"source-val": "picked on val", "last": "the last one"}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@data_option
@click.option(
    "--results",
    default="results/control",
    show_default=True,
    type=click.Path(exists=True, path_type=Path),
    help="The folder of the bench.",
)
def main(data: dict[str, Path], results: Path) -> None:
    """Print and write the table."""
    [folder] = (results / "runs").iterdir()
    run = json.loads((folder / "run.json").read_text())
    answers = pd.read_parquet(folder / "predictions.parquet")
    answers = answers[(answers["shots"] == 0) & (answers["readout"] == "supervised-head")]
    page = "\n".join(lines(answers, paths_without_copies(run, data[run["target"]]), run))
    click.echo(page)
    write_text(OUT, page)


def paths_without_copies(run: dict, root: Path) -> set[str]:
    """The run's test images of which there is no copy in train or val, and one of each in test."""
    faces = load(run["target"], root, run["image_size"])
    protocol = Protocol(**{key: run["protocol"][key] for key in ("split", "disjoint")}, copies="removed")
    domain = divide([faces], protocol, run["classes"])[run["target"]]
    return set(faces.index["path"].iloc[needed(domain.test).rows])


def lines(answers: pd.DataFrame, kept: set[str], run: dict) -> list[str]:
    """Markdown: one row per checkpoint and set of test images."""
    config, trained = run["config"], run["trained"]
    found = [
        "# A supervised network on FER2013",
        "",
        (
            "`fer-meta bench --suite benchmarks/studies/control.yaml --data fer2013=PATH --domains fer2013"
            " --precision fp32`, then `python benchmarks/control.py --data fer2013=PATH`."
            f" {config['backbone']} from {config['weights']} weights, {run['image_size']} px,"
            f" {trained['steps']:,} steps, {trained['images']:,} images seen"
            f" ({trained['images'] / run['train_images']:.0f} passes),"
            f" {trained['seconds'] / 60:.0f} minutes of training, one seed, no test-time augmentation. Seven"
            " classes, chance 14.3. Published for single ResNets and VGGs: 70 to 73 %; for people: 65 ± 5 %"
            " (Goodfellow et al. 2013, as others print it)."
        ),
        "",
        "| test images | number | checkpoint | accuracy | UAR |",
        "|---|---|---|---|---|",
    ]
    for title, some in {
        "all, copies kept": answers,
        "copies removed": answers[answers["path"].astype(str).isin(kept)],
    }.items():
        for selection, rows in some.groupby("selection", observed=True):
            right = rows["label"].astype(str) == rows["predicted"].astype(str)
            uar = right.groupby(rows["label"].astype(str)).mean().mean()
            found.append(
                f"| {title} | {len(rows):,} | {CHECKPOINTS[str(selection)]} | {100 * right.mean():.1f} |"
                f" {100 * uar:.1f} |"
            )
    return [*found, ""]


if __name__ == "__main__":
    main()
