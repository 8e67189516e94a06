"""A results folder of two runs, whose files tests may change."""

import shutil
from pathlib import Path

import pytest
from helpers import stored_results
from helpers.report_texts import RUNS
from helpers.stored_results import only


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A results folder of two runs."""
    folder = stored_results.write(tmp_path_factory.mktemp("faults") / "cross-domain", seeds=1, episodes=4)
    only(folder, *RUNS)
    for home in list((folder / "runs").iterdir()):
        if home.name not in RUNS:
            shutil.rmtree(home)
    return folder


@pytest.fixture
def stored(made, tmp_path) -> Path:
    return shutil.copytree(made, tmp_path / "cross-domain")
