"""`fer-meta doctor`: is this machine ready, and if not, what is to be done?"""

from pathlib import Path

import click

from fer_meta.cli.options import data_option
from fer_meta.suites.folders import RESULTS


@click.command()
@data_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIRECTORY",
    default=RESULTS,
    show_default=True,
    help="Folder of all results, as in the bench.",
)
@click.pass_context
def doctor(context: click.Context, data: dict[str, Path], out: Path) -> None:
    """Check that this machine is ready for a bench, and say how to fix what is not.

    It looks at the installation, the processor, the GPUs, the data sets, the cache and the results, and
    changes none of them. A file with which it tries a disk is removed at once.

    Each line begins with what was found:

    \b
      ok       all is well
      -        as it may be; nothing need be done
      warning  a bench runs, and something could be better
      BROKEN   a bench would fail, or give wrong numbers

    After a semicolon comes what you can do about it. The exit status is 1 if something is broken, else 0.

    Images are not decoded: `fer-meta data check NAME` does that. Of large caches and results only a part is
    compared with its checksums, and a line says so.

    \b
    Examples:
      fer-meta doctor
      fer-meta doctor --data fer2013=/data/fer2013 --data mine=~/faces
      fer-meta doctor --out /scratch/results
      fer-meta doctor && fer-meta bench --suite cross-domain
    """
    from fer_meta.doctor import SECTIONS, examine
    from fer_meta.doctor.findings import BROKEN, WARNING

    click.echo("looking ...", err=True)
    found = dict(examine(data, out))
    for title in SECTIONS:
        click.echo(title)
        for finding in found[title]:
            click.echo(f"  {finding.state:<8} {finding.line}")
        click.echo()
    states = [finding.state for findings in found.values() for finding in findings]
    failures, warnings = states.count(BROKEN), states.count(WARNING)
    click.echo(f"broken: {failures}, warnings: {warnings}; this machine is {'not ' if failures else ''}ready")
    context.exit(1 if failures else 0)
