"""What all tests share: one thread, the same random numbers in any order of the tests, no cache but their
own, and two drawn data sets.
"""

import os

# Before torch is imported: one thread, here and in the processes that tests start, unless the environment
# asks for more. The tests' networks are small, and threads that wait for one another beside a busy process
# took most of the time; so do those that spin while they wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import random

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from helpers import golden, made_up
from helpers.tiny_bench import SUITE
from hypothesis import HealthCheck, settings

from fer_meta.cli.main import main
from fer_meta.runner.executors import workers

# No test fails because a machine is slow or busy.
USUAL = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fer-meta", USUAL)
# For a night: --hypothesis-profile=long, or the environment variable.
settings.register_profile("long", USUAL, max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fer-meta"))


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write what tests find to tests/golden/")


@pytest.fixture(name="golden")
def compare_with_golden(request):
    """`golden(name, text)`: the text is that of tests/golden/NAME; under --update-golden it becomes so."""

    def check(name: str, text: str) -> None:
        golden.compare(golden.GOLDEN / name, text, request.config.getoption("--update-golden"))

    return check


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory):
    """What a fixture of the session makes is not kept in the user's cache either."""
    os.environ["FER_META_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session", autouse=True)
def hasty_estimates():
    """No seconds are spent on timing each method of each bench: two calls are timed, whatever they take."""
    from fer_meta.runner import estimate

    estimate.TIMED_SECONDS = 0.0


@pytest.fixture
def without_plots(monkeypatch):
    """Benches draw no plots, which takes longer than all else in so small a bench."""
    from fer_meta.report.plots import writing

    monkeypatch.setattr(writing, "write_figures", lambda *_: [])


@pytest.fixture(autouse=True)
def private_cache(tmp_path, monkeypatch):
    """No test reads or writes the user's cache or data."""
    monkeypatch.setenv("FER_META_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FER_META_DATA", raising=False)


@pytest.fixture(autouse=True)
def seeded():
    """A test's random numbers do not depend on the tests before it."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - what libraries use
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """A bench computes in the tests' process, where it can be patched; and a process that has computed must
    not fork (bench/executors/workers.py).
    """
    monkeypatch.setattr(workers, "MOST_JOBS", 1)


@pytest.fixture(scope="session")
def trees(tmp_path_factory):
    """Two drawn domains on disk: `day` and, darker, `night`."""
    root = tmp_path_factory.mktemp("data")
    made_up.draw_tree(root / "day", seed=1)
    made_up.draw_tree(root / "night", dark=True, seed=2)
    return root


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(SUITE)
    return path


@pytest.fixture
def bench(suite, trees, tmp_path, without_plots):
    """Run `fer-meta bench` on the two drawn domains, without plots; more arguments at will."""

    def run(*arguments, out="results", domains=("day", "night")):
        data = [word for name in domains for word in ("--data", f"{name}={trees / name}")]
        return CliRunner().invoke(
            main,
            [
                "bench",
                "--suite",
                str(suite),
                *data,
                "--device",
                "cpu",
                "--out",
                str(tmp_path / out),
                *arguments,
            ],
        )

    return run


def pytest_collection_modifyitems(items):
    """Slow tests begin first, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
