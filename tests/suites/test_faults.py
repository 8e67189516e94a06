"""Whatever a suite file or a word of the command line holds, the answer is a suite or one line that says
where and what.
"""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers.suites import GOOD

import fer_meta
from fer_meta.cli import main as cli
from fer_meta.errors import SuiteError
from fer_meta.suites.schema import read_suite

LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
MERGES = "a0: &a0 {k: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12)
)
EXPERIMENTS = GOOD.replace(
    "presets:",
    "roles: {a: {data: x, rendered: synthetic-wild}}\nexperiments:\n  one: {title: One, train: a, test:"
    " a}\npresets:",
)


def wrong(tmp_path: Path, text: str | bytes) -> str:
    """The message for a suite file of this text."""
    path = tmp_path / "mine.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(SuiteError) as error:
        read_suite(str(path), "quick")
    message = str(error.value)
    assert message.startswith(str(path)) and "\n" not in message
    return message.removeprefix(str(path))


def run(*words: str):
    done = CliRunner().invoke(cli.main, list(words))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


CONTRAST = "{first: supervised-ncm, second: protonet, shots: 5, over: across, less: within}"
WITH_CONTRAST = GOOD.replace("presets:", f"  supervised: {{steps: 100}}\nprimary: {CONTRAST}\npresets:")


@pytest.mark.parametrize(
    "old, new, words",
    [
        (
            "supervised-ncm,",
            "superviced-ncm,",
            (
                "primary.first: no answer is called 'superviced-ncm'; did you mean supervised-ncm?"
                " (there are protonet, supervised-head, supervised-ncm, supervised-probe)"
            ),
        ),
        ("second: protonet", "second: maml", "primary.second: no answer is called 'maml'"),
        ("shots: 5, over", "shots: 10, over", "primary.shots: 10 is not tested; the protocol has shots 1, 5"),
        (
            "over: across",
            "over: acros",
            "primary.over: no set of pairs is called 'acros'; did you mean across?",
        ),
        (
            "primary:",
            "within: false\nprimary:",
            "primary.less: no set of pairs is called 'within'; there are across",
        ),
        (
            "second: protonet",
            "second: supervised-ncm",
            "primary: `first` and `second` are both 'supervised-ncm'",
        ),
    ],
)
def test_a_primary_contrast_that_no_bench_could_test_is_refused_with_what_is_allowed(
    tmp_path, old, new, words
):
    line = 9 + new.count("\n")
    assert re.match(re.escape(f", line {line}: {words}"), wrong(tmp_path, WITH_CONTRAST.replace(old, new)))


def test_an_experiment_of_a_contrast_has_shots_and_methods_of_its_own(tmp_path):
    text = EXPERIMENTS.replace(
        "presets:", "primary: {first: fomaml, second: protonet, shots: 5, over: one, less: null}\npresets:"
    ).replace("  protonet: {", "  maml: {steps: 100}\n  protonet: {")
    (tmp_path / "good.yaml").write_text(text)
    assert read_suite(str(tmp_path / "good.yaml"), "quick").primary.first == "fomaml"
    assert "primary.shots: 5 is not tested; the protocol has shots 1" in wrong(
        tmp_path, text.replace("test: a}", "test: a, protocol: {shots: [1]}}")
    )
    assert "primary.first: no answer is called 'fomaml'; there are protonet" in wrong(
        tmp_path, text.replace("test: a}", "test: a, methods: [protonet]}")
    )


def test_a_preset_may_leave_out_a_method_of_the_contrast(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        WITH_CONTRAST.replace("protocol: {episodes: 50}", "methods: {protonet: null}")
    )
    assert read_suite(str(tmp_path / "mine.yaml"), "quick").primary.second == "protonet"


@pytest.mark.parametrize("old, new, words", [
    ("{episodes: 50}", "{episodes: 1000000000000000000}",
     ", line 10: protocol.episodes: .* less than or equal to 100000"),
    ("{episodes: 50}", "{episodes: 100000, way: 50, queries: 100}",
     ", line 10: protocol: .*more than 50,000,000 images"),
    ("{episodes: 50}", "{train: {way: 90, queries: 900}}",
     ", line 10: protocol.train: .*more than 10,000 images"),
    ("{episodes: 50}", "{way: yes}", ", line 10: protocol.way: Input should be a valid integer"),
    ("{episodes: 50}", "{way: '5'}", ", line 10: protocol.way: Input should be a valid integer"),
    ("{episodes: 50}", "{carve: .nan}", ", line 10: protocol.carve: "),
    ("steps: 100", "steps: 1000000000000000000", ", line 7: methods.protonet.steps: .*100000000"),
    ("steps: 100", "steps: 100, lr: .inf", ", line 7: methods.protonet.lr: .*finite"),
    ("steps: 100", "steps: 100, batch: 1000000", ", line 7: methods.protonet.batch: .*10000"),
    ("title: Mine", "title: Mine\nimage_size: 1000000", ", line 3: image_size: .*1024"),
    ("title: Mine", "title: Mine\nseeds: [-1]", ", line 3: seeds.0: "),
    ("title: Mine", f"title: Mine\nseeds: [{2 ** 70}]", ", line 3: seeds.0: "),
    ("title: Mine", f"title: Mine\nseeds: [{'9' * 5000}]", ", line 3: '9+…' is not an integer"),
    ("title: Mine", "title: Mine\nseeds: [no]", ", line 3: seeds.0: .*integer"),
    ("title: Mine", "title: Mine\nseeds: [1, 1]", ", line 3: seeds: .*1 is given twice"),
    ("title: Mine", "title: Mine\nclasses: [anger, fear, anger]",
     ", line 3: classes: .*'anger' is given twice"),
    ("title: Mine", "title: Mine\nselection: [last, last]", ", line 3: selection: .*'last' is given twice"),
    ("title: Mine", "title: Mine\nrendered: {images: 10000000000}", ", line 3: rendered.images: .*1000000"),
    ("title: Mine", "title: Mine\ntitle: Other", ", line 3: title: this key is given twice"),
    ("  shots: [1, 5]", "  shots: [1, 5]\n  way: 3", ", line 6: way: this key is given twice"),
    ("title: Mine", 'title: "two\\nlines"', ", line 2: title: .*must be one line"),
    ("title: Mine", 'title: "\\e[31mred"', ", line 2: title: .*must be one line"),
    ("title: Mine", "title: 2020-02-30", ", line 2: not valid YAML for a suite .*timestamp"),
    ("title: Mine", "title: !!binary aGk=", ", line 2: not valid YAML for a suite .*binary"),
    ("title: Mine", "title: !!set {a, b}", ", line 2: not valid YAML for a suite .*set"),
    ("title: Mine", "title: !!float x", ", line 2: 'x' is not a number"),
    ("title: Mine", "title: !!int x", ", line 2: 'x' is not an integer"),
    ("title: Mine", "title: Mine\n1: one", ", line 3: the key 1 is not a text; put it in quotes"),
    ("title: Mine", "title: Mine\n[a, b]: one", ", line 3: a list or mapping as a key is not a text"),
    ("title: Mine", "title: Mine\nsources: &x [*x]",
     ", line 3: (the alias|not valid YAML .*undefined alias)"),
    ("title: Mine", "title: &x\n  y: *x", ", line 2: (the alias|not valid YAML)|, line 3: "),
    ("title: Mine", "title: Mine\nx: " + "[" * 2000 + "]" * 2000,
     ": its lists and mappings are nested too deeply|nested too deeply"),
    ("title: Mine", "title: Mine\nx: " + "[" * 30 + "]" * 30,
     ", line 3: its lists and mappings are nested too deeply"),
    ("name: mine", LAUGHS + "name: mine", "holds more than 20,000 keys and values"),
    ("name: mine", MERGES + "name: mine", "holds more than 20,000 keys and values"),
    ("  quick:\n    protocol: {episodes: 50}", "  quick: 3.5", ", line 9: presets.quick: must be a mapping"),
    ("  quick:\n    protocol: {episodes: 50}", "  quick: []", ", line 9: presets.quick: must be a mapping"),
    ("presets:\n  quick:\n    protocol: {episodes: 50}\n  full: {}", "presets: 3",
     ", line 8: has no preset 'quick'"),
])  # fmt: skip
def test_a_fault_of_a_suite_file_is_one_line_with_its_place(tmp_path, old, new, words):
    assert old in GOOD and re.search(words, wrong(tmp_path, GOOD.replace(old, new, 1)))


@pytest.mark.parametrize("old, new, words", [
    ("title: One", "title: One, protocol: 5", "experiments.one.protocol: "),
    ("one: {", "../one: {", "experiments.*should match pattern"),
    ("title: One", "title: One, methods: [protonet, protonet]",
     "experiments.one.methods: .*given twice"),
    ("title: One", "title: One, against: two", "no experiment is called 'two'"),
    ("title: One", "title: One, training: {maml: {lr: 0.1}}",
     "experiments.one.training: no method of the suite is called 'maml'"),
    ("title: One", "title: One, training: {protonet: {rate: 0.1}}",
     "experiments.one.training.protonet.rate: unknown key"),
    ("title: One", "title: One, training: {protonet: {lr: fast}}",
     "experiments.one.training.protonet.lr: .*number"),
    ("title: One", "title: One, checkpoint: first", "experiments.one.checkpoint: "),
    ("title: One", "title: One, all_images: true",
     "experiments.one: all_images: .* would be tested on the images that were trained on"),
    ("title: One", 'title: One, published: [{method: "a\\nb", figure: 0.5}]',
     "experiments.one.published.0.method: .*one line"),
])  # fmt: skip
def test_a_fault_of_an_experiment_is_one_line(tmp_path, old, new, words):
    assert re.search(words, wrong(tmp_path, EXPERIMENTS.replace(old, new, 1)))


def test_what_people_write_is_read(tmp_path):
    """1e-3 is a number, an anchor may be used again, and a preset may change nothing."""
    path = tmp_path / "mine.yaml"
    path.write_text(
        GOOD.replace(
            "{steps: 100}", "&same {steps: 100, lr: 1e-3}\n  relationnet: {<<: *same, steps: 50}"
        ).replace("full: {}", "full:")
    )
    suite = read_suite(str(path), "full")
    assert suite.methods["protonet"].lr == 0.001 and suite.methods["relationnet"].steps == 50
    assert suite.methods["relationnet"].lr == 0.001


@pytest.mark.parametrize("content, words", [
    (b"name: \xff\n", "byte 7 is not UTF-8.; save it as UTF-8"),
    (b"name: a\0b\n", "not valid YAML"),
    (b"", "a suite is a mapping"),
    (b"name: [\n  {", "line 2: not valid YAML|line 3: not valid YAML"),
    (b"--- a\n--- b\n", "line 2: not valid YAML"),
])  # fmt: skip
def test_what_is_no_text_of_yaml_is_said_in_one_line(tmp_path, content, words):
    assert re.search(words, wrong(tmp_path, content))


def test_what_is_no_file_of_a_suites_size_is_not_read(tmp_path):
    """A pipe would be waited for, and a large file read, for ever."""
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    with (tmp_path / "large.yaml").open("wb") as file:
        file.truncate(1 << 30)
    for name, words in {
        "folder.yaml": "it is a folder",
        "pipe.yaml": "it is not a regular file",
        "large.yaml": "1,073,741,824 bytes",
        "loop.yaml": "symbolic links",
        "x" * 300 + ".yaml": "name too long",
    }.items():
        done = run("bench", "--suite", str(tmp_path / name), "--dry-run")
        assert done.exit_code == 2 and words in done.output and done.output.count("\n") == 1


@pytest.mark.parametrize("word", ["a\nb", "a\x1b[31mb", "a\udcffb", "a\0b", "a\u2028b"])
@pytest.mark.parametrize("command", [
    ["bench", "--suite", "{}.yaml"], ["bench", "--suite", "cross-domain", "--domains", "{}"],
    ["bench", "--suite", "leakage", "--role", "a={}"],
    ["bench", "--suite", "cross-domain", "--out", "{}"],
    ["bench", "--suite", "cross-domain", "--data", "a={}"],
    ["report", "--out", "{}"], ["report", "--suite", "{}"], ["data", "sheet", "{}"],
    ["data", "sheet", "synthetic-wild", "--out", "{}"],
    ["data", "list", "--data", "{}=x"],
], ids=" ".join)  # fmt: skip
def test_a_word_that_is_no_line_of_text_is_refused_in_one_line(command, word):
    done = run(*(part.format(word) for part in command))
    assert done.exit_code == 2 and "control character" in done.output and done.output.count("\n") == 1


@pytest.mark.parametrize("words", [
    ["--seeds", "1000000000000"], ["--seeds", "4294967296,1"], ["--seeds", "-1,2"], ["--seeds", "9" * 5000],
    ["--image-size", "1000000"],
    ["--role", "a=b", "--role", "a=c"],
])  # fmt: skip
def test_a_number_out_of_bounds_or_a_role_given_twice_is_a_usage_error(words):
    done = run("bench", "--suite", "cross-domain", *words)
    assert done.exit_code == 2 and "Invalid value for" in done.output and len(done.output) < 1000


@pytest.mark.parametrize("out", ["x" * 300, "loop", "file/below"])
def test_a_folder_that_cannot_be_is_one_line(tmp_path, out):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    done = run("report", "--out", str(tmp_path / out))
    assert done.exit_code == 2 and done.output.startswith("fer-meta: ") and done.output.count("\n") == 1


@pytest.mark.parametrize("error, status, words", [
    (OSError(errno.ENOSPC, "No space left on device", "/there"), 1,
     "/there: No space left on device; free some space there"),
    (OSError(errno.EACCES, "Permission denied", "/there"), 1,
     "/there: Permission denied; see who may read and write there"),
    (OSError(errno.ENAMETOOLONG, "File name too long", "/there"), 2,
     "/there: File name too long; give a shorter name"),
    (OSError("it\nbroke"), 1, "it broke"),
    (MemoryError(), 1, "not enough memory"),
])  # fmt: skip
def test_what_the_machine_refuses_is_one_line_and_a_traceback_only_for_debugging(
    monkeypatch, error, status, words
):
    def refuse(*_):
        raise error

    monkeypatch.setattr("fer_meta.cli.options.existing_folder", refuse)
    done = run("report")
    assert done.exit_code == status and words in done.output and done.output.count("\n") == 1
    assert "Traceback" in run("--debug", "report").output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [["data", "list"], ["--help"], ["bench", "--help"]], ids=" ".join)
def test_an_output_that_is_full_is_one_line(words):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "fer_meta", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
    assert done.returncode == 1
    assert (
        done.stderr
        == "fer-meta: the output cannot be written (No space left on device); free some space, or send it"
        " elsewhere\n"
    )


def test_a_reader_that_has_read_enough_ends_it_quietly():
    command = [sys.executable, "-m", "fer_meta", "data", "list"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == ""


def environment() -> dict:
    package = str(Path(fer_meta.__file__).parents[1])
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))}
