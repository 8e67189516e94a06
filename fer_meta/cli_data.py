"""`fer-meta data`: which data sets there are, and what is wrong with them.

pandas takes a third of a second to import, so a command imports what it needs when it runs.
"""

from collections.abc import Callable
from pathlib import Path

import click


def _parse_data(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict:
    given = {}
    for value in values:
        name, _, path = value.partition("=")
        if not name or not path:
            raise click.BadParameter(f"'{value}' is not NAME=PATH, such as fer2013=/data/fer2013")
        if name in given:
            raise click.BadParameter(f"'{name}' is given twice")
        given[name] = Path(path).expanduser()
    return given


def data_option(command: Callable) -> Callable:
    """The option `--data NAME=PATH`, repeatable; the command receives `data`, a dict of name to Path."""
    return click.option(
        "--data", multiple=True, metavar="NAME=PATH", callback=_parse_data,
        help="Where a data set lies (repeatable). Others are looked for at $FER_META_DATA/NAME.")(command)


@click.group()
def data() -> None:
    """Say which data sets there are, and check them for faults and leaks.

    A data set is a folder: name it with --data NAME=PATH or put it at $FER_META_DATA/NAME. A name that is
    not in the catalogue is read as folders of images, <split>/<label>/... or <label>/...
    """


@data.command("list")
@data_option
def list_(data: dict[str, Path]) -> None:
    """Show each data set: what it is, how to get it, whether it is here.

    \b
    Example:
      fer-meta data list --data fer2013=/data/fer2013 --data mine=~/faces
    """
    from fer_meta.datasets.catalogue import names
    from fer_meta.datasets.show import listing

    click.echo("\n\n".join("\n".join(listing(name, data)) for name in names(data)))


@data.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@data_option
@click.option("--size", default=48, show_default=True, type=click.IntRange(min=1),
              help="Side in pixels of the decoded images that are kept in the cache.")
@click.option("--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Write every group of identical images to FILE.")
@click.pass_context
def check(context: click.Context, names: tuple[str, ...], data: dict[str, Path], size: int,
          csv_file: Path | None) -> None:
    """Check data sets: published counts, unreadable files, and leaks.

    A leak is an image that stands in two splits, in two of the data sets named, or under two labels. Leaks
    are reported; they are no failure, since a benchmark can leave copies out. The exit status is 1 if a
    count differs from the published one or a file is unreadable.

    \b
    Examples:
      fer-meta data check fer2013 --data fer2013=/data/fer2013
      fer-meta data check fer2013 rafdb-basic --csv copies.csv
    """
    from fer_meta.datasets.audit import audit, check_counts
    from fer_meta.datasets.cache import load_images
    from fer_meta.datasets.catalogue import locate, spec_for
    from fer_meta.datasets.show import across_lines, audit_lines, count_lines, write_copies

    roots = {name: locate(name, data) for name in names}
    faces = [load_images(spec_for(name, root), root, size) for name, root in roots.items()]
    sound = True
    for one in faces:
        counts = check_counts(one)
        sound = sound and not one.unreadable and all(count.agrees for count in counts)
        click.echo("\n".join([*count_lines(one, counts), *audit_lines(audit(one)), ""]))
    together = audit(*faces)
    if len(faces) > 1:
        click.echo("\n".join(across_lines(together)))
    if csv_file is not None:
        write_copies(together, csv_file)
        click.echo(f"Wrote {len(together.copies):,} images of which there are copies to {csv_file}")
    context.exit(0 if sound else 1)
