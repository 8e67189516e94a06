"""The bench on rendered domains, from the command line; most are drawn by fake_renderer.py."""

import json
import os

import pytest
from click.testing import CliRunner
from helpers import fake_renderer
from helpers.tiny_bench import SUITE

from fer_meta.cli.main import main
from fer_meta.datasets.synthetic import rendered
from fer_meta.datasets.synthetic.anatomy import bayes_accuracy, bayes_episode_accuracy
from fer_meta.expressions import BASIC
from fer_meta.suites.folders import results_folder
from fer_meta.suites.schema import suite_names

RENDERING = """rendered: {domains: [synthetic-studio, synthetic-wild@0.2], subjects: 20, images: 280, seed: 3}
presets: {quick: {}}"""


@pytest.fixture
def renders(suite, tmp_path, monkeypatch, without_plots):
    """Run `fer-meta bench` on rendered domains (drawn by fake_renderer.py) with the one method;
    `renders.count` is what was rendered.
    """
    suite.write_text(SUITE.replace("presets: {quick: {}}", RENDERING))

    class Counting(fake_renderer.Renderer):
        def __call__(self, scenes):
            run.count += len(scenes)
            return super().__call__(scenes)

    def run(*arguments, out="results"):
        words = ["bench", "--suite", suite, "--device", "cpu", "--out", tmp_path / out, *arguments]
        return CliRunner().invoke(main, [*map(str, words), "--algorithms", "protonet"])

    run.count = 0
    monkeypatch.setattr(rendered, "_renderer", Counting)
    return run


def test_without_data_the_suite_renders_its_domains_once_and_says_so(renders, tmp_path):
    result = renders()
    assert result.exit_code == 0, result.output
    first = result.output.splitlines()[0]
    assert (
        "rendered" in first
        and "synthetic-studio, synthetic-wild@0.2" in first
        and "--data NAME=PATH" in first
    )
    assert (
        "rendering: synthetic-studio, 280 images of 20 people, 32 px" in result.output
        and renders.count == 2 * 280
    )
    again = renders()
    assert again.exit_code == 0 and "4 of 4 runs are done" in again.output and "rendering" not in again.output
    assert renders.count == 2 * 280


def test_the_plan_names_what_is_rendered_and_the_best_possible_reader(renders, tmp_path):
    assert renders().exit_code == 0
    plan = json.loads((tmp_path / "results/tiny/plan.json").read_text())
    assert plan["rendered"] == ["synthetic-studio", "synthetic-wild@0.2"]
    assert plan["severity"]["synthetic-wild@0.2"] == {"recipe": "synthetic-wild", "severity": 0.2}
    best = {(row["source"], row["target"], row["way"]): row["accuracy"] for row in plan["bayes"]}
    pairs = {(row["source"], row["target"]) for row in plan["runs"]}
    assert set(best) == {(*pair, way) for pair in pairs for way in (5, len(BASIC))}
    assert best["synthetic-studio", "synthetic-studio", 5] == bayes_episode_accuracy(BASIC, 5)
    assert best["synthetic-studio", "synthetic-studio", 7] == bayes_accuracy(BASIC)


def test_photographs_have_no_such_entries(bench, tmp_path):
    assert bench("--algorithms", "protonet", domains=("day",)).exit_code == 0
    plan = json.loads((tmp_path / "results/tiny/plan.json").read_text())
    assert plan["rendered"] == plan["bayes"] == [] and plan["severity"] == {}


def test_a_dry_run_renders_nothing_and_plans_the_very_runs(renders, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    planned = renders("--dry-run")
    assert planned.exit_code == 0, planned.output
    assert renders.count == 0 and "to be rendered: synthetic-wild@0.2, 280 images" in planned.output
    assert (
        "4 runs, 0 done; about 0:14 to render faces, once, then about 0:0" in planned.output
        and "synthetic-studio (rendered): train 140 images of 7 classes" in planned.output
    )
    assert renders().exit_code == 0
    monkeypatch.setenv("FER_META_CACHE", str(tmp_path / "another machine's cache"))
    assert "4 runs, 4 done" in renders("--dry-run").output


def test_data_that_are_here_come_before_rendered_ones(renders, trees, monkeypatch):
    monkeypatch.setenv("FER_META_DATA", str(trees))
    result = renders("--dry-run")
    assert result.exit_code == 0 and "day -> night" in result.output and "rendered" not in result.output


def test_rendered_and_given_domains_mix(renders, trees, tmp_path):
    result = renders("--domains", "synthetic-studio@1,day", "--data", f"day={trees / 'day'}")
    assert result.exit_code == 0, result.output
    assert "rendered faces: synthetic-studio\n" in result.output  # and no hint at the option that is given
    plan = json.loads((tmp_path / "results/tiny/plan.json").read_text())
    assert {row["target"] for row in plan["runs"]} == {"synthetic-studio", "day"} and plan["rendered"] == [
        "synthetic-studio"
    ]
    assert {row["target"] for row in plan["bayes"]} == {"synthetic-studio"} and renders.count == 280


def test_a_rendered_folder_that_is_given_back_is_known_and_its_runs_are_not_done_again(renders, tmp_path):
    assert renders("--domains", "synthetic-wild@0.2").exit_code == 0
    folder = tmp_path / "mine"
    words = "data render synthetic-wild@0.2 --size 32 --subjects 20 --images 280 --seed 3 --device cpu --out"
    CliRunner().invoke(main, [*words.split(), str(folder)])
    assert renders("--data", f"mine={folder}", out="given").exit_code == 0
    plan = json.loads((tmp_path / "given/tiny/plan.json").read_text())
    assert plan["rendered"] == ["mine"] and plan["severity"] == {
        "mine": {"recipe": "synthetic-wild", "severity": 0.2}
    }
    hashes = [next((tmp_path / out / "tiny/runs").iterdir()).name[-8:] for out in ("results", "given")]
    assert hashes[0] == hashes[1]


def test_only_sources_are_trained_on_and_all_domains_are_targets(bench, tmp_path):
    assert bench("--algorithms", "protonet", "--sources", "night").exit_code == 0
    plan = json.loads((tmp_path / "results/tiny/plan.json").read_text())
    assert {(row["source"], row["target"]) for row in plan["runs"]} == {("night", "day"), ("night", "night")}


def test_a_wrong_source_is_told_before_anything_is_rendered(renders, trees):
    result = renders("--sources", "synthetic-film")
    assert result.exit_code == 2 and "name it in --domains too" in result.output and renders.count == 0


@pytest.mark.slow
@pytest.mark.parametrize("suite", suite_names())
def test_every_suite_of_the_package_runs_under_smoke_on_what_it_renders(suite, tmp_path, monkeypatch):
    monkeypatch.setattr(rendered, "_renderer", fake_renderer.Renderer)
    words = f"bench --suite {suite} --preset smoke --algorithms protonet --device cpu --out"
    result = CliRunner().invoke(main, [*words.split(), str(tmp_path)])
    assert result.exit_code == 0, result.output
    folder = results_folder(tmp_path, suite, "smoke")
    plan = json.loads((folder / "plan.json").read_text())
    assert plan["not_run"] == {} and all(
        (folder / "runs" / run["id"] / "DONE").exists() for run in plan["runs"]
    )
    pairs = {(run["source"], run["target"]) for run in plan["runs"]}
    domains = plan["rendered"]
    expected = {
        "cross-domain": {(a, b) for a in domains for b in domains},
        "domain-gap": {("synthetic-studio", b) for b in domains},
        "within": {(a, a) for a in domains},
        "cross-validation": {(a, a) for a in domains},
        "unseen": {(a, a) for a in domains},
        "selection-noise": {(a, a) for a in domains},
        "leakage": {("synthetic-wild", "synthetic-film")},
        "compound": {("synthetic-wild", "synthetic-compound")},
        "reproduction": {
            ("synthetic-wild", "synthetic-film"),
            ("synthetic-film", "synthetic-compound"),
            ("basic+film", "synthetic-film"),
            ("basic+film-balanced", "synthetic-film"),
            ("all-basic", "synthetic-film"),
            ("all-basic", "synthetic-compound"),
            ("all-basic+film", "synthetic-film"),
        },
    }
    assert pairs == expected[suite]
    if suite == "compound":
        told = json.loads(next((folder / "runs").glob("*/run.json")).read_text())
        assert len(told["classes"]) == 11 and told["protocol"]["tested_classes"] == "unseen"
