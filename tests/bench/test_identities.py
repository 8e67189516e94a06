"""A stored result keeps its name, whatever is renamed or added in the code: benches made in November 2026
find their runs, models and episodes again.
"""

import json
from pathlib import Path

import pytest

from fer_meta.bench.crossing import cross
from fer_meta.bench.plan import make_plan
from fer_meta.bench.staging import stage
from fer_meta.bench.words import episodes_file
from fer_meta.datasets.synthetic.rendered import planned
from fer_meta.suites.schema import read_suite

STORED = json.loads((Path(__file__).parents[1] / "golden" / "identities.json").read_text())


@pytest.mark.parametrize("name", STORED)
def test_runs_models_and_episodes_of_a_stored_bench_keep_their_names(name):
    stored = STORED[name]
    suite = read_suite(name, stored["preset"])
    drawn = suite.rendered.model_dump(include={"subjects", "images", "seed"})
    if suite.experiments:
        roles = {key: role.rendered for key, role in suite.roles.items()}
        faces = {
            data: planned(data, size=suite.image_size, **drawn) for data in dict.fromkeys(roles.values())
        }
        settings, _ = stage(suite, {role: faces[data] for role, data in roles.items()})
    else:
        suite = suite.model_copy(update={"sources": suite.rendered.sources})
        settings = cross(
            suite, [planned(data, size=suite.image_size, **drawn) for data in suite.rendered.domains]
        )
    runs = make_plan(suite, settings)

    assert sorted(run.id for run in runs) == stored["runs"]
    assert sorted({run.model.id for run in runs}) == stored["models"]
    files = {episodes_file(setting, shots) for setting in settings for shots in setting.episodes}
    assert sorted(path.removeprefix("episodes/") for path in files) == stored["episodes"]
