"""`fer-meta data init`: write the fer-meta.yaml of one's own folder, by looking at it and asking."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from fer_meta.oneline import escaped


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Ask nothing: take every guess, and write the file.")
def init(folder: Path, yes: bool) -> None:
    """Look at FOLDER, propose its fer-meta.yaml, show what that gives, and write it.

    The file says what the names of your folders and files mean: which word is which expression, and which
    part of a path is a person. You are asked for every word that is not known. Numbers are never guessed,
    since every data set numbers differently.

    \b
    Example:
      fer-meta data init ~/faces
      fer-meta data check faces --data faces=~/faces
    """
    from fer_meta.commands import command
    from fer_meta.datasets.proposing import as_yaml
    from fer_meta.datasets.registry import listed_in, own_name
    from fer_meta.datasets.scanning import image_files
    from fer_meta.datasets.settings import SETTINGS, read_settings
    from fer_meta.errors import DatasetError
    from fer_meta.expressions import EXPRESSIONS

    where, settings = folder / SETTINGS, read_settings(folder)
    if settings.labels or settings.patterns or settings.vocabulary != EXPRESSIONS:
        raise DatasetError(f"{where}: says what names mean already; edit it, or remove it and run again")
    listed = listed_in(folder, settings)
    files = image_files(folder) if listed is None else []
    if listed is None and not files:
        raise DatasetError(f"{folder}: no images; give the folder that holds them")
    with _answered(where):
        labels, patterns = _asked(files, yes) if listed is None else _asked_of_table(listed, yes)
    text = as_yaml(labels, patterns)
    if where.exists() and text:  # it names the table or its columns
        text = where.read_text(encoding="utf-8").rstrip("\n") + f"\n{text}"
    _show(folder, text)
    if not text:
        click.echo(f"No {'more' if where.exists() else 'fer-meta.yaml'} is needed.")
    elif yes or _confirmed(where):
        where.write_text(text, encoding="utf-8")
        name = own_name(folder)
        check = command("fer-meta", "data", "check", name, "--data", f"{name}={folder}")
        click.echo(f"Wrote {escaped(str(where))}. Next: {check}")


@contextlib.contextmanager
def _answered(where: Path) -> Iterator[None]:
    """Where nobody is at a terminal and the answers end, there is a way without them."""
    from fer_meta.errors import DatasetError

    try:
        yield
    except click.Abort:
        if sys.stdin.isatty():  # Ctrl-C
            raise
        click.echo(err=True)  # the line of the question ends
        raise DatasetError(
            f"{where}: not written, because nobody answers; run it in a terminal, or with --yes to take every"
            " guess, or write the file yourself (docs/own-data.md)"
        ) from None


def _confirmed(where: Path) -> bool:
    with _answered(where):
        return click.confirm(f"Write {escaped(str(where))}?", default=True)


def _asked(files: list[str], yes: bool) -> tuple[dict[str, str], dict[str, str]]:
    """What every word means, and the patterns, from guesses and the user's answers."""
    import re

    from fer_meta.datasets import proposing
    from fer_meta.datasets.settings import Settings

    level, patterns = proposing.likely_level(files), {}
    pattern = proposing.label_pattern(files)
    if pattern is not None and (level is None or _unknown(files, level)):
        level, patterns["label"] = None, pattern
    settings = Settings(Path(), patterns={key: re.compile(text) for key, text in patterns.items()})
    words = proposing.words_of(files, settings, level) if patterns or level is not None else {}
    labels = {word: _label(word, paths, yes) for word, paths in words.items()}
    people = proposing.people_in_folders(files, level) or proposing.people_in_names(files)
    return labels, patterns | _subject(people, yes)


def _asked_of_table(
    listed: list[tuple[str, str, dict[str, str]]], yes: bool
) -> tuple[dict[str, str], dict[str, str]]:
    """The same of the rows of a table, whose columns say the rest."""
    from fer_meta.datasets import proposing
    from fer_meta.datasets.scanning import file_of

    words: dict[str, list[str]] = {}
    for _, path, cells in listed:
        words.setdefault(cells["label"], []).append(path)
    labels = {word: _label(word, paths, yes) for word, paths in words.items() if word}
    files = [path for _, path, _ in listed]
    # an image that is a row of a file has no name of its own
    known = any(cells["subject"] or file_of(path) != path for _, path, cells in listed)
    return labels, _subject(None if known else proposing.people_in_names(files), yes)


def _subject(people, yes: bool) -> dict[str, str]:
    """The pattern of the people, if these are some."""
    return {"subject": people.pattern} if people is not None and (yes or _are_people(people)) else {}


def _unknown(files: list[str], level: int) -> bool:
    from fer_meta.datasets.proposing import guess

    return all(guess(path.split("/")[level]) is None for path in files)


def _label(word: str, paths: list[str], yes: bool) -> str:
    from fer_meta.datasets.proposing import guess, is_label
    from fer_meta.datasets.settings import SKIP, Settings
    from fer_meta.errors import DatasetError
    from fer_meta.expressions import BASIC, EXPRESSIONS

    known, guessed = Settings(Path()).label(word), guess(word)
    if known is not None:
        return known
    if yes:
        if guessed is None:
            raise DatasetError(
                f"'{word}' ({len(paths)} images): what it means cannot be guessed; run without --yes, or"
                " say it in fer-meta.yaml, under labels"
            )
        return guessed
    while True:
        said = click.prompt(
            f"{escaped(word)} ({len(paths):,} images, such as {escaped(paths[0])}): which expression?"
            f" ({', '.join(BASIC)}, ...; {SKIP} leaves them out)",
            default=guessed,
        )
        if is_label(said):
            return SKIP if said.strip().lower() == SKIP else str(Settings(Path()).label(said))
        click.echo(
            f"  '{escaped(said)}' is no expression; known are {', '.join(EXPRESSIONS[:8])} and compounds"
            " such as happily_surprised. Labels of your own need a vocabulary: see docs/own-data.md."
        )


def _are_people(people) -> bool:
    some = ", ".join(escaped(name) for name in list(people.images)[:4])
    return click.confirm(
        f"Are {some} ... ({len(people.images):,} names) people? Support and queries can then be kept apart.",
        default=True,
    )


def _show(folder: Path, text: str) -> None:
    """Print the file and what the folder is with it."""
    import yaml

    from fer_meta.datasets.registry import own_data, own_name
    from fer_meta.datasets.settings import SETTINGS, read_settings, settings_of
    from fer_meta.datasets.show import index_lines

    settings = settings_of(folder / SETTINGS, yaml.safe_load(text)) if text else read_settings(folder)
    spec = own_data(own_name(folder), folder, settings)
    index = spec.scan(folder)
    classes = [one for one in settings.vocabulary if (index["label"] == one).any()]
    click.echo("\n".join(["", f"# {SETTINGS}", text] if text else [""]))
    click.echo("\n".join([*index_lines(spec, folder, index, classes, settings), ""]))
