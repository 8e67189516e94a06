"""The report on rendered domains: what is exact beside what is measured, and accuracy against the size of the
gap.
"""

import io
import json
import re
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from helpers import stored_results
from matplotlib.colors import to_hex
from matplotlib.text import Text

from fer_meta.report import names, write_report
from fer_meta.report.aggregate import accuracy as numbers
from fer_meta.report.aggregate import gap
from fer_meta.report.aggregate.found import find
from fer_meta.report.cells import Cell, Names, read_cells
from fer_meta.report.formats import csv, latex, markdown, terminal
from fer_meta.report.load import Results, read_results
from fer_meta.report.plots import accuracy, severity
from fer_meta.report.plots.all import figures
from fer_meta.report.plots.texts import ManyWords
from fer_meta.report.sections.brief import brief
from fer_meta.report.sections.page import page
from fer_meta.report.sections.paper import paper

pytestmark = pytest.mark.numeric

STUDIO, WILD = "synthetic-studio", "synthetic-wild"


@cache
def read(folder: Path) -> tuple[Results, list[Cell], pd.DataFrame, pd.DataFrame]:
    results = read_results(folder)
    cells = read_cells(results, Names())
    table = numbers.accuracy_table(results, cells)
    return results, cells, table, gap.gap_table(results, table)


@cache
def texts(folder: Path) -> dict[str, str]:
    results, cells, table, gaps = read(folder)
    return {
        "csv": csv.render(table, numbers.CSV_COLUMNS),
        "tex": latex.render(paper(results, table)),
        "txt": terminal.render(brief(results, table)),
        "md": markdown.render(page(results, table, numbers.head_table(results, cells), gaps)),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The studio, and targets of two recipes at several severities."""
    return stored_results.write_gap(tmp_path_factory.mktemp("results") / "domain-gap")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory) -> Path:
    """Two sources, one of them real, on a rendered and a real target; the real source has fewer classes."""
    pairs = [(source, target) for source in ("fer2013", WILD) for target in ("fer2013", WILD)]
    folder = stored_results.write_gap(tmp_path_factory.mktemp("results") / "mixed", pairs)
    plan = json.loads((folder / "plan.json").read_text())
    plan["bayes"] = [row | {"accuracy": 0.9625} if row["source"] == WILD else row for row in plan["bayes"]]
    (folder / "plan.json").write_text(json.dumps(plan))
    return folder


@pytest.mark.parametrize("form", ["csv", "md", "tex"])
def test_stored_runs_on_rendered_domains_give_the_stored_tables(folder, golden, form):
    golden(f"gap.{form}", texts(folder)[form])


def test_every_rendered_domain_is_called_so_in_every_text(folder):
    told = texts(folder)
    for form in ("md", "tex", "txt"):
        text = _marked_heads(told[form].replace("`", ""))
        assert f"{WILD}@0.25 (rendered)" in text
        assert not re.search(r"synthetic-[a-z]+(@[0-9.]+)?(?! \(rendered\)|[a-z@0-9.])", text)
    assert pd.read_csv(io.StringIO(told["csv"]))["rendered"].all()


def _marked_heads(text: str) -> str:
    """A terminal's heads have "(rendered)" in the line below: here it stands behind each name."""
    return re.sub(
        r"^( +method )(.*)\n((?: +\(rendered\))+)$",
        lambda found: (
            found[1] + " ".join(f"{name} (rendered)" for name in found[2].split())
            if len(found[2].split()) == len(found[3].split())
            else found[0]
        ),
        text,
        flags=re.MULTILINE,
    )


def test_every_rendered_domain_is_called_so_in_every_plot(folder):
    results, cells, _table, _gaps = read(folder)
    drawn = {name: draw() for name, draw in figures(find(results, cells, Names())).items()}
    assert {"accuracy", "transfer", "training", "severity", f"confusion-{WILD}@0.5"} <= set(drawn)
    drawn.pop("ranks")  # which is over all domains, and names none
    for name, figure in drawn.items():
        words = [text.get_text() for text in figure.findobj(Text)]
        words += [words.text for artist in figure.findobj(ManyWords) for words in artist.places]
        shown = " ".join(words).replace("\n", " ")
        assert "synthetic-" in shown, name
        assert not re.search(r"synthetic-[a-z]+(@[0-9.]+)?(?! \(rendered\)|[a-z@0-9.])", shown), name


def test_recipes_stand_in_the_order_of_the_plan_and_severities_in_that_of_their_numbers(folder):
    _results, _, table, _ = read(folder)
    assert list(table["target"].unique()) == [
        STUDIO,
        f"{WILD}@0.25",
        f"{WILD}@0.5",
        WILD,
        "synthetic-film@0.1",
        "synthetic-film",
    ]


def test_the_studio_is_severity_0_of_each_recipe_and_each_point_is_the_headline_accuracy(folder):
    _results, _cells, table, gaps = read(folder)
    points = {recipe: sorted(block["severity"].unique()) for recipe, block in gaps.groupby("recipe")}
    assert points == {"synthetic-film": [0, 0.1, 1], WILD: [0, 0.25, 0.5, 1]}
    assert set(gaps.loc[gaps["severity"] == 0, "target"]) == {STUDIO}
    cell = {"target": f"{WILD}@0.25", "readout": "maml", "shots": 5, "selection": "source-val"}
    [expected] = table[(table[list(cell)] == pd.Series(cell)).all(axis=1)]["accuracy"]
    [point] = gaps[(gaps["severity"] == 0.25) & (gaps["readout"] == "maml") & (gaps["shots"] == 5)][
        "accuracy"
    ]
    assert point == expected


def test_another_source_than_the_studio_is_put_at_its_own_severity(tmp_path):
    pairs = [(WILD, target) for target in (WILD, f"{WILD}@0.25", STUDIO)]
    *_, gaps = read(stored_results.write_gap(tmp_path / "wild", pairs))
    assert dict(zip(gaps["target"], gaps["severity"])) == {f"{WILD}@0.25": 0.25, WILD: 1}


def test_one_severity_a_recipe_is_no_gap_and_an_older_plot_of_one_does_not_stay_behind(tmp_path):
    pairs = [(STUDIO, STUDIO), (STUDIO, WILD), (STUDIO, "synthetic-film")]
    folder = stored_results.write_gap(tmp_path / "cross-domain", pairs, episodes=5)
    plan = json.loads((folder / "plan.json").read_text())
    runs = [run for run in plan["runs"] if run["method"] == "protonet"]
    (folder / "plan.json").write_text(json.dumps(plan | {"runs": runs}))
    (folder / "plots").mkdir()
    (folder / "plots" / "severity.png").touch()
    assert "severity.png" not in write_report(folder)
    assert not list(folder.glob("plots/severity.*")) and list(folder.glob("plots/accuracy.*"))
    assert "size of the domain gap" not in (folder / "table.md").read_text(encoding="utf-8")


def test_a_missing_run_leaves_a_hole_in_the_gap_and_not_an_error(tmp_path):
    folder = stored_results.write_gap(tmp_path / "domain-gap", episodes=5)
    (folder / "runs" / f"protonet-{STUDIO}-to-{WILD}@0.25-seed0" / "DONE").unlink()
    results, cells, _table, _gaps = read(folder)
    assert "severity" in figures(find(results, cells, Names()))
    section = texts(folder)["md"].split(f"tested on `{WILD}`")[1].split("##")[0]
    row = next(line for line in section.splitlines() if line.startswith("| ProtoNet | 1 "))
    assert [cell.strip() == "" for cell in row.split("|")[3:-1]] == [False, True, False, False]


def test_the_exact_accuracy_stands_beside_the_methods_of_rendered_targets_only(mixed):
    table = pd.read_csv(io.StringIO(texts(mixed)["csv"]))
    assert table.groupby(["source", "target"])["bayes"].first().dropna().to_dict() == {
        ("fer2013", WILD): 0.975,
        (WILD, WILD): 0.9625,
    }


def test_the_exact_accuracy_is_told_once_or_by_source_and_explained(folder, mixed):
    row, told = "| Bayes-optimal AU reader | {} | 97.5 | 97.5 |", texts(mixed)
    assert row.format("") in texts(folder)["md"]
    assert row.format("`fer2013`") in told["md"]
    assert "| Bayes-optimal AU reader | `synthetic-wild` (rendered) | 96.3 |" in told["md"]
    for text in (told["md"], told["tex"], " ".join(told["txt"].split())):
        assert text.count("no method that sees only an image's drawn units can beat it on average") == 1


def test_the_exact_accuracy_has_no_interval(mixed):
    lines = [line for line in texts(mixed)["md"].splitlines() if line.startswith("| Bayes")]
    assert lines and not any("±" in line for line in lines)


def test_the_text_with_the_exact_accuracy_fits_a_terminal(folder):
    assert max(map(len, texts(folder)["txt"].splitlines())) <= 100


def test_plots_show_the_exact_accuracy_where_there_is_one(folder, mixed):
    results, _cells, table, gaps = read(folder)
    for figure in (accuracy.figure(results, table), severity.figure(results, gaps)):
        labels = [text.get_text() for text in figure.legends[0].texts]
        assert labels[-2:] == ["chance", "Bayes-optimal AU reader"]
    results, _, table, _ = read(mixed)
    heights = [
        [line.get_ydata()[0] for line in axis.lines if line.get_label() == "Bayes-optimal AU reader"]
        for axis in accuracy.figure(results, table).axes
    ]
    assert heights == [[], [], [97.5], [96.25]]


def test_a_method_has_one_colour_in_all_plots(folder):
    results, _cells, table, gaps = read(folder)
    colours = [
        {
            entry.get_label(): to_hex(entry[0].get_color() if line else entry[0].get_facecolor())
            for entry in figure.axes[0].containers
            if entry.get_label() in {one.label for one in names.KNOWN.values()}
        }
        for line, figure in enumerate([accuracy.figure(results, table), severity.figure(results, gaps)])
    ]
    assert colours[0] == colours[1] and len(colours[0]) == table["readout"].nunique()
