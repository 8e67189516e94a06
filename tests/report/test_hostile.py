"""No name, title, note or error breaks out of the table or the line that shows it, in any format."""

import re
import shutil

from helpers.fuzz import answer, few, is_plain
from helpers.html_check import check_html
from helpers.report_texts import hostile, texts
from hypothesis import given
from hypothesis import strategies as st

from fer_meta.report.document import Bold, Code, Column, Page, Paragraph, Section, Table, Verbatim
from fer_meta.report.formats import html, latex, markdown, terminal

MARKUP = st.lists(
    st.sampled_from(
        [
            *"\\`*_[]()<>|$&%#{}~^!-+=:;'\" ",
            "a",
            "1",
            "```",
            "<b>",
            "</td>",
            "<!--",
            "&lt;",
            "\\|",
            "\\\\|",
            "](x)",
        ]
    ),
    max_size=14,
).map("".join)
"""A line of what has a meaning in some format."""

ANYTHING = st.one_of(
    MARKUP, st.text(max_size=20), st.lists(st.one_of(MARKUP, st.text(max_size=4))).map("\n".join)
)

_CODE = re.compile(r"(?<![`\\])(`+)(?!`).*?(?<!`)\1(?!`)")
_TAG = re.compile(r"(?<!\\)(?:\\\\)*<[A-Za-z/!?]")


def cells(row: str) -> tuple[int, int]:
    """The cells of a row of Markdown, as readers count them: those to whom a backslash escapes what follows,
    and those who look only at the sign before a bar.
    """
    return len(re.sub(r"\\.", "", row).split("|")), len(re.split(r"(?<!\\)\|", row))


def check_markdown(page: str) -> None:
    """Every row of a table has as many cells as the table's head, and there is no HTML outside of code."""
    fence, columns = "", (0, 0)
    for line in page.split("\n"):
        if fence or re.fullmatch("`{3,}", line):
            fence = "" if line == fence else fence or line
        elif line.startswith("|"):
            columns = columns if columns != (0, 0) else cells(line)
            assert cells(line) == columns, line
        else:
            columns = (0, 0)
        assert fence or not _TAG.search(_CODE.sub("", line)), line
    assert not fence


_LATEX = re.compile(
    r"(?:\\[_&%#${}]|\\,|\\text(?:backslash|asciitilde|asciicircum|less|greater|bar)\{\}"
    r"|\$\\pm\$|\$\^\\dagger\$|[^\\_&%#${}~^<>|])*"
)


@few(100)
@given(MARKUP)
def test_a_text_is_one_cell_in_every_format(text):
    table = Table(
        (Column("name", number=False), Column("n")), (((text, "1"), (Code(text), "2"), (Bold(text), "3")),)
    )
    check_markdown(markdown.block(table))
    assert _LATEX.fullmatch(latex.escaped(text))
    assert terminal.blocks([table]).count("\n") == 4
    page = check_html(html.render(Page(text, (Section(text, (table, Paragraph(text), Verbatim(text))),))))
    assert page.text.count(text) >= 6


@few(8)
@given(ANYTHING)
def test_no_word_of_a_user_breaks_out_of_a_report(made, text):
    folder = made.parent / "hostile" / "cross-domain"
    shutil.rmtree(folder.parent, ignore_errors=True)
    shutil.copytree(made, folder)
    hostile(folder, text)
    found = answer(lambda: texts(folder), folder)
    if found is None:
        return
    assert all(is_plain(line) for one in found.values() for line in one.split("\n"))
    check_markdown(found["md"])
    check_html(found["html"])
    rows = [line for line in found["tex"].split("\n") if line.endswith(r" \\")]
    assert rows and len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) <= found["tex"].count(
        "\\begin{tabular}"
    )
