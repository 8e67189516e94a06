"""What the machine refuses is said in words, wherever it comes from."""

import errno
import os
import tempfile

import pytest
import torch
from safetensors import SafetensorError

from fer_meta.errors import MachineError
from fer_meta.fileio import replacing, write_text
from fer_meta.refused import disk_in_words, memory_in_words
from fer_meta.runner.failing import disk_is_full, in_one_line


def refused(number: int, name=None) -> OSError:
    return OSError(number, os.strerror(number), name)


@pytest.mark.parametrize(
    "number, fix",
    [(errno.EFBIG, "ulimit -f"), (errno.EROFS, "can be written"), (errno.ENOENT, "still there")],
)
def test_a_run_that_the_disk_refuses_says_where_and_what_to_do(number, fix):
    line = in_one_line(refused(number, "/there/it"))
    assert line.startswith(f"/there/it: {os.strerror(number)}; ") and fix in line


def test_a_full_temporary_folder_may_be_another_one():
    line, status = disk_in_words(refused(errno.ENOSPC, tempfile.gettempdir()))
    assert "TMPDIR" in line and status == 1
    assert "TMPDIR" not in disk_in_words(refused(errno.ENOSPC, "/there"))[0]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_and_a_full_quota_are_known_by_the_words_of_safetensors(number):
    said = f"Error while serializing: I/O error: {os.strerror(number)} (os error {number})"
    assert disk_is_full(SafetensorError(said)) and not disk_is_full(SafetensorError("InvalidHeader"))


def test_full_memory_is_said_in_words_whichever_library_says_it():
    with pytest.raises(RuntimeError) as real:
        torch.empty(1 << 58)
    for error in (real.value, RuntimeError("could not create a primitive"), MemoryError()):
        assert in_one_line(error).startswith("not enough memory (") and "--jobs" in in_one_line(error)
    assert memory_in_words(RuntimeError("no such weights")) is None
    assert memory_in_words(MachineError("too little")) is None


@pytest.mark.parametrize("name", [str, lambda path: None])
def test_the_name_of_a_temporary_file_is_no_place(tmp_path, name):
    with pytest.raises(OSError) as error, replacing(tmp_path / "table.csv") as temporary:
        raise OSError(errno.EROFS, f"Failed to open '{temporary}'", name(temporary))
    assert ".tmp" not in str(error.value) and str(tmp_path) in str(error.value)


def test_a_disk_that_becomes_read_only_is_not_hidden_by_what_cannot_be_removed(tmp_path, monkeypatch):
    def read_only(path, missing_ok=False):
        raise refused(errno.EROFS, str(path))

    with pytest.raises(OSError, match="No space left") as error, monkeypatch.context() as patched:
        patched.setattr(type(tmp_path), "unlink", read_only)
        with replacing(tmp_path / "table.csv"):
            raise refused(errno.ENOSPC)
    assert error.value.filename == str(tmp_path)


def test_a_folder_in_the_place_of_a_file_is_named_and_kept(tmp_path):
    (tmp_path / "plan.json" / "mine").mkdir(parents=True)
    with pytest.raises(OSError) as error:
        write_text(tmp_path / "plan.json", "{}")
    line, status = disk_in_words(error.value)
    assert line.startswith(f"{tmp_path / 'plan.json'}: Is a directory; ") and "remove the folder" in line
    assert status == 2 and [path.name for path in tmp_path.iterdir()] == ["plan.json"]
