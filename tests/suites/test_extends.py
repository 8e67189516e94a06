"""A suite may take what it shares with others from another file, and an error still names where it stands."""

import re

import pytest
from helpers.suites import GOOD

from fer_meta.errors import SuiteError
from fer_meta.suites.extends import files
from fer_meta.suites.overruled import overruled
from fer_meta.suites.schema import read_suite

MINE = """\
name: mine
title: Mine
extends: base.yaml
methods:
  relationnet: {steps: 5, lr: 0.01}
"""


@pytest.fixture
def written(tmp_path):
    """Writes `base.yaml` and `mine.yaml`; the path of the latter."""

    def write(mine=MINE, base=GOOD):
        (tmp_path / "base.yaml").write_text(base)
        (tmp_path / "mine.yaml").write_text(mine)
        return str(tmp_path / "mine.yaml")

    return write


def wrong(path):
    with pytest.raises(SuiteError) as error:
        read_suite(path, "quick")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_suite_has_what_it_extends_and_its_own_words_come_last(written):
    mine = written(MINE + "  protonet: {lr: 0.1}\nimage_size: 40\n")
    suite = read_suite(mine, "quick")
    assert (suite.name, suite.title, suite.image_size, suite.protocol.episodes) == ("mine", "Mine", 40, 50)
    assert suite.methods["protonet"].steps == 100 and suite.methods["protonet"].lr == 0.1
    assert suite.methods["relationnet"].steps == 5
    assert [path.name for path in files(mine)] == ["mine.yaml", "base.yaml"]


def test_methods_of_a_suite_that_extends_the_presets_need_only_be_named(written):
    mine = written("name: mine\ntitle: Mine\nextends: presets\nmethods: {maml: {}, protonet: {steps: 9}}\n")
    quick, full = read_suite(mine, "quick"), read_suite(mine, "full")
    assert quick.methods["maml"].first_order and quick.methods["maml"].steps == 200
    assert full.methods["maml"].steps == 10_000 and full.methods["protonet"].steps == 9
    assert quick.protocol.episodes == 100 and full.protocol.episodes == 10_000


def test_an_experiment_that_is_null_is_left_out(written):
    mine = written("name: mine\ntitle: Mine\nextends: leakage\nexperiments: {copy-shared: null}\n")
    suite, base = read_suite(mine, "quick"), read_suite("leakage", "quick")
    assert set(base.experiments) - set(suite.experiments) == {"copy-shared"}


def test_keys_that_a_preset_of_what_is_extended_overrules_are_named(written):
    """Five seeds at 84 px were three at 48, and nothing said so."""
    mine = "name: mine\ntitle: Mine\nextends: cross-domain\n"
    keys = "seeds: [0, 1, 2, 3, 4]\nimage_size: 84\nmethods: {protonet: {steps: 5000, lr: 0.1}}\n"
    suite = written(mine + keys)
    said = overruled(suite, read_suite(suite, "quick"))
    assert (
        "mine.yaml: these keys have no effect: " in said and "put them under `presets: {quick: ...}`" in said
    )
    assert "seeds (line 4), image_size (line 5), methods.protonet.steps (line 6)." in said
    quick = "presets: {quick: {seeds: [0, 1, 2, 3, 4], image_size: 84, methods: {protonet: {steps: 5000}}}}\n"
    suite = written(mine + keys + quick)
    found = read_suite(suite, "quick")
    assert not overruled(suite, found) and found.methods["protonet"].steps == 5000 and len(found.seeds) == 5
    assert not overruled(suite, read_suite(suite, "smoke")) and not overruled("cross-domain", found)


@pytest.mark.parametrize("mine, base, words", [
    (MINE.replace("steps: 5, ", ""), GOOD, "mine.yaml, line 5: methods.relationnet.steps: Field required"),
    (MINE, GOOD.replace("steps: 100", "steps: 0"), "base.yaml, line 7: methods.protonet.steps: .*greater"),
    (MINE, GOOD.replace("way: 5", "way: 1"), "base.yaml, line 4: protocol.way: "),
    (MINE, GOOD.replace("way: 5", "way: ["), "base.yaml, line .: not valid YAML"),
    (MINE + "kinds: {episodic: {batch: x}}\n", GOOD, "mine.yaml, line 6: methods.*net.batch: .*integer"),
    (MINE + "kinds: {episodic: {stpes: 3}}\n", GOOD, "mine.yaml, line 6: kinds.episodic.stpes: no method"),
    (MINE + "kinds: {episodc: {steps: 3}}\n", GOOD, "line 6: kinds.episodc: is not a kind of method"),
    (MINE + "kinds: 3\n", GOOD, "mine.yaml, line 6: kinds: must be a mapping"),
    (MINE.replace("title: Mine\n", ""), GOOD, "mine.yaml, line 1: title: Field required"),
    (MINE.replace("base.yaml", "nowhere.yaml"), GOOD, "nowhere.yaml: cannot be read as a suite file"),
    (MINE.replace("base.yaml", "cross-domian"), GOOD, "mine.yaml, line 3: extends: no suite is called"),
    (MINE.replace("base.yaml", "mine.yaml"), GOOD, "mine.yaml, line 3: extends: .*mine.yaml extends itself"),
    (MINE, "extends: mine.yaml\n" + GOOD, "base.yaml, line 1: extends: .*mine.yaml extends itself"),
    (MINE.replace("base.yaml", "3"), GOOD, "mine.yaml, line 3: extends: must be the name of a suite"),
    (MINE.replace("base.yaml", "[base.yaml, base.yaml]"), GOOD, "mine.yaml, line 3: extends: must be"),
    (MINE.replace("base.yaml", "/dev/zero.yaml"), GOOD, "/dev/zero.yaml: cannot be read as a suite file"),
])  # fmt: skip
def test_a_fault_names_the_file_that_it_is_in(written, mine, base, words):
    assert re.search(words, wrong(written(mine, base)))


def test_files_that_extend_each_other_many_times_are_not_read_for_ever(tmp_path):
    for number in range(30):
        two = f"[s{number + 1}.yaml, ./s{number + 1}.yaml]" if number < 29 else "presets"
        (tmp_path / f"s{number}.yaml").write_text(f"name: s\ntitle: S\nextends: {two}\n")
    assert "more than 20 files" in wrong(str(tmp_path / "s0.yaml"))


def test_presets_are_no_suite():
    assert "no suite is called 'presets'" in wrong("presets")


def test_the_older_word_for_methods_is_read_in_suites_presets_and_experiments(tmp_path):
    text = GOOD.replace("methods:", "algorithms:").replace(
        "presets:",
        "roles: {a: {data: x, rendered: synthetic-wild}}\n"
        "experiments: {one: {title: One, train: a, test: a, algorithms: [protonet]}}\npresets:",
    )
    (tmp_path / "old.yaml").write_text(
        text.replace("{episodes: 50}", "{episodes: 50}\n    algorithms: {protonet: {lr: 0.5}}")
    )
    suite = read_suite(str(tmp_path / "old.yaml"), "quick")
    assert suite.methods["protonet"].lr == 0.5 and suite.experiments["one"].methods == ("protonet",)
    (tmp_path / "old.yaml").write_text(text + "methods: {}\n")
    assert "methods: this key is given twice" in wrong(str(tmp_path / "old.yaml"))


def test_what_a_suite_takes_from_another_one_is_a_fault_of_its_own(tmp_path):
    """The primary contrast of `unseen` has ProtoNet, which the suite leaves out: the file that is named must
    be the one that can be corrected.
    """
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\ntitle: Mine\nextends: unseen\nmethods: [supervised]\npresets: {quick: {}}\n")
    with pytest.raises(SuiteError) as refused:
        read_suite(str(path), "quick")
    assert str(refused.value).startswith(f"{path} extends unseen.yaml, line ")
    assert "primary.second: no answer is called 'protonet-ncm'" in str(refused.value)
