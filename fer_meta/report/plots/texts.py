"""Hundreds of short texts in one plot, as outlines."""

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cache

from matplotlib.artist import Artist
from matplotlib.colors import to_rgb
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from fer_meta.report.plots.look import SMALL


@dataclass(frozen=True)
class Words:
    """A line of text at `x`, `y` (data coordinates, its end or beginning by `ha`), in `points`, turned by
    `angle` degrees about there.
    """

    x: float
    y: float
    text: str
    points: float = SMALL
    ha: str = "center"  # left | center | right
    va: str = "center"  # center | baseline
    angle: float = 0.0
    colour: str = "black"


class ManyWords(Artist):
    """Hundreds of short texts, as outlines: each distinct one is made once and stamped wherever it stands.

    As matplotlib's own texts they would take most of a figure's time, each being measured and set many times.
    """

    def __init__(self, words: list[Words]):
        super().__init__()
        self.set_in_layout(False)
        self.set_zorder(3)  # as other texts
        self.places = defaultdict(list)
        for one in words:
            self.places[replace(one, x=0.0, y=0.0)].append((one.x, one.y))

    def draw(self, renderer) -> None:
        assert self.axes is not None  # it is on one when it is rendered
        points = Affine2D().scale(renderer.points_to_pixels(1))
        gc = renderer.new_gc()
        gc.set_linewidth(0)
        for look, places in self.places.items():
            renderer.draw_markers(
                gc, _outline(look), points, Path(places), self.axes.transData, to_rgb(look.colour)
            )
        gc.restore()


@cache
def _outline(look: Words) -> Path:
    """In points, from where it stands."""
    # polygons a twentieth of a point true, for extents of curves are slow to find
    fine = Affine2D().scale(20)
    polygons = TextPath((0, 0), look.text, size=look.points).to_polygons(fine)
    path = fine.inverted().transform_path(
        Path.make_compound_path(*(Path(points, closed=True) for points in polygons))
    )
    box = path.get_extents()
    across = {"left": 0, "center": 0.5, "right": 1}[look.ha] * box.xmax
    up = (box.ymin + box.ymax) / 2 if look.va == "center" else 0
    return Affine2D().translate(-across, -up).rotate_deg(look.angle).transform_path(path)


def inches(text: str) -> float:
    """How long a small text is."""
    return _outline(Words(0, 0, text)).get_extents().width / 72
