"""The page of a suite (`report.html`): what it says, what it shows, and what it never does."""

import base64
import hashlib
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers import stored_results
from helpers.html_check import check_html
from helpers.report_texts import change, texts

from fer_meta.records.pictures import pictures_of, write_sheet
from fer_meta.report import write_report
from fer_meta.report.aggregate.found import find
from fer_meta.report.cells import Names, read_cells
from fer_meta.report.load import read_results
from fer_meta.report.web import explorer
from fer_meta.report.web.answer import _advantage, ahead
from fer_meta.report.web.figures import figure

ABSENT = {"did not learn", "one seed", "transductive"}
"""Caveats that these results have not."""

NAMED = {"first": "supervised-ncm", "second": "protonet", "shots": 5, "over": "across", "less": None}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = stored_results.write(tmp_path_factory.mktemp("page") / "cross-domain", episodes=6)
    change(folder / "plan.json", primary=NAMED)
    for home in (folder / "runs").glob("*/run.json"):
        change(
            home,
            environment={"git_commit": "0123456789abcdef", "device": "cpu", "packages": {"torch": "2.9"}},
            identity={"model": {"train_images": "a1a1"}, "test_images": "b2b2"},
        )
    for path in (folder / "episodes").glob("*5shot*.parquet"):
        images = np.random.RandomState(0).randint(0, 255, (60, 32, 32, 3), np.uint8)
        write_sheet(pictures_of(path), images)
    return folder


@pytest.fixture(scope="module")
def page(folder):
    return texts(folder)["html"]


def test_the_answer_comes_first_and_in_plain_words(tmp_path):
    whole = stored_results.write(tmp_path / "cross-domain", seeds=1, episodes=4)
    change(whole / "plan.json", primary=NAMED)
    words = check_html(texts(whole)["html"]).text
    start = words.index("The answer of this suite", words.index("The answer of this suite") + 1)
    assert start < words.index("Every result", start)
    said = re.search(
        r"On domains that it was not trained on, Supervised \(nearest mean\) is .*? ProtoNet\. This", words
    )
    assert said and said.start() < words.index("Named before the runs")
    assert "made by fer-meta; they are no photographs" in words and "One seed: other trainings" in words


def test_of_a_smoke_run_all_texts_say_that_its_numbers_mean_nothing(folder, page):
    note = "Preset smoke: this run shows only that everything works"
    said = texts(folder)
    assert page.index(f'<p class="warning" role="note">{note}') < page.index("The answer of this suite</h2>")
    assert f"<ul><li>{note}" in page  # the first bullet under the answer
    assert said["md"].split("\n")[2].startswith(f"> {note}")
    assert note in " ".join(said["txt"].split()) and note in said["tex"]
    plan = json.loads((folder / "plan.json").read_text())
    try:
        change(folder / "plan.json", preset="quick")
        assert not any("Preset smoke" in text for text in texts(folder).values())
    finally:
        (folder / "plan.json").write_text(json.dumps(plan))


def test_words_that_a_reader_may_not_know_are_explained(folder, page):
    words = page[page.index("Words</h2>") :]
    assert '<a href="#words">' in page and 'id="words"' in words
    for word in ("oracle", "UAR", "own head", "nearest mean"):
        assert f"<strong>{word}</strong>: " in words
    assert "<strong>bundled</strong>" not in words  # no network of these began from such weights


@pytest.mark.parametrize(
    ("advantage", "said"), [(0.0, "level with"), (-1e-15, "level with"), (-0.012, "1.2 points behind")]
)
def test_methods_that_are_equally_good_are_level(advantage, said):
    assert ahead(advantage) == said


def test_a_lead_has_its_interval_in_its_own_direction():
    assert ahead(-0.042, -0.064, -0.019) == "4.2 points (1.9 to 6.4) behind"
    assert ahead(0.014, -0.061, 0.088) == "1.4 points (-6.1 to 8.8) ahead of"
    row = pd.Series({"advantage_over": 0.014, "low_over": -0.061, "high_over": 0.088})
    assert (
        _advantage(row, "over", "B")
        == "1.4 points (-6.1 to 8.8) ahead of B, which is not separable from zero"
    )


def test_a_suite_without_a_comparison_of_its_own_has_no_answer(folder):
    plan = json.loads((folder / "plan.json").read_text())
    try:
        change(folder / "plan.json", primary=None)
        assert "so it has no answer" in texts(folder)["html"]
    finally:
        (folder / "plan.json").write_text(json.dumps(plan))


def test_every_accuracy_of_the_table_is_on_the_page_with_its_caveats(folder, page):
    parts = check_html(page)
    rows = re.findall(r"<tr>(.*?)</tr>", page.split('id="table-1"')[1].split("</table>")[0], re.DOTALL)
    written = texts(folder)["csv"].strip().split("\n")
    assert len(rows) == len(written)  # with their heads
    lacking = [row for row in rows if "seeds missing (1 of 2)" in row]
    assert lacking and all("rendered (synthetic-wild)</td>" in row for row in lacking)
    oracle = [row for row in rows if "<td>oracle</td>" in row]
    assert oracle and all(row.count("oracle") == 2 for row in oracle), "the checkpoint, and a caveat"
    for said in ("best on the target's validation split", "knows its training's classes"):
        assert parts.text.count(said) == 2, "the whole sentence below the table, and in the list of words"
    assert not set(explorer.CAVEATS) - set(re.findall(r"<strong>([a-z ]+)</strong>: ", page)) - ABSENT


def test_a_caveat_names_no_domain_where_all_are_rendered(folder):
    plan = (folder / "plan.json").read_text()
    try:
        change(folder / "plan.json", rendered=["synthetic-wild", "fer2013", "press_faces"])
        table = texts(folder)["html"].split('id="table-1"')[1].split("</table>")[0]
    finally:
        (folder / "plan.json").write_text(plan)
    assert "rendered</td>" in table and "rendered (" not in table and "(rendered)" not in table


def test_a_row_leads_to_the_commit_and_the_data_that_made_it(page):
    link = re.search(r'<a href="#(made-[0-9a-f]{8})">runs</a>', page)[1]
    row = re.search(rf'<tr><td><span id="{link}">.*?</tr>', page, re.DOTALL)[0]
    assert "<code>0123456789</code>" in row and "<code>a1a1</code>" in row and "<code>b2b2</code>" in row
    assert "torch 2.9" in page and "fer-meta bench --suite cross-domain" in page


def test_an_older_result_says_that_its_commit_was_not_recorded(made):
    assert "not recorded" in texts(made)["html"]


def test_nothing_is_loaded_and_only_its_own_script_runs(page):
    parts = check_html(page)
    policy = next(found["content"] for tag, found in parts.found if tag == "meta" and "http-equiv" in found)
    digest = base64.b64encode(hashlib.sha256(parts.scripts[0].encode()).digest()).decode()
    assert "default-src 'none'" in policy and f"script-src 'sha256-{digest}'" in policy
    assert "url(data:" in page and not re.search(r"url\((?!data:)|@import", page)


def test_photographs_are_shown_on_demand_alone(folder, without_plots):
    write_report(folder)
    quiet = (folder / "report.html").read_text()
    assert "An episode of each target" not in quiet  # its targets are photographs
    write_report(folder, photographs=True)
    shown = (folder / "report.html").read_text()
    assert "An episode of each target" in shown and shown.count('role="img"') > 100


def test_an_episode_shows_each_query_and_which_were_named_wrong(page):
    figures = re.findall(r'<figure class="tiles">.*?</figure>', page, re.DOTALL)
    support, queries = figures[0], figures[1]
    assert "the support, by class" in support and "wrong" not in support
    right, asked = map(int, re.search(r"(\d+) of (\d+) right", queries).groups())
    assert queries.count('role="img"') == asked and queries.count('class="tile wrong"') == asked - right


def test_figures_are_in_the_page_with_words_for_those_who_do_not_see_them(folder):
    write_report(folder)
    written = (folder / "report.html").read_text()
    pictures = [found for tag, found in check_html(written).found if tag == "img"]
    assert len(pictures) >= 4 and all(len(found["alt"]) > 25 for found in pictures)
    assert {found["width"] for found in pictures} == {"864"}, "9 inches, so that the page keeps their places"
    assert all(100 < int(found["height"]) < 5000 for found in pictures)
    assert not list((folder / "plots").glob("confusion*.svg"))  # the page has tables of them
    (folder / "report.json").unlink()
    write_report(folder)
    assert (folder / "report.html").read_text() == written


def test_a_caption_says_what_its_figure_has(folder):
    results, names = read_results(folder), Names()
    found = find(results, read_cells(results, names), names)
    assert found.answer.kept.empty and "lead" not in figure("answer", found).words
    kept = found.answer._replace(kept=pd.DataFrame({"kept": [0.5]}))
    assert "lead over chance" in figure("answer", replace(found, answer=kept)).words
    assert "joins methods" in figure("ranks", found).words
    many = replace(found.ranked, names=[*"abcdefghijklmnopqrst"])
    assert "do not touch" in figure("ranks", replace(found, ranked=many)).words


def test_without_the_page_an_older_one_goes(folder, without_plots):
    write_report(folder)
    assert (folder / "report.html").exists()
    assert "report.html" not in write_report(folder, with_page=False)
    assert not (folder / "report.html").exists()
