"""A stored result keeps its name, whatever is renamed or added in the code: benches made in November 2026
find their runs, models and episodes again.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import Field

from fer_meta.config import Strict
from fer_meta.datasets.synthetic import anatomy, rendered
from fer_meta.datasets.synthetic.rendered import planned
from fer_meta.methods import registry
from fer_meta.runner.crossing import cross
from fer_meta.runner.identity import scientific, short_hash
from fer_meta.runner.plan import make_plan
from fer_meta.runner.staging import stage
from fer_meta.runner.words import episodes_file
from fer_meta.suites.schema import read_suite

GOLDEN = Path(__file__).parents[1] / "golden"
STORED = json.loads((GOLDEN / "identities.json").read_text())


@pytest.fixture
def faces_of_then(monkeypatch):
    """The rendered faces of the stored benches: version 1, when anger had one way to be shown."""
    recipes = {name: replace(recipe, version=1) for name, recipe in rendered.RECIPES.items()}
    monkeypatch.setattr(rendered, "RECIPES", recipes)
    monkeypatch.setattr(anatomy, "OPEN_MOUTHED", {})


@pytest.mark.parametrize("name", STORED)
@pytest.mark.usefixtures("faces_of_then")
def test_runs_models_and_episodes_of_a_stored_bench_keep_their_names(name):
    stored = STORED[name]
    then = GOLDEN / f"{name}.yaml"  # of a suite that has changed since
    suite = read_suite(str(then) if then.exists() else name, stored["preset"])
    large = {method: _with_large_stem(config) for method, config in suite.methods.items()}
    # Nor had the first suites readouts that all methods share.
    suite = suite.model_copy(update={"methods": large, "readouts": None})
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


def _with_large_stem(config):
    """The first results had no other stem, whatever the size of the images."""
    return config.model_copy(update={"stem": "large"})


def test_a_training_that_sixty_passes_would_have_stopped_has_another_name():
    """The first results stopped there. A bench of today sees all of its images, and must not find them."""
    suite = read_suite("cross-domain", "quick")
    faces = [planned(name, size=48, subjects=60, images=900, seed=0) for name in suite.rendered.domains[:1]]
    suite = suite.model_copy(update={"sources": None, "seeds": (0,), "methods": {}})

    def names(steps: int, passes: int | None) -> set[str]:
        settings = registry.load("supervised").Config(
            backbone="conv4", batch=75, steps=steps, max_epochs=passes
        )
        own = suite.model_copy(update={"methods": {"supervised": settings}})
        return {run.model.id for run in make_plan(own, cross(own, faces))}

    assert names(100, None) == names(100, 60)
    assert names(10_000, None) != names(10_000, 60)


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
