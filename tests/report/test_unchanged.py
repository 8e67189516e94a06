"""A report is shown again as it is until something that it is made of changes; then it is made again."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import stored_results
from helpers.stored_results import LAST_LOG, only

import fer_meta
from fer_meta.records.freshness import fresh_report, report_key
from fer_meta.report import write_report


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """A results folder of two runs with its report."""
    folder = stored_results.write(tmp_path_factory.mktemp("written") / "cross-domain", seeds=1, episodes=5)
    only(folder, "protonet-fer2013-to-press_faces-seed0", "maml-fer2013-to-press_faces-seed0")
    write_report(folder)
    return folder


def test_a_report_that_stands_is_left_alone_and_told_again(written):
    before = {path: path.stat().st_mtime_ns for path in written.rglob("*")}
    text = write_report(written)
    assert text.startswith((written / "table.txt").read_text(encoding="utf-8") + "\nUnchanged: ")
    assert {path: path.stat().st_mtime_ns for path in written.rglob("*")} == before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "table.md").write_text("mine"),
        lambda folder: (folder / "plots" / "confusion.png").unlink(),
        lambda folder: (folder / "table.txt").unlink(),
        lambda folder: (folder / "report.json").write_text("torn"),
        lambda folder: only(folder, "maml-fer2013-to-press_faces-seed0"),
        lambda folder: next(folder.glob("runs/protonet-*/DONE")).unlink(),
        lambda folder: next(folder.glob("runs/protonet-*/run.json")).write_text("torn"),
        lambda folder: next(folder.glob("episodes/*.parquet")).write_text("torn"),
        lambda folder: next(folder.glob("models/protonet-fer2013-seed0/history.jsonl")).write_text(LAST_LOG),
    ],
)
def test_a_report_does_not_stand_once_a_run_or_a_file_has_changed(written, tmp_path, change):
    folder = shutil.copytree(written, tmp_path / "cross-domain")
    assert fresh_report(folder, report_key(folder, published=False))
    change(folder)
    assert not fresh_report(folder, report_key(folder, published=False))


def test_published_figures_make_it_another_report(written):
    assert not fresh_report(written, report_key(written, published=True))


def test_a_report_of_other_code_is_made_anew(written, tmp_path):
    before = report_key(written, published=False)
    package = shutil.copytree(
        Path(fer_meta.__file__).parent,
        tmp_path / "copy" / "fer_meta",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    statistics = package / "statistics" / "words.py"
    seen = []
    for changed in ("", "# changed\n"):
        statistics.write_text(statistics.read_text(encoding="utf-8") + changed, encoding="utf-8")
        code = (
            "import sys; from pathlib import Path; from fer_meta.records.freshness import report_key; "
            "print(report_key(Path(sys.argv[1]), False))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(written)],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path / "copy",
            env=os.environ | {"PYTHONPATH": str(tmp_path / "copy")},
        )
        seen.append(done.stdout.strip())
    assert seen[0] == before != seen[1]
