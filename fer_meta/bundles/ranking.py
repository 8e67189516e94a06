"""The leaderboard of several bundles."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from fer_meta.bundles.checking import check
from fer_meta.errors import ResultsError
from fer_meta.fileio import TEMPORARY
from fer_meta.report.aggregate.leaderboard import groups
from fer_meta.report.document import Page
from fer_meta.report.load import read_results
from fer_meta.report.sections.leaderboard import Shown, page


def leaderboard_page(paths: Sequence[Path]) -> Page:
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
            shown.append(
                Shown(bundle.name, bundle.sha256, found.title or found.suite, found.runs, len(found.missing))
            )
            unpacked.append(read_results(into))
        ranked = groups(unpacked)
        if not ranked:
            raise ResultsError(
                f"{paths[0]}: nothing to rank; no checkpoint was picked on the source's validation"
            )
        return page(shown, ranked)
