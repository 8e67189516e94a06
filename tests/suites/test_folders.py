"""Each preset of a suite has a folder of its own, and `fer-meta report` finds it or names those that there
are.
"""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers.tiny_bench import SUITE
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_meta.cli.main import main
from fer_meta.suites.folders import PRESETS, RESERVED, results_folder
from fer_meta.suites.schema import Suite

NAME = next(rule.pattern for rule in Suite.model_fields["name"].metadata if getattr(rule, "pattern", None))
names = st.from_regex(NAME.rstrip("$") + r"\Z").flatmap(
    lambda name: st.sampled_from([name, *(name + end for end in RESERVED)])
)
suites = st.tuples(names.filter(lambda name: not name.endswith(RESERVED)), st.sampled_from(PRESETS))


@settings(deadline=None)
@given(one=suites, other=suites)
def test_two_suites_or_presets_never_share_a_folder(one, other):
    assert (results_folder(Path("out"), *one) == results_folder(Path("out"), *other)) == (one == other)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def report(*arguments) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["report", "--suite", "tiny", *map(str, arguments)])
    assert "Traceback" not in done.output
    return done.exit_code, done.output


def test_a_bench_under_one_preset_leaves_what_another_has_written(bench, suite, tmp_path):
    suite.write_text(
        SUITE.replace(
            "presets: {quick: {}}",
            "presets: {quick: {}, smoke: {protocol: {episodes: 3}}, full: {image_size: 40}}",
        )
    )
    folders = {
        preset: tmp_path / "results" / name
        for preset, name in [("quick", "tiny"), ("smoke", "tiny-smoke"), ("full", "tiny-full")]
    }
    before = {}
    for preset, folder in folders.items():
        assert bench("--algorithms", "protonet", "--preset", preset, domains=("day",)).exit_code == 0
        before[folder] = contents(folder)
        assert {"table.md", "table.csv", "plan.json", "finished.json"} <= {
            path.name for path in before[folder]
        }
    assert set((tmp_path / "results").iterdir()) == set(before)
    assert all(contents(folder) == there for folder, there in before.items())
    for preset, folder in folders.items():
        code, text = report("--out", tmp_path / "results", "--preset", preset)
        assert code == 0 and str(folder / "report.html") in text
    again = bench("--algorithms", "protonet", "--preset", "smoke", domains=("day",))
    assert again.output.startswith("1 of 1 runs are done already"), "each has a finished.json of its own"


@pytest.mark.parametrize("there, words", [
    (["tiny-full"],
     "tiny: no results of tiny, preset quick; there are results of preset full: "
     "`fer-meta report --suite tiny --out {out} --preset full`"),
    (["tiny-smoke", "tiny-full"],
     "preset smoke and full: `fer-meta report --suite tiny --out {out} --preset smoke` or `fer-meta report"),
    (["leakage", "within-full"],
     "tiny: no results of tiny, preset quick; there are results in leakage, within-full; "
     "run `fer-meta bench --suite NAME --out {out}`"),
    ([], "tiny: no results of tiny, preset quick; run `fer-meta bench --suite NAME --out {out}` first"),
])  # fmt: skip
def test_a_report_without_results_names_those_that_there_are(tmp_path, there, words):
    for name in there:
        (tmp_path / name).mkdir()
        (tmp_path / name / "plan.json").write_text("{}")
    code, text = report("--out", tmp_path)
    assert code == 2 and words.format(out=tmp_path) in text and len(text.splitlines()) == 1


def test_the_command_that_the_error_names_is_the_shortest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results" / "cross-domain-full").mkdir(parents=True)
    (tmp_path / "results" / "cross-domain-full" / "plan.json").write_text("{}")
    done = CliRunner().invoke(main, ["report"])
    assert re.fullmatch(
        r"fer-meta: results.cross-domain: no results of cross-domain, preset quick; there are results of"
        r" preset full: "
        r"`fer-meta report --preset full`\n",
        done.output,
    )
