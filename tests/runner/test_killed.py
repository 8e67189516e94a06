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
            3,
            longest,
            seed=jobs,
        )
        == []
    )


def test_the_seconds_of_trainings_are_no_difference_and_all_else_is(tmp_path):
    page = "# Tiny\n\n| 51.2 |\n\n## Trainings\n\n| protonet | {} |\n\n## Missing\n\nnone\n"
    for name, seconds in (("one", 0), ("other", 1)):
        (tmp_path / name / "tiny").mkdir(parents=True)
        (tmp_path / name / "tiny" / "table.md").write_text(page.format(seconds))
    folders = tmp_path / "one" / "tiny", tmp_path / "other" / "tiny"
    assert kills.differences(*folders) == []
    (folders[1] / "table.md").write_text(page.replace("none", "one"))
    assert kills.differences(*folders) == ["table.md differs"]
