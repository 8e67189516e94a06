"""A suite file is either understood or answered with its file, line and key."""

import re
from pathlib import Path

import pytest
import yaml
from helpers.suites import GOOD

from fer_meta.errors import SuiteError
from fer_meta.methods.base import SupervisedConfig
from fer_meta.suites.folders import PRESETS
from fer_meta.suites.schema import read_suite, suite_names
from fer_meta.training.batches import images_of_task


@pytest.fixture
def suite_file(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return str(path)

    return write


@pytest.mark.parametrize("name", suite_names())
@pytest.mark.parametrize("preset", ["smoke", "quick", "full"])
def test_every_suite_of_the_package_is_valid_under_every_preset(name, preset):
    suite = read_suite(name, preset)
    assert suite.name == name and suite.preset == preset and len(suite.methods) >= 1


def test_cross_domain_is_what_the_readme_says():
    suite = read_suite("cross-domain", "full")
    assert {"protonet", "relationnet", "maml", "supervised", "resnet50", "frozen"} <= set(suite.methods)
    assert suite.protocol.shots == (1, 5) and suite.seeds == (0, 1, 2) and len(suite.classes) == 7
    assert suite.selection == ("source-val", "last", "oracle") and suite.protocol.copies == "removed"
    assert (
        suite.methods["resnet50"].backbone == "resnet50" and suite.methods["resnet50"].method == "supervised"
    )


def test_cross_domain_compares_objectives_with_one_backbone_and_equally_many_images():
    for preset in ("quick", "full"):
        suite = read_suite("cross-domain", preset)
        compared = [suite.methods[name] for name in suite.methods if name not in ("frozen", "resnet50")]
        task = images_of_task(suite.protocol)
        images = {
            one.steps * (one.batch if isinstance(one, SupervisedConfig) else one.batch * task)
            for one in compared
        }
        assert {one.backbone for one in compared} == {"conv4"} and len(images) == 1
        assert {one.weights for one in compared} == {"none"}


def test_a_suite_renders_three_domains_unless_it_says_otherwise(suite_file):
    assert read_suite("cross-domain", "full").rendered == read_suite(suite_file(GOOD), "full").rendered
    text = GOOD.replace(
        "presets:",
        "rendered: {domains: [synthetic-wild@0.50, synthetic-wild@0.5, synthetic-wild@1]}\npresets:",
    )
    rendered = read_suite(
        suite_file(text.replace("full: {}", "full: {rendered: {images: 500}}")), "full"
    ).rendered
    assert rendered.domains == ("synthetic-wild@0.5", "synthetic-wild") and (
        rendered.subjects,
        rendered.images,
    ) == (200, 500)


def test_domain_gap_trains_in_the_studio_alone_and_has_what_cross_domain_has():
    for preset in ("quick", "full"):
        gap, cross = read_suite("domain-gap", preset), read_suite("cross-domain", preset)
        assert gap.sources == ("synthetic-studio",) and gap.protocol == cross.protocol
        # which cross-domain leaves out of `quick`
        assert gap.methods == {**cross.methods, "maml": gap.methods["maml"]}
        steps = [f"synthetic-wild@{s}" for s in (0.25, 0.5, 0.75)] + ["synthetic-wild"]
        assert gap.rendered.domains[:5] == ("synthetic-studio", *steps)


def test_a_preset_adjusts_the_suite_and_leaves_the_rest(suite_file):
    suite = read_suite(suite_file(GOOD), "quick")
    assert (
        suite.protocol.episodes == 50 and suite.protocol.way == 5 and suite.methods["protonet"].steps == 100
    )
    assert read_suite(suite_file(GOOD), "full").protocol.episodes == 600


def test_changes_from_the_command_line_come_last(suite_file):
    suite = read_suite(suite_file(GOOD), "quick", seeds=(7,), image_size=None)
    assert suite.seeds == (7,) and suite.image_size == 84


@pytest.mark.parametrize("old, new, line, key", [
    ("  way: 5", "  ways: 5", 4, "protocol.ways: unknown key"),
    ("  way: 5", "  way: five", 4, "protocol.way"),
    ("  way: 5", "  way: 1", 4, "protocol.way"),
    ("shots: [1, 5]", "shots: [1, 1]", 5, "protocol.shots"),
    ("shots: [1, 5]", "shots: [1, x]", 5, "protocol.shots.1"),
    ("{steps: 100}", "{steps: 100, rate: 2}", 7, "methods.protonet.rate"),
    ("{steps: 100}", "{}", 7, "methods.protonet.steps"),
    ("  protonet: {", "  protonets: {", 7, "methods.protonets"),
    ("{episodes: 50}", "{episodes: 0}", 10, "protocol.episodes"),
    ("{episodes: 50}", "{split: [0.5, 0.5, 0.5]}", 10, "protocol.split"),
    ("title: Mine", "titel: Mine", 2, "titel"),
    ("name: mine", "name: mine-smoke", 1, "name: 'mine-smoke' ends like the folder of a preset"),
    ("name: mine", "name: mine-full", 1, "name: 'mine-full' ends like the folder of a preset"),
    ("title: Mine", "title: Mine\nsources: []", 3, "sources"),
    ("title: Mine", "title: Mine\nrendered: {people: 3}", 3, "rendered.people: unknown key"),
    ("title: Mine", "title: Mine\nrendered: {images: 0}", 3, "rendered.images"),
    ("title: Mine", "title: Mine\nrendered: {domains: [synthetic-studio, synthetic-moon]}", 3,
     "rendered.domains: .*synthetic-moon"),
    ("title: Mine", "title: Mine\nrendered: {domains: [synthetic-wild@2]}", 3,
     "rendered.domains: .*'2' is not a severity"),
    ("title: Mine", "title: Mine\nrendered: {domains: []}", 3, "rendered.domains"),
])  # fmt: skip
def test_an_error_names_file_line_and_key(suite_file, old, new, line, key):
    with pytest.raises(SuiteError) as error:
        read_suite(suite_file(GOOD.replace(old, new)), "quick")
    assert re.search(f"mine.yaml, line {line}: {key}", str(error.value)) and "\n" not in str(error.value)


def test_a_missing_key_is_named(suite_file):
    with pytest.raises(SuiteError, match="title: Field required"):
        read_suite(suite_file(GOOD.replace("title: Mine\n", "")), "quick")


@pytest.mark.parametrize("text, words", [
    ("name: [", "line 1: not valid YAML"),
    ("- a\n- b\n", "a suite is a mapping"),
    (GOOD.replace("  quick:", "  fast:"), "no preset 'quick'.*fast, full"),
    (GOOD[: GOOD.index("presets:")], "line 1: has no preset 'quick'; add `presets: {quick: {}}`"),
    ("name: !!python/object/apply:os.getcwd []\n", "not valid YAML"),
    (GOOD.replace("methods:\n  protonet: {steps: 100}\n", "methods: {}\n"), "methods"),
])  # fmt: skip
def test_what_is_no_suite_is_said_in_one_line(suite_file, text, words):
    with pytest.raises(SuiteError, match=words) as error:
        read_suite(suite_file(text), "quick")
    assert "\n" not in str(error.value)


def test_an_unknown_name_lists_the_suites_there_are(tmp_path):
    with pytest.raises(SuiteError, match="cross-domain"):
        read_suite("crossdomain", "quick")
    with pytest.raises(SuiteError, match="nowhere.yaml: cannot be read"):
        read_suite(str(tmp_path / "nowhere.yaml"), "quick")


STUDIES = sorted((Path(__file__).parents[2] / "benchmarks").rglob("*.yaml"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_suite_files_of_the_benchmarks_can_be_run(path):
    """They are run by hand, and hours long: a setting that was renamed would be found late."""
    for preset in yaml.safe_load(path.read_text()).get("presets", PRESETS):
        suite = read_suite(str(path), preset)
        assert suite.methods and suite.name
