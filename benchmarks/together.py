"""Is a model that two processes train together (`--devices-per-model 2`) as good as one trained alone?

    pip install -e '.[fabric]'
    python benchmarks/together.py

Rendered faces, the same initial weights, images and settings both ways, one thread a process; several seeds.
The processes are connected by gloo, on this machine's processor. That says nothing of time: they share its
cores. Writes results/benchmarks/together.md.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported

import tempfile
from pathlib import Path

import click
import numpy as np
import pandas as pd
from scipy import stats

from fer_meta.runner.main import plan, work
from fer_meta.runner.options import BenchOptions

SUITE = """\
name: together
title: Alone and together
rendered: {domains: [synthetic-studio], subjects: 100, images: 2000}
image_size: 48
selection: [source-val]
protocol:
  {way: 5, shots: [5], queries: 5, episodes: 200,
   train: {shots: 5, queries: 8}, validation: {shots: 5, queries: 5, episodes: 40}}
methods:
  maml: {first_order: true, steps: 40, validations: 4}
  protonet: {steps: 300, validations: 5}
  supervised: {steps: 300, validations: 5, batch: 64, backbone: conv4}
presets: {quick: {}}
"""
DIVIDED = {"maml": "whole tasks", "protonet": "queries", "supervised": "images"}
READ = {"maml": "fomaml", "protonet": "protonet", "supervised": "supervised-ncm"}
WAYS = {"alone": {"jobs": 1}, "together": {"devices": ["0", "1"], "devices_per_model": 2}}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seeds", default=3, show_default=True)
def main(seeds: int) -> None:
    """Train both ways and compare."""
    with tempfile.TemporaryDirectory() as home:
        suite = Path(home) / "together.yaml"
        suite.write_text(SUITE)
        for way, how in WAYS.items():
            options = BenchOptions(
                str(suite), seeds=tuple(range(seeds)), device="cpu", out=Path(home) / way, **how
            )
            if failed := work(plan(options)):
                raise click.ClickException(f"{failed} runs failed")
        found = pd.concat([runs(Path(home) / way).assign(way=way) for way in WAYS])
    text = page(found, seeds)
    click.echo(text)
    (Path(__file__).parents[1] / "results/benchmarks/together.md").write_text(text)


def runs(out: Path) -> pd.DataFrame:
    """Accuracy in % of each run."""
    from fer_meta.records.run import RUN, RunRecord

    rows = []
    for folder in out.glob("together/runs/*"):
        record = RunRecord.model_validate_json((folder / RUN).read_text())
        answers = pd.read_parquet(folder / "predictions.parquet")
        answers = answers[answers["readout"].astype(str) == READ[record.method]]
        right = (answers["label"].astype(str) == answers["predicted"].astype(str)).mean()
        rows.append((record.method, record.seed, 100 * right))
    return pd.DataFrame(rows, columns=["method", "seed", "accuracy"])


def page(found: pd.DataFrame, seeds: int) -> str:
    rows = []
    for method, divided in DIVIDED.items():
        of = found[found["method"] == method]
        accuracy = of.pivot(index="seed", columns="way", values="accuracy")
        difference = accuracy["together"] - accuracy["alone"]
        half = stats.t.ppf(0.975, seeds - 1) * difference.std() / np.sqrt(seeds)
        rows.append(
            f"| {READ[method]} | {divided} | {accuracy['alone'].mean():.1f}"
            f" | {accuracy['together'].mean():.1f} | {difference.mean():+.1f} ± {half:.1f}"
            f" | {accuracy['alone'].std():.1f} |"
        )
    return "\n".join(
        [
            "# A model trained by two processes",
            "",
            (
                "`python benchmarks/together.py`; rendered faces of one domain, 5-way 5-shot accuracy in %,"
                f" {seeds} seeds. The same initial weights, images and settings alone and together; together,"
                " BatchNorm sees a share of the images. ± is the half width of the 95 % interval of the"
                " difference over the seeds; the last column is their standard deviation."
            ),
            "",
            "| method | what is divided | alone | together | difference | spread of seeds, alone |",
            "|---|---|--:|--:|--:|--:|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    main()
