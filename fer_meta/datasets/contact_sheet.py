"""A contact sheet: a data set's classes as rows, its people as columns; some clips, and what severity does,
as strips.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from fer_meta.datasets.cache import CachedFaces
from fer_meta.errors import DatasetError
from fer_meta.fileio import replacing
from fer_meta.words import people

CLIPS = 3

_CELL = 96  # pixels: smaller images are enlarged, by a whole factor so that they stay crisp
_GAP = 4
_MARGIN = 12
_TEXT = 15
_INK, _FAINT, _PAPER, _EMPTY = (30, 30, 30), (120, 120, 120), (255, 255, 255), (236, 236, 236)


def contact_sheet(
    faces: CachedFaces, people: int = 10, seed: int = 0, growing: Sequence[np.ndarray] = ()
) -> Image.Image:
    """A picture with one row per class and one column per person, and three clips if there are clips.

    `growing` holds rendered faces at growing severities, one strip per face (uint8 [K, H, W, 3], of the size
    of the data set's images).

    Columns are `people` of those persons that show most classes; a class that a person does not show is left
    grey. If people are not known, a row holds as many images of the class. `seed` decides which ones.
    """
    rng = np.random.default_rng(seed)
    index = faces.index
    known = index["subject"].notna().all()
    labels = [label for label in faces.spec.vocabulary if (index["label"] == label).any()]
    columns = (
        _people(index, people, rng) if known else [""] * min(people, index["label"].value_counts().max())
    )
    rows = [
        (label, _by_person(index, label, columns, rng) if known else _any(index, label, len(columns), rng))
        for label in labels
    ]
    strips = {} if index["clip"].isna().all() else {"clips, from left to right": _clips(index, people, rng)}
    images = faces.images
    if len(growing):
        starts = np.cumsum([len(images), *(len(strip) for strip in growing)])
        strips["one face as severity grows from 0 to 1"] = [
            ("", list(range(a, b))) for a, b in itertools.pairwise(starts)
        ]
        images = np.concatenate([images, *growing])
    return _draw(images, _title(faces, len(columns) if known else 0), columns, rows, strips)


def write_sheet(sheet: Image.Image, path: Path) -> None:
    """Write a sheet as PNG. Raises DatasetError if that cannot be done."""
    try:
        with replacing(path) as temporary:
            sheet.save(temporary, format="PNG")
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be written ({error.strerror or error}); name another file with --out"
        ) from None


def _title(faces: CachedFaces, shown: int) -> str:
    index = faces.index
    who = f", {shown} of {people(index['subject'].nunique())}" if shown else ""
    rendered = " (rendered)" if faces.spec.rendered else ""
    return f"{faces.name}{rendered}: {len(index):,} images of {index['label'].nunique()} classes{who}"


def _people(index: pd.DataFrame, people: int, rng: np.random.Generator) -> list[str]:
    """Those who show most classes, in the order of their names; among equal ones chance decides."""
    shown = index.groupby("subject")["label"].nunique()
    shown = shown.iloc[rng.permutation(len(shown))].sort_values(ascending=False, kind="stable")
    return sorted(shown.index[:people])


def _by_person(
    index: pd.DataFrame, label: str, people: Sequence[str], rng: np.random.Generator
) -> list[int | None]:
    chosen = []
    for person in people:
        rows = np.flatnonzero((index["label"] == label) & (index["subject"] == person))
        chosen.append(int(rng.choice(rows)) if len(rows) else None)
    return chosen


def _any(index: pd.DataFrame, label: str, number: int, rng: np.random.Generator) -> list[int | None]:
    rows = np.flatnonzero(index["label"] == label)
    chosen = rng.choice(rows, min(number, len(rows)), replace=False).tolist()
    return chosen + [None] * (number - len(chosen))


def _clips(index: pd.DataFrame, length: int, rng: np.random.Generator) -> list[tuple[str, list[int | None]]]:
    """CLIPS clips of different classes, if there are, each as up to `length` of its frames in the order of
    time.
    """
    clips = index.dropna(subset=["clip"]).groupby("clip")["label"].first()
    clips = clips.iloc[rng.permutation(len(clips))]
    clips = pd.concat([clips[~clips.duplicated()], clips[clips.duplicated()]]).iloc[:CLIPS]
    strips = []
    for clip, label in clips.items():
        rows = np.flatnonzero((index["clip"] == clip).fillna(False))
        rows = rows[np.argsort(index["frame"].iloc[rows].fillna(0).to_numpy(dtype=int), kind="stable")]
        spread = np.unique(np.linspace(0, len(rows) - 1, min(length, len(rows))).round().astype(int))
        strips.append((label, rows[spread].tolist()))
    return strips


def _draw(images: np.ndarray, title: str, columns: Sequence[str], rows, strips) -> Image.Image:
    """The sheet: `rows` under `columns`, then the strips under their headings; all are lists of (name, rows
    of `images`).
    """
    factor = max(1, round(_CELL / images.shape[1]))
    cell, step = images.shape[1] * factor, images.shape[1] * factor + _GAP
    font, large = ImageFont.load_default(_TEXT), ImageFont.load_default(_TEXT + 3)
    every = [*rows, *(strip for group in strips.values() for strip in group)]
    left = _MARGIN + max(round(font.getlength(name.replace("_", " "))) for name, _ in every) + _MARGIN
    named = any(columns) and all(font.getlength(name) <= cell for name in columns)
    top = _MARGIN + 2 * _TEXT + (_TEXT + 2 * _GAP if named else 0)
    heading = 2 * _TEXT + 2 * _GAP
    width = (
        max(left + max(len(chosen) for _, chosen in every) * step, _MARGIN + round(large.getlength(title)))
        + _MARGIN
    )
    sheet = Image.new("RGB", (width, top + len(every) * step + len(strips) * heading + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN), title, _INK, large)
    for column, name in enumerate(columns if named else ()):
        draw.text((left + column * step + cell / 2, top - _GAP), name, _FAINT, font, anchor="mb")
    y = top
    for about, group in {"": rows, **strips}.items():
        if about:
            y += heading
            draw.text((left, y - 2 * _GAP), about, _FAINT, font, anchor="lb")
        for name, chosen in group:
            draw.text((left - _MARGIN, y + cell / 2), name.replace("_", " "), _INK, font, anchor="rm")
            for column, row in enumerate(chosen):
                x = left + column * step
                if row is None:
                    draw.rectangle((x, y, x + cell - 1, y + cell - 1), fill=_EMPTY)
                else:
                    face = Image.fromarray(np.asarray(images[row]))
                    sheet.paste(face.resize((cell, cell), Image.Resampling.NEAREST), (x, y))
            y += step
    return sheet
