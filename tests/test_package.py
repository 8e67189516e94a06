"""What is said of the package outside its code."""

from importlib.resources import files
from pathlib import Path

import yaml

import fer_meta

ROOT = Path(__file__).parents[1]


def test_who_cites_the_package_names_its_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == fer_meta.__version__


def test_a_users_mypy_sees_the_types():
    assert (files(fer_meta) / "py.typed").is_file()
