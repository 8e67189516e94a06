"""The command line. torch, pandas and learn2learn take seconds to import: each command imports what it needs
when it runs.
"""

import sys
from pathlib import Path

import click

from fer_meta import __version__
from fer_meta.cli.data import data, data_option
from fer_meta.cli.errors import OneLineErrors
from fer_meta.commands import bench_again, names_in, seeds_in
from fer_meta.oneline import one_line
from fer_meta.streams import Lasting, end_on_signals, open_closed_streams
from fer_meta.suites.folders import DEFAULT, PRESETS, RESULTS, existing_folder

MOST_SEEDS = 1000


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fer-meta")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Does meta-learning beat plain supervised training on faces?

    fer-meta trains few-shot methods and a supervised network on facial expression data sets, tests all of
    them on the same episodes, and writes tables and plots to results/.

    \b
    Start here:
      fer-meta data list                                     what data there is
      fer-meta data sheet synthetic-wild                     what rendered data look like
      fer-meta bench --suite cross-domain --preset smoke     does it run?
      fer-meta bench --suite cross-domain                    the comparison
      fer-meta bench --suite reproduction                    the 2022 note, reproduced and explained
      fer-meta bench --suite leakage                         what a leak is worth
      fer-meta bench --suite cross-validation                a data set by itself, by person
      fer-meta report                                        a bench's tables again
    """


main.add_command(data)


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
            f"{one_line(value, 60)!r} is neither a number of seeds (3) nor a list of them (0,1,2)"
        ) from None
    if len(seeds) > MOST_SEEDS:
        raise click.BadParameter(f"there may be {MOST_SEEDS:,} seeds at most")
    if not seeds or min(seeds) < 0 or max(seeds) >= 2**32:
        raise click.BadParameter("there must be at least one seed, none below 0 and none of 2**32 or more")
    return seeds


def _suite(context, parameter, value: str) -> str:
    """Read at once: what is no suite file is said before torch is loaded."""
    from fer_meta.suites.text import parse, suite_text

    if not context.resilient_parsing:
        parse(*suite_text(value))
    return value


def _folds(context, parameter, value: str | None) -> dict | str | None:
    """The protocol's `split` of a cross-validation: `10` folds, or `loso`."""
    if value in (None, "loso"):
        return value and "leave-one-subject-out"
    if not value.isdecimal() or not 2 <= int(value) <= 1000:
        raise click.BadParameter(
            f"{one_line(value, 60)!r} is neither a number of folds (2 to 1000) nor loso (leave one subject"
            " out)"
        )
    return {"folds": int(value)}


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
    help="A suite of the package (cross-domain) or your own.",
)
@click.option(
    "--domains",
    callback=_names,
    metavar="NAME,...",
    help=(
        "Data sets to compare, such as fer2013,synthetic-wild@0.5.  [default: all that are here, else"
        " rendered ones]"
    ),
)
@click.option("--sources", callback=_names, metavar="NAME,...", help="Train on these domains only.")
@click.option(
    "--targets",
    callback=_names,
    metavar="NAME,...",
    help=(
        "Test on these domains only; what is no source needs test images alone. With --sources and --targets,"
        " --domains is not needed."
    ),
)
@data_option
@click.option(
    "--role",
    "roles",
    multiple=True,
    callback=_pairs,
    metavar="ROLE=NAME",
    help="Let a data set play a role of the suite's experiments, such as film=pressfaces. Repeatable.",
)
@click.option(
    "--experiments", callback=_names, metavar="KEY,...", help="Only these of the suite's experiments."
)
@click.option(
    "--methods",
    "--algorithms",
    "methods",
    callback=_names,
    metavar="NAME,...",
    help="Only these of the suite's methods.",
)
@click.option(
    "--seeds",
    callback=_seeds,
    metavar="N|S,S,...",
    help="So many seeds (3: 0 to 2), or just these (0,7; one alone: 7,).",
)
@click.option(
    "--folds",
    callback=_folds,
    metavar="K|loso",
    help=(
        "Cross-validation: test each domain on itself, in K folds by person, or leaving one subject out"
        " (loso). Small sets need --suite cross-validation, whose folds may lack a class."
    ),
)
@click.option(
    "--preset",
    type=click.Choice(PRESETS),
    default=DEFAULT,
    show_default=True,
    help="smoke: a minute or two, numbers mean nothing; quick: a laptop; full: the suite as designed.",
)
@click.option(
    "--image-size",
    type=click.IntRange(16, 1024),
    metavar="PX",
    help="Side of the images.  [default: the preset's]",
)
@click.option(
    "--weights",
    metavar="imagenet|none|FILE",
    help="What the supervised network starts from.  [default: none]",
)
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda|cuda:1|mps")
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    help=(
        "What networks compute in; auto: bf16 where the machine has units for it, else fp32.  [default: the"
        " suite's, auto]"
    ),
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help=(
        "Models trained and tested side by side; only on a CPU under Linux.  [default: as many as cores, at"
        " most 4]"
    ),
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=RESULTS,
    show_default=True,
    help="The results' folder is made in here: SUITE, or SUITE-smoke and SUITE-full under these presets.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan (runs, images, estimated time) and stop.")
@click.pass_context
def bench(context, folds, **given) -> None:
    """Train and test what a suite compares; then write the report.

    Without any data set, the bench renders faces on this machine, once, and compares on these.

    Each readout of a network (own head, nearest mean, probe, ...) is tested with the checkpoint that its own
    validation picks.

    Each run has a folder of its own. A finished run is never redone, so an interrupted bench (Ctrl-C) goes on
    where it was when the same command is given again.

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
      fer-meta bench --suite cross-validation --folds 10 --data ckplus=~/ckplus
      FER_META_DATA=~/datasets fer-meta bench --suite cross-domain --domains rafdb-basic,afew --seeds 1
      fer-meta bench --suite cross-domain --methods protonet,supervised --weights imagenet --preset full
    """
    from fer_meta.bench.again import text_of_finished
    from fer_meta.bench.options import BenchOptions

    sys.stdout, sys.stderr = Lasting(sys.stdout), Lasting(sys.stderr)  # what a bench is for lies on disk
    options = BenchOptions(split=folds, command=bench_again(sys.argv[1:]), **given)
    text = None if options.dry_run else text_of_finished(options)
    if text is not None:
        click.echo(text)
        return
    from fer_meta.bench.main import run_bench

    context.exit(1 if run_bench(options) else 0)


@main.command()
@click.option(
    "--suite", default="cross-domain", show_default=True, metavar="NAME", help="Which suite's results."
)
@click.option(
    "--preset",
    type=click.Choice(PRESETS),
    default=DEFAULT,
    show_default=True,
    help="Of a bench under which preset.",
)
@click.option(
    "--published", is_flag=True, help="Set published figures beside ours wherever the setting is the same."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=RESULTS,
    show_default=True,
    help="Where the bench wrote them.",
)
def report(suite: str, preset: str, published: bool, out: Path) -> None:
    """Write the tables (csv, Markdown, LaTeX) and plots of a bench again, and print the table.

    Everything is computed from the answers that the runs left on disk: nothing is trained or embedded, and no
    GPU is needed.

    \b
    Examples:
      fer-meta report
      fer-meta report --suite reproduction --published
      fer-meta report --preset full
    """
    folder = existing_folder(out, suite, preset)
    from fer_meta.report import write_report

    click.echo(write_report(folder, published))


def run() -> None:
    """`main`, as a process of its own."""
    open_closed_streams()
    end_on_signals()
    main()
