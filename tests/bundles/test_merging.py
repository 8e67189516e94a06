"""Bundles become results folders again, and those that fit become one."""

import shutil

import pytest
from click.testing import CliRunner
from helpers import bundled
from helpers.bundled import SUITE

from fer_meta.bundles.exporting import export
from fer_meta.bundles.merging import differs, import_bundles
from fer_meta.cli.main import main
from fer_meta.errors import ResultsError
from fer_meta.records.plan import read_plan
from fer_meta.records.seals import seal
from fer_meta.report import tables
from fer_meta.report.load import read_results


def test_an_imported_bundle_gives_the_tables_of_its_results(whole, tmp_path):
    result = CliRunner().invoke(main, ["import", str(whole), "--out", str(tmp_path / "theirs")])
    assert result.exit_code == 0, result.output
    assert tables(tmp_path / "theirs" / SUITE) == tables(whole.parent / SUITE)
    assert f"fer-meta report --suite cross-domain --out {tmp_path / 'theirs'} --preset smoke" in result.output
    assert {path.name for path in (tmp_path / "theirs").iterdir()} == {SUITE}


def test_two_bundles_of_other_methods_become_one_folder(stored, parts, tmp_path):
    found = import_bundles(parts, tmp_path / "both")
    assert (found.twice, found.unlike) == (5, 0)
    methods = {run.method for run in read_plan(found.folder).runs}
    assert methods == {"protonet", "maml", "relationnet"}
    whole = bundled.of_methods(stored, tmp_path / "at-once", "protonet", "maml", "relationnet")
    ours, theirs = (sorted(tables(folder)["table.csv"].splitlines()) for folder in (found.folder, whole))
    assert ours == theirs
    orders = [label.order for label in found.plan.labels.values()]
    assert len(orders) == len(set(orders))


def test_the_command_of_the_whole_makes_the_runs_of_both(stored, tmp_path):
    bundles = []
    for seed in (0, 1):
        folder = bundled.of_methods(stored, tmp_path / str(seed), "protonet")
        command = f"fer-meta bench --suite cross-domain --preset smoke --seeds {seed},"
        bundled.change(
            folder / "plan.json",
            lambda plan, seed=seed, command=command: (
                plan | {"command": command, "runs": [run for run in plan["runs"] if run["seed"] == seed]}
            ),
        )
        bundles.append(export(folder, tmp_path / f"{seed}.zip").path)
    plan = import_bundles(bundles, tmp_path / "both").plan
    assert plan.command == "fer-meta bench --suite cross-domain --preset smoke --seeds 0,1"
    assert {run.seed for run in plan.runs} == {0, 1}


def with_runs(folder, change):
    """Results whose finished runs say something else."""
    for done in folder.glob("runs/*/DONE"):
        bundled.change(done.parent / "run.json", change)
        seal(done.parent, ["run.json", "predictions.parquet"])
    return folder


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image_size": 64}, "its classes or the size of its images differ"),
        ({"identity": {"test_images": "abc"}}, "it was tested on other images (fingerprint abc, not none)"),
        (
            {"episodes": {"1": "episodes/b.parquet"}},
            "other 1-shot episodes (episodes/b.parquet, not",
        ),
    ],
)
def test_what_two_results_must_share_is_named_where_they_do_not(stored, few, change, said):
    other = read_results(with_runs(few, lambda run: run | change))
    assert said in differs(read_results(stored), other)
    assert differs(other, other) == ""


def test_results_that_cannot_share_a_table_are_not_merged(few, whole, tmp_path):
    with_runs(few, lambda run: run | {"protocol": run["protocol"] | {"held_out": 7}})
    other = export(few, tmp_path / "other.zip").path
    result = CliRunner().invoke(main, ["import", str(whole), str(other), "--out", str(tmp_path / "both")])
    assert result.exit_code == 2 and result.output.count("\n") == 1
    assert "cannot be merged with" in result.output and "its protocol differs in held_out" in result.output
    assert not (tmp_path / "both").exists()


def test_other_settings_are_not_merged(stored, few):
    bundled.change(few / "plan.json", lambda plan: plan | {"settings_hash": "0badcafe"})
    said = differs(read_results(stored), read_results(few))
    assert said.startswith("its settings are others") and "0badcafe, not none" in said


def test_answers_of_another_machine_to_the_same_run_are_counted_and_the_first_stay(few, whole, tmp_path):
    home = next(path.parent for path in few.glob("runs/protonet-fer2013-to-press_faces-seed0/DONE"))
    donor = few / "runs" / "protonet-fer2013-to-press_faces-seed1" / "predictions.parquet"
    shutil.copyfile(donor, home / "predictions.parquet")
    seal(home, ["run.json", "predictions.parquet"])
    other = export(few, tmp_path / "other.zip").path
    found = import_bundles([whole, other], tmp_path / "both")
    assert (found.twice, found.unlike) == (5, 1)
    import_bundles([whole], tmp_path / "alone")
    kept = f"runs/{home.name}/predictions.parquet"
    assert (found.folder / kept).read_bytes() == (tmp_path / "alone" / SUITE / kept).read_bytes()


def test_results_that_are_there_are_never_overwritten(whole, tmp_path):
    (tmp_path / SUITE).mkdir()
    with pytest.raises(ResultsError, match="is there already"):
        import_bundles([whole], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [SUITE] and not any((tmp_path / SUITE).iterdir())


def test_a_bundle_with_a_fault_is_not_imported(whole, tmp_path):
    bad = bundled.rezipped(whole, tmp_path / "bad.zip", {"table.csv": b"x", "recall.csv": b"y"})
    with pytest.raises(ResultsError, match=r"recall.csv has 1 bytes.* and 1 more fault; `fer-meta verify "):
        import_bundles([bad], tmp_path / "out")
    assert not (tmp_path / "out").exists()
