"""Who watches standard error."""

import io
import sys

import pytest

from fer_meta.streams import unwatched


class Notebook(io.StringIO):
    """A cell's output, as ipykernel has it: no terminal, and yet somebody looks at it."""

    __module__ = "ipykernel.iostream"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream, nobody", [
    (Notebook(), False), (Terminal(), False), (io.StringIO(), True), (None, True),
])  # fmt: skip
def test_a_bar_is_shown_in_a_terminal_and_in_a_notebook(monkeypatch, stream, nobody):
    monkeypatch.setattr(sys, "stderr", stream)
    assert unwatched() == nobody
