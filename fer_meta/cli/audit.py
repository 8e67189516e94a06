"""`fer-meta data audit`: near copies, labels that disagree, people in several splits, faceless images."""

from pathlib import Path

import click

from fer_meta.cli.options import data_option
from fer_meta.oneline import escaped

SIZE = 48
"""Side in pixels of the images that are compared and shown."""


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@data_option
@click.option(
    "--csv",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write a table of each kind of finding to DIR.",
)
@click.option(
    "--page",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.html",
    help="Write a page with the pictures of what was found to FILE.html.",
)
def audit(names: tuple[str, ...], data: dict[str, Path], folder: Path | None, page: Path | None) -> None:
    """Look for near copies, labels that disagree, people in several splits and images without a face.

    A near copy is the same photograph saved again, rescaled, brightened, marked or mirrored; a crop of it is
    mostly missed. It is looked for in each split, across splits and across the named data sets. A bench
    leaves near copies out of its tests with `copies: near-removed`.

    A face detector, yuface, is used if it is installed (Python 3.10 and 3.11: the extra video). It takes some
    minutes for FER2013.

    The page holds its pictures, so do not publish it if the images may not be published.

    \b
    Examples:
      fer-meta data audit fer2013 --data fer2013=/data/fer2013
      fer-meta data audit fer2013 mine --data mine=~/faces --csv audit --page audit.html
    """
    from fer_meta.datasets.audit_page import audit_page, write_page
    from fer_meta.datasets.audit_summary import summary_lines
    from fer_meta.datasets.findings import find, write_tables
    from fer_meta.datasets.registry import load, resolve

    if page is not None and page.suffix.lower() not in (".html", ".htm"):
        raise click.BadParameter(f"'{page}' does not end in .html", param_hint="--page")
    faces = [load(name, root, SIZE) for name, root in resolve(names, data).items()]
    found = find(faces)
    click.echo("\n".join(summary_lines(found)))
    if folder is not None:
        tables = write_tables(found, folder)
        click.echo(f"Wrote {len(tables)} tables to {escaped(str(folder))}")
    if page is not None:
        write_page(audit_page(found, faces), page)
        click.echo(f"Wrote {escaped(str(page))}")
