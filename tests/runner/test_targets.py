"""A target needs only test images: no train or val is built for what is never trained on, and --targets names
what is tested on.
"""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
from click.testing import CliRunner
from helpers.made_up import LABELS, load, made_up_faces, made_up_index
from helpers.tiny_bench import SUITE

from fer_meta.cli.main import main
from fer_meta.errors import ProtocolError
from fer_meta.runner.crossing import cross
from fer_meta.runner.plan import make_plan
from fer_meta.suites.schema import read_suite
from fer_meta.tasks.pools import divide
from fer_meta.tasks.protocol import Protocol
from fer_meta.tasks.splits import assign_splits

pytestmark = pytest.mark.numeric

SHAPES = dict(
    way=3,
    shots=(1, 2),
    queries=2,
    train=dict(way=3, shots=2, queries=2),
    validation=dict(way=3, shots=2, queries=1, episodes=5),
)


def faces(name: str, split: str | None = None, images: int = 12, subjects: int | None = 12):
    index = made_up_index(dict.fromkeys(LABELS, images), split, subjects)
    return replace(
        made_up_faces(name, index.assign(digest=f"{name}-" + index["digest"])),
        spec=SimpleNamespace(rendered=None),
    )


@pytest.fixture
def tested(trees, tmp_path):
    """`night` in two forms: only a test split, and only folders of classes, both of a third of the people."""
    for form in ("test_split", "bare"):
        for image in (trees / "night").rglob("*.png"):
            if int(image.stem[1:4]) % 3 == 0:
                place = (
                    tmp_path
                    / form
                    / ("test" if form == "test_split" else "")
                    / image.parent.name
                    / image.name
                )
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(image, place)
    return tmp_path


def ran(suite, *arguments):
    return CliRunner().invoke(
        main,
        ["bench", "--suite", str(suite), "--algorithms", "protonet", "--device", "cpu", *map(str, arguments)],
    )


@pytest.mark.parametrize("form", ["test_split", "bare"])
@pytest.mark.parametrize("selection", ["[source-val]", "[source-val, oracle]"])
def test_a_data_set_of_test_images_alone_works_as_a_target(
    suite, trees, tested, tmp_path, without_plots, form, selection
):
    suite.write_text(
        SUITE.replace("seeds: [0]", f"seeds: [0]\nselection: {selection}").replace(
            "way: 5\n", "way: 5\n  carve: 0.2\n", 1
        )
    )
    result = ran(
        suite,
        "--sources",
        "day",
        "--targets",
        form,
        "--data",
        f"day={trees / 'day'}",
        "--data",
        f"{form}={tested / form}",
        "--out",
        tmp_path / "results",
    )
    assert result.exit_code == 0, result.output
    plan = json.loads((tmp_path / "results" / "tiny" / "plan.json").read_text())
    [run] = plan["runs"]
    assert (run["source"], run["target"]) == ("day", form)
    told = json.loads((tmp_path / "results" / "tiny" / "runs" / run["id"] / "run.json").read_text())
    # 10 people of 5 classes and 2 images; two of the ten are the oracle's val.
    assert told["test_images"] == (80 if "oracle" in selection else 100)
    assert (told["identity"]["target_val_images"] is None) == ("oracle" not in selection)


def test_what_is_only_tested_on_has_no_train_and_no_val_and_is_all_test():
    domains = divide([faces("a"), faces("b")], Protocol(**SHAPES), LABELS, ["a"], ["b"])
    assert domains["a"].test is None and domains["a"].train is not None and domains["a"].val is not None
    assert domains["b"].train is None and domains["b"].val is None and len(domains["b"].test) == 60
    domains = divide([faces("a"), faces("b")], Protocol(**SHAPES), LABELS, ["a"], ["b"], oracle=True)
    val, test = domains["b"].val, domains["b"].test
    assert domains["b"].train is None and len(val) + len(test) == 60 and len(val) < len(test)


@pytest.mark.parametrize("target, found", [
    (faces("b", images=8),
     "its val split has 0 classes that are large enough "
     "(none; too small: anger (2), happiness (2), neutral (2), sadness (2), surprise (2))"),
    (faces("b", "test", images=10), "its val split has 0 classes"),
    (faces("b", images=10, subjects=1), "it has no val split, and 50 images of 1 "),
])  # fmt: skip
def test_a_target_whose_val_would_be_too_small_is_all_test_and_says_why(target, found):
    domain = divide([faces("a"), target], Protocol(**SHAPES), LABELS, ["a"], ["b"], oracle=True)["b"]
    assert domain.val is None and len(domain.test) == len(target.index)
    assert domain.no_val.startswith(found) and domain.no_val.endswith(
        "; an episode of validation needs 3 classes with 3 images or more"
    )


def test_a_source_whose_val_is_too_small_stays_an_error():
    with pytest.raises(
        ProtocolError, match=r"few \(val\): 3-way episodes need 3 classes with 3 images or more"
    ):
        divide([faces("few", images=10)], Protocol(**SHAPES), LABELS, oracle=True)


def test_a_bench_leaves_the_oracle_of_a_small_target_out_and_says_so(
    suite, trees, tested, tmp_path, without_plots
):
    text = SUITE.replace("seeds: [0]", "seeds: [0]\nselection: [source-val, oracle]")
    suite.write_text(text.replace("shots: 2, queries: 2,", "shots: 2, queries: 3,"))
    arguments = [
        "--sources",
        "day",
        "--targets",
        "bare,night",
        "--data",
        f"day={trees / 'day'}",
        "--data",
        f"night={trees / 'night'}",
        "--data",
        f"bare={tested / 'bare'}",
        "--out",
        tmp_path / "results",
    ]
    line = "oracle left out for bare: its val split has 0 classes that are large enough"
    assert line in ran(suite, *arguments, "--dry-run").output
    result = ran(suite, *arguments)
    assert result.exit_code == 0 and result.output.count(line) == 2, "at the start, and above the table"
    out = tmp_path / "results" / "tiny"
    assert line in (out / "table.md").read_text().replace("\\", "")
    table = pd.read_csv(out / "table.csv").groupby("target")["selection"].agg(set)
    assert table.to_dict() == {"bare": {"source-val"}, "night": {"source-val", "oracle"}}


def test_the_oracle_is_left_out_where_val_lacks_the_classes_that_both_have(suite):
    """Of a val that is large enough, in all its classes, for other sources."""
    index = faces("b", images=40).index
    few = index["label"].isin(["anger", "happiness", "neutral"]) & (index.groupby("label").cumcount() >= 8)
    b = replace(faces("b"), index=index[~few].reset_index(drop=True))
    a = replace(
        faces("a"),
        index=faces("a", images=40)
        .index.query("label in ('anger', 'happiness', 'neutral', 'sadness')")
        .reset_index(drop=True),
    )
    plan = read_suite(
        str(suite), "quick", sources=("a", "c"), targets=("b",), selection=("source-val", "oracle")
    )
    shapes = Protocol(**{**SHAPES, "validation": dict(way=2, shots=2, queries=1, episodes=5)})
    settings = cross(plan.model_copy(update={"protocol": shapes}), [a, b, faces("c", images=40)])
    assert {setting.source.name: setting.val is not None for setting in settings} == {"a": False, "c": True}
    assert [setting.no_oracle for setting in settings if setting.no_oracle] == [
        "oracle left out for a -> b: its val split has 1 of the classes tested that are large enough"
        " (sadness); an episode of validation needs 2"
    ]


def test_a_target_too_small_to_train_on_is_no_error():
    """Before, its train and val pools were built too, and had to be large enough."""
    domains = divide([faces("a"), faces("b", images=4)], Protocol(**SHAPES), LABELS, ["a"], ["b"])
    assert len(domains["b"].test) == 20


def test_a_target_has_the_same_test_images_and_episodes_for_every_source_of_a_bench(suite):
    given = [faces("a", images=30), faces("b", images=30), faces("c", images=30)]
    plan = read_suite(str(suite), "quick", sources=("a", "b"), targets=("c",))
    settings = cross(plan, given)
    runs = make_plan(plan, settings)
    assert {(s.source.name, s.target.name) for s in settings} == {("a", "c"), ("b", "c")}
    assert len({s.test.digest for s in settings}) == 1
    assert len({json.dumps(run.identity["episodes"]) for run in runs}) == 1


def test_only_val_that_is_really_used_costs_a_target_its_copies():
    """An image of b's official val may be tested on in c, unless the oracle looks at that val."""
    b, c = (
        pd.concat([faces(name, "val").index, faces(f"{name}2", "test").index], ignore_index=True)
        for name in "bc"
    )
    c.loc[c.index[c["split"] == "test"][:3], "digest"] = b["digest"].iloc[:3].to_numpy()
    given = [faces("a"), made_up_faces("b", b), made_up_faces("c", c)]
    removed = {
        oracle: divide(given, Protocol(**SHAPES), LABELS, ["a"], ["b", "c"], oracle)["c"].test.copies_removed
        for oracle in (False, True)
    }
    assert removed == {False: 0, True: 3}


def test_a_split_is_made_for_those_who_need_it_alone():
    index = faces("a", subjects=10).index
    assert set(assign_splits(index, Protocol(), trained=False, validated=False)) == {"test"}
    assert set(assign_splits(index, Protocol(), trained=False)) == {"val", "test"}
    official = faces("a", "train").index
    assert set(assign_splits(official, Protocol(), trained=False, validated=False)) == {"train"}
    # nothing has to be divided
    assert set(assign_splits(index.iloc[:1], Protocol(), trained=False, validated=False)) == {"test"}


@pytest.mark.parametrize("sources, targets, words", [
    (["a", "tests"], ["a"],
     "tests: has no training images; give it a train split, or name it in --targets only"),
    (["a"], ["few"],
     "few (test): 3-way episodes need 3 classes with 4 images or more, but there are 2 (anger, happiness); "
     "too small: neutral (3), sadness (1); this split has 12 of 12 images; "
     "add images, or lower `way`, `shots` or `queries` of `protocol`"),
])  # fmt: skip
def test_an_error_names_the_fix(sources, targets, words):
    few = made_up_faces(
        "few", made_up_index({"anger": 4, "happiness": 4, "neutral": 3, "sadness": 1}, "test")
    )
    with pytest.raises(ProtocolError) as error:
        divide([faces("a"), faces("tests", "test"), few], Protocol(**SHAPES), LABELS, sources, targets)
    assert words in str(error.value)


@pytest.mark.parametrize("arguments, pairs", [
    (["--targets", "night"], ["day night", "night night"]),
    (["--sources", "day", "--targets", "day,night"], ["day day", "day night"]),
    (["--domains", "day,night", "--sources", "night", "--targets", "day"], ["night day"]),
])  # fmt: skip
def test_targets_narrow_what_is_tested_on(bench, arguments, pairs):
    result = bench("--dry-run", "--algorithms", "protonet", *arguments)
    assert result.exit_code == 0, result.output
    found = [line.split() for line in result.output.splitlines() if line.startswith("  protonet")]
    assert sorted(f"{words[1]} {words[3]}" for words in found) == pairs


def test_a_suite_file_names_targets_too_and_the_dry_run_shows_what_each_has(suite, bench):
    suite.write_text(
        SUITE.replace("seeds: [0]", "seeds: [0]\nselection: [last]\nsources: [day]\ntargets: [night]")
    )
    result = bench("--dry-run", "--algorithms", "protonet")
    assert result.exit_code == 0, result.output
    assert "  day: train 120 images of 5 classes, val 60 images of 5 classes; 0 copies" in result.output
    assert "  night: test 300 images of 5 classes; 0 copies" in result.output


@pytest.mark.parametrize("arguments, words", [
    (["--targets", "dusk"],
     "tests on 'dusk', which is not among the domains (day, night); "
     "name it in --domains too, or give other --targets"),
    (["--sources", "day", "--targets", "dusk"], "dusk: no folder was given"),
])  # fmt: skip
def test_a_target_that_is_not_there_is_answered_in_a_line(bench, arguments, words):
    result = bench(*arguments)
    assert result.exit_code == 2 and words in result.output and "Traceback" not in result.output


def test_a_suite_that_tests_each_source_on_itself_says_that_none_is_both(suite, bench):
    suite.write_text(SUITE.replace("seeds: [0]", "seeds: [0]\nacross: false"))
    result = bench("--sources", "day", "--targets", "night")
    assert (
        result.exit_code == 2
        and "tests a source on itself only: name one in both --sources and --targets" in result.output
    )


def test_in_experiments_what_another_experiment_trains_on_is_divided_all_the_same(suite, trees):
    """One target has one set of test images in all of a suite, though one experiment never trains on it, and
    whichever are asked for.
    """
    from fer_meta.runner.staging import stage

    suite.write_text(
        SUITE.replace(
            "presets: {quick: {}}",
            """\
roles: {light: {data: day, rendered: synthetic-studio}, dark: {data: night, rendered: synthetic-film}}
experiments:
  there: {title: There, train: light, test: dark}
  back: {title: And back, train: dark, test: light}
presets: {quick: {}}
""",
        )
    )
    cast = {"light": load("day", trees / "day"), "dark": load("night", trees / "night")}
    plan = read_suite(str(suite), "quick")
    there = stage(plan, cast)[0][0]
    assert len(there.test) == 120 and there.target.train is None
    asked = plan.model_copy(update={"experiments": {"there": plan.experiments["there"]}})
    assert stage(asked, cast)[0][0].test.digest == there.test.digest
    alone = type(plan).model_validate(
        {**dict(plan), "experiments": {"there": plan.experiments["there"]}, "selection": ("last",)}
    )
    assert len(stage(alone, cast)[0][0].test) == 300


def test_data_check_says_what_a_data_set_can_be(tested, trees):
    def said(name, root):
        return CliRunner().invoke(main, ["data", "check", name, "--data", f"{name}={root}"]).output

    assert "splits      test; nothing to train on, so a target alone: --targets" in said(
        "test_split", tested / "test_split"
    )
    assert (
        "splits      none; what has none is divided where a bench trains on it, and is all test where it"
        " does not" in said("bare", tested / "bare")
    )
