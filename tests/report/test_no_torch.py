"""What reads, counts and shows results, and the doctor, start quickly and run where there is no torch."""

import pkgutil
import subprocess
import sys
from importlib import import_module

import pytest

IMPORT = """
import sys
from importlib import import_module
for name in sys.argv[1:]:
    import_module(name)
assert "torch" not in sys.modules and "matplotlib.pyplot" not in sys.modules
"""


def modules(package: str) -> list[str]:
    path = import_module(package).__path__
    return [package, *(one.name for one in pkgutil.walk_packages(path, f"{package}."))]


@pytest.mark.parametrize(
    "package",
    ["fer_meta.report", "fer_meta.records", "fer_meta.statistics", "fer_meta.doctor", "fer_meta.bundles"],
)
def test_no_module_imports_torch_or_pyplot(package):
    names = modules(package)
    assert len(names) > 5
    done = subprocess.run([sys.executable, "-c", IMPORT, *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
