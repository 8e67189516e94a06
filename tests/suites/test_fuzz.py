"""Whatever a suite file holds, the answer is a suite or one line that names the file."""

from importlib import resources
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from helpers.fuzz import answer, as_json, damaged, few, in_time, mutated, room
from helpers.suites import GOOD
from hypothesis import given
from hypothesis import strategies as st

from fer_meta.cli.main import main
from fer_meta.suites.schema import Suite, read_suite, suite_names

PACKAGED = {
    name: (resources.files("fer_meta.suites") / f"{name}.yaml").read_text(encoding="utf-8")
    for name in suite_names()
}
SNIPPETS = st.sampled_from(
    [
        "&a",
        "*a",
        "<<: *a",
        "!!float x",
        "!!set",
        "{",
        "}",
        "[",
        "]",
        ":",
        "- ",
        "? ",
        "|",
        ">",
        "---",
        "...",
        "%",
        "'",
        '"',
        "\t",
        "\n",
        "\0",
        "\x85",
        "\ud800",
        "#",
        "~",
        "1e999",
        ".nan",
        "0x",
        "1:30",
        "=",
        "!x",
        "@",
        "`",
    ]
)


def understood(path: Path, preset: str) -> None:
    suite = answer(lambda: read_suite(str(path), preset), path)
    assert suite is None or isinstance(suite, Suite)


@few(16)
@given(
    name=st.sampled_from(list(PACKAGED)), preset=st.sampled_from(["smoke", "quick", "full"]), data=st.data()
)
def test_any_edit_of_a_suites_text_is_a_suite_or_one_line(tmp_path, name, preset, data):
    text = PACKAGED[name]
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 30)))
        text = (
            text[:start]
            + data.draw(st.one_of(SNIPPETS, st.text(max_size=5), st.just(text[start:end] * 2)))
            + text[end:]
        )
    path = tmp_path / "mine.yaml"
    path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
    understood(path, preset)


@few(16)
@given(st.sampled_from(list(PACKAGED)), st.data())
def test_any_value_at_any_key_is_a_suite_or_one_line(name, data):
    with room() as folder:
        path = folder / "mine.yaml"
        path.write_bytes(as_json(data.draw(mutated(yaml.safe_load(PACKAGED[name])))))
        understood(path, "quick")


@few(16)
@given(damaged(GOOD.encode()))
def test_any_bytes_are_a_suite_or_one_line(content):
    with room() as folder:
        (folder / "mine.yaml").write_bytes(content)
        understood(folder / "mine.yaml", "quick")


MERGES = "a0: &a0 {k: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    "text",
    [
        MERGES + "name: mine\n",
        "name: mine\nx: " + "[" * 5000,
        "name: 3",
        "name: ../../elsewhere",
        "name: [x]",
        "- name",
        "name: !!python/object/apply:os.system [ls]",
    ],
)
@pytest.mark.parametrize("command", [["bench"], ["report"]], ids=" ".join)
def test_the_commands_refuse_a_suite_that_is_none_at_once_and_in_one_line(tmp_path, command, text):
    (tmp_path / "mine.yaml").write_text(text)
    with in_time():
        done = CliRunner().invoke(
            main, [*command, "--suite", str(tmp_path / "mine.yaml"), "--out", str(tmp_path / "results")]
        )
    assert isinstance(done.exception, SystemExit) and done.exit_code == 2, done.exception
    assert done.output.count("\n") == 1 and done.output.startswith("fer-meta: ")
    assert {path.name for path in tmp_path.iterdir()} == {"mine.yaml"}
