import drawn
import pytest


@pytest.fixture(autouse=True)
def private_cache(tmp_path, monkeypatch):
    """No test reads or writes the user's cache or data."""
    monkeypatch.setenv("FER_META_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FER_META_DATA", raising=False)


@pytest.fixture(scope="session")
def trees(tmp_path_factory):
    """Two drawn domains on disk: `day` and, darker, `night`."""
    root = tmp_path_factory.mktemp("data")
    drawn.draw_tree(root / "day", seed=1)
    drawn.draw_tree(root / "night", dark=True, seed=2)
    return root
