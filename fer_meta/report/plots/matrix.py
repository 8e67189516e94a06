"""Matrices of numbers side by side."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

from fer_meta.report.plots.look import NORMAL, SMALL, WIDTH
from fer_meta.report.plots.texts import ManyWords, Words, inches
from fer_meta.statistics.failed import MARK

Point = tuple[float, float]

# Inches from one line of a row's name to the next.
LINE = 0.14
# Where all lines of panels are no higher, one below the other, they have the names of their columns once.
PAGE = 12.0
# Inches of a cell, which is square where the names of the rows have room, at most.
LARGEST = 0.5


WIDE = 1.8  # inches of a title that would touch the next


def in_two_lines(name: str) -> str:
    """A long name of a readout, broken before how the features are read."""
    return name.replace(" (", "\n(", 1) if inches(name) > WIDE else name


@dataclass(frozen=True)
class Matrix:
    """A panel of `percent` [rows, columns] (NaN where there is none), with its title and the names of its
    rows and columns. Titles and names of rows may have several lines.

    `marked` [rows, columns]: whether MARK follows a number; None if it follows none.
    """

    title: str
    rows: list[str]
    columns: list[str]
    percent: np.ndarray
    marked: np.ndarray | None = None


def matrices(
    panels: list[Matrix],
    title: str,
    axes: tuple[str, str],
    form: str,
    colours: str,
    ends: tuple[float, float],
    bar: str = "",
) -> Figure:
    """Matrices side by side, three at most, on one scale of `colours` between `ends`, with a colour bar if
    `bar` says of what.

    `axes` say what rows and columns are, `form` how a number is written. If all panels have the same rows,
    the rows are named once per line of panels. All of it is one axes in inches from the upper left: two dozen
    axes of their own would take seconds.
    """
    layout = _layout(panels, title, bool(bar))
    height = layout.height(len(panels))
    figure = Figure(figsize=(WIDTH, height))
    axis = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
    axis.axis("off")
    corners = [layout.corner(number) for number in range(len(panels))]
    numbers = np.concatenate([panel.percent.ravel() for panel in panels])
    mesh = PolyCollection(
        [cell for panel, corner in zip(panels, corners) for cell in _cells(panel, corner, layout)],
        array=numbers,
        cmap=colours,
        clim=ends,
        antialiaseds=False,
        linewidths=0,
    )
    dark = (mesh.to_rgba(numbers)[:, :3] @ [0.3, 0.6, 0.1] < 0.5) & ~np.isnan(numbers)
    words, strokes, first = _title(title), [], 0
    for number, (panel, corner) in enumerate(zip(panels, corners)):
        more = [_around(panel, corner, layout)]
        if not layout.once:
            more.append(_columns(panel, corner, layout, axes[1]))
        if not layout.same or number % layout.across == 0:
            more.append(_rows(panel, corner, layout, axes[0]))
        for some_words, some_strokes in more:
            words += some_words
            strokes += some_strokes
        last = first + panel.percent.size
        words += _numbers(panel, corner, layout, form, dark[first:last])
        first = last
    if layout.once:  # in one line, also below a line that is not full
        for corner in map(layout.corner, layout.lowest(len(panels))):
            some_words, some_strokes = _columns(panels[0], corner, layout, axes[1])
            words += some_words
            strokes += some_strokes if corner in corners else []
    axis.add_collection(mesh, autolim=False)
    axis.add_collection(LineCollection(strokes, colors="black", linewidths=0.8), autolim=False)
    axis.add_artist(ManyWords(words))
    if bar:
        _scale(figure, mesh, bar, layout.head + layout.over, layout.below)
    return figure


@dataclass(frozen=True)
class _Layout:
    """Where the panels are, in inches."""

    across: int  # panels in a line
    same: bool  # whether all panels have the same rows
    names: float  # for the names of rows and what they are
    room: float  # of a panel and what is left and right of its cells
    wide: float  # of the cells of a panel
    tall: float
    head: float  # above the first line of panels
    over: float  # for the title of a panel
    below: float  # for the names of columns and what they are
    once: bool  # only the lowest panels have these names

    def height(self, panels: int) -> float:
        return self.head + math.ceil(panels / self.across) * self._pitch + self.below * self.once

    def corner(self, number: int) -> Point:
        """The upper left of the cells of a panel."""
        line, place = divmod(number, self.across)
        left = self.names + place * (self.room + 0.2 + self.names * (not self.same))
        return left + (self.room - self.wide) / 2, self.head + self.over + line * self._pitch

    def lowest(self, panels: int) -> range:
        """The numbers of the places in the last line."""
        first = (math.ceil(panels / self.across) - 1) * self.across
        return range(first, first + self.across)

    def cell(self, panel: Matrix) -> tuple[float, float]:
        """The width and height of a cell."""
        return self.wide / len(panel.columns), self.tall / len(panel.rows)

    @property
    def _pitch(self) -> float:
        return self.over + self.tall + (0 if self.once else self.below)


def _layout(panels: list[Matrix], title: str, bar: bool) -> _Layout:
    across = min(3, len(panels))
    same = all(panel.rows == panels[0].rows for panel in panels)
    rows = {name for panel in panels for name in panel.rows}
    names = 0.5 + max(inches(line) for name in rows for line in name.split("\n"))
    room = (WIDTH - 0.1 - 0.8 * bar - names * (1 if same else across)) / across - 0.2
    columns = max(len(panel.columns) for panel in panels)
    lines = max(len(panel.rows) for panel in panels)
    cell = min(room / columns, LARGEST)
    tall = lines * max(cell, 0.08 + LINE * _lines(rows))
    over = 0.13 + 0.16 * max(2, _lines(panel.title for panel in panels))
    alike = all(panel.columns == panels[0].columns for panel in panels)
    return _Layout(
        across,
        same,
        names,
        room,
        wide=columns * cell,
        tall=tall,
        head=0.25 + 0.19 * (1 + title.count("\n")),
        over=over,
        below=0.42 + max(map(inches, {name for panel in panels for name in panel.columns})) / math.sqrt(2),
        once=alike and math.ceil(len(panels) / across) * (over + tall) <= PAGE,
    )


def _lines(texts: Iterable[str]) -> int:
    """The lines of the text that has most."""
    return 1 + max(text.count("\n") for text in texts)


def _title(title: str) -> list[Words]:
    return [
        Words(WIDTH / 2, 0.26 + 0.19 * line, text, NORMAL + 2, va="baseline")
        for line, text in enumerate(title.split("\n"))
    ]


def _cells(panel: Matrix, corner: Point, layout: _Layout) -> list[list[Point]]:
    """The corners of each cell, row by row."""
    (left, top), (wide, tall) = corner, layout.cell(panel)
    places = [(left + column * wide, top + row * tall) for row, column in np.ndindex(panel.percent.shape)]
    return [[(x, y), (x + wide, y), (x + wide, y + tall), (x, y + tall)] for x, y in places]


def _around(panel: Matrix, corner: Point, layout: _Layout) -> tuple[list[Words], list[list[Point]]]:
    """The title and the frame of a panel."""
    left, top = corner
    middle, right, bottom = left + layout.wide / 2, left + layout.wide, top + layout.tall
    words = [
        Words(middle, top - 0.08 - 0.16 * up, text, NORMAL, va="baseline")
        for up, text in enumerate(reversed(panel.title.split("\n")))
    ]
    return words, [[(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]]


def _columns(
    panel: Matrix, corner: Point, layout: _Layout, columns: str
) -> tuple[list[Words], list[list[Point]]]:
    """The names of the columns of a panel; `columns` says what they are."""
    left, bottom = corner[0], corner[1] + layout.tall
    words = [Words(left + layout.wide / 2, bottom + layout.below - 0.12, columns, NORMAL, va="baseline")]
    strokes = []
    for column, name in enumerate(panel.columns):
        x = left + (column + 0.5) * layout.cell(panel)[0]
        strokes.append([(x, bottom), (x, bottom + 0.05)])
        words.append(Words(x + 0.03, bottom + 0.13, name, ha="right", angle=45))
    return words, strokes


def _rows(panel: Matrix, corner: Point, layout: _Layout, rows: str) -> tuple[list[Words], list[list[Point]]]:
    """The names of the rows of a panel; `rows` says what they are."""
    left, top = corner
    heights = [top + (row + 0.5) * layout.cell(panel)[1] for row in range(len(panel.rows))]
    words = [
        Words(left - 0.09, y + LINE * (line - name.count("\n") / 2), text, ha="right")
        for y, name in zip(heights, panel.rows)
        for line, text in enumerate(name.split("\n"))
    ]
    words.append(Words(left - layout.names + 0.18, top + layout.tall / 2, rows, NORMAL, angle=90))
    return words, [[(left - 0.05, y), (left, y)] for y in heights]


def _numbers(panel: Matrix, corner: Point, layout: _Layout, form: str, dark: np.ndarray) -> list[Words]:
    """The numbers in the cells, white on those that are `dark` [cells]."""
    (left, top), (wide, tall) = corner, layout.cell(panel)
    points = min(SMALL, 72 * wide / (0.7 * len(form.format(10))))
    marked = np.zeros(panel.percent.shape, bool) if panel.marked is None else panel.marked
    return [
        Words(
            left + (column + 0.5) * wide,
            top + (row + 0.5) * tall,
            "–" if np.isnan(percent) else form.format(percent) + MARK * bool(marked[row, column]),
            points,
            colour="white" if deep else "black",
        )
        for ((row, column), percent), deep in zip(np.ndenumerate(panel.percent), dark)
    ]


def _scale(figure: Figure, mesh: PolyCollection, words: str, head: float, below: float) -> None:
    """The colour bar, right of the panels; `head` and `below` are the inches above and below their cells."""
    height = figure.get_figheight()
    long = min(4.0, height - head - below - 0.15)
    where = (WIDTH - 0.8) / WIDTH, 1 - (head + long) / height, 0.15 / WIDTH, long / height
    scale = figure.colorbar(mesh, cax=figure.add_axes(where))
    scale.set_label(words, fontsize=NORMAL)
    scale.ax.tick_params(labelsize=SMALL)
