"""Golden files: what differs fails with the way out, and what is meant is written."""

import pytest
from helpers.golden import compare


def test_a_text_that_differs_fails_with_the_way_out_and_is_written_when_it_is_meant(tmp_path):
    path = tmp_path / "table.md"
    path.write_text("old\n")
    with pytest.raises(AssertionError, match=r"table\.md; .* pytest --update-golden"):
        compare(path, "new\n", update=False)
    assert path.read_text() == "old\n"

    compare(path, "new\r\n", update=True)
    assert path.read_bytes() == b"new\r\n"
    compare(path, "new\r\n", update=False)
