"""The leaderboard of several bundles."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fer_meta.bundles.checking import check
from fer_meta.errors import ResultsError
from fer_meta.fileio import TEMPORARY
from fer_meta.report.aggregate.leaderboard import Group, groups
from fer_meta.report.document import Page
from fer_meta.report.load import read_results
from fer_meta.report.sections.leaderboard import Shown, page


class Leaderboard(NamedTuple):
    """The page, and in words what it ranks."""

    page: Page
    words: str


def leaderboard_page(paths: Sequence[Path]) -> Leaderboard:
    """The ranks of all readouts of some bundles, which are checked first. Raises ResultsError for a bundle
    with a fault, and if there is nothing to rank.
    """
    with tempfile.TemporaryDirectory(prefix=f"{TEMPORARY}-fer-meta-") as temporary:
        shown, unpacked = [], []
        for number, path in enumerate(paths):
            into = Path(temporary) / str(number)
            into.mkdir()
            bundle = check(path, into)
            found = bundle.sound().facts
            title, missing = found.title or found.suite, len(found.missing)
            shown.append(Shown(bundle.name, bundle.sha256, title, found.runs, missing, found.preset))
            unpacked.append(read_results(into))
        ranked = groups(unpacked)
        if not ranked:
            raise ResultsError(
                f"{paths[0]}: nothing to rank; no checkpoint was picked on the source's validation"
            )
        return Leaderboard(page(shown, ranked), _in_words(shown, ranked))


def _in_words(bundles: Sequence[Shown], ranked: Sequence[Group]) -> str:
    """3 methods from 2 sources, in 4 tables."""
    cells = [entry.cell for group in ranked for entry in group.entries]
    counts = [
        _count(len({cell.readout for cell in cells}), "method"),
        f"from {_count(len({cell.source for cell in cells}), 'source')}",
        f"on {_count(len({cell.target for cell in cells}), 'target')}, in {_count(len(ranked), 'table')}",
        f"(one for each set of test episodes) out of {_count(len(bundles), 'bundle')}",
    ]
    return " ".join(counts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
