"""Where the results of a suite lie: one folder for each of its presets, so that none overwrites the tables of
another.

Nothing here imports torch or pandas, so that a command can say at once that there are no results.
"""

from pathlib import Path

from fer_meta.commands import command
from fer_meta.errors import ResultsError
from fer_meta.oneline import one_line
from fer_meta.records.published import PLAN, is_published, without_plan
from fer_meta.spelling import offered

# those of the command line; a suite file may have others for use from Python
PRESETS = ("smoke", "quick", "full")
DEFAULT = "quick"
RESULTS = Path("results")

# No suite's name ends in these: `x-smoke` under quick would share a folder with `x` under smoke.
RESERVED = tuple(f"-{preset}" for preset in PRESETS if preset != DEFAULT)


def results_folder(out: Path, suite: str, preset: str) -> Path:
    """`<out>/<suite>` under the default preset, `<out>/<suite>-<preset>` under any other."""
    return Path(out) / (suite if preset == DEFAULT else f"{suite}-{preset}")


def existing_folder(out: Path, suite: str, preset: str, what: str = "report") -> Path:
    """The `results_folder` of a bench that has begun, for the command `what`. Raises ResultsError, which
    names the results that exist, if there is none.
    """
    folder = results_folder(out, suite, preset)
    if _has_plan(folder):
        return folder
    if is_published(folder):
        raise ResultsError(without_plan(folder))
    words = f"{one_line(str(folder), 300)}: no results of {one_line(suite, 60)}, preset {preset}"
    others = [other for other in PRESETS if _has_plan(results_folder(out, suite, other))]
    if others:
        commands = " or ".join(f"`{_command(what, suite, 'cross-domain', other, out)}`" for other in others)
        raise ResultsError(f"{words}; there are results of preset {' and '.join(others)}: {commands}")
    there = sorted(path.parent.name for path in Path(out).glob(f"*/{PLAN}"))
    found = offered(folder.name, there, f"there are results in {', '.join(there)}") if there else ""
    raise ResultsError(
        f"{words}{found}; run `{_command('bench', 'NAME', None, preset, out)}` first, or give another --suite"
        " or --out"
    )


def _command(what: str, suite: str, usual: str | None, preset: str, out: Path) -> str:
    return command(
        "fer-meta",
        what,
        options=[("--suite", suite, usual), ("--out", Path(out), RESULTS), ("--preset", preset, DEFAULT)],
    )


def _has_plan(folder: Path) -> bool:
    return (folder / PLAN).is_file()
