"""Options that several commands have."""

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
        given[name] = Path(path)  # `~` is expanded where it is looked for
    return given


def data_option(command: Callable) -> Callable:
    """The option `--data NAME=PATH`, repeatable; the command receives `data`, a dict of name to Path."""
    return click.option(
        "--data",
        multiple=True,
        metavar="NAME=PATH",
        callback=_parse_data,
        help="The folder of a data set. Repeatable. Others are looked for in $FER_META_DATA/NAME.",
    )(command)
