"""A finished bench given again: its table without planning, unless there is any doubt."""

import os
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner
from helpers import made_up

from fer_meta.cli.main import main as command_line
from fer_meta.records import freshness
from fer_meta.runner import main


@pytest.fixture
def again(suite, trees, tmp_path, monkeypatch):
    """A bench that has finished, on a data folder of its own; `again(...)` says whether it is planned when
    given once more.
    """
    shutil.copytree(trees / "day", tmp_path / "day")
    words = [
        "bench",
        "--suite",
        str(suite),
        "--data",
        f"day={tmp_path / 'day'}",
        "--device",
        "cpu",
        "--out",
        str(tmp_path / "results"),
    ]
    only = ["--algorithms", "protonet"]
    first = CliRunner().invoke(command_line, [*words, *only])
    assert first.exit_code == 0, first.output

    class Planned(Exception):
        pass

    def planned(*_):
        raise Planned

    monkeypatch.setattr(main, "make_plan", planned)

    def run(*more):
        done = CliRunner().invoke(command_line, [*words, *(more or only)])
        if isinstance(done.exception, Planned):
            return True
        assert done.exit_code == 0, done.output
        head, rest = done.output.split("\n\n", 1)
        table, _, last = rest.rpartition("\n\n")
        assert head == "1 of 1 runs are done already" and table in first.output and "ProtoNet" in table
        assert last == first.output.splitlines()[-1] + "\n" and last.endswith("report.html\n")
        return False

    return run


def test_any_doubt_is_looked_into(again, suite, tmp_path, monkeypatch):
    out, day = tmp_path / "results" / "tiny", tmp_path / "day"
    face = sorted(path for path in day.rglob("*") if path.is_file())[0]
    run = next((out / "runs").iterdir())
    assert again("--algorithms", "protonet,maml") and again("--algorithms", "protonet", "--seeds", "1"), (
        "another option"
    )
    assert again("--algorithms", "protonet", "--dry-run"), "a dry run plans"
    for gone in (
        run / "DONE",
        out / "table.md",
        out / "plots" / "accuracy.png",
        out / freshness.TABLE,
        out / "plan.json",
    ):
        gone.rename(tmp_path / "gone")
        assert again(), f"{gone.name} is gone"
        (tmp_path / "gone").rename(gone)
    assert not again()
    for file in (face, suite):
        before = file.stat(), file.read_bytes()
        os.utime(file, ns=(before[0].st_atime_ns, before[0].st_mtime_ns + 1))
        assert again() == (file is face), "a touched image; but of the suite file its text counts"
        file.write_bytes(before[1] + b"\n")
        assert again(), f"{file.name} is another"
        file.write_bytes(before[1])
        os.utime(file, ns=(before[0].st_atime_ns, before[0].st_mtime_ns))
        assert not again()
    added = face.with_name("one more.jpg")
    shutil.copy(face, added)
    assert again(), "an image more"
    added.unlink()
    face.rename(tmp_path / "face")
    assert again(), "an image less"
    (tmp_path / "face").rename(face)
    monkeypatch.setenv("FER_META_DATA", str(tmp_path / "home"))
    made_up.draw_tree(tmp_path / "home" / "dusk")
    assert again(), "a data set more: without --domains it takes part"
    monkeypatch.delenv("FER_META_DATA")
    assert not again()
    freshness.forget_finished(out)
    assert again(), "another bench has begun in this folder"


def test_other_versions_and_other_code_are_doubts(again, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(freshness, "versions", lambda packages: {"scikit-learn": "99"})
        assert again()
    source = tmp_path / "fer_meta"
    shutil.copytree(freshness._SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(freshness, "_SOURCE", source)
    assert not again()
    with (source / "training.py").open("a") as file:
        file.write("# another\n")
    assert again()


def test_the_table_is_printed_again_without_torch_or_a_plan(again, suite, tmp_path):
    assert not again()
    code = (
        "import sys; from fer_meta.cli.main import main; main(sys.argv[1:], standalone_mode=False); "
        "print([m for m in ('torch', 'learn2learn', 'scipy', 'sklearn', 'matplotlib') if m in sys.modules])"
    )
    words = ["bench", "--suite", str(suite), "--data", f"day={tmp_path / 'day'}", "--device", "cpu",
             "--out", str(tmp_path / "results"), "--algorithms", "protonet"]  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]" and "1 of 1 runs are done already" in done.stdout
