"""Options that several commands have."""

import functools
from collections.abc import Callable
from pathlib import Path

import click
from click.core import ParameterSource

from fer_meta.suites.folders import DEFAULT, PRESETS, RESULTS, existing_folder


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


def results_options(command: Callable) -> Callable:
    """The results of one bench: the argument FOLDER, or the options that its bench had. The command receives
    `folder`.
    """

    @functools.wraps(command)
    def chosen(folder: Path | None, suite: str, preset: str, out: Path, **others):
        context = click.get_current_context()
        given = [name for name in ("suite", "preset", "out") if _is_given(context, name)]
        if folder is None:
            from fer_meta.suites.text import name_of

            folder = existing_folder(out, name_of(suite), preset, context.info_name or "")
        elif given:
            raise click.UsageError(f"give FOLDER or --{given[0]}, not both")
        return command(folder=folder, **others)

    for option in (
        click.option(
            "--out",
            type=click.Path(file_okay=False, path_type=Path),
            default=RESULTS,
            show_default=True,
            help="Folder of all results, as in the bench.",
        ),
        click.option(
            "--preset",
            type=click.Choice(PRESETS),
            default=DEFAULT,
            show_default=True,
            help="The preset of the bench.",
        ),
        click.option(
            "--suite",
            default="cross-domain",
            show_default=True,
            metavar="NAME|FILE.yaml",
            help="The suite of the bench.",
        ),
        click.argument(
            "folder",
            metavar="[FOLDER]",
            required=False,
            callback=_expanded,
            type=click.Path(path_type=Path),
        ),
    ):
        chosen = option(chosen)
    return chosen


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) != ParameterSource.DEFAULT


def _expanded(context: click.Context, parameter: click.Parameter, folder: Path | None) -> Path | None:
    if folder is None or context.resilient_parsing:
        return folder
    from fer_meta.datasets.scanning import expanded

    return expanded(folder, "the results")
