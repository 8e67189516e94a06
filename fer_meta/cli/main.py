"""The command line. torch, pandas and learn2learn take seconds to import: each command imports what it needs
when it runs.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import click

from fer_meta import __version__
from fer_meta.cli.compare import compare
from fer_meta.cli.data import data, data_option
from fer_meta.cli.doctor import doctor
from fer_meta.cli.elsewhere import elsewhere_options
from fer_meta.cli.errors import OneLineErrors
from fer_meta.cli.options import results_options
from fer_meta.cli.predict import predict
from fer_meta.cli.share import export_command, import_command, leaderboard, verify
from fer_meta.cli.track import track, track_option
from fer_meta.cli.upload import upload
from fer_meta.commands import bench_again, names_in, seeds_in
from fer_meta.oneline import one_line
from fer_meta.streams import Lasting, end_on_signals, open_closed_streams, unwatched
from fer_meta.suites.folders import DEFAULT, PRESETS, RESULTS

MOST_SEEDS = 1000


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fer-meta")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Compare few-shot meta-learning with plain supervised training on faces.

    fer-meta trains few-shot methods and a supervised network on facial expression data sets. It tests all of
    them on the same episodes and writes tables and plots to results/.

    \b
    Start here:
      fer-meta doctor                                        check that this machine is ready
      fer-meta data list                                     list the data sets
      fer-meta data sheet synthetic-wild                     make a picture of rendered faces
      fer-meta bench --suite cross-domain --preset smoke     check that it runs
      fer-meta bench --suite cross-domain                    train on each domain, test on all
      fer-meta bench --suite reproduction                    repeat the experiments of the 2022 note
      fer-meta bench --suite leakage                         measure the effect of shared clips and people
      fer-meta bench --suite cross-validation                test a data set on itself, in folds by person
      fer-meta report                                        write the tables of a bench again
      fer-meta predict photo.jpg --model FOLDER              try a trained model on a face
      fer-meta export                                        write the results as one file for others
    """


for _below in (
    *(data, doctor, predict, compare, track, upload),
    *(export_command, verify, import_command, leaderboard),
):
    main.add_command(_below)


def _names(context, parameter, value: str | None) -> list[str] | None:
    """A comma-separated list, without repeats."""
    if value is None:
        return None
    names = names_in(value)
    if not names:
        raise click.BadParameter("give at least one name")
    return names


def _seeds(context, parameter, value: str | None) -> tuple[int, ...] | None:
    """`3` means three seeds, 0 to 2; `0,7` means these two, and `7,` this one."""
    if value is None:
        return None
    try:
        seeds = seeds_in(value, MOST_SEEDS + 1)
    except ValueError:
        raise click.BadParameter(
            f"{one_line(value, 60)!r} is not a number of seeds (3 means 0,1,2) or a list (0,7)"
        ) from None
    if len(seeds) > MOST_SEEDS:
        raise click.BadParameter(f"give at most {MOST_SEEDS:,} seeds")
    if not seeds or min(seeds) < 0 or max(seeds) >= 2**32:
        raise click.BadParameter("give one seed or more, each from 0 to 2**32 - 1")
    return seeds


def _suite(context, parameter, value: str) -> str:
    """Read at once: what is no suite file is said before torch is loaded."""
    from fer_meta.suites.extends import read

    if not context.resilient_parsing:
        read(value)
    return value


def _folds(context, parameter, value: str | None) -> dict | str | None:
    """The protocol's `split` of a cross-validation: `10` folds, or `loso`."""
    if value in (None, "loso"):
        return value and "leave-one-subject-out"
    if not value.isdecimal() or not 2 <= int(value) <= 1000:
        raise click.BadParameter(
            f"{one_line(value, 60)!r} is not a number of folds (2 to 1000) or loso (leave one subject out)"
        )
    return {"folds": int(value)}


def _budget(context, parameter, value: str | None) -> dict[str, float] | None:
    """images=N or seconds=S."""
    if value is None:
        return None
    name, _, number = value.partition("=")
    kinds: dict[str, Callable[[str], float]] = {"images": int, "seconds": float}
    try:
        amount = kinds[name](number.replace("_", ""))
        if amount <= 0:
            raise ValueError
        return {name: amount}
    except (KeyError, ValueError):
        raise click.BadParameter(
            f"{one_line(value, 60)!r} is no budget; give images=225000 or seconds=600"
        ) from None


def _pairs(context, parameter, values: tuple[str, ...]) -> dict[str, str]:
    """ROLE=NAME, repeatable."""
    pairs = dict(value.partition("=")[::2] for value in values)
    if len(pairs) < len(values):
        raise click.BadParameter("a role is given twice")
    if not all(pairs) or not all(pairs.values()):
        raise click.BadParameter("give ROLE=NAME, such as film=afew")
    return pairs


@main.command()
@click.option(
    "--suite",
    required=True,
    callback=_suite,
    metavar="NAME|FILE.yaml",
    help=(
        "cross-domain, domain-gap, within, compound, unseen, leakage, selection-noise, cross-validation,"
        " reproduction, or your own file."
    ),
)
@click.option(
    "--domains",
    callback=_names,
    metavar="NAME,...",
    help=(
        "Data sets to compare, such as fer2013,synthetic-wild@0.5.  [default: all that are found, else"
        " rendered ones]"
    ),
)
@click.option(
    "--sources",
    callback=_names,
    metavar="NAME,...",
    help="Train only on these domains. a+b is one training over a and b.",
)
@click.option(
    "--targets",
    callback=_names,
    metavar="NAME,...",
    help=(
        "Test only on these domains. A domain that is not a source needs test images only. With --sources and"
        " --targets, --domains is not needed."
    ),
)
@data_option
@click.option(
    "--role",
    "roles",
    multiple=True,
    callback=_pairs,
    metavar="ROLE=NAME",
    help="Let a data set play a role of the suite's experiments, such as film=mine. Repeatable.",
)
@click.option(
    "--experiments",
    callback=_names,
    metavar="KEY,...",
    help="Run only these experiments, or divisions such as anger+disgust+fear, of the suite.",
)
@click.option(
    "--methods",
    "--algorithms",
    "methods",
    callback=_names,
    metavar="NAME|FILE.py:CLASS,...",
    help="Run only these methods, such as protonet,maml,supervised. One of your own is FILE.py:CLASS.",
)
@click.option(
    "--readouts",
    callback=_names,
    metavar="NAME,...",
    help=(
        "Read the features of every method in these ways: nearest-mean, ncm, cl2n, ridge, probe, cosine,"
        " finetune-head, finetune, head-and-probe; or, transductive, soft-kmeans, laplacianshot, tim. "
        " [default: the suite's]"
    ),
)
@click.option(
    "--seeds",
    callback=_seeds,
    metavar="N|S,S,...",
    help="Number of seeds (3 means 0,1,2) or a list (0,7; one seed: 7,).",
)
@click.option(
    "--folds",
    callback=_folds,
    metavar="K|loso",
    help=(
        "Cross-validation: test each domain on itself, in K folds by person, or leaving one subject out"
        " (loso). Use --suite cross-validation for a small data set: there, a fold may lack a class."
    ),
)
@click.option(
    "--preset",
    type=click.Choice(PRESETS),
    default=DEFAULT,
    show_default=True,
    help="smoke: a minute or two, numbers mean nothing; quick: for a laptop; full: for a GPU and a paper.",
)
@click.option(
    "--image-size",
    type=click.IntRange(16, 1024),
    metavar="PX",
    help="Side of the images in pixels.  [default: the preset's]",
)
@click.option(
    "--backbone",
    metavar="NAME",
    help=(
        "The network of every method: conv4, resnet12, efficientnet_lite0, one of torchvision (resnet18), "
        "timm/NAME, or your own as FILE.py:CLASS.  [default: the suite's]"
    ),
)
@click.option(
    "--budget",
    callback=_budget,
    metavar="images=N|seconds=S",
    help=(
        "The same for every training, in place of each method's steps: so many images, or so many seconds of"
        " training.  [default: the suite's]"
    ),
)
@click.option(
    "--weights",
    metavar="imagenet|bundled|none|FILE",
    help=(
        "What networks start from. imagenet and bundled (efficientnet_lite0's, without a download) leave"
        " conv4 and resnet12 random; a FILE is for every method.  [default: the suite's]"
    ),
)
@click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda|cuda:1|mps",
    help="Where networks run. auto: a GPU if there is one.",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    help=(
        "Number format of the networks. auto: bf16 if the machine has units for it, else fp32.  [default: the"
        " suite's, auto]"
    ),
)
@click.option(
    "--search",
    type=click.IntRange(2, 1000),
    metavar="N",
    help=(
        "First try N settings (learning rate, weight decay, ...) of each method on each source, and use the"
        " one that is best on the source's validation images."
    ),
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help=(
        "Number of models trained and tested at the same time; more than 1 on a CPU under Linux, with"
        " --devices and with dask.  [default: one per core, at most 4; with --devices, one on each]"
    ),
)
@elsewhere_options
@track_option
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=RESULTS,
    show_default=True,
    help="Folder of all results. The bench writes to SUITE in it, or to SUITE-smoke or SUITE-full.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan (runs, images, estimated time) and stop.")
@click.pass_context
def bench(context, folds, **given) -> None:
    """Train and test the methods of a suite, then write the report.

    Without a data set, the bench renders faces on this machine, once, and uses them.

    Each readout of a network (own head, nearest mean, probe, ...) uses the checkpoint that its own validation
    chose.

    Each run has its own folder, and a finished run is never redone. You may press Ctrl-C at any time: the
    same command goes on where it stopped.

    \b
    Examples:
      fer-meta bench --suite cross-domain
      fer-meta bench --suite domain-gap --preset smoke
      fer-meta bench --suite reproduction --data rafdb-basic=~/rafdb --data rafdb-compound=~/rafdb \\
          --data afew=~/afew
      fer-meta bench --suite leakage --role basic=fer2013 --role film=mine --data fer2013=~/fer2013 \\
          --data mine=~/faces
      fer-meta bench --suite cross-domain --domains synthetic-studio,fer2013 --data fer2013=~/fer2013
      fer-meta bench --suite cross-domain --data fer2013=~/fer2013 --data mine=~/faces --dry-run
      fer-meta bench --suite cross-domain --sources synthetic-wild --targets mine --data mine=~/faces
      fer-meta bench --suite cross-domain --sources synthetic-studio+synthetic-wild
      fer-meta bench --suite cross-validation --folds 10 --data ckplus=~/ckplus
      FER_META_DATA=~/datasets fer-meta bench --suite cross-domain --domains rafdb-basic,afew --seeds 1
      fer-meta bench --suite cross-domain --methods protonet,supervised --backbone resnet18 \\
          --weights imagenet --preset full
      fer-meta bench --suite cross-domain --preset full --devices 0,1
      fer-meta bench --suite cross-domain --preset full --executor slurm --cluster slurm_partition=gpu \\
          --cluster gpus_per_node=1
    """
    from fer_meta.runner.again import text_of_finished
    from fer_meta.runner.options import BenchOptions

    sys.stdout, sys.stderr = Lasting(sys.stdout), Lasting(sys.stderr)  # what a bench is for lies on disk
    options = BenchOptions(split=folds, command=bench_again(sys.argv[1:]), **given)
    text = None if options.dry_run or options.track else text_of_finished(options)
    if text is not None:
        click.echo(text)
        return
    from fer_meta.runner.main import run_bench

    context.exit(1 if run_bench(options) else 0)


@main.command()
@results_options
@click.option(
    "--published", is_flag=True, help="Show published figures beside ours where the setting is the same."
)
@click.option(
    "--html/--no-html",
    default=True,
    show_default=True,
    help="Write report.html too: one page to look at, which needs no network.",
)
@click.option(
    "--photographs",
    is_flag=True,
    help="Show photographs among the page's example episodes. Most data sets forbid to hand them out.",
)
def report(folder: Path, published: bool, html: bool, photographs: bool) -> None:
    """Write the tables (csv, Markdown, LaTeX), plots and the page of a bench again, and print the answer.

    FOLDER is a results folder, such as results/cross-domain; else --suite, --preset and --out say which.

    Everything is computed from the stored answers of the runs. Nothing is trained, and no GPU is needed.

    \b
    Examples:
      fer-meta report
      fer-meta report results/cross-domain-smoke
      fer-meta report --suite reproduction --published
      fer-meta report --preset full
    """
    if not unwatched():
        click.echo("writing the report ...", err=True)
    from fer_meta.report import write_report

    click.echo(write_report(folder, published, html, photographs))


def run() -> None:
    """`main`, as a process of its own."""
    open_closed_streams()
    end_on_signals()
    main()
