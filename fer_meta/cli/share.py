"""`fer-meta export`, `verify`, `import` and `leaderboard`: results as one file that others can check."""

import tempfile
from pathlib import Path

import click

from fer_meta.cli.options import results_options
from fer_meta.commands import command
from fer_meta.oneline import escaped
from fer_meta.suites.folders import DEFAULT, RESULTS

ENDING = ".fer-meta.zip"

_bundles = click.argument(
    "bundles",
    nargs=-1,
    required=True,
    metavar="BUNDLE...",
    type=click.Path(path_type=Path),
)


@click.command("export")
@results_options
@click.option(
    "--to",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.zip",
    help=f"The bundle to write.  [default: SUITE{ENDING}, with the preset as the results folder has it]",
)
@click.option(
    "--models/--no-models",
    default=False,
    show_default=True,
    help="Put the weights of the trained models in, too; their records and logs are always there.",
)
def export_command(folder: Path, to: Path | None, models: bool) -> None:
    """Write the finished runs of a bench as one file, a bundle.

    FOLDER is a results folder, such as results/cross-domain; else --suite, --preset and --out say which.

    It has the plan, the records, answers and episodes of the runs, the logs of the trainings, and the tables;
    and manifest.json, with the SHA-256 of each. It has no image, and no path of this machine. The same
    results give the same bytes.

    Answers hold the names of image files, their labels, and who is on them. Look at the agreement of each
    data set before you hand a bundle out.

    \b
    Examples:
      fer-meta export
      fer-meta export results/cross-domain-smoke
      fer-meta export --suite cross-domain --preset full --models
      fer-meta export --suite within --out results --to mine.zip
    """
    if to is not None and to.suffix != ".zip":
        raise click.UsageError(f"--to {escaped(str(to))}: give a file that ends in .zip")
    from fer_meta.bundles.exporting import export

    done = export(folder, to or Path(f"{folder.name}{ENDING}"), models)
    found = done.facts
    click.echo(
        f"{found.runs} finished runs of {found.suite}, preset {found.preset or DEFAULT}; {done.models} models"
        f" {'with' if models else 'without'} their weights"
    )
    if found.missing:
        click.echo(
            f"not finished, and not in it: {len(found.missing)} runs of the plan, first {found.missing[0]}"
        )
    if done.rewritten:
        click.echo(
            f"paths of this machine were taken out of {len(done.rewritten)} files, whose seals are renewed"
        )
    if done.photographed:
        click.echo(
            "it names the images, labels and people of these data sets; see that their agreements allow it: "
            + ", ".join(done.photographed)
        )
    click.echo(f"Written: {escaped(str(done.path))} ({_size(done.path)}, SHA-256 {done.sha256})")


@click.command()
@_bundles
@click.pass_context
def verify(context: click.Context, bundles: tuple[Path, ...]) -> None:
    """Check bundles: that nothing was changed, and that the answers give the tables.

    Every hash and every seal is checked, and the tables are computed again from the answers. Nothing of a
    bundle is run, and nothing is written but a temporary folder. A line is printed for each fault, and the
    exit status is then 2.

    A bundle without a fault is what somebody exported. Whether its answers were given by the models that it
    names is not to be seen from it: train again to know.

    \b
    Examples:
      fer-meta verify cross-domain.fer-meta.zip
      fer-meta verify *.fer-meta.zip
    """
    from fer_meta.bundles.archive import AGAIN, NoBundleError
    from fer_meta.bundles.checking import check
    from fer_meta.errors import ResultsError

    wrong = missing = 0
    for path in bundles:
        try:
            with tempfile.TemporaryDirectory(prefix=".tmp-fer-meta-") as temporary:
                found = check(path, Path(temporary))
        except NoBundleError as error:  # the others are looked at, too
            click.echo(str(error))
            missing += 1
            continue
        except ResultsError as error:
            click.echo(str(error))
            wrong += 1
            continue
        for fault in found.faults:
            click.echo(f"{escaped(str(path))}: {fault}")
        if found.faults:
            wrong += 1
            continue
        facts = found.sound().facts
        click.echo(
            f"{escaped(str(path))}: sound; {facts.runs} runs of {facts.suite},"
            f" {len(found.sound().files)} files, SHA-256 {found.sha256}"
        )
    if wrong:
        click.echo(f"{wrong} of {len(bundles)} bundles {'has' if wrong == 1 else 'have'} a fault; {AGAIN}")
    if wrong or missing:
        context.exit(2)


@click.command("import")
@_bundles
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="FOLDER",
    help="Folder of all results, as in the bench. SUITE in it must not be there yet.",
)
def import_command(bundles: tuple[Path, ...], out: Path) -> None:
    """Check bundles, and write them as a results folder that `fer-meta report` reads.

    Bundles of one suite become one folder if they answered the same episodes with the same settings. They may
    have other methods, seeds or experiments. Of a run that two have, the first bundle's stays.

    \b
    Examples:
      fer-meta import cross-domain.fer-meta.zip --out theirs
      fer-meta import ours.zip theirs.zip --out both
    """
    from fer_meta.bundles.merging import import_bundles

    found = import_bundles(bundles, out)
    for bundle in found.bundles:
        click.echo(f"{bundle.name}: sound; {bundle.sound().facts.runs} runs")
    if found.twice:
        others = f", {found.unlike} with other answers" if found.unlike else ", with the same answers"
        click.echo(f"{found.twice} runs are in more than one bundle{others}; those of the first are kept")
    click.echo(f"Written: {escaped(str(found.folder))}")
    words = command(
        "fer-meta",
        "report",
        options=[
            ("--suite", found.plan.suite, None),
            ("--out", out, RESULTS),
            ("--preset", found.plan.preset or DEFAULT, DEFAULT),
        ],
    )
    click.echo(f"The tables: {words}")


@click.command()
@_bundles
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE.html|FILE.md",
    help="The page to write.",
)
def leaderboard(bundles: tuple[Path, ...], out: Path) -> None:
    """Rank the methods of several bundles, where they answered the same episodes.

    There is one table for each set of episodes, with each row's difference from the first and its interval.
    Where two bundles did not answer the same episodes, they have tables of their own, and it is said why.

    \b
    Examples:
      fer-meta leaderboard ours.zip theirs.zip --out leaderboard.html
      fer-meta leaderboard *.fer-meta.zip --out leaderboard.md
    """
    if out.suffix not in (".html", ".md"):
        raise click.UsageError(f"--out {escaped(str(out))}: give a file that ends in .html or .md")
    from fer_meta.bundles.ranking import leaderboard_page
    from fer_meta.fileio import write_text
    from fer_meta.report.formats import html, markdown

    page, words = leaderboard_page(bundles)
    write_text(out, html.render(page) if out.suffix == ".html" else markdown.render(page))
    click.echo(f"Ranked: {words}\nWritten: {escaped(str(out))}")


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:,.1f} MB"
