"""A stored result keeps its name, whatever is renamed or added in the code: benches made in November 2026
find their runs, models and episodes again.
"""

import json
from pathlib import Path

import pytest
from pydantic import Field

from fer_meta.bench.crossing import cross
from fer_meta.bench.identity import scientific, short_hash
from fer_meta.bench.plan import make_plan
from fer_meta.bench.staging import stage
from fer_meta.bench.words import episodes_file
from fer_meta.config import Strict
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


def test_a_field_younger_than_the_first_results_counts_only_where_it_is_not_the_default():
    class Shape(Strict):
        way: int = 5

    class Config(Strict):
        steps: int
        shape: Shape = Shape()

    class YoungShape(Shape):
        per_person: bool = Field(False, json_schema_extra={"since": "0.3"})

    class YoungConfig(Config):
        shape: YoungShape = YoungShape()
        smoothing: float = Field(0.0, json_schema_extra={"since": "0.3"})
        inner: dict[str, YoungShape] = Field({"a": YoungShape()}, json_schema_extra={"since": "0.3"})

    old = short_hash(scientific(Config(steps=10)))
    assert short_hash(scientific(YoungConfig(steps=10))) == old
    assert short_hash(scientific(YoungConfig(steps=10, smoothing=0.1))) != old
    assert short_hash(scientific(YoungConfig(steps=10, shape=YoungShape(per_person=True)))) != old
    young = YoungConfig(steps=10, inner={"b": YoungShape(per_person=True)})
    assert scientific(young)["inner"] == {"b": {"way": 5, "per_person": True}}
