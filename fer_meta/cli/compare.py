"""`fer-meta compare`: two results folders, or two methods of one, on the same episodes."""

from pathlib import Path

import click

from fer_meta.commands import names_in
from fer_meta.oneline import escaped


def _two(context, parameter, value: str | None) -> tuple[str, str] | None:
    if value is None:
        return None
    names = names_in(value)
    if len(names) != 2:
        raise click.BadParameter("give two, such as supervised-ncm,protonet-ncm")
    return names[0], names[1]


@click.command()
@click.argument("one", metavar="A", type=click.Path(path_type=Path))
@click.argument("other", metavar="[B]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--methods",
    callback=_two,
    metavar="FIRST,SECOND",
    help="Readouts as results name them: FIRST of A minus SECOND of B.  [default: each readout with itself]",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE.csv", help="Write all rows to a file.")
def compare(one: Path, other: Path | None, methods: tuple[str, str] | None, out: Path | None) -> None:
    """Say how far two results are apart, with an interval.

    A and B are results folders of one suite, such as results/cross-domain: of two backbones, of two versions
    of the code, of two machines. Without B, two methods of A are compared. Both sides answered the same
    episodes, so that the difference is paired: seed by seed, episode by episode, person by person.

    \b
    Examples:
      fer-meta compare results/cross-domain resnet/cross-domain
      fer-meta compare results/cross-domain --methods supervised-ncm,protonet-ncm
      fer-meta compare old/cross-domain new/cross-domain --out difference.csv
    """
    if other is None and methods is None:
        raise click.UsageError("give a second folder, or --methods FIRST,SECOND")
    if out is not None and out.suffix != ".csv":
        raise click.UsageError(f"--out {out}: give a file that ends in .csv")
    from fer_meta.datasets.scanning import expanded
    from fer_meta.fileio import replacing
    from fer_meta.report import paired
    from fer_meta.report.formats import csv, terminal
    from fer_meta.report.sections.paired import sections

    folders = [expanded(folder, "the results") for folder in (one, other or one)]
    found = paired.compare(folders[0], folders[1], methods)
    click.echo(terminal.blocks(sections(found)))
    if out is not None:
        with replacing(out) as temporary:
            temporary.write_text(csv.render(found.table))
        click.echo(f"Written: {escaped(str(out))}")
