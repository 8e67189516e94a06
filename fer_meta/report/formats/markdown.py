"""A document in Markdown."""

import re

from fer_meta.report.document import (
    Anchor,
    Bar,
    Block,
    Bold,
    Code,
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


def render(page: Page) -> str:
    """The whole page, its title a heading of the first level."""
    start = [f"# {inline(page.title)}", *([f"> {inline(page.warning)}"] if page.warning else [])]
    return "\n\n".join([*start, *(block(one) for one in page.blocks)]) + "\n"


def block(one: Block, level: int = 2) -> str:
    """A block without a line's end; a section's heading is of this `level`."""
    match one:
        case Section():
            head = [f"{'#' * level} {inline(one.title)}"] if one.title else []
            return "\n\n".join(head + [block(part, level + 1) for part in one.blocks])
        case Paragraph():
            return inline(one.text)
        case Items():
            return "\n".join(f"- {inline(item)}" for item in one.items)
        case Verbatim():
            ticks = "`" * max(3, _longest_ticks(one.text) + 1)
            return f"{ticks}\n{one.text}\n{ticks}"
        case Figure():
            return f"![{escaped(one.words)}]({one.path}.png)"
        case Table():
            return _pipes(one)
        case Tiles():
            return inline(one.words)


def inline(text: Text) -> str:
    """A text within a line."""
    match text:
        case str():
            return escaped(text)
        case Code():
            return _code(text.text)
        case Bold():
            return f"**{escaped(text.text)}**"
        case Number():
            return text.text
        case Shade() | Link() | Anchor():
            return escaped(text.text)
        case Bar():
            return inline(text.words)
        case Source():
            return f"[{text.number}]"
        case Measured():
            mean = f"**{text.mean}**" if text.best else text.mean
            between = "±" if text.tight else " ± "
            return mean + (text.half and between + text.half) + MARK * text.failed + "\\*" * text.lacking
    return "".join(map(inline, text))


def escaped(text: str) -> str:
    """A text (one line) so that Markdown shows it as it is. A `|` is escaped where it matters, in a table."""
    return _MARKUP.sub(r"\\\g<0>", text)


# What begins emphasis, code, a link, HTML or an entity; `_` within a word and `<` before a number begin
# nothing.
_MARKUP = re.compile(r"[\\`*\[\]~]|^[#>+=-]|(?<!\w)_|_(?!\w)|<(?=[A-Za-z/!?])|&(?=[#A-Za-z])")


def _code(text: str) -> str:
    if not text or "\\|" in text:  # in a table, readers differ on where such code ends
        return escaped(text)
    ticks = "`" * (_longest_ticks(text) + 1)
    space = " " if "`" in text else ""
    return f"{ticks}{space}{text}{space}{ticks}"


def _longest_ticks(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _pipes(table: Table) -> str:
    lines = [[inline(column.name) for column in table.columns], *(map(inline, row) for row in table.rows)]
    shown = ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]
    rule = "| " + " | ".join("--:" if column.number else ":--" for column in table.columns) + " |"
    return "\n".join([shown[0], rule, *shown[1:]])
