"""Whether a bundle is what was exported, and whether its tables are what its answers give."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fer_meta import __version__
from fer_meta.bundles.archive import file_sha256, unpack
from fer_meta.bundles.contents import WEIGHTS, facts
from fer_meta.errors import ResultsError
from fer_meta.oneline import escaped
from fer_meta.records.bundle import Manifest
from fer_meta.records.seals import DONE, broken_seal
from fer_meta.report import tables
from fer_meta.report.load import read_results

TABLE = "table.csv"

# Tables have six decimals, the last of which a machine may round otherwise.
_ROUNDING = 2e-6

# No answers take fewer bytes: so many rows a byte beside a few, so many bytes a byte beside a few.
_ROWS, _FEW = 100, 1_000_000
_TIMES, _SMALL = 1000, 1 << 26


@dataclass(frozen=True)
class Checked:
    """A bundle that was unpacked into `folder`, and a line for each of its faults; the `manifest` is None
    where it cannot be read.
    """

    path: Path
    folder: Path
    sha256: str
    manifest: Manifest | None
    faults: list[str]

    @property
    def name(self) -> str:
        """For people."""
        return escaped(self.path.name)

    def sound(self) -> Manifest:
        """The manifest. Raises ResultsError if there are faults, with the first."""
        if self.manifest is None or self.faults:
            others = len(self.faults) - 1
            more = f" and {others} more fault{'s' if others > 1 else ''}" if others > 0 else ""
            raise ResultsError(
                f"{self.path}: {self.faults[0]}{more}; `fer-meta verify {escaped(str(self.path))}` says all"
            )
        return self.manifest


def check(path: Path, into: Path) -> Checked:
    """Unpack a bundle into an empty folder and check every hash and seal, what the manifest says, and that
    the answers give the tables. Nothing is written outside of that folder, and nothing of it is run.

    Raises ResultsError if the file is no bundle at all.
    """
    manifest, faults = unpack(path, into)
    sha256 = file_sha256(path)
    if manifest is not None and not faults:
        faults = _broken_seals(into, manifest) + _swollen(into) or _not_as_said(into, manifest)
    return Checked(path, into, sha256, manifest, faults)


def _broken_seals(folder: Path, manifest: Manifest) -> list[str]:
    may_lack = "" if manifest.weights else WEIGHTS
    found = []
    for home in sorted([*folder.glob("runs/*"), *folder.glob("models/*")]):
        sealed = home.parent.name == "runs" or (home / DONE).is_file()  # an older version sealed no models
        if sealed and (broken := broken_seal(home, may_lack=may_lack)):
            found.append(f"{home.parent.name}/{escaped(home.name)}: {broken}")
    return found


def _swollen(folder: Path) -> list[str]:
    """Answers and episodes that their file is too small to hold: read, they would fill the memory."""
    found = []
    for path in sorted(folder.rglob("*.parquet")):
        try:
            footer = pq.read_metadata(path)
            whole = sum(footer.row_group(group).total_byte_size for group in range(footer.num_row_groups))
        except (OSError, ValueError, pa.ArrowException):  # whoever reads the answers says so
            continue
        size = path.stat().st_size
        if footer.num_rows > _ROWS * size + _FEW or whole > _TIMES * size + _SMALL:
            name = escaped(path.relative_to(folder).as_posix())
            found.append(f"{name}: {footer.num_rows:,} rows, which its {size:,} bytes cannot hold")
    return found


def _not_as_said(folder: Path, manifest: Manifest) -> list[str]:
    """What the records and the answers do not say of what the manifest and the tables do."""
    try:
        results = read_results(folder)
        computed = tables(folder)
    except ResultsError as error:
        wrong, _, fix = str(error).replace(f"{folder}/", "").rpartition("; ")
        return [wrong or fix]
    found = facts(results)
    faults = [
        f"manifest.json: {name.replace('_', ' ')} is not what the runs say"
        for name in type(found).model_fields
        if getattr(found, name) != getattr(manifest.facts, name)
    ]
    faults += [f"runs/{escaped(name)} is not in the plan" for name in results.unplanned]
    stored = sorted(name for name in manifest.files if name.endswith(".csv"))
    if TABLE not in stored:
        faults.append(f"{TABLE} is missing")
    for name in stored:
        text = (folder / name).read_text(encoding="utf-8", errors="replace")
        if wrong := _differs(text, computed.get(name), ours=manifest.fer_meta == __version__):
            faults.append(f"{name} is not what the answers give: {wrong}")
    return faults


def _differs(stored: str, computed: str | None, ours: bool) -> str:
    """In what a table differs from the one that the answers give, in words; nothing if they are equal up to
    rounding. `ours`: it is of this version; one of another version may lack columns, or have more.
    """
    if computed is None:
        return "they give no such table"
    if stored == computed:
        return ""
    try:
        theirs = pd.read_csv(io.StringIO(stored), dtype=str, keep_default_na=False)
    except (ValueError, OverflowError) as error:
        return f"it cannot be read ({escaped(' '.join(str(error).split()))[:100]})"
    given = pd.read_csv(io.StringIO(computed), dtype=str, keep_default_na=False)
    if len(theirs) != len(given):
        return f"{len(theirs):,} rows, not {len(given):,}"
    columns = [name for name in given if name in theirs]
    if not columns or (ours and sorted(theirs) != sorted(given)):
        return "it has other columns"
    for name in columns:
        if len(rows := np.flatnonzero(~_alike(theirs[name], given[name]))):
            row = rows[0]
            return f"{name} in row {row + 1} is {escaped(theirs[name][row])[:40]!r}, not {given[name][row]!r}"
    return ""


def _alike(one: pd.Series, other: pd.Series) -> np.ndarray:
    """Which cells are equal, as texts or as numbers up to rounding [N]."""
    numbers = [pd.to_numeric(column, errors="coerce") for column in (one, other)]
    near = np.abs(numbers[0] - numbers[1]) <= _ROUNDING
    return ((one == other) | near).to_numpy(bool)
