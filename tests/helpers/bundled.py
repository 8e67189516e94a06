"""Bundles of small results, and what somebody may do to one."""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from fer_meta.fileio import write_json
from fer_meta.records.seals import seal
from helpers import stored_results

SUITE = "cross-domain-smoke"
"""The folder of stored results."""


def results(out: Path) -> Path:
    """Stored results of few episodes, sealed as a bench does."""
    folder = stored_results.write(out / SUITE, episodes=4)
    for home in folder.glob("runs/*"):
        if (home / "DONE").is_file():
            seal(home, ["run.json", "predictions.parquet"])
    for home in folder.glob("models/*"):
        (home / "checkpoints").mkdir()
        (home / "checkpoints" / "step-1.safetensors").write_bytes(b"weights of " + home.name.encode())
        seal(home, ["history.jsonl", "checkpoints/step-1.safetensors"])
    return folder


def of_methods(folder: Path, out: Path, *methods: str) -> Path:
    """A copy of `results` whose plan has these methods alone."""
    copy = Path(shutil.copytree(folder, out / SUITE))
    runs = [run for run in json.loads((copy / "plan.json").read_text())["runs"] if run["method"] in methods]
    change(copy / "plan.json", lambda plan: plan | {"runs": runs})
    return copy


def change(path: Path, how: Callable[[dict], dict]) -> None:
    """Write a JSON file again."""
    write_json(path, how(json.loads(path.read_text())))


def rezipped(source: Path, to: Path, changes: Mapping[str, bytes | None] = {}) -> Path:
    """A bundle with other members: bytes for a name, None for one that is taken out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(to, "w") as new:
        members = {name: old.read(name) for name in old.namelist()} | changes
        for name, content in members.items():
            if content is not None:
                new.writestr(name, content, zipfile.ZIP_DEFLATED)
    return to


def resaid(source: Path, to: Path, changes: Mapping[str, bytes], said: Callable[[dict], dict] = dict) -> Path:
    """A bundle whose manifest has been made to fit the changes, as a forger would."""
    with zipfile.ZipFile(source) as old:
        manifest = json.loads(old.read("manifest.json"))
    for name, content in changes.items():
        manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    text = json.dumps(said(manifest)).encode()
    return rezipped(source, to, {**changes, "manifest.json": text})
