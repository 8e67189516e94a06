"""What the package's suites come to under each preset, whatever they share and however they are written. A
field that is younger than the file does not count as long as it has its default.
"""

import json
from pathlib import Path

import pytest

from fer_meta.runner.identity import scientific
from fer_meta.suites.folders import PRESETS
from fer_meta.suites.schema import read_suite, suite_names

GOLDEN = Path(__file__).parents[1] / "golden" / "suites.json"


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", suite_names())
def test_a_suite_of_the_package_has_the_settings_it_had(name, preset):
    settings = scientific(read_suite(name, preset))
    assert settings == json.loads(GOLDEN.read_text(encoding="utf-8"))[name][preset]
