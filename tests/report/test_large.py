"""The report of a study of many data sets: few plots, and no work that grows with the square."""

import pytest
from helpers import stored_results

from fer_meta import report
from fer_meta.report.aggregate import comparisons as module
from fer_meta.report.aggregate import per_seed
from fer_meta.report.aggregate.comparisons import comparisons
from fer_meta.report.aggregate.found import find
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.formats import csv
from fer_meta.report.load import read_results
from fer_meta.report.plots import all as plots
from fer_meta.report.plots.panels import by_place, cells_of


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many") / "cross-domain"
    results, names = read_results(stored_results.write(folder, episodes=6)), Names()
    return find(results, read_cells(results, names), names)


def test_a_plot_of_more_panels_than_anybody_looks_at_is_left_out(found, monkeypatch):
    drawn = set(plots.figures(found))
    assert {"accuracy", "transfer", "training"} <= drawn and any(
        name.startswith("confusion") for name in drawn
    )
    panels = len(found.scores[[*plots.PLACE, "way", "shots"]].drop_duplicates())
    monkeypatch.setattr(plots, "MOST_PANELS", panels)
    assert "accuracy" in plots.figures(found)
    monkeypatch.setattr(plots, "MOST_PANELS", 1)
    left = set(plots.figures(found))
    assert drawn - left == {name for name in drawn if name.startswith(("accuracy", "confusion"))}


def test_a_cell_is_found_by_its_place(found):
    known = by_place(found.cells)
    assert len(known) == len(found.cells)
    for cell, (_, row) in zip(cells_of(found.scores, known), found.scores.iterrows()):
        assert (cell.source, cell.target, cell.readout, cell.shots) == (
            row["source"],
            row["target"],
            row["readout"],
            row["shots"],
        )
    assert cells_of(found.scores.assign(target="nowhere"), known) == [None] * len(found.scores)


def test_the_answers_of_a_cell_are_unpacked_once_for_all_its_comparisons(found, monkeypatch):
    summed = []
    whole = module.Summed
    monkeypatch.setattr(module, "Summed", lambda outcomes: summed.append(outcomes) or whole(outcomes))
    table = comparisons(found.results, found.cells)
    blocks = table.groupby(module.BLOCK)
    sides = sum(len({*block["first"], *block["second"]}) for _, block in blocks)
    assert sides <= len(summed) < 2 * len(table), "two for each pair would be twice the table"


def test_the_counts_of_many_cells_are_written_part_by_part_as_one_table(found, monkeypatch):
    whole = report._numbers(found)["confusion.csv"]
    assert whole == csv.render(per_seed.confusion_table(found.results, found.cells))
    together, counted = [], per_seed.confusion_table
    monkeypatch.setattr(per_seed, "CELLS", 7)
    monkeypatch.setattr(
        report, "confusion_table", lambda results, part: together.append(len(part)) or counted(results, part)
    )
    assert report._numbers(found)["confusion.csv"] == whole
    assert max(together) == 7 and sum(together) == len(found.cells)


def test_a_long_table_is_put_into_text_part_by_part_as_whole(found, monkeypatch):
    whole = csv.render(found.compared)
    monkeypatch.setattr(csv, "ROWS", 3)
    texts, text_of = [], csv._text
    monkeypatch.setattr(csv, "_text", lambda part, header: texts.append(len(part)) or text_of(part, header))
    assert csv.render(found.compared) == whole and max(texts) == 3
    assert csv.render(found.compared.iloc[:0]) == whole.partition("\n")[0] + "\n"
