"""Whatever is in a film is frames or a reason; whatever is in a journal is read or refused in one line."""

import tempfile
from functools import cache
from pathlib import Path

import pytest
from helpers.films import grey, write_film
from helpers.fuzz import answer, damaged, few, jsonl_files, room
from hypothesis import given
from hypothesis import strategies as st

from fer_meta.video.frames import read_frames
from fer_meta.video.journal import JOURNAL, Settings, open_journal

pytest.importorskip("av")

SETTINGS = Settings(source="films", fps=5, size=96, detector="yuface")
ROWS = [
    SETTINGS.model_dump(),
    {"path": "a.avi", "bytes": 9, "frames": 3, "found": 2, "missing": [[1, "no face"]]},
    {"path": "b/c.avi", "bytes": 9, "frames": 3, "found": 0, "missing": [[None, "no pictures"]]},
]


@cache
def film(name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write_film(Path(folder, name), map(grey, (10, 90, 170))).read_bytes()


FILMS = ["x.avi", "x.mp4", "x.mkv"]


@few(40)
@given(st.sampled_from(FILMS).flatmap(lambda name: st.tuples(st.just(name), damaged(film(name)))))
def test_any_film_is_frames_or_a_reason(made):
    name, content = made
    with room() as folder:
        (folder / name).write_bytes(content)
        for frame in answer(lambda: list(read_frames(folder / name))) or ():
            assert frame.pixels.ndim == 3


@few(40)
@given(jsonl_files(ROWS))
def test_any_journal_is_read_or_refused(content):
    with room() as folder:
        (folder / JOURNAL).write_bytes(content)
        answer(lambda: open_journal(folder, SETTINGS), folder)
