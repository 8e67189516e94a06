"""The examples in docstrings say what the functions return."""

import doctest
import importlib

import pytest

MODULES = [
    "api",
    "commands",
    "commit",
    "datasets.synthetic.anatomy",
    "expressions",
    "statistics.intervals",
    "statistics.metrics",
    "statistics.ranks",
    "statistics.rounding",
    "statistics.words",
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_are_true(name):
    module = importlib.import_module(f"fer_meta.{name}")
    found = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert found.attempted and not found.failed
