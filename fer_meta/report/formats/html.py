"""A document as one HTML file that needs no network: style, script and pictures are in it.

Every text is escaped by MarkupSafe. The page's own rules (a content security policy) let a browser run its
one script, by its hash, and load nothing.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from importlib import resources
from itertools import count
from types import MappingProxyType

from markupsafe import Markup, escape

from fer_meta.report.document import (
    Anchor,
    Bar,
    Block,
    Bold,
    Code,
    Column,
    Figure,
    Items,
    Link,
    Measured,
    Number,
    Page,
    Paragraph,
    Row,
    Section,
    Shade,
    Source,
    Table,
    Text,
    Tile,
    Tiles,
    Verbatim,
)
from fer_meta.report.formats import terminal
from fer_meta.statistics.failed import MARK

Pictures = Mapping[str, bytes]
"""The picture of each `Figure.path` (SVG or PNG) and of each `Tiles.sheet` (JPEG)."""


SHORT, LONG = 12, 30
"""Letters of a cell that is not broken, and of one that is not broken into many lines."""

DOTS = 150
"""Dots of an inch of a PNG."""

OVER = 0.02
"""How far beyond an end of its axis an interval is shown that goes on there."""


def render(page: Page, pictures: Pictures = MappingProxyType({})) -> str:
    """The whole page. A figure without a picture here is a link to its file beside the page."""
    script = _part("page.js")
    policy = (
        "default-src 'none'; img-src data: 'self'; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
    )
    writer = _Writer(pictures)
    sections = [block for block in page.blocks if isinstance(block, Section) and block.title]
    names = [f"part-{number}" for number in range(1, len(sections) + 1)]
    named = dict(zip(map(id, sections), names))
    body = Markup("\n").join(writer.block(one, 2, named.get(id(one), "")) for one in page.blocks)
    entries = Markup("\n").join(
        Markup('<li><a href="#{}">{}</a></li>').format(name, inline(section.title))
        for name, section in zip(names, sections)
    )
    whole = _SKELETON.format(
        policy=policy,
        title=terminal.inline(page.title),
        heading=inline(page.title),
        warning=Markup('\n<p class="warning" role="note">{}</p>').format(inline(page.warning))
        if page.warning
        else "",
        style=Markup(_part("page.css")),  # ours
        sheets=writer.sheets(),
        entries=entries,
        body=body,
        script=Markup(script),  # ours
    )
    return str(whole)


def inline(text: Text) -> Markup:
    """A text within a line."""
    match text:
        case str():
            return escape(text)
        case Code():
            return Markup("<code>{}</code>").format(text.text)
        case Bold():
            return Markup("<strong>{}</strong>").format(text.text)
        case Number():
            return escape(text.text.replace("-", "−"))
        case Source():
            return escape(f"[{text.number}]")
        case Link():
            return Markup('<a href="#{}">{}</a>').format(text.name, text.text)
        case Anchor():
            return Markup('<span id="{}">{}</span>').format(text.name, text.text)
        case Shade():
            return Markup('<span class="shade" style="--share:{}">{}</span>').format(
                f"{text.share:.3f}", text.text
            )
        case Measured():
            mean = Markup("<strong>{}</strong>" if text.best else "{}").format(text.mean)
            half = text.half and f" ± {text.half}"
            return mean + half + MARK * text.failed + "*" * text.lacking
        case Bar():
            return inline(text.words) + _bar(text)
    return Markup("").join(map(inline, text))


def _bar(bar: Bar) -> Markup:
    """The interval as a line, its mean as a mark, trainings as dots, chance as a thin line; words say it
    all.
    """
    low = max(bar.low, -OVER)
    dots = Markup("").join(
        Markup('<circle class="dot" cx="{}" cy="{}" r="1.7"/>').format(
            f"{100 * dot:.1f}", 4 + 2 * (number % 3)
        )
        for number, dot in enumerate(bar.dots)
    )
    return Markup(
        '<svg class="bar" viewBox="-2 0 104 12" aria-hidden="true">'
        '<line class="axis" x1="0" x2="100" y1="11" y2="11"/>'
        '<line class="chance" x1="{chance}" x2="{chance}" y1="0" y2="11"/>'
        '<rect class="interval" x="{low}" width="{width}" y="3" height="6"/>'
        '<line class="mean" x1="{mean}" x2="{mean}" y1="1" y2="11"/>{dots}</svg>'
    ).format(
        chance=f"{100 * bar.chance:.1f}",
        low=f"{100 * low:.1f}",
        width=f"{100 * (min(bar.high, 1 + OVER) - low):.1f}",
        mean=f"{100 * bar.mean:.1f}",
        dots=dots,
    )


class _Writer:
    """Blocks, with the numbers of tables and the sheets of images that the page so far has."""

    def __init__(self, pictures: Pictures):
        self.pictures = pictures
        self.numbers = count(1)
        self.shown: dict[str, str] = {}  # sheet -> its class

    def block(self, one: Block, level: int, name: str = "") -> Markup:
        """A block; a section's heading is of this `level` and its anchor is `name`."""
        match one:
            case Section():
                return self._section(one, level, name)
            case Paragraph():
                return Markup("<p>{}</p>").format(inline(one.text))
            case Items():
                return Markup("<ul>{}</ul>").format(_each("<li>{}</li>", map(inline, one.items)))
            case Verbatim():
                return Markup('<pre tabindex="0"><code>{}</code></pre>').format(one.text)
            case Figure():
                return self._figure(one)
            case Table():
                return self._table(one)
            case Tiles():
                return self._tiles(one)
        raise TypeError(one)

    def sheets(self) -> Markup:
        """The style of the sheets of images, each of which is in the page once."""
        return Markup("\n").join(
            Markup(".{} {{ background-image: url(data:image/jpeg;base64,{}) }}").format(
                name, base64.b64encode(self.pictures[sheet]).decode()
            )
            for sheet, name in self.shown.items()
        )

    def _section(self, one: Section, level: int, name: str) -> Markup:
        parts = Markup("\n").join(self.block(part, min(level + 1, 6)) for part in one.blocks)
        if not one.title:
            return parts
        head = Markup("<h{level}>{title}</h{level}>").format(level=level, title=inline(one.title))
        anchor = Markup(' id="{}"').format(name) if name else ""
        if one.closed:
            return Markup("<details{}><summary>{}</summary>\n{}</details>").format(anchor, head, parts)
        leads = Markup(' class="leads"') if one.leads else ""
        return Markup("<section{}{}>{}\n{}</section>").format(anchor, leads, head, parts)

    def _figure(self, one: Figure) -> Markup:
        drawn = self.pictures.get(one.path)
        words = Markup("<figcaption>{}</figcaption>").format(one.words)
        if drawn is None:
            return Markup('<p><a href="{}.png">{}</a></p>').format(one.path, one.words)
        kind = "png" if drawn.startswith(b"\x89PNG") else "svg+xml"
        data = f"data:image/{kind};base64,{base64.b64encode(drawn).decode()}"
        wide, high = _size(drawn)
        return Markup(
            '<figure><div class="wide" role="region" tabindex="0" aria-label="Figure: {0}">'
            '<img loading="lazy" alt="{0}" width="{1}" height="{2}" src="{3}"></div>{4}</figure>'
        ).format(one.words, wide, high, data, words)

    def _table(self, one: Table) -> Markup:
        number = next(self.numbers)
        caption = inline(one.caption) if one.caption else ""
        head = Markup("").join(
            Markup('<th scope="col"{}{}>{}</th>').format(_right(column), _choice(column), inline(column.name))
            for column in one.columns
        )
        groups = _each("<tbody>{}</tbody>\n", (_rows(one.columns, rows) for rows in one.groups))
        label = terminal.inline(one.caption) or "Numbers"
        return Markup(
            '<div class="wide" role="region" tabindex="0" aria-label="{label}, table {number}">'
            '<table id="table-{number}">{caption}'
            "<thead><tr>{head}</tr></thead>\n{groups}</table></div>"
        ).format(
            label=label,
            number=number,
            caption=Markup("<caption>{}</caption>").format(caption) if caption else "",
            head=head,
            groups=groups,
        )

    def _tiles(self, one: Tiles) -> Markup:
        if one.sheet not in self.pictures:
            return Markup("<p>{}</p>").format(inline(one.words))
        sheet = self.shown.setdefault(one.sheet, f"sheet-{len(self.shown) + 1}")
        rows = Markup("\n").join(
            Markup('<div class="row"><span class="who">{}</span>{}</div>').format(
                name, _each("{}", (_tile(tile, one, sheet) for tile in tiles))
            )
            for name, tiles in one.rows
        )
        return Markup('<figure class="tiles"><figcaption>{}</figcaption>{}</figure>').format(
            inline(one.words), rows
        )


def _size(drawn: bytes) -> tuple[int, int]:
    """The width and height of a picture of ours in CSS pixels, of which an inch has 96: the page keeps its
    place free until it is there.
    """
    if found := re.search(rb'<svg[^>]* width="([0-9.]+)pt" height="([0-9.]+)pt"', drawn[:4000]):
        return round(float(found[1]) * 96 / 72), round(float(found[2]) * 96 / 72)
    wide, high = (int.from_bytes(drawn[place : place + 4]) for place in (16, 20))
    return round(wide * 96 / DOTS), round(high * 96 / DOTS)


def _tile(tile: Tile, of: Tiles, sheet: str) -> Markup:
    column, line = tile.place % of.across, tile.place // of.across
    words = f"{tile.words}, named {tile.mistaken}" if tile.mistaken else tile.words
    place = f"{_share(column, of.across)} {_share(line, of.down)}"
    size = f"{100 * of.across}% {100 * of.down}%"
    return Markup(
        '<span class="tile{wrong}"><span class="face {sheet}" role="img" aria-label="{words}" '
        'title="{words}" style="background-position:{place};background-size:{size}"></span>{named}</span>'
    ).format(
        wrong=" wrong" if tile.mistaken else "",
        sheet=sheet,
        words=words,
        place=place,
        size=size,
        named=Markup('<span class="named" aria-hidden="true">{}</span>').format(tile.mistaken)
        if tile.mistaken
        else "",
    )


def _share(place: int, of: int) -> str:
    """Where a background picture is `of` times as large as its box, the place of its part of this number."""
    return f"{100 * place / max(of - 1, 1):.4f}%"


def _rows(columns: tuple[Column, ...], rows: Iterable[Row]) -> Markup:
    return _each("<tr>{}</tr>\n", (_cells(columns, row) for row in rows))


def _cells(columns: tuple[Column, ...], row: Row) -> Markup:
    return Markup("").join(
        Markup("<td{}>{}</td>").format(_right(column) or _breadth(cell), inline(cell))
        for column, cell in zip(columns, row)
    )


def _right(column: Column) -> Markup:
    return Markup(' class="number"') if column.number else Markup("")


def _choice(column: Column) -> Markup:
    return Markup(' data-choice="{}"').format(column.chosen) if column.choice else Markup("")


def _breadth(cell: Text) -> Markup:
    """How wide a column words need."""
    letters = len(terminal.inline(cell))
    return Markup(' class="long"' if letters > LONG else ' class="words"' if letters > SHORT else "")


def _each(form: str, texts: Iterable[object]) -> Markup:
    return Markup("").join(Markup(form).format(text) for text in texts)


def _part(name: str) -> str:
    return (resources.files("fer_meta.report.formats") / name).read_text(encoding="utf-8")


_SKELETON = Markup(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{style}
{sheets}
</style>
</head>
<body>
<a class="skip" href="#main">Skip to the answer</a>
<nav aria-label="Parts of this page"><details><summary>Parts of this page</summary><ol>
{entries}
</ol></details></nav>
<main id="main" tabindex="-1">
<h1>{heading}</h1>{warning}
{body}
</main>
<script>{script}</script>
</body>
</html>
"""
)
