"""Does bf16 harm what is learned? Each method trained and tested twice, in fp32 and in bf16, from the same
weights and on the same batches.

    python benchmarks/precision.py                          # the rendered wild
    python benchmarks/precision.py --data fer2013=PATH      # or photographs

Few steps of each method, tested on 200 episodes of the same domain's test split. Writes
results/benchmarks/precision.md; what is finished is not redone. About 25 minutes on two cores.
"""

from pathlib import Path

import click
import pandas as pd
from scipy import stats

from fer_meta.cli.data import data_option
from fer_meta.fileio import write_text
from fer_meta.report.load import read_results
from fer_meta.report.names import KNOWN
from fer_meta.runner.main import run_bench
from fer_meta.runner.options import BenchOptions
from fer_meta.suites.folders import results_folder

SUITE = Path(__file__).with_suffix(".yaml")
PRECISIONS = ("fp32", "bf16")


@click.command()
@data_option
@click.option("--device", default="auto", show_default=True)
@click.option(
    "--runs",
    default="results/benchmarks/precision-runs",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where the runs are kept.",
)
@click.option(
    "--out", default="results/benchmarks", show_default=True, type=click.Path(file_okay=False, path_type=Path)
)
def main(data, device, runs, out):
    """Train in both precisions and print the accuracies, paired by seed."""
    for precision in PRECISIONS:
        run_bench(
            BenchOptions(
                suite=str(SUITE),
                preset="pairs",
                domains=list(data) or None,
                data=data,
                device=device,
                precision=precision,
                out=runs / precision,
                command="precision.py",
            )
        )
    found = pd.concat(
        [
            accuracies(results_folder(runs / precision, "precision", "pairs")).assign(precision=precision)
            for precision in PRECISIONS
        ]
    )
    lines = paired(
        found.pivot(
            index=["source", "target", "method", "readout", "seed"], columns="precision", values="accuracy"
        ),
        "".join(f" --data {name}=PATH" for name in data),
    )
    click.echo("\n".join(lines))
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "precision.md", "\n".join(lines))


def accuracies(folder: Path) -> pd.DataFrame:
    """Of each training's classifiers: source, target, method, readout, seed, accuracy in %."""
    rows = []
    for run in read_results(folder).runs:
        answers = pd.read_parquet(run.predictions, columns=["readout", "shots", "label", "predicted"]).query(
            "shots == 5"
        )
        right = (
            (answers["label"].astype(str) == answers["predicted"].astype(str))
            .groupby(answers["readout"].astype(str))
            .mean()
        )
        rows += [
            (run.source, run.target, run.method, readout, run.seed, 100 * share)
            for readout, share in right.items()
        ]
    return pd.DataFrame(rows, columns=["source", "target", "method", "readout", "seed", "accuracy"])


def paired(found: pd.DataFrame, given: str) -> list[str]:
    """Markdown, one row per readout and target; `found` has one row per training, a column per precision."""
    found = found.assign(difference=found["bf16"] - found["fp32"])
    seeds = found.index.get_level_values("seed").nunique()
    lines = [
        "# Training and testing in bf16",
        "",
        (
            f"`python benchmarks/precision.py{given}`; 5-way 5-shot accuracy in %, 200 episodes, 48 px,"
            f" {seeds} seeds: mean and standard deviation over the trainings. A pair starts from the same"
            " weights and sees the same batches; the difference has its 95 % interval (Student's t) over the"
            " pairs."
        ),
        "",
        "| source -> target | readout | fp32 | bf16 | bf16 - fp32 |",
        "|---|---|---|---|---|",
    ]
    for (source, target, readout), rows in found.groupby(["source", "target", "readout"], sort=False):
        cells = [f"{rows[name].mean():.1f} ({rows[name].std():.1f})" for name in PRECISIONS]
        place = " -> ".join(
            name + (" (rendered)" if name.startswith("synthetic-") else "") for name in (source, target)
        )
        lines.append(
            f"| {place} | {KNOWN[readout].label if readout in KNOWN else readout} | {' | '.join(cells)} |"
            f" {_interval(rows['difference'])} |"
        )
    # one training has several readings and targets
    trainings = found["difference"].groupby(["source", "method", "seed"]).mean()
    return [*lines, "", f"Over all {len(trainings)} pairs of trainings: {_interval(trainings)} points.", ""]


def _interval(differences: pd.Series) -> str:
    half = stats.t.ppf(0.975, len(differences) - 1) * stats.sem(differences)
    return f"{differences.mean():+.2f} ± {half:.2f}"


if __name__ == "__main__":
    main()
