"""A document as plain text, for a terminal."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from textwrap import indent, wrap

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
    Section,
    Shade,
    Source,
    Table,
    Text,
    Tiles,
    Verbatim,
)
from fer_meta.statistics.failed import MARK

WIDTH = 98

Widths = dict[tuple[Column, ...], list[int]]


def render(page: Page) -> str:
    """The sections of a page, without its title. Tables with the same head line up with each other."""
    return blocks([*([Paragraph(page.warning)] if page.warning else []), *page.blocks])


def blocks(parts: Iterable[Block]) -> str:
    """Blocks with an empty line between any two sections."""
    parts = tuple(parts)
    widths = _widths(parts)
    return "\n".join(_block(part, widths) for part in parts)


def _block(one: Block, widths: Widths) -> str:
    match one:
        case Section():
            head = f"{inline(one.title)}\n" if one.title else ""
            return head + "".join(
                ("\n" if isinstance(part, Section) else "") + _block(part, widths) for part in one.blocks
            )
        case Paragraph():
            lines = [inline(one.text)] if _has_code(one.text) else wrap(inline(one.text), WIDTH)
            return "".join(f"{line}\n" for line in lines)
        case Items():
            return "".join(f"- {inline(item)}\n" for item in one.items)
        case Verbatim():
            return indent(one.text, "  ") + "\n"
        case Figure():
            return f"{one.words}: {one.path}.png\n"
        case Table():
            return _aligned(one, widths[one.columns])
        case Tiles():
            return inline(one.words) + "\n"


def inline(text: Text) -> str:
    """A text as people read it; what is typed stands between backticks."""
    match text:
        case str():
            return text
        case Code():
            return f"`{text.text}`"
        case Bold() | Number() | Shade() | Link() | Anchor():
            return text.text
        case Bar():
            return inline(text.words)
        case Source():
            return f"[{text.number}]"
        case Measured():
            half = text.half and f" ± {text.half}"
            return text.mean + half + MARK * text.failed + "*" * text.lacking
    return "".join(map(inline, text))


def _has_code(text: Text) -> bool:
    """Then a line is not broken, for it holds something to copy."""
    return isinstance(text, Code) or (isinstance(text, tuple) and any(map(_has_code, text)))


def _aligned(table: Table, widths: list[int]) -> str:
    lines = []
    for row in [tuple(column.name for column in table.columns), *table.rows]:
        cells = [
            inline(cell).rjust(width) if column.number else inline(cell).ljust(width)
            for cell, column, width in zip(row, table.columns, widths)
        ]
        lines.append(("  " + "  ".join(cells)).rstrip() + "\n")
    return "".join(lines)


def _widths(parts: Iterable[Block]) -> Widths:
    found: Widths = defaultdict(list)
    for table in _tables(parts):
        rows = [tuple(column.name for column in table.columns), *table.rows]
        widths = [max(len(inline(cell)) for cell in cells) for cells in zip(*rows)]
        known = found[table.columns] or widths
        found[table.columns] = [max(pair) for pair in zip(known, widths)]
    return found


def _tables(parts: Iterable[Block]) -> Iterator[Table]:
    for part in parts:
        if isinstance(part, Table):
            yield part
        elif isinstance(part, Section):
            yield from _tables(part.blocks)
