"""Figures as files.

They are made through matplotlib's objects, so that no global state of pyplot changes.
"""

import io
import os
import pathlib
import sys
import warnings
from collections.abc import Callable, Collection
from multiprocessing import get_context
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fer_meta.fileio import replacing

FORMATS = (".png", ".pdf")
PAGES = ".svg"


def write_figures(
    drawings: dict[str, Callable[[], Figure]], folder: pathlib.Path, on_page: Collection[str] = ()
) -> list[pathlib.Path]:
    """Draw each figure and write it to `folder` under its name as `.png` and `.pdf`, those `on_page` as
    `.svg` too; on all cores where processes can be forked.
    """
    shares = min(len(drawings), len(os.sched_getaffinity(0))) if sys.platform == "linux" else 1
    names = list(drawings)

    def formats(name: str) -> tuple[str, ...]:
        return (*FORMATS, PAGES) if name in on_page else FORMATS

    def write(share: list[str]) -> None:
        for name in share:
            with matplotlib.rc_context({"text.parse_math": False}):  # a `$` in a name is no formula
                contents = render(drawings[name](), formats(name))
            for suffix, content in contents.items():
                with replacing(folder / (name + suffix)) as temporary:
                    temporary.write_bytes(content)

    def write_in_silence(share: list[str]) -> None:
        try:
            write(share)
        except (Exception, KeyboardInterrupt):  # its share is done again below
            sys.exit(1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads: a child only draws
        others = [
            get_context("fork").Process(target=write_in_silence, args=(names[number::shares],))
            for number in range(1, shares)
        ]
        for process in others:
            process.start()
    write(names[::shares])
    for process in others:
        process.join()
    for number, process in enumerate(others, start=1):
        if process.exitcode:
            write(names[number::shares])  # here, where its error is the user's
    return [folder / (name + suffix) for name in names for suffix in formats(name)]


def render(figure: Figure, formats: tuple[str, ...] = FORMATS) -> dict[str, bytes]:
    """The bytes of a `.png` (150 dpi), a `.pdf` and a `.svg`, by suffix; the same figure gives the same
    bytes.
    """
    figure.set_dpi(150)
    FigureCanvasAgg(figure)
    options: dict[str, dict[str, Any]] = {
        ".png": {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 3}},
        ".pdf": {"metadata": {"CreationDate": None}},
        ".svg": {"metadata": {"Date": None}},
    }
    rendered = {}
    with matplotlib.rc_context({"pdf.fonttype": 42, "svg.hashsalt": "fer-meta"}):  # publishers refuse Type 3
        for suffix in formats:
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix[1:], dpi=150, **options[suffix])
            rendered[suffix] = buffer.getvalue()
    return rendered
