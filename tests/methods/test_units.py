"""Supervision by action units: which units a rendered image has, how they reach a training, and the loss."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from helpers import fake_renderer
from helpers.methods import PROTOCOL, an_episode, build
from helpers.tiny_bench import SUITE

from fer_meta.cli.main import main
from fer_meta.datasets.synthetic import rendered
from fer_meta.datasets.synthetic.anatomy import SHAPES, blendshapes, pattern_probabilities
from fer_meta.datasets.synthetic.recipes import RECIPES
from fer_meta.datasets.synthetic.rendered import load_rendered, planned
from fer_meta.datasets.synthetic.scenes import draw_scenes
from fer_meta.datasets.units import COLUMNS, UNITS, unit_columns, unit_intensities
from fer_meta.errors import ProtocolError
from fer_meta.expressions import BASIC
from fer_meta.methods import units
from fer_meta.methods.base import LabelledImages
from fer_meta.tasks.joined import join
from fer_meta.tasks.pools import Domain, Pool, divide
from fer_meta.tasks.protocol import EpisodeShape, Protocol
from fer_meta.testing import CLASSES
from fer_meta.training.batches import steps_and_batches, training_chance

pytestmark = pytest.mark.numeric

DRAWN = dict(size=16, subjects=20, images=280, seed=0)
SHAPE = EpisodeShape(way=5, shots=1, queries=1)
SMALL = Protocol(train=SHAPE, validation=SHAPE, shots=(1,), queries=1, small_classes="exclude")
CPU = torch.device("cpu")
PLACE = {number: place for place, number in enumerate(UNITS)}


# --- what an index says -----------------------------------------------------------------------------------


def test_there_is_a_place_for_every_unit_that_can_be_rendered():
    assert set(UNITS) == set(SHAPES)


def test_a_face_that_shows_one_unit_has_that_unit_alone():
    assert blendshapes({26: 0.5}) == {"jawOpen": 0.375}  # what the renderer moves
    [vector] = unit_intensities(pd.DataFrame(unit_columns([{26: 0.5}])))
    assert vector[PLACE[26]] == 0.5 and np.delete(vector, PLACE[26]).tolist() == [0.0] * (len(UNITS) - 1)


def test_an_exaggerated_unit_is_at_its_peak_and_an_index_without_units_has_none():
    assert unit_columns([{12: 1.3}])["AU12"].tolist() == [1.0]
    assert unit_intensities(pd.DataFrame({"path": ["a"]})) is None


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_the_intensities_of_an_image_are_those_that_the_renderer_gets(recipe):
    index, scenes = draw_scenes(recipe, subjects=20, images=600, severity=1, seed=0)
    for vector, scene, label in zip(unit_intensities(index), scenes, index["label"]):
        shown = {number: vector[place] for number, place in PLACE.items() if vector[place] > 0}
        assert shown == pytest.approx({unit: min(value, 1) for unit, value in scene.units.items()})
        assert frozenset(shown) in pattern_probabilities(label)


def test_a_set_that_was_rendered_before_units_were_kept_gets_them_without_being_rendered(monkeypatch):
    monkeypatch.setattr(rendered, "_renderer", fake_renderer.Renderer)
    new = load_rendered("synthetic-studio", progress=False, **DRAWN)
    on_disk = replace(new, index=new.index.drop(columns=list(COLUMNS)))
    monkeypatch.setattr(rendered, "reopened", lambda *_: on_disk)
    monkeypatch.setattr(rendered, "_renderer", lambda *_: pytest.fail("rendered again"))
    old = load_rendered("synthetic-studio", progress=False, **DRAWN)
    pd.testing.assert_frame_equal(old.index[list(COLUMNS)], new.index[list(COLUMNS)])
    assert old.content == new.content and old.index["digest"].equals(new.index["digest"])


# --- what reaches a training ------------------------------------------------------------------------------


def source_of(*names: str) -> Domain:
    faces = [planned(name, **DRAWN) for name in names]
    domains = list(divide(faces, SMALL, BASIC).values())
    return domains[0] if len(domains) == 1 else join(faces, domains, SMALL)


@pytest.mark.parametrize("names", [("synthetic-studio",), ("synthetic-studio", "synthetic-wild")])
def test_a_batch_has_the_units_of_its_images(names):
    source, method = source_of(*names), build("units")
    config = units.Method.Config(steps=4, backbone="conv4", batch=12)
    batch = steps_and_batches(method, config, source, PROTOCOL, 0, CPU)[1](0)
    assert batch.units.shape == (12, len(UNITS)) and batch.units.dtype == torch.float32
    for label, vector in zip(batch.labels.tolist(), batch.units):
        shown = {number for number, place in PLACE.items() if vector[place] > 0}
        assert frozenset(shown) in pattern_probabilities(source.train.classes[label])


def test_a_source_without_units_is_refused_in_one_line():
    source, method = source_of("synthetic-studio"), build("units")
    pool = replace(source.train, units=None)
    with pytest.raises(ProtocolError) as refused:
        steps_and_batches(
            method, method.Config(steps=1), replace(source, train=pool, name="photos"), PROTOCOL, 0, CPU
        )
    line = str(refused.value)
    assert line.startswith("photos: ") and "no action units" in line and "synthetic-wild" in line
    assert "\n" not in line


@pytest.mark.parametrize("balance, share", [("natural", (0.75 + 1) / 2), ("balanced", (0.5 + 1) / 2)])
def test_chance_is_that_of_the_better_word_for_each_unit(balance, share):
    """Of four images three are angry, with unit 4 at half or more. Unit 9 is never so strong, and
    the others are unknown.
    """
    shown = np.full((4, len(UNITS)), np.nan, dtype=np.float32)
    shown[:, PLACE[4]], shown[:, PLACE[9]] = [0.6, 1, 0.5, 0.2], [0, 0.1, 0, 0.49]
    pool = Pool(
        "made-up", np.arange(4), np.array([0, 0, 0, 1]), CLASSES[:2], None, None, {}, 0, "", units=shown
    )
    config = units.Method.Config(steps=1, class_balance=balance)
    assert training_chance(build("units"), config, pool, PROTOCOL) == pytest.approx(share)


# --- the loss ---------------------------------------------------------------------------------------------


def test_the_loss_is_the_written_out_equation():
    logits = torch.tensor([[2.0, -1.0], [0.5, 3.0]], dtype=torch.float64)
    shown = torch.tensor([[1.0, 0.0], [0.3, math.nan]], dtype=torch.float64)
    terms = []
    for z, y in ((2.0, 1.0), (-1.0, 0.0), (0.5, 0.3)):
        p = 1 / (1 + math.exp(-z))
        terms.append(-y * math.log(p) - (1 - y) * math.log(1 - p))
    loss, accuracy = units.unit_loss(logits, shown)
    assert loss.item() == pytest.approx(sum(terms) / 3, rel=1e-12)
    assert accuracy.item() == pytest.approx(2 / 3)  # the third is said to be shown, at 0.3 it is not


def test_the_loss_is_least_where_the_head_says_how_strongly_a_unit_is_shown():
    logit = torch.tensor([[math.log(0.3 / 0.7)]], dtype=torch.float64, requires_grad=True)
    units.unit_loss(logit, torch.tensor([[0.3]], dtype=torch.float64))[0].backward()
    assert logit.grad.item() == pytest.approx(0, abs=1e-12)


def test_the_head_on_classes_adds_its_cross_entropy_and_answers():
    plain, both = build("units").double(), build("units", expressions=True).double()
    both.backbone.load_state_dict(plain.backbone.state_dict())
    both.unit_head.load_state_dict(plain.unit_head.state_dict())
    episode = an_episode(dtype=torch.float64)
    shown = torch.rand(len(episode.query), len(UNITS), dtype=torch.float64)
    batch = LabelledImages(episode.query, episode.query_labels, units=shown)
    features = both.embed(episode.query)
    added = torch.nn.functional.cross_entropy(both.head(features), episode.query_labels)
    (one, right), (two, right_too) = plain.loss(batch), both.loss(batch)
    torch.testing.assert_close(one + added, two)
    assert right == right_too
    assert plain.own_head(CLASSES) is None
    assert torch.equal(both.own_head(CLASSES[::-1])(features), both.head(features).flip(1))


def test_only_with_expressions_there_is_an_own_head_in_tables():
    config = units.Method.Config
    assert units.Method.answers(config(steps=1)) == ("units-ncm", "units-probe")
    assert units.Method.answers(config(steps=1, expressions=True))[0] == "units-head"


# --- a bench ----------------------------------------------------------------------------------------------

METHODS = """\
methods:
  units: {steps: 4, validations: 2, batch: 16}
  units-and-classes:
    {method: units, expressions: true, label: Units and classes, steps: 4, validations: 2, batch: 16}
rendered:
  {domains: [synthetic-studio, synthetic-wild@0.2], sources: [synthetic-studio], subjects: 20, images: 280}
presets: {quick: {}}
"""


@pytest.fixture
def of_units(suite):
    suite.write_text(SUITE[: SUITE.index("algorithms:")] + METHODS)
    return suite


@pytest.mark.slow
def test_a_bench_trains_on_rendered_units_and_reads_what_it_learned_elsewhere(
    of_units, tmp_path, monkeypatch, without_plots
):
    monkeypatch.setattr(rendered, "_renderer", fake_renderer.Renderer)
    words = ["bench", "--suite", of_units, "--device", "cpu", "--out", tmp_path / "results"]
    result = CliRunner().invoke(main, list(map(str, words)))
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "results/tiny/table.csv")
    assert set(table["target"]) == {"synthetic-studio", "synthetic-wild@0.2"}
    assert set(table["readout"]) == {
        "units-ncm", "units-probe",
        "units-and-classes-ncm", "units-and-classes-probe", "units-and-classes-head",
    }  # fmt: skip
    assert "Action units (nearest mean)" in result.output and "Units and classes (own head)" in result.output


def test_a_bench_refuses_photographs_before_anything_is_trained(of_units, bench, tmp_path):
    result = bench()
    assert result.exit_code == 2 and not (tmp_path / "results").exists()
    [line] = [line for line in result.output.splitlines() if "no action units" in line]
    assert "day: " in line and "train it on rendered faces" in line
