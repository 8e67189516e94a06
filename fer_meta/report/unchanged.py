"""Whether a report stands on disk already: what it was made of, and what was made."""

import hashlib
import json
from importlib import metadata
from pathlib import Path

import fer_meta
from fer_meta.fileio import digest, write_json

MADE_OF = [
    "plan.json",
    "runs/*",
    "runs/*/DONE",
    "runs/*/FAILED.json",
    "runs/*/run.json",
    "runs/*/predictions.parquet",
    "episodes/*.parquet",
    "models/*/history.jsonl",
]
MADE_BY = ["numpy", "pandas", "pyarrow", "scipy", "matplotlib"]
NOTE = "report.json"


def fingerprint(folder: Path, published: bool) -> str:
    """A hash of all that a report is made of: the names and bytes of the files it reads, its code, and its
    libraries' versions.
    """
    code = Path(fer_meta.__file__).parent
    files = [path for pattern in MADE_OF for path in sorted(folder.glob(pattern))]
    files += sorted(path for path in code.rglob("*") if path.suffix in (".py", ".csv"))
    found = hashlib.blake2b(
        repr([published, *((name, metadata.version(name)) for name in MADE_BY)]).encode(), digest_size=16
    )
    for path in files:
        root = code if path.is_relative_to(code) else folder
        found.update(
            f"\n{path.relative_to(root)}\n".encode() + (digest(path).encode() if path.is_file() else b"")
        )
    return found.hexdigest()


def standing(folder: Path, key: str) -> list[Path]:
    """The files of the report of this fingerprint; none if there is no such report, or one of its files is
    not as it was written.
    """
    try:
        note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        written = {folder / name: kept for name, kept in note["written"].items()}
        same = note["made_of"] == key and all(digest(path) == kept for path, kept in written.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []
    return list(written) if same else []


def note(folder: Path, key: str, written: list[Path]) -> None:
    """Keep what a report was made of, and what was written."""
    write_json(
        folder / NOTE,
        {"made_of": key, "written": {str(path.relative_to(folder)): digest(path) for path in written}},
    )
