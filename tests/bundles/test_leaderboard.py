"""The ranks of several bundles, and what stands apart."""

import re
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from helpers import bundled, stored_results
from helpers.html_check import Parts

from fer_meta.bundles.exporting import export
from fer_meta.cli.main import main
from fer_meta.records.seals import seal
from fer_meta.report.aggregate.leaderboard import Group, groups
from fer_meta.report.load import read_results
from fer_meta.report.sections.leaderboard import _ranks


def of(stored, out, *methods):
    return read_results(bundled.of_methods(stored, out, *methods))


def at(found, target, shots):
    """The one group of a target and a number of shots."""
    [group] = [one for one in found if (one.first.cell.target, one.first.cell.shots) == (target, shots)]
    return group


def said(folder, change):
    """The results of a folder whose finished runs say something else."""
    for done in folder.glob("runs/*/DONE"):
        bundled.change(done.parent / "run.json", change)
        seal(done.parent, ["run.json", "predictions.parquet"])
    return read_results(folder)


def test_all_that_answered_the_same_episodes_is_one_table_the_best_first(stored, tmp_path):
    ours, theirs = (
        of(stored, tmp_path / "a", "protonet", "maml"),
        of(stored, tmp_path / "b", "supervised", "maml"),
    )
    found = groups([ours, theirs])
    assert not any(group.apart for group in found)
    group = at(found, "press_faces", 5)
    readouts = {entry.cell.readout: entry for entry in group.entries}
    assert set(readouts) == {"protonet", "maml", "supervised-head", "supervised-ncm", "supervised-probe"}
    accuracies = [entry.score.accuracy for entry in group.entries]
    assert accuracies == sorted(accuracies, reverse=True) and group.first.behind is None
    assert readouts["maml"].places == [0, 1], "the same answers of two results are one row"
    assert readouts["protonet"].places == [0] and readouts["supervised-ncm"].places == [1]


def test_sources_of_one_target_are_ranked_together(stored):
    [group] = [
        one
        for one in groups([read_results(stored)])
        if (one.first.cell.target, one.first.cell.shots) == ("fer2013", 1)
    ]
    assert {entry.cell.source for entry in group.entries} == {"press_faces", "synthetic-wild"}


def test_what_a_row_is_behind_is_paired_and_corrected_for_the_number_of_rows(stored, tmp_path):
    ours, theirs = of(stored, tmp_path / "a", "protonet"), of(stored, tmp_path / "b", "maml")
    for group in groups([ours, theirs]):
        first, *others = group.entries
        for entry in others:
            if entry.cell.seeds == first.cell.seeds:
                difference = first.score.accuracy - entry.score.accuracy
                assert entry.behind.value == pytest.approx(difference)
            assert entry.behind.low <= entry.behind.value <= entry.behind.high
    alone = groups([of(stored, tmp_path / "c", "protonet", "maml", "relationnet")])[0].entries[-1].behind
    assert alone.high - alone.low > 0


def test_answers_to_other_images_stand_apart_and_it_is_said_why(stored, few):
    other = said(few, lambda run: run | {"identity": {"test_images": "abc"}, "classes": ["anger", "fear"]})
    found = groups([read_results(stored), other])
    apart = [group for group in found if group.apart]
    assert len(apart) == 4 and all({*entry.places} == {1} for group in apart for entry in group.entries)
    assert [reason.name for reason in apart[0].apart] == ["other test images", "other classes"]
    assert [reason.why for reason in apart[0].apart] == [
        "the test images are others (fingerprint abc, there not recorded)",
        "the classes are others (anger, fear)",
    ]


def test_answers_that_use_other_queries_stand_apart(stored, few):
    other = said(few, lambda run: run | {"transductive": ["protonet"]})
    apart = [group for group in groups([read_results(stored), other]) if group.apart]
    assert {reason for group in apart for reason in group.apart} == {
        ("transductive", "each answer may use the other queries of its episode")
    }


def test_nothing_is_claimed_of_a_training_that_did_not_learn(stored, tmp_path):
    folder = bundled.of_methods(stored, tmp_path, "protonet", "maml")
    stored_results.stay_at_chance(folder, "maml-fer2013-seed0")
    for done in folder.glob("*/*/DONE"):
        done.write_text("")
    group = at(groups([read_results(folder)]), "press_faces", 5)
    assert [entry.behind for entry in group.entries] == [None, None]


def test_a_training_that_did_not_learn_is_last_has_no_rank_and_takes_nothing_from_the_others(
    stored, tmp_path
):
    folder = bundled.of_methods(stored, tmp_path, "protonet", "maml", "supervised")
    whole = at(groups([read_results(folder)]), "press_faces", 5)
    best = whole.first.cell
    stored_results.stay_at_chance(folder, f"{best.method}-fer2013-seed0")
    for done in folder.glob("*/*/DONE"):
        done.write_text("")
    group = at(groups([read_results(folder)]), "press_faces", 5)
    failed = [bool(entry.cell.failed) for entry in group.entries]
    assert failed == sorted(failed) and any(failed) and not all(failed)
    learned = [entry for entry in group.entries if not entry.cell.failed]
    assert [entry.behind is None for entry in group.entries] == [True] + [False] * (len(learned) - 1) + [
        True
    ] * sum(failed)
    ranks = _ranks(group)
    assert ranks[0] == "1" and all(ranks[: len(learned)]) and not any(ranks[len(learned) :])


def test_intervals_hold_together_for_all_pairs_because_the_first_is_picked_by_the_same_answers(
    stored, tmp_path
):
    """With those of each row and the first alone, ten equal methods had a row "behind" in 14 % of boards."""
    group = at(groups([of(stored, tmp_path, "protonet", "maml", "relationnet")]), "press_faces", 5)
    assert {entry.behind.tests for entry in group.entries[1:]} == {3}


def test_accuracies_that_differ_in_the_last_bit_have_the_same_rank():
    entries = [
        SimpleNamespace(cell=SimpleNamespace(failed=()), score=SimpleNamespace(accuracy=accuracy))
        for accuracy in (0.2 + 0.1, 0.3, 0.1)
    ]
    assert _ranks(Group(entries)) == ["1", "1", "3"]


def test_the_page_names_bundles_and_hostile_words_stay_words(whole, few, tmp_path):
    bundled.change(few / "plan.json", lambda plan: plan | {"title": "<script>alert(1)</script> | *bold*"})
    done = export(few, tmp_path / "hostile.zip")
    pages = {}
    for ending in ("html", "md"):
        path = tmp_path / f"board.{ending}"
        result = CliRunner().invoke(main, ["leaderboard", str(whole), str(done.path), "--out", str(path)])
        assert result.exit_code == 0, result.output
        assert "Ranked: 2 methods from 3 sources on 2 targets, in " in result.output
        assert "out of 2 bundles" in result.output and f"Written: {path}" in result.output
        pages[ending] = path.read_text()
    page = Parts(pages["html"])
    assert not re.search(r"-shot, table \d", page.text), "a title says what its table is"
    assert "Preset smoke: this run shows only" in page.text
    assert len(page.scripts) == 1 and "alert(1)" not in page.scripts[0]
    assert "<script>alert(1)</script>" in page.text
    assert r"\<script>" in pages["md"] and r"\*bold\*" in pages["md"]
    for text in (page.text, pages["md"]):
        assert done.sha256 in text and done.sha256[:10] in text and "chance is 20.0 %" in text


def test_a_page_is_not_written_of_a_bundle_with_a_fault(whole, tmp_path):
    bad = bundled.rezipped(whole, tmp_path / "bad.zip", {"table.csv": b"x"})
    result = CliRunner().invoke(main, ["leaderboard", str(bad), "--out", str(tmp_path / "board.md")])
    assert result.exit_code == 2 and "table.csv has 1 bytes" in result.output
    assert not (tmp_path / "board.md").exists()
