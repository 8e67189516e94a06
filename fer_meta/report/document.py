"""What a report says, without any format: a page of sections, tables, figures and words. `formats` render it.

A text is a string, an inline mark, or a tuple of texts one after the other. Strings hold what people read, be
it ours or a user's; each format escapes them, and they hold no markup of any format.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    """What is typed or is the name of a file or data set: shown as it is, letter by letter."""

    text: str


@dataclass(frozen=True)
class Bold:
    text: str


@dataclass(frozen=True)
class Number:
    """Digits with a sign: +1.2."""

    text: str


@dataclass(frozen=True)
class Measured:
    """A mean and the half width of its interval ("" where it is unknown).

    `best`: among its rivals. `failed`: a training behind it did not learn. `lacking`: its seeds are not all
    there. `tight`: in a table too wide for spaces.
    """

    mean: str
    half: str = ""
    best: bool = False
    failed: bool = False
    lacking: bool = False
    tight: bool = False


@dataclass(frozen=True)
class Source:
    """The mark of a numbered source."""

    number: int


@dataclass(frozen=True)
class Bar:
    """An accuracy in words, and where a page has room as a mark on a line from 0 to 1: the interval from
    `low` to `high` about `mean`, and a dot for each training.
    """

    words: Measured
    mean: float
    low: float
    high: float
    dots: tuple[float, ...] = ()
    chance: float = 0.0


@dataclass(frozen=True)
class Shade:
    """A number on a ground that is the darker the larger its `share` (0 to 1) is."""

    text: str
    share: float


@dataclass(frozen=True)
class Link:
    """Leads to the `Anchor` of this name on the same page."""

    text: str
    name: str


@dataclass(frozen=True)
class Anchor:
    """A text that a `Link` leads to."""

    text: str
    name: str


Inline = str | Code | Bold | Number | Measured | Source | Bar | Shade | Link | Anchor
Text = Inline | tuple["Text", ...]


@dataclass(frozen=True)
class Column:
    """The head of a column; numbers are set right, words left. By a `choice` a page lets its reader choose
    among the words of the column; `chosen` is the one that it begins with, where the column has it.
    """

    name: Text
    number: bool = True
    choice: bool = False
    chosen: str = ""


Row = tuple[Text, ...]


@dataclass(frozen=True)
class Table:
    """`groups` of rows, with a rule between two groups where the format has one.

    `caption` and `label` are for tables that float away from their text.
    """

    columns: tuple[Column, ...]
    groups: tuple[tuple[Row, ...], ...]
    caption: Text = ""
    label: str = ""

    @property
    def rows(self) -> list[Row]:
        return [row for group in self.groups for row in group]


@dataclass(frozen=True)
class Paragraph:
    text: Text


@dataclass(frozen=True)
class Items:
    """A list without numbers."""

    items: tuple[Text, ...]


@dataclass(frozen=True)
class Verbatim:
    """Lines to copy, such as a command."""

    text: str


@dataclass(frozen=True)
class Figure:
    """A picture beside the page, without the ending of its name, and what it shows."""

    path: str
    words: str


@dataclass(frozen=True)
class Tile:
    """One image of `Tiles`: its place on the sheet, whose it is in words, and what it was taken for if that
    is wrong.
    """

    place: int
    words: str
    mistaken: str = ""


@dataclass(frozen=True)
class Tiles:
    """Rows of images, each row under a name. `sheet` is a picture that holds all images side by side,
    `across` in a row of it; only a page shows them.
    """

    sheet: str
    across: int
    down: int
    rows: tuple[tuple[str, tuple[Tile, ...]], ...]
    words: Text


@dataclass(frozen=True)
class Section:
    """Blocks under a title; without a title, blocks that belong together. A page shows a `closed` one when
    its reader asks for it, and sets apart the one that `leads`.
    """

    title: Text
    blocks: tuple["Block", ...]
    closed: bool = False
    leads: bool = False


Block = Section | Table | Paragraph | Items | Verbatim | Figure | Tiles


@dataclass(frozen=True)
class Page:
    """`warning` is what must be read before all else."""

    title: Text
    blocks: tuple[Block, ...]
    warning: Text = ""


def table(words: Sequence[Text], numbers: Sequence[Text], rows: Iterable[Sequence[Text]]) -> Table:
    """A table whose first columns hold `words` and whose others hold `numbers`."""
    columns = [Column(name, number=False) for name in words] + [Column(name) for name in numbers]
    return Table(tuple(columns), (tuple(map(tuple, rows)),))


def by_column(words: Mapping[str, Sequence[Text]], numbers: Mapping[str, Sequence[Text]]) -> Table:
    """A table from the cells of each column, by its name."""
    return table([*words], [*numbers], zip(*words.values(), *numbers.values()))


def filled(columns: Mapping[str, Sequence[Text]]) -> dict[str, Sequence[Text]]:
    """The columns that hold something."""
    return {name: cells for name, cells in columns.items() if any(cells)}


def paragraphs(*texts: Text) -> list[Paragraph]:
    """Those that say something."""
    return [Paragraph(text) for text in texts if text]


def joined(texts: Sequence[Text], between: str) -> Text:
    """The texts with `between` from one to the next."""
    return tuple(part for text in texts for part in (between, text))[1:]
