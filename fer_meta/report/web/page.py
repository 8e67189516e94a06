"""The page: the answer first, then what it is made of."""

from collections.abc import Sequence
from dataclasses import replace

from fer_meta.report.aggregate.found import Found
from fer_meta.report.document import Block, Page, Section
from fer_meta.report.formats import terminal
from fer_meta.report.web import answer, confusions, explorer, made_by
from fer_meta.report.web.figures import figure

PUBLISHED = "Published figures"
APART = ("Missing", "Experiments not run", PUBLISHED)
"""How the titles of sections begin that have a place of their own; the others are among the tables."""

ELSEWHERE = ("Primary contrast",)
"""The answer says it."""


def web_page(found: Found, whole: Page, figures: Sequence[str], episodes: Section | None) -> Page:
    """From all sections of the page on paper, `whole`; `figures` are the names of the plots that it shows."""
    results = found.results
    start, *sections = [one for one in whole.blocks if isinstance(one, Section)]
    titles = [terminal.inline(one.title) for one in sections]
    kept = [one for one, title in zip(sections, titles) if not title.startswith((*APART, *ELSEWHERE))]
    apart = [one for one, title in zip(sections, titles) if title.startswith(APART)]
    blocks: list[Block | None] = [
        answer.section(found),
        *map(figure, figures[:1]),
        *[one for one in apart if not terminal.inline(one.title).startswith(PUBLISHED)],
        explorer.section(found),
        Section("Figures", tuple(map(figure, figures[1:]))) if figures[1:] else None,
        episodes,
        confusions.section(results, found.cells),
        *[one for one in apart if terminal.inline(one.title).startswith(PUBLISHED)],
        Section("All tables", tuple(replace(one, closed=True) for one in kept)),
        Section("How the numbers are made", start.blocks, closed=True),
        made_by.section(results),
    ]
    return Page(whole.title, tuple(one for one in blocks if one))
