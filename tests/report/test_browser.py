"""The page in a real browser without a network: it sorts, chooses, fits the screen, and a screen reader can
use it.
"""

import shutil

import pytest
from helpers import stored_results
from helpers.report_texts import texts

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here")

DESK, PHONE = 1400, 400
ACCURACY, READOUT, TARGET, CHECKPOINT, CAVEATS = 2, 3, 5, 7, 8  # columns of the table of all accuracies


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        yield started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = stored_results.write(tmp_path_factory.mktemp("page") / "cross-domain", episodes=6)
    path = folder / "report.html"
    path.write_text(texts(folder)["html"], encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(browser, address):
    """Opens the page; whatever the browser complains of is an error."""
    said, contexts = [], []

    def open_page(width=DESK, scheme="light", **options):
        context = browser.new_context(
            offline=True, viewport={"width": width, "height": 900}, color_scheme=scheme, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url) if request.url != address else None)
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [line for line in said if not line.startswith("data:")] == []


def column(page, table, place):
    return page.locator(f"{table} tbody tr:visible td:nth-child({place})").all_inner_texts()


def test_a_click_on_a_head_sorts_by_number_and_a_second_one_turns_it_round(opened):
    page = opened()
    head = page.locator("#table-1 th").filter(has_text="accuracy")
    place = 1 + page.locator("#table-1 th").all_inner_texts().index(head.inner_text())
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")  # by the keyboard alone
    numbers = [float(text.split()[0].rstrip("†*")) for text in column(page, "#table-1", place)]
    assert numbers == sorted(numbers, reverse=True) and len(set(numbers)) > 5
    assert head.get_attribute("aria-sort") == "descending"
    head.get_by_role("button").click()
    again = [float(text.split()[0].rstrip("†*")) for text in column(page, "#table-1", place)]
    assert again == sorted(numbers) and head.get_attribute("aria-sort") == "ascending"


def test_a_choice_hides_the_other_rows_and_says_how_many_are_left(opened):
    page = opened()
    page.get_by_label("target").first.select_option("press_faces")
    page.get_by_label("shots").first.select_option("5")
    assert set(column(page, "#table-1", TARGET)) == {"press_faces"}
    assert set(column(page, "#table-1", TARGET + 1)) == {"5"}
    shown = len(column(page, "#table-1", 1))
    assert page.get_by_role("status").first.inner_text().startswith(f"{shown} of ")
    page.get_by_role("button", name="Show all").first.click()
    assert set(column(page, "#table-1", TARGET)) == {"press_faces", "fer2013"}
    assert len(set(column(page, "#table-1", CHECKPOINT))) == 3


def test_at_first_each_accuracy_is_there_once_by_the_checkpoint_that_one_can_have(opened):
    page = opened()
    assert page.get_by_label("checkpoint").first.input_value() == "=source-val"
    assert set(column(page, "#table-1", CHECKPOINT)) == {"source-val"}
    assert page.get_by_role("status").first.inner_text().endswith("rows: checkpoint source-val")


def end(page, place):
    """The right end of a column of the table of all accuracies, in pixels."""
    box = page.locator("#table-1 th").nth(place - 1).bounding_box()
    return box["x"] + box["width"]


def test_on_a_phone_accuracy_and_readout_are_seen_at_once_and_the_table_says_that_it_goes_on(opened):
    page = opened(PHONE)
    heads = page.locator("#table-1 th").all_inner_texts()
    assert heads[ACCURACY - 1].startswith("accuracy") and heads[READOUT - 1].startswith("readout")
    assert end(page, READOUT) <= PHONE
    assert page.locator(".hint:visible").filter(has_text="scroll sideways").count()
    wide = page.locator(".wide").filter(has=page.locator("#table-1"))
    wide.evaluate("part => part.scrollLeft = 500")
    first = page.locator("#table-1 tbody tr:visible td").first.bounding_box()
    assert first["x"] >= 0, "the name of the method stays"


@pytest.mark.parametrize(("width", "last"), [(PHONE, READOUT), (DESK, CAVEATS)])
def test_no_cell_out_of_sight_makes_a_row_of_the_table_taller(opened, width, last):
    page = opened(width)
    heights = "rows => rows.map(row => row.getBoundingClientRect().height)"
    rows = page.locator("#table-1 tbody tr:visible")
    whole = rows.evaluate_all(heights)
    page.add_style_tag(content=f"#table-1 :is(th, td):nth-child(n + {last + 1}) {{ display: none }}")
    page.evaluate("document.querySelector('#table-1').style.width = '1px'")  # columns as narrow as they go
    assert rows.evaluate_all(heights) == whole


def test_a_link_opens_the_closed_part_that_it_leads_to(opened):
    page = opened()
    page.get_by_role("link", name="runs").first.click()
    target = page.evaluate("location.hash.slice(1)")
    assert page.locator(f"#{target}").is_visible()


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_nothing_overlaps_or_is_wider_than_the_screen(opened, width):
    page = opened(width)
    page.evaluate("document.querySelectorAll('main details').forEach(part => part.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    overlapping = page.evaluate(
        """() => {
        const of = "h1, h2, h3, p, .wide, .choices, figure";
        const boxes = [...document.querySelectorAll(of)].map(part => part.getBoundingClientRect());
        const seen = boxes.filter(box => box.height > 0);
        return seen.slice(1).filter((box, place) => box.top < seen[place].bottom - 1).length; }"""
    )
    assert overlapping == 0


@pytest.mark.parametrize(("width", "scheme"), [(DESK, "light"), (DESK, "dark"), (PHONE, "light")])
def test_a_screen_reader_and_a_keyboard_can_use_it(opened, width, scheme):
    page = opened(width, scheme, bypass_csp=True)  # for axe is a script too
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    found = axe.Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == []


def test_without_its_script_every_row_is_there(opened, browser):
    page = opened(java_script_enabled=False)
    assert page.locator("#table-1 tbody tr").count() > 50


def test_it_prints_with_all_parts_open(opened):
    page = opened()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("[...document.querySelectorAll('main details')].every(part => part.open)")
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible() and not page.locator(".choices").first.is_visible()


def test_no_table_is_cut_off_on_paper(opened):
    paper = 1032  # pixels of A4 on its side within its margins
    page = opened(paper)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    ends = page.evaluate(
        "[...document.querySelectorAll('table')].map(one => one.getBoundingClientRect().right)"
    )
    assert len(ends) > 20 and max(ends) <= paper
