"""SIGKILL at a random moment; the long form, over rendered faces too, is `benchmarks/kills.py`."""

import importlib.util
import time
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("kills", Path(__file__).parents[2] / "benchmarks" / "kills.py")
kills = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(kills)


@pytest.mark.slow
def test_a_bench_killed_anywhere_ends_with_the_same_answers_and_leaves_nothing(suite, trees, tmp_path):
    jobs = 2

    def words(out):
        data = [f"--data=day={trees / 'day'}", "--algorithms=protonet"]
        return [*kills.command(tmp_path / out, suite, jobs), *data]

    began = time.perf_counter()
    assert kills.run(words("whole"), tmp_path / "cache") == 0
    longest = kills.LONGEST * (time.perf_counter() - began)
    whole, killed = (tmp_path / out / "results" / "tiny" for out in ("whole", "killed"))
    assert (
        kills.kill_and_go_on(
            words("killed"),
            tmp_path / "cache-killed",
            whole,
            killed,
            1,
            longest,
            seed=jobs,
        )
        == []
    )
