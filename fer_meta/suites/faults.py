"""What is wrong with a suite file, as an error of one line that names the file, the line and the key."""

from collections.abc import Collection, Iterator

from fer_meta.errors import SuiteError
from fer_meta.oneline import one_line
from fer_meta.suites.settings import Fault, kind_of
from fer_meta.suites.text import Lines, Place


def error_of(faults: list[Fault], lines: Lines, preset: str, options: Collection[str] = ()) -> SuiteError:
    """The first of `faults`. A key of a file is the better clue than one that is missing: `titel`, and not
    `title` missing. The values of the keys `options` are those of the command line, not of the file.
    """
    loc, message = min(faults, key=lambda fault: not any(path in lines for path in _said(fault[0], preset)))
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    if loc and loc[0] in options:
        return SuiteError(f"--{str(loc[0]).replace('_', '-')}: {one_line(message, 400)}")
    place, own = _place(lines, loc, preset), lines[()].origin
    # What a suite extends may be right in itself, and not beside what the suite changes.
    extended = "" if place.origin == own else f"{own} extends "
    return SuiteError(
        f"{extended}{place}: {one_line('.'.join(map(str, loc)), 120) or 'suite'}:"
        f" {one_line(message, 400)}{more}"
    )


def _place(lines: Lines, loc: tuple, preset: str) -> Place:
    """The place of `loc`, or of the nearest key above it."""
    for end in range(len(loc), 0, -1):
        for path in _said(loc[:end], preset):
            if path in lines:
                return lines[path]
    return lines[()]


def _said(path: tuple, preset: str) -> Iterator[tuple]:
    """The keys of a file that may say what is at `path`; what has the last word comes first."""
    of_kind = ("kinds", kind_of(path[1]), *path[2:]) if path[0] == "methods" and len(path) > 2 else None
    yield ("presets", preset, *path)
    if of_kind:
        yield ("presets", preset, *of_kind)
    yield path
    if of_kind:
        yield of_kind
