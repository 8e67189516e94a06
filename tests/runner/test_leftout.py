"""A later bench in the same folder never loses the runs of an earlier one in silence: a command that shows
them stands above its tables.
"""

import re
import shlex
import shutil

import pytest
import torch
import torchvision
from click.testing import CliRunner
from helpers.tiny_bench import EXPERIMENTS, SUITE

from fer_meta.cli.main import main
from fer_meta.report import write_report
from fer_meta.report.load import read_results

ONLY = ("--algorithms", "protonet")


@pytest.fixture
def given(suite, trees, tmp_path, monkeypatch, without_plots):
    """`given(words)` runs a command as a user's shell does, with the folder of its data and results filled
    in; its output.
    """
    shutil.copytree(trees / "day", tmp_path / "dusk")
    places = {"day": trees / "day", "night": trees / "night", "dusk": tmp_path / "dusk"}
    monkeypatch.chdir(tmp_path)

    def run(words: str) -> str:
        words = [
            re.sub(r"^(\w+)=PATH$", lambda data: f"{data[1]}={places[data[1]]}", word)
            for word in shlex.split(words)
        ]
        monkeypatch.setattr("sys.argv", words)
        done = CliRunner().invoke(main, words[1:])
        assert done.exit_code == 0, done.output
        return done.output

    return run


def finished(tmp_path) -> set[str]:
    """The runs that the tables show."""
    results = read_results(tmp_path / "results" / "tiny")
    assert not results.missing
    return {run.id for run in results.runs}


BENCH = "fer-meta bench --suite tiny.yaml --device cpu --data day=PATH --data night=PATH"
CROSSED, STAGED = (
    "presets: {quick: {}}",
    EXPERIMENTS.replace("  mixed:", "  third: {title: Third, train: dark, test: light}\n  mixed:"),
)

DIVIDED = """\
presets: {quick: {protocol: {way: 2, tested_classes: unseen, train: {way: 3}, validation: {way: 3}}}}
classes: [anger, happiness, neutral, sadness, surprise]
divisions: [[anger, sadness], [neutral, surprise]]
selection: [source-val]
across: false"""


@pytest.mark.parametrize("added, text, first, second", [
    ("--seeds 0,1,3", CROSSED, "--algorithms protonet --sources day --seeds 0,3",
     "--algorithms protonet --sources day --seeds=1,"),
    ("--methods protonet,supervised", CROSSED, "--sources day --algorithms protonet,supervised",
     "--sources day --algorithms protonet"),
    ("--experiments plain,third", STAGED, "--algorithms protonet --experiments third",
     "--algorithms protonet --experiments plain"),
    ("--experiments neutral+surprise,anger+sadness", DIVIDED,
     "--domains day --algorithms protonet --experiments anger+sadness",
     "--domains day --algorithms protonet --experiments neutral+surprise"),
])  # fmt: skip
def test_the_command_adds_the_runs_of_other_seeds_methods_and_experiments(
    given, suite, tmp_path, added, text, first, second
):
    suite.write_text(SUITE.replace(CROSSED, text))
    given(f"{BENCH} {first}")
    before = finished(tmp_path)
    output = given(f"{BENCH} {second}")
    kept = finished(tmp_path)
    command = _above_the_tables(tmp_path, output, len(before - kept), "adds")
    assert command.endswith(added) and len(re.findall(added.split()[0] + r"\b", command)) == 1
    assert "not in these tables" not in given(command)
    assert finished(tmp_path) == before | kept
    assert not _left_out(tmp_path)


@pytest.mark.parametrize("text, first, second", [
    (CROSSED, "--domains day", "--domains night"),
    (CROSSED, "", "--sources night"),
    (CROSSED, "", "--data dusk=PATH --domains night,dusk"),
    (CROSSED, "--domains day --image-size 32", "--domains day --image-size 40"),
    (STAGED, "--experiments plain", "--experiments plain --data dusk=PATH --role dark=dusk"),
])  # fmt: skip
def test_the_command_shows_the_runs_of_other_options(given, suite, tmp_path, text, first, second):
    suite.write_text(SUITE.replace(CROSSED, text))
    given(f"{BENCH} --algorithms protonet {first}")
    before, table = finished(tmp_path), (tmp_path / "results/tiny/table.csv").read_bytes()
    output = given(f"{BENCH} --algorithms protonet {second}")
    command = _above_the_tables(tmp_path, output, len(before - finished(tmp_path)), "shows")
    given(command)
    assert finished(tmp_path) == before and (tmp_path / "results/tiny/table.csv").read_bytes() == table
    again = _left_out(tmp_path)
    assert len(again) <= 1 and all(second.split()[-1] in line for line in again), "and now the way back"


@pytest.mark.slow
def test_other_weights_stand_aside_and_another_precision_does_not(given, suite, tmp_path):
    suite.write_text(SUITE.replace("backbone: conv4", "backbone: resnet18, stem: large"))
    first = f"{BENCH} --algorithms supervised --domains day"
    given(f"{first} --precision fp32")
    before = finished(tmp_path)
    assert given(f"{first} --precision bf16") and finished(tmp_path) == before and not _left_out(tmp_path)
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "mine.pt")
    output = given(f"{first} --weights mine.pt")
    given(_above_the_tables(tmp_path, output, 1, "shows"))
    assert finished(tmp_path) == before


def test_runs_of_several_benches_are_shown_by_one_command_for_each_set_of_options(given, tmp_path):
    only = f"{BENCH} --algorithms protonet --domains day"
    given(f"{only} --seeds 0,")
    given(f"{only} --seeds 2,")
    given(f"{only} --seeds 1 --image-size 40")
    output = given(f"{only} --seeds 1 --image-size 24")
    lines = _left_out(tmp_path)
    assert len(lines) == 2 and all(line in output for line in lines)
    commands = {line.split("`")[1] for line in lines}
    assert sorted(command.split(" --seeds ")[1] for command in commands) == [
        "0,2 --methods protonet",
        "1 --image-size 40",
    ]
    for command in commands:
        given(command)


@pytest.mark.parametrize("change", ["suite", "data"])
def test_runs_that_no_command_shows_any_more_are_called_so(given, suite, tmp_path, change):
    given(f"{BENCH} --data dusk=PATH --algorithms protonet --domains dusk")
    if change == "suite":
        suite.write_text(SUITE.replace("protonet: {steps: 6", "protonet: {steps: 4"))
    else:
        next((tmp_path / "dusk").rglob("*.png")).unlink()
    output = given(f"{BENCH} --data dusk=PATH --algorithms protonet --domains dusk")
    [line] = _left_out(tmp_path)
    assert line in output and line.startswith(
        "1 finished run in runs/ is not in these tables (`protonet-dusk-to-dusk-seed0-"
    )
    assert line.endswith("no command shows them; delete what you no longer need.")


def test_a_finished_bench_given_again_knows_of_runs_that_were_copied_since(given, tmp_path):
    only = f"{BENCH} --algorithms protonet --domains day"
    given(f"{only} --seeds 2")
    shutil.copytree(tmp_path / "results/tiny/runs", tmp_path / "theirs")
    shutil.rmtree(tmp_path / "results")
    given(f"{only} --seeds 1")
    for run in (tmp_path / "theirs").glob("*seed1*"):
        shutil.copytree(run, tmp_path / "results/tiny/runs" / run.name)
    assert "1 finished run in runs/ is not in these tables" in given(f"{only} --seeds 1")


def test_the_command_says_how_many_runs_it_makes_that_no_bench_made(given, suite, tmp_path):
    """The product of seeds and methods is more than the runs that there are; all with results in a folder of
    the user's.
    """
    given(f"{BENCH} --out mine --domains day --algorithms supervised --seeds 2 --image-size 24")
    given(f"{BENCH} --out mine --domains day --algorithms protonet --seeds 1 --image-size 24")
    given(f"{BENCH} --out mine --domains day --algorithms protonet --seeds 1")
    (tmp_path / "results").mkdir()
    [line] = _left_out(tmp_path, "mine")
    command, rest = line.split("`")[1:]
    assert rest == " shows them and makes 1 run anew." and " --out mine" in command
    made = {path.name for path in (tmp_path / "mine/tiny/runs").iterdir()}
    assert "3 of 4 runs are done already" in given(command)
    assert len({path.name for path in (tmp_path / "mine/tiny/runs").iterdir()} - made) == 1 and not list(
        (tmp_path / "results").iterdir()
    )


def test_a_command_for_missing_runs_writes_where_the_others_lie(given, tmp_path):
    given(f"{BENCH} --out mine --domains day --algorithms protonet --seeds 2")
    shutil.rmtree(next((tmp_path / "mine/tiny/runs").glob("*seed1*")))
    done = CliRunner().invoke(main, ["report", "--suite", "tiny", "--out", "mine"])
    fill = re.search(r"This fills them:\n  (.*)", done.output)[1]
    given(fill)
    assert not (tmp_path / "results").exists() and not read_results(tmp_path / "mine/tiny").missing


def test_runs_that_were_made_elsewhere_are_shown_here(given, tmp_path):
    given(f"{BENCH} --out theirs --domains day --algorithms protonet --image-size 24")
    given(f"{BENCH} --out mine --domains day --algorithms protonet")
    for run in (tmp_path / "theirs/tiny/runs").iterdir():
        shutil.copytree(run, tmp_path / "mine/tiny/runs" / run.name)
    write_report(tmp_path / "mine/tiny")
    [line] = _left_out(tmp_path, "mine")
    assert " --out mine`" in line and "theirs" not in line


def _left_out(tmp_path, out: str = "results") -> list[str]:
    lines = (tmp_path / out / "tiny/table.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if "finished run" in line]


def _above_the_tables(tmp_path, output: str, count: int, verb: str) -> str:
    """The command of the one line about runs that are left out, which stands in all texts."""
    [line] = _left_out(tmp_path)
    text, page = output.replace("\n", " "), (tmp_path / "results/tiny/table.md").read_text(encoding="utf-8")
    assert (
        line in text
        and line.replace("_", "") in page.replace("\\", "").replace("_", "")
        and page.index("finished run") < page.index("## ")
    )
    assert write_report(tmp_path / "results/tiny").startswith(line)
    assert count and line.startswith(f"{count} finished run{'s' if count > 1 else ''} in runs/ ")
    command, rest = line.split("`")[1:]
    assert rest == f" {verb} {'them' if count > 1 else 'it'}."
    return command
