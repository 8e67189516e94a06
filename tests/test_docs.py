"""What README.md and docs/ say can be done: their links lead somewhere, and their commands exist."""

import re
import shlex
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import click
import pytest

from fer_meta.cli.main import main
from fer_meta.suites.folders import DEFAULT, RESULTS, results_folder
from fer_meta.suites.text import suite_names

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
RESULT_PAGES = sorted((ROOT / "results").rglob("*.md"))
FENCED = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`((?:fer-meta|python) [^`]+)`")
HOOK_MADE = "command-line.md"


def commands(page: Path) -> list[list[str]]:
    """The words of each command on a page, without what follows `#`."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in FENCED.findall(text) for line in block.splitlines()]
    lines += INLINE.findall(FENCED.sub("", text))
    return [
        shlex.split(line, comments=True) for line in lines if line.startswith(("fer-meta ", "python bench"))
    ]


@pytest.mark.parametrize("page", [*PAGES, *RESULT_PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_leads_to_a_file_of_the_repository(page):
    targets = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    inside = [target for target in targets if "://" not in target and target != HOOK_MADE]
    assert [target for target in inside if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_file_of_the_code_is_where_the_page_says(page):
    named = re.findall(
        r"`((?:fer_meta|benchmarks|tests|examples)/[^` *]+)`", page.read_text(encoding="utf-8")
    )
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_is_one_that_there_is(page):
    for words in commands(page):
        if words[0] == "python":
            assert (ROOT / words[1]).is_file(), words
        else:
            check(words)


def test_no_bench_of_the_first_steps_replaces_the_page_of_another():
    page = ROOT / "docs" / "first-steps.md"
    benches = [words for words in commands(page) if words[1] == "bench"]
    # The one of a larger network only asks how long it takes.
    folders = [str(folder_of(words)) for words in benches if not {"--dry-run", "--backbone"} & set(words)]
    assert len(folders) == len(set(folders)) == 5
    named = re.findall(r"`(results/[^`]+)/report.html`", page.read_text(encoding="utf-8"))
    assert set(named) - set(folders) == {"results/faces/cross-domain"}  # without `--preset smoke`


def folder_of(words: list[str]) -> Path:
    given = dict(pairwise(words))
    return results_folder(Path(given.get("--out", RESULTS)), given["--suite"], given.get("--preset", DEFAULT))


def check(words: list[str]) -> None:
    """Fails for a command, an option or a suite that fer-meta does not have."""
    command, rest = main, words[1:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        if rest[0].isupper() or rest[0] == "...":
            return
        assert rest[0] in command.commands, words
        command, rest = command.commands[rest[0]], rest[1:]
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    assert {word for word in rest if word.startswith("--")} <= {*known, "--help"}, words
    if "--suite" in rest:
        suite = rest[rest.index("--suite") + 1]
        assert suite in (*suite_names(), "mine.yaml") or (ROOT / suite).is_file(), words


@pytest.mark.skipif(not shutil.which("git") or not (ROOT / ".git").exists(), reason="no git repository")
@pytest.mark.parametrize("folder", ["results/within", "results/faces/within", "results/a/b/c"])
@pytest.mark.parametrize("path", ["episodes/a.jpg", "runs/a/predictions.parquet", "models/a", "report.html"])
def test_git_leaves_out_what_may_show_a_face_in_a_folder_of_results(folder, path):
    ignored = ["git", "check-ignore", "--quiet", "--no-index", f"{folder}/{path}"]
    assert subprocess.run(ignored, cwd=ROOT).returncode == 0
