"""A bench with one training over several data sets: `--sources a+b`."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from helpers import fake_renderer
from helpers.made_up import LABELS, load
from helpers.tiny_bench import SUITE

from fer_meta.cli.main import main
from fer_meta.datasets.synthetic import rendered
from fer_meta.errors import ProtocolError
from fer_meta.records.plan import read_plan
from fer_meta.report.aggregate.planned import is_of
from fer_meta.runner.crossing import cross, pairs
from fer_meta.runner.identity import scientific
from fer_meta.runner.plan import make_plan
from fer_meta.suites.schema import read_suite
from fer_meta.tasks.protocol import EpisodeShape

pytestmark = pytest.mark.numeric


@pytest.fixture
def two(trees):
    return [load(name, trees / name) for name in ("day", "night")]


def suite_of(path, sources: str, **protocol):
    path.write_text(SUITE + f"sources: {sources}\nclasses: [{', '.join(LABELS)}]\n")
    suite = read_suite(str(path), "quick")
    return suite.model_copy(update={"protocol": suite.protocol.model_copy(update=protocol)})


def test_a_source_of_two_is_within_both_and_across_to_all_others(suite):
    tested = suite_of(suite, "[b+a, c]")
    found = pairs(tested, ["a", "b", "c"])
    assert found == [(source, target) for source in ("a+b", "c") for target in "abc"]
    within = [pair for pair in found if is_of("within", ("", *pair))]
    assert within == [("a+b", "a"), ("a+b", "b"), ("c", "c")]
    assert [pair for pair in found if is_of("across", ("", *pair))] == [
        pair for pair in found if pair not in within
    ]
    assert pairs(tested.model_copy(update={"across": False}), ["a", "b", "c"]) == within


def test_nothing_that_a_source_of_two_is_tested_on_was_trained_on(suite, two):
    """Ten faces that night trains on are also in day's test split: they are not tested."""
    day, night = two
    tested = suite_of(suite, "[day+night]")
    before = cross(tested, two)[0]
    own = np.flatnonzero(before.source.index["path"].str.startswith("night/"))
    copied = before.source.train.rows[np.isin(before.source.train.rows, own)][:10] - own[0]
    digests = day.index["digest"].to_numpy()[before.test.rows[:10]]
    # split as before, since copies would move between its folds
    split = np.full(len(night.index), "test", dtype=object)
    for role, pool in (("train", before.source.train), ("val", before.source.val)):
        split[pool.rows[np.isin(pool.rows, own)] - own[0]] = role
    index = night.index.assign(split=pd.array(split, dtype="string"))
    index.loc[copied, "digest"] = digests

    after = cross(tested, [day, replace(night, index=index)])[0]
    known = set(after.source.index["digest"].iloc[[*after.source.train.rows, *after.source.val.rows]])
    shown = set(day.index["digest"].iloc[after.test.rows])
    assert not shown & known and set(digests) <= known
    assert shown == set(day.index["digest"].iloc[before.test.rows]) - set(digests)


def test_one_plan_has_the_same_test_images_for_a_source_of_two_and_for_each_alone(suite, two):
    settings = cross(suite_of(suite, "[day, night, day+night]"), two)
    tests = {}
    for setting in settings:
        tests.setdefault(setting.target.name, set()).add(setting.test.digest)
    assert {name: len(found) for name, found in tests.items()} == {"day": 1, "night": 1}
    ids = [run.model.id for run in make_plan(read_suite(str(suite), "quick"), settings)]
    assert {name.split("-seed")[0] for name in ids if name.startswith("protonet")} == {
        "protonet-day", "protonet-night", "protonet-day+night",
    }  # fmt: skip


def test_episodes_over_two_domains_make_another_model_and_the_usual_ones_keep_its_name(suite, two):
    same, other = (EpisodeShape(way=5, shots=2, queries=3, query_from=name) for name in ("same", "other"))
    assert "query_from" not in scientific(same) and scientific(other)["query_from"] == "other"
    ids = [
        {run.model.id for run in make_plan(chosen, cross(chosen, two))}
        for shape in (same, other)
        for chosen in [suite_of(suite, "[day+night]", train=shape)]
    ]
    assert len(ids[0]) == len(ids[1]) == 4 and not ids[0] & ids[1]


def test_queries_of_another_domain_need_a_source_of_two(suite, two):
    other = EpisodeShape(way=5, shots=2, queries=3, query_from="other")
    with pytest.raises(ProtocolError, match=r"day \(train\): `query_from: other` .* `query_from: same`"):
        cross(suite_of(suite, "[day+night, day]", train=other), two)


@pytest.mark.parametrize("arguments, words", [
    (["--sources", "day+dusk"], "trains on 'dusk', which is not among the domains (day, night)"),
    (["--sources", "day+day"], "'day+day' has a data set twice"),
    (["--sources", "day+night,night+day"], "'day+night' is given twice"),
    (["--sources", "day+night", "--folds", "3"], "trains on 'day+night', but cross-validation tests each"),
])  # fmt: skip
def test_a_source_that_cannot_be_is_answered_in_a_line_and_with_status_2(bench, arguments, words):
    result = bench(*arguments)
    assert result.exit_code == 2 and words in result.output and "Traceback" not in result.output


@pytest.mark.parametrize("support", ["target", "source-train"])
def test_a_bench_trains_on_two_domains_and_tests_on_each(bench, suite, tmp_path, support):
    """The training episodes ask in one domain what the support shows of the other. The test may do so too,
    with the support from the source: then each of its episodes shows one of the source's domains.
    """
    shape = "train: {way: 5, shots: 2, queries: 3"
    text = SUITE.replace(shape, f"{shape}, query_from: other")
    text = text.replace("  way: 5\n", f"  way: 5\n  support_from: {support}\n  held_out: 4\n", 1)
    suite.write_text(text)
    result = bench("--sources", "night+day", "--algorithms", "protonet,supervised")
    assert result.exit_code == 0, result.output
    folder = tmp_path / "results" / "tiny"
    plan = read_plan(folder)
    assert {(run.source, run.target) for run in plan.runs} == {("day+night", "day"), ("day+night", "night")}
    table = pd.read_csv(folder / "table.csv")
    assert set(table["source"]) == {"day+night"} and set(table["target"]) == {"day", "night"}
    page = (folder / "table.md").read_text()
    assert "query from other" in page and "a source of several data sets (a+b) is one training" in page
    for path in (folder / "episodes").glob("*.parquet"):
        shown = pd.read_parquet(path).query("role == 'support'")
        homes = shown.groupby("episode")["path"].agg(lambda paths: {path.split("/")[0] for path in paths})
        assert support == "target" or sorted(map(sorted, homes)) == [["day"]] * 6 + [["night"]] * 6
    again = bench("--sources", "day+night", "--algorithms", "protonet,supervised")
    assert again.exit_code == 0 and "4 of 4 runs are done" in again.output


def test_a_bench_without_data_trains_on_two_rendered_domains(suite, tmp_path, monkeypatch, without_plots):
    monkeypatch.setattr(rendered, "_renderer", fake_renderer.Renderer)
    names = "synthetic-studio, synthetic-wild, synthetic-film"
    small = f"rendered: {{domains: [{names}], subjects: 20, images: 700}}"
    suite.write_text(SUITE.replace("presets:", f"{small}\npresets:"))
    words = ["bench", "--suite", suite, "--device", "cpu", "--out", tmp_path / "out"]
    words += ["--algorithms", "protonet", "--sources", "synthetic-wild+synthetic-studio"]
    result = CliRunner().invoke(main, [*map(str, words)])
    assert result.exit_code == 0, result.output
    source = "synthetic-studio+synthetic-wild"
    plan = json.loads((tmp_path / "out" / "tiny" / "plan.json").read_text())
    assert {run["target"] for run in plan["runs"]} == {*source.split("+"), "synthetic-film"}
    assert set(plan["rendered"]) == {run["target"] for run in plan["runs"]}
    page = (tmp_path / "out" / "tiny" / "table.md").read_text()
    assert f"`{source}` (rendered)" in page
    assert pd.read_csv(tmp_path / "out" / "tiny" / "table.csv")["rendered"].all()
