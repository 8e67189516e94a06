"""Small results and bundles that several tests read."""

import pytest
from helpers import bundled

from fer_meta.bundles.exporting import export


@pytest.fixture(scope="session")
def stored(tmp_path_factory):
    """Results of four methods, two seeds each."""
    return bundled.results(tmp_path_factory.mktemp("stored"))


@pytest.fixture(scope="session")
def whole(stored, tmp_path_factory):
    """The bundle of two of the methods; a run of each is not finished."""
    folder = tmp_path_factory.mktemp("bundles")
    return export(bundled.of_methods(stored, folder, "protonet", "maml"), folder / "whole.zip").path


@pytest.fixture(scope="session")
def parts(stored, whole, tmp_path_factory):
    """Two bundles of the same settings, of two methods each, one of which is in both."""
    folder = tmp_path_factory.mktemp("parts")
    other = bundled.of_methods(stored, folder, "relationnet", "maml")
    return [whole, export(other, folder / "other.zip").path]


@pytest.fixture
def few(stored, tmp_path):
    """Results of one method, to be changed."""
    return bundled.of_methods(stored, tmp_path / "results", "protonet")
