"""`fer-meta data cache`: show and clear the cache of decoded and rendered images."""

import sys
import time

import click

from fer_meta.oneline import escaped


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option("--clear", is_flag=True, help="Remove what is listed, after a question.")
@click.option("--yes", is_flag=True, help="With --clear: remove without a question.")
@click.option(
    "--older-than",
    "days",
    default=0.0,
    type=click.FloatRange(min=0),
    metavar="DAYS",
    help="Only what was not used for so many days.",
)
def cache(names: tuple[str, ...], clear: bool, yes: bool, days: float) -> None:
    """Show what the cache of decoded and rendered images holds, or clear it.

    NAME is a data set; without one, all of them. What is removed is decoded or rendered again when it is used
    next. What another process is building stays, as does everything that the cache did not make.

    \b
    Examples:
      fer-meta data cache
      fer-meta data cache --clear fer2013
      fer-meta data cache --clear --older-than 30 --yes
    """
    from fer_meta.datasets.cached import held, look, remove
    from fer_meta.datasets.places import cache_dir, explained
    from fer_meta.errors import DatasetError

    if yes and not clear:
        raise DatasetError("--yes goes with --clear")
    places = held(names, days)
    unknown = [name for name in names if not held([name])]
    if unknown:
        raise DatasetError(f"{cache_dir()}: holds nothing of '{unknown[0]}'; see `fer-meta data cache`")
    with click.progressbar(places, label="checking", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        found = [look(place) for place in bar]
    click.echo("\n".join([f"The cache is {escaped(str(cache_dir()))}", "", *_table(found)]))
    if not clear or not found:
        return
    if not yes:
        if not sys.stdin.isatty():
            raise DatasetError("nobody is here to be asked; give --yes to remove what is listed")
        if not click.confirm(f"Remove these {len(found)}?"):
            click.echo("Nothing was removed")
            return
    freed = 0
    for one in found:
        with explained(one.place):
            gone = remove(one)
        freed += one.bytes if gone else 0
        click.echo(f"{'Removed' if gone else 'Left, since another process works on it:'} {one.place.name}")
    click.echo(f"Freed {_megabytes(freed)}")


def _table(found) -> list[str]:
    if not found:
        return ["Nothing is there."]
    rows = [
        (
            escaped(one.name or one.place.name),
            f"{one.size} px" if one.size else "",
            f"{one.images:,}" if one.images is not None else "",
            _megabytes(one.bytes),
            _ago(time.time() - one.used),
            one.state,
        )
        for one in found
    ]
    rows.append((f"{len(found)} in all", "", "", _megabytes(sum(one.bytes for one in found)), "", ""))
    heading = ("data set", "size", "images", "on disk", "last used", "state")
    widths = [max(map(len, column)) for column in zip(heading, *rows)]
    return [_row(cells, widths).rstrip() for cells in (heading, *rows)]


def _row(cells: tuple[str, ...], widths: list[int]) -> str:
    first, *numbers, state = [
        cell.ljust(width) if number in (0, 5) else cell.rjust(width)
        for number, (cell, width) in enumerate(zip(cells, widths))
    ]
    return "  ".join([first, *numbers, state])


def _megabytes(number: int) -> str:
    return f"{number / 1e6:,.1f} MB"


def _ago(seconds: float) -> str:
    for unit, length in (("day", 24 * 3600), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            number = int(seconds // length)
            return f"{number:,} {unit}{'s' if number > 1 else ''} ago"
    return "just now"
