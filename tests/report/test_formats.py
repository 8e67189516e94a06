"""One document in every format: what is marked is data, and what anybody writes is text."""

from fer_meta.report.document import (
    Bold,
    Code,
    Column,
    Figure,
    Items,
    Measured,
    Number,
    Page,
    Paragraph,
    Section,
    Source,
    Table,
    Verbatim,
    by_column,
    filled,
    joined,
    table,
)
from fer_meta.report.formats import latex, markdown, terminal

HOSTILE = r"*a* _b_ `c` [d](e) <f> 50 % $x$ & \y | # ~ ^"


def test_what_anybody_writes_is_text_in_every_format():
    assert markdown.inline(HOSTILE) == r"\*a\* \_b\_ \`c\` \[d\](e) \<f> 50 % $x$ & \\y | # \~ ^"
    assert terminal.inline(HOSTILE) == HOSTILE
    assert r"50\,\% \$x\$ \& \textbackslash{}y \textbar{} \#" in latex.inline(HOSTILE)


def test_marks_are_what_each_format_has_for_them():
    best = Measured("55.0", "1.2", best=True, failed=True, lacking=True)
    assert markdown.inline(best) == r"**55.0** ± 1.2†\*"
    assert terminal.inline(best) == "55.0 ± 1.2†*"
    assert latex.inline(best) == r"$\mathbf{55.0} \pm 1.2^{\dagger*}$"
    text = (Code("a_b"), " is ", Bold("new"), ", ", Number("+1.2"), " ", Source(3))
    assert markdown.inline(text) == "`a_b` is **new**, +1.2 [3]"
    assert terminal.inline(text) == "`a_b` is new, +1.2 [3]"
    assert latex.inline(text) == r"\texttt{a\_b} is \textbf{new}, $+1.2$ [3]"


def test_a_page_has_headings_lists_figures_and_commands():
    inner = Section("Inner", (Figure("plots/ranks", "Ranks"), Verbatim("fer-meta bench")))
    page = Page("A page", (Section("", (Paragraph("Start."),)), Section("Outer", (Items(("one",)), inner))))
    assert markdown.render(page) == (
        "# A page\n\nStart.\n\n## Outer\n\n- one\n\n### Inner\n\n![Ranks](plots/ranks.png)\n\n"
        "```\nfer-meta bench\n```\n"
    )
    assert terminal.render(page) == (
        "Start.\n\nOuter\n- one\n\nInner\nRanks: plots/ranks.png\n  fer-meta bench\n"
    )


def test_a_command_in_a_text_is_not_broken_over_lines():
    words = Paragraph(("long " * 20, Code("fer-meta bench --suite cross-domain")))
    assert terminal.blocks([words]).count("\n") == 1
    assert terminal.blocks([Paragraph("long " * 40)]).count("\n") == 3


def test_tables_with_the_same_head_line_up_with_each_other_and_others_do_not():
    narrow, wide = (table(["readout"], ["shots"], [[name, "5"]]) for name in ("a", "a long name"))
    lines = terminal.blocks([narrow, wide, table(["x"], [], [["y"]])]).splitlines()
    assert lines[1] == "  a                5" and lines[4] == "  a long name      5" and lines[6] == "  x"


def test_a_table_has_rules_between_its_groups_in_latex_and_a_bar_is_no_column_in_markdown():
    one = Table((Column("m", number=False), Column("n")), ((("a|b", "1"),), (("c", ""),)), "All", "x y")
    assert markdown.block(one) == "| m | n |\n| :-- | --: |\n| a\\|b | 1 |\n| c |  |"
    text = latex.render(one)
    assert r"\label{tab:x-y}" in text and r"\begin{tabular}{lr}" in text
    assert "    a\\textbar{}b & 1 \\\\\n    \\midrule\n    c & -- \\\\" in text


def test_columns_of_nothing_can_be_left_out():
    columns = filled({"full": ["1", ""], "empty": ["", ""]})
    assert by_column({"name": ["a", "b"]}, columns).rows == [("a", "1"), ("b", "")]
    assert markdown.inline(joined([Code("a"), "b"], ", ")) == "`a`, b"
