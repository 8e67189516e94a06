"""`extends:` in a suite file: what it shares with other suites, or with `presets.yaml`, is read from there.

Nothing here imports torch.
"""

from pathlib import Path

from fer_meta.errors import SuiteError
from fer_meta.oneline import one_line
from fer_meta.suites.text import Lines, is_path, parse, suite_text

MOST_FILES = 20
OWN = ("name", "title")  # of each suite alone


def read(name: str) -> tuple[dict, Lines]:
    """What the suite `name` (see `suite_text`) says, with what it extends beneath it, and the file and line
    of each key by its path; those of () are the suite's own file. Raises SuiteError, which names the line.
    """
    return _read(name, (), [])


def files(name: str) -> list[Path]:
    """The files outside the package that the suite `name` is made of. Raises SuiteError as `read` does."""
    found: list[str] = []
    _read(name, (), found)
    return [Path(one) for one in dict.fromkeys(found) if is_path(one)]


def merge(base: dict, changes: dict) -> dict:
    """`changes` over `base`, mapping by mapping; lists and values are replaced."""
    merged = dict(base)
    for key, value in changes.items():
        nested = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if nested else value
    return merged


def _read(name: str, above: tuple[str, ...], found: list[str]) -> tuple[dict, Lines]:
    """`above` extends `name`; `found` collects the files that were read."""
    raw, lines = parse(*suite_text(name, shared=bool(above)))
    found.append(name)
    merged: dict = {}
    places: Lines = {}
    for number, base in enumerate(_bases(raw, lines)):
        where = lines.get(("extends", number), lines.get(("extends",), lines[()]))
        base = str(Path(name).parent / base) if is_path(base) and is_path(name) else base
        if base in (*above, name):
            raise SuiteError(f"{where}: extends: {one_line(base, 200)} extends itself; take it out")
        if len(found) >= MOST_FILES:
            raise SuiteError(f"{where}: extends: more than {MOST_FILES} files are read; extend fewer")
        try:
            under, under_lines = _read(base, (*above, name), found)
        except SuiteError as error:
            if str(error).startswith("no suite"):
                raise SuiteError(f"{where}: extends: {error}") from error
            raise
        merged = merge(merged, {key: value for key, value in under.items() if key not in OWN})
        places |= {
            path: place for path, place in under_lines.items() if path[:1] not in [(key,) for key in OWN]
        }
    return merge(merged, raw), places | lines


def _bases(raw: dict, lines: Lines) -> list[str]:
    wanted = raw.pop("extends", None)
    wanted = [] if wanted is None else wanted if isinstance(wanted, list) else [wanted]
    if not all(isinstance(one, str) for one in wanted) or len(set(wanted)) < len(wanted):
        raise SuiteError(
            f"{lines['extends',]}: extends: must be the name of a suite, `presets`, the path of a .yaml file,"
            " or a list of these, each once"
        )
    return wanted
