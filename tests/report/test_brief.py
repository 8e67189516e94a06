"""The page in short, in a terminal: what it shows of many rows, and what comes last."""

import re

import pytest
from helpers import stored_results

from fer_meta.report.aggregate.accuracy import accuracy_table
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.formats import terminal
from fer_meta.report.load import read_results
from fer_meta.report.names import readout_name
from fer_meta.report.sections import brief as module
from fer_meta.report.sections.brief import brief
from fer_meta.report.sections.words import measured
from fer_meta.suites.smoke import smoke_note


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    folder = stored_results.write(tmp_path_factory.mktemp("brief") / "cross-domain", seeds=1, episodes=4)
    results = read_results(folder)
    return results, accuracy_table(results, read_cells(results, Names()))


def test_of_many_rows_it_shows_those_of_the_most_shots_once_a_source(read, monkeypatch):
    results, scores = read
    monkeypatch.setattr(module, "MOST_ROWS", 10)
    text = terminal.render(brief(results, scores, "Named before."))
    shown = scores[(scores["shots"] == scores["shots"].max()) & (scores["selection"] == "source-val")]
    assert text.count("trained on ") == shown["source"].nunique()
    assert "oracle" not in text and "All shots and checkpoints are in table.md" in text
    for row in shown.itertuples():
        [table] = re.findall(rf"^trained on {row.source}\b.*?\n\n", text, re.MULTILINE | re.DOTALL)
        head, *lines = table.splitlines()[1:]
        place = head.index(row.target) + len(row.target)
        name = readout_name(results, row.readout)
        [line] = [line for line in lines if line.startswith(f"  {name}  ")]
        assert line[:place].endswith(terminal.inline(measured(row)))
    assert text.splitlines()[-2:] == ["Named before.", smoke_note("smoke")]


def test_of_few_rows_it_shows_all(read, monkeypatch):
    monkeypatch.setattr(module, "MOST_ROWS", 1000)
    text = terminal.render(brief(*read, "Named before."))
    assert "trained on " not in text and "oracle: picked on" in text and "All shots" not in text
    assert text.splitlines()[-2:] == ["Named before.", smoke_note("smoke")]
