"""Published tables without their runs: what is said of them, by every command that needs the runs."""

import pytest
from click.testing import CliRunner

import fer_meta as fm
from fer_meta.cli.main import main
from fer_meta.errors import ResultsError
from fer_meta.records.published import is_published, without_plan

COMMAND = "fer-meta bench --suite within --data mine=PATH"


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """The tables of a bench, as a repository keeps them, in the usual folder of results."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/within").mkdir(parents=True)
    (tmp_path / "results/within/table.md").write_text(f"# Within\n\nmade by:\n\n```\n{COMMAND}\n```\n")
    return tmp_path / "results/within"


@pytest.mark.parametrize("words", [
    ["track", "results/within", "--to", "tensorboard"],
    ["compare", "results/within", "--methods", "a,b"],
    ["report", "results/within"],
    ["report", "--suite", "within"],
    ["export", "results/within"],
])  # fmt: skip
def test_a_command_that_needs_runs_says_what_makes_them(tables, words):
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert result.output.splitlines()[-1] == (
        "fer-meta: results/within: these are published tables without their runs; to make the runs:"
        f" `{COMMAND}`"
    )


def test_python_says_the_same(tables):
    with pytest.raises(ResultsError, match="published tables without their runs; to make"):
        fm.read_results(tables)


def test_a_folder_that_lost_its_plan_or_never_had_tables_is_something_else(tables, tmp_path):
    (tables / "runs").mkdir()
    assert not is_published(tables) and "no plan.json" in without_plan(tables)
    assert "no plan.json" in without_plan(tmp_path)


def test_a_folder_is_given_by_its_name_or_by_options_and_not_by_both(tables):
    result = CliRunner().invoke(main, ["report", "results/within", "--preset", "full"])
    assert result.exit_code == 2 and "give FOLDER or --preset, not both" in result.output


@pytest.mark.parametrize("words", [
    ["track", "{}", "--to", "tensorboard"],
    ["compare", "{}", "--methods", "a,b"],
    ["report", "{}"],
    ["export", "{}"],
])  # fmt: skip
@pytest.mark.parametrize("folder, said", [
    ("results/cross-domain-smok", "no such folder; did you mean results/cross-domain-smoke?"),
    ("results/nope", "no such folder; there are results in results/cross-domain-smoke"),
    ("results/faces", "no plan.json; did you mean results/faces/three-smoke?"),
    ("nowhere/nope", "no such folder, run `fer-meta bench --suite NAME` first"),
    ("results/a.txt", "is not a folder, run `fer-meta bench --suite NAME` first"),
])  # fmt: skip
def test_a_folder_without_results_names_those_that_may_be_meant(words, folder, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("cross-domain-smoke", "faces/three-smoke"):
        (tmp_path / "results" / name).mkdir(parents=True)
        (tmp_path / "results" / name / "plan.json").touch()
    (tmp_path / "results/a.txt").touch()
    result = CliRunner().invoke(main, [word.format(folder) for word in words])
    assert result.exit_code == 2
    assert result.output.splitlines()[-1] == f"fer-meta: {folder}: {said}"
