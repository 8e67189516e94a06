"""A claim is one process's alone, outlives nobody, and is taken over from the dead; without any lock."""

import json
import multiprocessing
import os
import threading
import time

import filelock
import pytest

from fer_meta.runner import claims
from fer_meta.runner.claims import claimed
from fer_meta.runner.locks import model_held


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.owner"


def other(path, **changed):
    """A claim of another process: by default of one that lives, on another machine."""
    owner = {"host": "node7", "pid": 7, "began": "1", "token": "x"} | changed
    path.write_text(json.dumps(owner))


def touched(path, ago):
    then = time.time() - ago
    os.utime(path, (then, then))


def has(path):
    with claimed(path) as mine:
        return mine


def test_nobody_else_has_what_is_claimed_and_anybody_may_have_it_then(path):
    with claimed(path) as mine:
        assert mine and not has(path)
    assert has(path) and not path.exists()


def test_the_claim_of_another_machine_holds_as_long_as_it_is_touched(path):
    other(path)
    assert not has(path)
    touched(path, claims.DEAD - 5)
    assert not has(path)
    touched(path, claims.DEAD + 5)
    assert has(path) and not list(path.parent.iterdir())


def test_a_claim_from_the_future_ages_from_now_on(path):
    """The disk's clock was set back: a dead owner's claim would hold until it is reached again."""
    other(path)
    touched(path, -365 * 24 * 3600)
    assert not has(path)
    assert abs(time.time() - path.stat().st_mtime) < 60


def test_the_clock_of_the_machine_is_not_asked(path, monkeypatch):
    other(path)
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert not has(path)


def test_a_process_of_this_machine_that_is_gone_is_taken_over_at_once(path):
    process = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(0,))
    process.start()
    host, began = claims._host(), claims._began(process.pid)
    other(path, host=host, pid=process.pid, began=began)
    while claims._began(process.pid):
        time.sleep(0.05)
    assert has(path), "also before anybody has asked how it ended"
    process.join()


def test_a_claim_stays_where_no_more_files_can_be_opened(path, monkeypatch):
    other(path)

    def too_many(self, *_, **__):
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(type(path), "open", too_many)
        with pytest.raises(OSError, match="Too many"):
            has(path)
    assert "node7" in path.read_text()


def test_of_a_claim_that_was_taken_over_the_old_owner_is_no_heart(path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT", 0.05)
    monkeypatch.setattr(claims, "_hearts", claims._Hearts())
    with claimed(path):
        other(path)
        touched(path, 1000)
        time.sleep(0.5)
        assert time.time() - path.stat().st_mtime > 900
    assert "node7" in path.read_text(), "nor does it remove it"


def test_where_proc_does_not_tell_the_age_does(path, monkeypatch):
    monkeypatch.setattr(claims, "_host", lambda: "")
    with claimed(path):
        assert not has(path)
        touched(path, claims.DEAD + 5)
        assert has(path)


def test_a_later_process_with_the_same_number_is_not_the_owner(path):
    other(path, host=claims._host(), pid=os.getpid(), began="another time")
    assert has(path)


def test_a_claim_that_is_just_being_written_holds(path):
    path.write_text("")
    assert not has(path)
    touched(path, claims.DEAD + 5)
    assert has(path)


def test_the_owner_touches_its_claim(path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT", 0.05)
    monkeypatch.setattr(claims, "_hearts", claims._Hearts())
    with claimed(path):
        touched(path, 1000)
        time.sleep(0.5)
        assert time.time() - path.stat().st_mtime < 100


def test_of_many_that_find_a_dead_owner_one_takes_over(path):
    for _ in range(30):
        other(path)
        touched(path, claims.DEAD + 5)
        start, got = threading.Barrier(8), []

        def take(start=start, got=got):
            start.wait()
            with claimed(path) as mine:
                got.append(mine)
                start.wait()

        threads = [threading.Thread(target=take) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(got) == 1 and not list(path.parent.iterdir())


def test_a_model_is_one_processs_on_a_disk_without_locks_too(tmp_path, monkeypatch):
    def refuse(self, *_, **__):
        raise NotImplementedError

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    (tmp_path / ".locks").mkdir()
    with model_held(tmp_path, "protonet") as mine:
        with model_held(tmp_path, "protonet") as also:
            assert mine and not also
        with model_held(tmp_path, "supervised") as another:
            assert another
