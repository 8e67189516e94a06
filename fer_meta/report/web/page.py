"""The page: the answer first, then what it is made of."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fer_meta.report.aggregate.found import Found
from fer_meta.report.document import Block, Page, Section
from fer_meta.report.formats import html, terminal
from fer_meta.report.sections import glossary
from fer_meta.report.web import answer, confusions, episodes, explorer, made_by
from fer_meta.report.web.figures import figure

MOST_BYTES = 500_000
"""Of a figure as a drawing."""

PUBLISHED = "Published figures"
APART = ("Missing", "Experiments not run", PUBLISHED)
"""How the titles of sections begin that have a place of their own; the others are among the tables."""

ELSEWHERE = ("Primary contrast", glossary.TITLE)
"""The answer says it, or the end of the page."""


def web_page(found: Found, whole: Page, figures: Sequence[str], photographs: bool) -> str:
    """From all sections of the page on paper, `whole`; `figures` are the names of the plots that it shows,
    whose `.svg` are in the folder of the results.
    """
    shown, folder = episodes.section(found, photographs), found.results.folder
    drawings = {f"plots/{name}": _picture(folder / "plots" / f"{name}.svg") for name in figures}
    pictures = {name: path.read_bytes() for name, path in drawings.items() if path.is_file()}
    pictures |= {name: (folder / name).read_bytes() for name in episodes.sheets(shown)}
    return html.render(_document(found, whole, figures, shown), pictures)


def _picture(drawing: Path) -> Path:
    """The drawing, or its pixels where it has so many parts that they are smaller."""
    pixels = drawing.with_suffix(".png")
    large = drawing.is_file() and drawing.stat().st_size > MOST_BYTES and pixels.is_file()
    return pixels if large else drawing


def _document(found: Found, whole: Page, figures: Sequence[str], example: Section | None) -> Page:
    results = found.results
    start, *sections = [one for one in whole.blocks if isinstance(one, Section)]
    titles = [terminal.inline(one.title) for one in sections]
    kept = [one for one, title in zip(sections, titles) if not title.startswith((*APART, *ELSEWHERE))]
    apart = [one for one, title in zip(sections, titles) if title.startswith(APART)]
    shown = [figure(name, found) for name in figures]
    blocks: list[Block | None] = [
        answer.section(found),
        *shown[:1],
        *[one for one in apart if not terminal.inline(one.title).startswith(PUBLISHED)],
        explorer.section(found),
        Section("Figures", tuple(shown[1:])) if shown[1:] else None,
        example,
        confusions.section(results, found.cells),
        *[one for one in apart if terminal.inline(one.title).startswith(PUBLISHED)],
        Section("All tables", tuple(replace(one, closed=True) for one in kept)),
        Section("How the numbers are made", start.blocks, closed=True),
        made_by.section(results),
        glossary.section(found),
    ]
    return replace(whole, blocks=tuple(one for one in blocks if one))
