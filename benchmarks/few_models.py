"""How busy two workers are in a bench of few models: the last one must not keep one of them alone.

    python benchmarks/few_models.py

Three models of one rendered domain, each tested on five. Busy is the time in which workers train and test,
as a share of the time of both, from the first run to the end of the last. Prints a line for each --jobs.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported

import tempfile
import time
from pathlib import Path

import click

from fer_meta.report import write_report
from fer_meta.runner.executors import local
from fer_meta.runner.main import plan, work
from fer_meta.runner.options import BenchOptions

SUITE = """\
name: few
title: Three models
rendered:
  domains: [synthetic-studio, synthetic-wild@0.5, synthetic-wild, synthetic-film@0.5, synthetic-film]
  subjects: 80
  images: 1600
image_size: 48
seeds: [0]
selection: [source-val, oracle]
protocol:
  {way: 5, shots: [1, 5], queries: 10, episodes: 300,
   train: {shots: 5, queries: 5}, validation: {shots: 5, queries: 5, episodes: 20}}
methods:
  protonet: {steps: 300, validations: 5}
  relationnet: {steps: 300, validations: 5}
  supervised: {steps: 300, validations: 5, batch: 50, backbone: conv4}
presets: {quick: {}}
"""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure one job and two."""
    with tempfile.TemporaryDirectory() as home:
        suite = Path(home) / "few.yaml"
        suite.write_text(SUITE)
        for jobs in (1, 2):
            click.echo(f"{jobs} job{'s' * (jobs > 1)}: {measured(suite, jobs, Path(home) / str(jobs))}")


def measured(suite: Path, jobs: int, out: Path) -> str:
    spans = out.with_suffix(".spans")
    do = local._work

    def noted(*given):
        began = time.monotonic()
        do(*given)
        with spans.open("a") as file:
            file.write(f"{began} {time.monotonic()}\n")

    options = BenchOptions(str(suite), sources=["synthetic-studio"], device="cpu", jobs=jobs, out=out)
    planned = plan(options)
    local._work = noted
    try:
        if failed := work(planned):
            raise click.ClickException(f"{failed} runs failed")
    finally:
        local._work = do
    found = [tuple(map(float, line.split())) for line in spans.read_text().splitlines()]
    whole = max(end for _, end in found) - min(began for began, _ in found)
    busy = sum(end - began for began, end in found) / jobs / whole
    began = time.monotonic()
    write_report(planned.folder)
    return f"{whole:.0f} s, busy {100 * busy:.0f} %; then {time.monotonic() - began:.0f} s for the report"


if __name__ == "__main__":
    main()
