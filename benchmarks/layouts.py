"""Whether each data set's loader gives back the expressions that lie in its official layout.

    python benchmarks/layouts.py

Takes the tests' tiny trees, which need `pip install -e '.[test]'`, with rendered faces in place of noise.
Loads each, and compares what was read with all that was painted. Then says of each loader what it answers to
an empty folder and to another data set's tree. Writes results/benchmarks/layouts.md.
"""

import os
import re
import sys
import tempfile
from collections import Counter, defaultdict
from itertools import cycle, takewhile
from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageOps

from fer_meta.datasets.base import SPLITS, DatasetSpec
from fer_meta.datasets.cache import load_images
from fer_meta.datasets.registry import CATALOGUE, spec_for
from fer_meta.datasets.synthetic.anatomy import PROTOTYPES
from fer_meta.datasets.synthetic.people import draw_person
from fer_meta.datasets.synthetic.recipes import STUDIO
from fer_meta.datasets.synthetic.renderer import Renderer
from fer_meta.datasets.synthetic.scenes import draw_shot
from fer_meta.errors import DatasetError
from fer_meta.expressions import BASIC, EXPRESSIONS
from fer_meta.fileio import write_text

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from helpers.layouts import TREES
from helpers.painting import SIDE, Album, pixels

SIZE, BATCH = 4 * SIDE, 16

STAND_INS = {
    "fearfully_disgusted": "fear",
    "happily_fearful": "happiness",
    "happily_sad": "sadness",
    "appalled": "disgust",
    "hatred": "anger",
    "awed": "surprise",
    "anxiety": "fear",
    "helplessness": "sadness",
    "disappointment": "sadness",
}
"""What is rendered for the expressions that the renderer does not know."""

WORDS = {
    "fer2013 csv": ("`fer2013.csv`", ""),
    "fer2013 csv, icml": ("`icml_face_data.csv`", ""),
    "fer2013 folders": ("folders of three splits", ""),
    "fer2013 merged": ("folders, both test parts in one", ""),
    "rafdb-basic": ("list and aligned faces in `basic`", ""),
    "rafdb-basic, flat": ("list and aligned faces, no folder `basic`", ""),
    "rafdb-basic, kaggle": ("folders 1 to 7 and tables", ""),
    "rafdb-compound": ("list and aligned faces in `compound`", ""),
    "afew": ("folders of clips", ""),
    "afew background": ("folders of clips in `images_background`", ""),
    "afew unpacked": ("faces unpacked beside the films", ""),
    "afew tracks": ("`Faces` beside the films", ""),
    "afew, packed": ("faces in archives beside the films", ""),
    "folder with splits": ("splits around labels", ""),
    "folder of labels": ("labels alone", ""),
    "dfew": ("lists and `Clip`", "clip in no list, interpolated frames"),
    "dfew, fold 2": ("lists and `Clip`", "clip in no list, interpolated frames"),
    "dfew affine": ("`label` and `data`", "clip in no list"),
    "ferv39k": ("lists and scenes", "clip in no list"),
    "ferv39k, nested": ("lists and scenes, once deeper", "clip in no list"),
    "mafw": ("lists and `data/faces`", "clip in no list"),
    "mafw, fold 2": ("lists and `data/frames`", "clip in no list"),
    "caer-s": ("whole scenes", ""),
    "caer-s, faces": ("faces in the boxes of lists", "images without a box"),
    "caer": ("frames of clips beside the films", ""),
    "omniglot": ("drawings in folders", ""),
    "omniglot, packed": ("drawings in archives", ""),
    "ckplus": ("sequences and files of labels", "frames between, sequences without a label"),
    "ckplus48": ("folders of labels", ""),
    "jaffe": ("codes in names", ""),
    "kdef": ("codes in names, straight views", "other views, faulty names"),
    "kdef-all": ("codes in names, all views", "faulty names"),
    "oulu-casia": ("sequences, cropped", "frames between, other light"),
    "oulu-casia, whole": ("sequences, whole pictures", "frames between, other light"),
    "sfew": ("whole frames and aligned faces", "whole frames of train, test"),
    "cfee": ("numbers in names, and a table", ""),
    "affectnet lists": ("old release: lists with boxes", "None, Uncertain"),
    "affectnet files": ("new release: a file a label", "None"),
    "expw": ("list with boxes", ""),
    "ferplus csv": ("both csv files", "no majority, no face, no name"),
    "ferplus folders": ("folders with lists of votes", "no majority, no face"),
    "ferplus table": ("folders and `fer2013new.csv`", "no majority, no face"),
    "raf-ml": ("lists of shares and parts", "no majority"),
    "raf-ce": ("lists of labels and parts", ""),
}
"""Each layout in words, and what of it is not to be read."""


@click.command()
@click.option(
    "--out", default="results/benchmarks", show_default=True, type=click.Path(file_okay=False, path_type=Path)
)
def main(out):
    """Make, load and compare, and write a page."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FER_META_CACHE"] = f"{folder}/cache"
        roots = {layout: Path(folder) / f"{number}/data" for number, layout in enumerate(TREES)}
        tables = [comparison(roots, Portraits()), refusals(roots, Path(folder))]
    head = ["# Layouts of data sets", "", "`python benchmarks/layouts.py`"]
    page = "\n".join(head + [line for table in tables for line in ("", *table)]) + "\n"
    click.echo(page)
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "layouts.md", page)


class Portraits:
    """Rendered faces, made when they are asked for. The n-th face of every expression is the n-th person, in
    a pose and light of its own.
    """

    def __init__(self) -> None:
        self.stand_ins: set[str] = set()
        self._render = Renderer(SIZE)
        self._drawn: dict[str, list[np.ndarray]] = defaultdict(list)

    def for_a_tree(self):
        """What paints the pictures of a tree, each another one. A picture without a label shows any of the
        basic expressions.
        """
        used: Counter[str] = Counter()
        unlabelled = cycle(BASIC)

        def paint(key: str, of: str | None, shape: tuple) -> np.ndarray:
            if of is not None and of not in EXPRESSIONS:
                return pixels(key, shape)  # a character
            label = next(unlabelled) if of is None else STAND_INS.get(of, of)
            self.stand_ins |= {of} & STAND_INS.keys()
            used[label] += 1
            portrait = Image.fromarray(self._portrait(label, used[label] - 1))
            return np.asarray(ImageOps.pad(portrait, shape[::-1]))

        return paint

    def _portrait(self, label: str, number: int) -> np.ndarray:
        drawn = self._drawn[label]
        while len(drawn) <= number:
            people = range(len(drawn), len(drawn) + BATCH)
            which = list(PROTOTYPES).index(label)
            scenes = [draw_shot(STUDIO, draw_person(0, n), label, [0, n, which])[0][0] for n in people]
            drawn.extend(self._render(scenes))
        return drawn[number]


# --- what comes back ----------------------------------------------------------------------------------------


def comparison(roots: dict[str, Path], portraits: Portraits) -> list[str]:
    """A row for each layout, whose tree is made on the way."""
    rows, all_read, all_right = [], 0, 0
    for layout in sorted(roots, key=lambda layout: TREES[layout][0]):
        cells, read, right = come_back(layout, roots[layout], portraits.for_a_tree())
        rows.append(f"| {' | '.join(map(str, cells))} |")
        all_read, all_right = all_read + read, all_right + right
    stand_ins = ", ".join(
        f"{name} by {other}" for name, other in STAND_INS.items() if name in portraits.stand_ins
    )
    return [
        (
            f"{all_right:,} of {all_read:,} images in {len(rows)} layouts came back under the expression that"
            f" was rendered. Each layout is a tiny tree of rendered faces of {SIZE} px, in the manner of"
            " synthetic-studio, loaded as a bench loads it. What each place of it shows was taken from"
            " descriptions of the data sets (`tests/helpers/truth.py`), and not from the loaders."
        ),
        "",
        (
            "An image that was read is compared with all pictures of its tree, and is the one whose greys"
            " differ least. `right` counts the pictures that came back under their own expression. The same"
            " people show all expressions. The renderer knows the basic ones, contempt and RAF-DB's compound"
            f" ones. Others have a stand-in: {stand_ins}. Omniglot's characters are noise."
        ),
        "",
        "| data set | layout | pictures | found | right | people | clips | splits | not read |",
        "|---|---|---|---|---|---|---|---|---|",
        *rows,
    ]


def come_back(layout: str, root: Path, paint) -> tuple[list, int, int]:
    """The cells of a layout's row, how many images were found, and how many pictures are right."""
    name, make = TREES[layout]
    with Album(paint, SIZE // SIDE) as album:
        make(root)
    faces = load_images(spec_for(name, root), root, SIZE, progress=False)
    index, nearest = faces.index, album.nearest(faces.images)
    right = len({one for one, label in zip(nearest, index["label"]) if album.shown[one] == label})
    splits = ", ".join(split for split in SPLITS if split in set(index["split"]))
    known = [index[column].nunique() or "" for column in ("subject", "clip")]
    words, left_out = WORDS[layout]
    cells = [title(name), words, len(album.shown), len(index), right, *known, splits, left_out]
    return cells, len(index), right


def title(name: str) -> str:
    return f"`{name}`" if name in CATALOGUE else "your own"


# --- wrong layouts ------------------------------------------------------------------------------------------


def refusals(roots: dict[str, Path], folder: Path) -> list[str]:
    """What each loader says of what is not its data set, and which trees it reads nevertheless."""
    (folder / "empty").mkdir()
    rows, read, lines = [], [], []
    for name in (name for name in CATALOGUE if family(name) == name):
        spec = CATALOGUE[name]
        others = [layout for layout in TREES if family(TREES[layout][0]) != name]
        said = {layout: refusal(spec, roots[layout]) for layout in others}
        nothing = refusal(spec, folder / "empty")
        refused = [layout for layout in others if said[layout]]
        # The most telling one: a line that is not that of the empty folder, and a data set of the same kin.
        other = max(refused, key=lambda one: (said[one] != nothing, kinship(name, TREES[one][0])))
        cells = [f"`{name}`", found(nothing, spec), in_words(other), found(said[other], spec)]
        rows.append(f"| {' | '.join(cells)} | {len(refused)} of {len(others)} | `{spec.layout}` |")
        lines += [nothing, *(said[layout] for layout in refused)]
        if len(refused) < len(others):
            read.append(f"- `{name}`: {'; '.join(in_words(one) for one in others if not said[one])}")
    clear = sum("expected" in line or "known: " in line for line in lines)
    return [
        *("## Wrong layouts", ""),
        (
            "What a loader says of an empty folder and of another data set's tree. Its line reads"
            " `<folder>: <found>; expected <expected>; to obtain it: <how>`. Where it expects something else"
            f" than the layout, that is given too. {clear:,} of {len(lines):,} such lines say what they"
            " expected."
        ),
        "",
        "| data set | found in an empty folder | given instead | found there | trees refused | expected |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        (
            "These trees of other data sets are read. Their folders or files are the same, and mean the same."
            " But `rafdb-compound` refuses the real list of RAF-DB basic, which is too long for it."
        ),
        "",
        *read,
    ]


def in_words(layout: str) -> str:
    return f"{title(TREES[layout][0])}, {WORDS[layout][0]}"


def kinship(name: str, other: str) -> int:
    """How many letters two names begin with together: `rafdb-basic` is near to `rafdb-compound`."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(name, other))))


def family(name: str) -> str:
    """The first of the data sets that read the same trees: folds, and angles."""
    return re.sub("-([0-9]|all)$", "", name)


def refusal(spec: DatasetSpec, root: Path) -> str:
    """The error's line without the folder; nothing if the tree is read."""
    try:
        spec.scan(root)
    except DatasetError as error:
        return str(error).replace(f"{root}/", "").replace(f"{root}: ", "")
    return ""


def found(line: str, spec: DatasetSpec) -> str:
    """What a line says was found; all of it if it expects something else than the layout."""
    line = line.partition("; to obtain it: ")[0].replace("<", "\\<")
    what, _, rest = line.partition("; expected ")
    return what if rest in ("", spec.layout.replace("<", "\\<")) else f"{what}; expected {rest}"


if __name__ == "__main__":
    main()
