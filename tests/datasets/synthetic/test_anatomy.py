"""Action units: the published tables, what a perfect reader of units can know, and how units move a face."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_meta.datasets.synthetic.anatomy import (
    ONE_SIDED,
    OPEN_MOUTHED,
    PROTOTYPES,
    SHAPES,
    bayes_accuracy,
    bayes_episode_accuracy,
    blendshapes,
    draw_units,
    pattern_probabilities,
    units_of,
    units_text,
)  # fmt: skip
from fer_meta.expressions import BASIC, COMPOUND, CONTEMPT

PUBLISHED = """
happiness              12, 25          6 (51)
sadness                4, 15           1 (60), 6 (50), 11 (26), 17 (67)
fear                   1, 4, 20, 25    2 (57), 5 (63), 26 (33)
anger                  4, 7, 24        10 (26), 17 (52), 23 (29)
surprise               1, 2, 25, 26    5 (66)
disgust                9, 10, 17       4 (31), 24 (26)
happily_surprised      1, 2, 12, 25    5 (64), 26 (67)
happily_disgusted      10, 12, 25      4 (32), 6 (61), 9 (59)
sadly_fearful          1, 4, 20, 25    2 (46), 5 (24), 6 (34), 15 (30)
sadly_angry            4, 15           6 (26), 7 (48), 11 (20), 17 (50)
sadly_surprised        1, 4, 25, 26    2 (27), 6 (31)
sadly_disgusted        4, 10           1 (49), 6 (61), 9 (20), 11 (35), 15 (54), 17 (47), 25 (43)
fearfully_angry        4, 20, 25       5 (40), 7 (39), 10 (30), 11 (33)
fearfully_surprised    1, 2, 5, 20, 25    4 (47), 10 (35), 11 (22), 26 (51)
angrily_surprised      4, 25, 26       5 (35), 7 (50), 10 (34)
angrily_disgusted      4, 10, 17       7 (60), 9 (57), 24 (36)
disgustedly_surprised  1, 2, 5, 10     4 (45), 9 (37), 17 (66), 24 (33)
"""
"""Du, Tao and Martinez 2014, Table 1: class, prototypical units, other units with the share of subjects in
percent.
"""

ROWS = [[part.strip() for part in row.split("  ") if part.strip()] for row in PUBLISHED.strip().splitlines()]
RENDERED = (*BASIC, CONTEMPT, *COMPOUND)
PATTERNS = sorted({units for label in RENDERED for units in pattern_probabilities(label)}, key=sorted)


def at_peak(units):
    return blendshapes(dict.fromkeys(units, 1.0))


# --- the tables -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label, always, sometimes", ROWS, ids=[row[0] for row in ROWS])
def test_the_units_of_a_class_are_the_published_ones(label, always, sometimes):
    assert PROTOTYPES[label].always == {int(unit) for unit in always.split(",")}
    shares = dict(item.strip(" )").split(" (") for item in sometimes.split(","))
    assert PROTOTYPES[label].sometimes == {int(unit): int(share) / 100 for unit, share in shares.items()}


def test_every_expression_has_its_units_and_the_published_table_covers_all_but_neutral_and_contempt():
    assert set(PROTOTYPES) == set(RENDERED)
    assert set(RENDERED) - {row[0] for row in ROWS} == {"neutral", "contempt"}
    assert pattern_probabilities("neutral") == {frozenset(): 1.0}
    assert pattern_probabilities("contempt") == {frozenset({12, 14}): 1.0} and {"contempt"} == ONE_SIDED


def test_only_two_pairs_of_classes_have_the_same_prototypical_units():
    pairs = combinations(RENDERED, 2)
    same = {pair for pair in pairs if PROTOTYPES[pair[0]].always == PROTOTYPES[pair[1]].always}
    assert same == {("fear", "sadly_fearful"), ("sadness", "sadly_angry")}


def test_every_unit_used_has_a_row_of_shapes():
    used = {unit for units in PATTERNS for unit in units}
    assert used == set(SHAPES)


# --- drawing ----------------------------------------------------------------------------------------------


def is_open(label, units):
    return label in OPEN_MOUTHED and OPEN_MOUTHED[label][1].always <= units


@pytest.mark.parametrize("label", RENDERED)
def test_units_are_drawn_at_the_published_rates(label):
    rng = np.random.default_rng(0)
    prototype = PROTOTYPES[label]
    draws = [units for units in (draw_units(label, rng) for _ in range(2000)) if not is_open(label, units)]
    assert all(prototype.always <= units <= prototype.always | set(prototype.sometimes) for units in draws)
    for unit, rate in prototype.sometimes.items():
        drawn = np.mean([unit in units for units in draws])
        assert drawn == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / len(draws)))


def test_anger_has_an_open_mouth_as_often_as_in_photographs_and_never_with_pressed_lips():
    rng = np.random.default_rng(0)
    draws = [draw_units("anger", rng) for _ in range(4000)]
    shown = [units for units in draws if {5, 23, 25} <= units]
    assert len(shown) / len(draws) == pytest.approx(51 / 120, abs=0.03)
    assert all({4, 7} <= units for units in draws)
    assert not any(24 in units for units in shown) and all(24 in units for units in draws if 25 not in units)


def test_disgust_has_an_open_mouth_as_often_as_in_photographs_and_then_no_raised_chin():
    rng = np.random.default_rng(0)
    draws = [draw_units("disgust", rng) for _ in range(4000)]
    shown = [units for units in draws if 25 in units]
    assert len(shown) / len(draws) == pytest.approx(64 / 120, abs=0.03)
    assert all({9, 10} <= units for units in draws)
    assert not any(17 in units for units in shown) and all(17 in units for units in draws if 25 not in units)


def test_a_wrinkled_nose_narrows_the_eyes_and_raised_lids_keep_them_open():
    closing = [blendshapes(units).get("eyeBlinkLeft", 0.0) for units in ({9: 1.0}, {5: 1.0, 9: 1.0})]
    assert closing[0] > 0.3 and closing[1] == pytest.approx(0)


def test_the_same_generator_gives_the_same_units():
    first, second = ([draw_units("sadness", np.random.default_rng(7)) for _ in range(5)] for _ in range(2))
    assert first == second


@given(st.frozensets(st.sampled_from(sorted(SHAPES))))
def test_units_survive_their_text(units):
    assert units_of(units_text(units)) == units


def test_the_text_of_units_is_ascending_and_empty_for_none():
    assert units_text(frozenset({25, 1, 10, 2})) == "1+2+10+25"
    assert units_text(frozenset()) == "" and units_of("") == frozenset()


@pytest.mark.parametrize("text", ["1+", "smile", "1, 2", "R12A"])
def test_a_text_that_lists_no_units_is_an_error_that_shows_it(text):
    with pytest.raises(ValueError, match=r"is not a list of action units; expected .* 1\+2\+25"):
        units_of(text)


# --- the perfect reader -----------------------------------------------------------------------------------


@pytest.mark.parametrize("label", RENDERED)
def test_the_patterns_of_a_class_are_all_there_and_their_probabilities_sum_to_one(label):
    patterns = pattern_probabilities(label)
    assert sum(patterns.values()) == pytest.approx(1, abs=1e-12)
    ways = [(1.0, PROTOTYPES[label])]
    if label in OPEN_MOUTHED:
        ways = [(1 - OPEN_MOUTHED[label][0], PROTOTYPES[label]), OPEN_MOUTHED[label]]
    for opened, (part, prototype) in enumerate(ways):
        of_way = {units: chance for units, chance in patterns.items() if is_open(label, units) == opened}
        assert len(of_way) == 2 ** len(prototype.sometimes)
        assert sum(of_way.values()) == pytest.approx(part, abs=1e-12)
        for unit, rate in prototype.sometimes.items():
            shown = sum(chance for units, chance in of_way.items() if unit in units)
            assert shown == pytest.approx(part * rate, abs=1e-12)


def test_bayes_accuracy_of_sadness_and_sadly_angry_worked_by_hand():
    # Unit 1 is shown by sadness alone (.60) and 7 by sadly angry alone (.48). With neither (.40 and .52) the
    # reader goes by 6, 11 and 17. Without 6 it is sadly angry, .52 * .74, and with 6 alone too, .52 * .26 *
    # .80 * .50. With 6 and 17, 6 and 11, or all three it is sadness, .40 * .50 * (.74 * .67 + .26 * .33 + .26
    # * .67).
    sadly_angry = 0.48 + 0.52 * 0.74 + 0.52 * 0.26 * 0.80 * 0.50
    sadness = 0.60 + 0.40 * 0.50 * (0.74 * 0.67 + 0.26 * 0.33 + 0.26 * 0.67)
    assert bayes_accuracy(["sadness", "sadly_angry"]) == pytest.approx((sadness + sadly_angry) / 2, abs=1e-12)
    assert bayes_accuracy(["sadness", "sadly_angry"]) == pytest.approx(0.83502, abs=1e-12)


@pytest.mark.parametrize("classes", [BASIC, COMPOUND, ("fear", "sadly_fearful"), RENDERED], ids=len)
def test_bayes_accuracy_is_what_a_reader_of_drawn_units_attains(classes):
    rng = np.random.default_rng(1)
    guesses, right, draws = {}, 0, 20_000
    for number in rng.integers(len(classes), size=draws):
        units = draw_units(classes[number], rng)
        if units not in guesses:
            guesses[units] = max(classes, key=lambda label: pattern_probabilities(label).get(units, 0.0))
        right += guesses[units] == classes[number]
    expected = bayes_accuracy(classes)
    assert right / draws == pytest.approx(
        expected, abs=3 * np.sqrt(expected * (1 - expected) / draws) + 1e-12
    )


def test_classes_with_the_same_prototype_are_not_always_told_apart_and_the_basic_ones_are():
    assert 0.5 < bayes_accuracy(["fear", "sadly_fearful"]) < 1
    assert 0.5 < bayes_accuracy(["sadness", "sadly_angry"]) < 1
    assert bayes_accuracy(BASIC) == pytest.approx(1, abs=1e-12)
    assert bayes_accuracy(COMPOUND) < 1


@pytest.mark.parametrize("way", [1, 2, 5, 11])
def test_episode_accuracy_is_the_mean_over_all_subsets_of_classes(way):
    mean = np.mean([bayes_accuracy(subset) for subset in combinations(COMPOUND, way)])
    assert bayes_episode_accuracy(list(COMPOUND), way) == pytest.approx(mean, abs=1e-12)


def test_fewer_classes_are_easier():
    accuracies = [bayes_episode_accuracy(COMPOUND, way) for way in range(1, 12)]
    assert accuracies[0] == pytest.approx(1) and accuracies == sorted(accuracies, reverse=True)


@pytest.mark.parametrize("call, message", [
    (lambda: draw_units("bored", np.random.default_rng(0)), "unknown expression 'bored'"),
    (lambda: pattern_probabilities("bored"), "unknown expression 'bored'"),
    (lambda: bayes_accuracy(["fear", "bored"]), "unknown expression 'bored'"),
    (lambda: bayes_accuracy([]), "0-way cannot be made of 0 classes"),
    (lambda: bayes_accuracy(["fear", "fear"]), "named twice in fear, fear"),
    (lambda: bayes_episode_accuracy(["fear", "anger"], 3), "3-way cannot be made of 2 classes"),
])  # fmt: skip
def test_what_cannot_be_answered_is_an_error_that_says_why(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- the face ---------------------------------------------------------------------------------------------


def test_any_two_patterns_look_different_in_shape_or_in_the_furrow_of_unit_11():
    faces = [at_peak(units) | {"furrow": float(11 in units)} for units in PATTERNS]
    shapes = sorted({shape for face in faces for shape in face})
    weights = np.array([[face.get(shape, 0.0) for shape in shapes] for face in faces])
    furthest_apart = np.abs(weights[:, None] - weights[None]).max(-1)
    np.fill_diagonal(furthest_apart, np.inf)
    first, second = np.unravel_index(furthest_apart.argmin(), furthest_apart.shape)
    assert furthest_apart.min() > 0.2, (
        f"{units_text(PATTERNS[first])} looks like {units_text(PATTERNS[second])}"
    )


@pytest.mark.parametrize(
    "one, other", [({23}, {24}), ({25}, {26}), ({25}, {25, 26}), ({7}, {6}), ({9}, {10})]
)
def test_units_that_share_a_blendshape_still_look_different(one, other):
    assert at_peak(one) != at_peak(other)


def test_the_renderer_knows_every_blendshape():
    actions = pytest.importorskip("anny.models.facial_actions").FACIAL_ACTION_LABELS
    assert set(at_peak(SHAPES)) <= set(actions)


def test_no_unit_and_units_at_intensity_zero_leave_the_face_at_rest():
    assert at_peak(()) == at_peak({11}) == {}
    assert set(blendshapes(dict.fromkeys(SHAPES, 0.0)).values()) == {0.0}


@given(st.dictionaries(st.sampled_from(sorted(SHAPES)), st.floats(0, 1.5)), st.floats(0, 1))
def test_weights_grow_with_the_intensity_of_all_units_together(units, scale):
    full, scaled = blendshapes(units), blendshapes({unit: scale * level for unit, level in units.items()})
    assert scaled == {shape: pytest.approx(scale * weight, abs=1e-9) for shape, weight in full.items()}


def test_raised_inner_brows_are_not_undone_by_the_brow_lowerer():
    alone, together = at_peak({4}), at_peak({1, 4})
    assert 0 < together["browDownLeft"] < alone["browDownLeft"]
    assert together["browInnerUp"] > 2 * together["browDownLeft"]
    barely_raised = blendshapes({1: 0.01, 4: 1.0})
    assert barely_raised["browDownLeft"] == pytest.approx(alone["browDownLeft"], abs=0.02)


def test_a_glare_draws_the_brows_further_down_than_a_frown():
    assert at_peak({4, 7})["browDownLeft"] > 1.3 * at_peak({4})["browDownLeft"]


def test_a_dropped_jaw_covers_the_teeth_that_parted_lips_show():
    assert at_peak({25, 26})["mouthLowerDownLeft"] < 0.2 * at_peak({25})["mouthLowerDownLeft"]
    assert at_peak({25, 26})["jawOpen"] > 3 * at_peak({25})["jawOpen"]


def test_sides_scale_the_shapes_that_have_sides_and_their_mean_the_others():
    both, lopsided = at_peak({12, 26}), blendshapes({12: 1.0, 26: 1.0}, left=0.5, right=1.0)
    assert lopsided["mouthSmileLeft"] == pytest.approx(0.5 * both["mouthSmileLeft"])
    assert lopsided["mouthSmileRight"] == both["mouthSmileRight"] == both["mouthSmileLeft"]
    assert lopsided["jawOpen"] == pytest.approx(0.75 * both["jawOpen"])


def test_contempt_can_be_drawn_on_one_side_alone():
    right = {shape for shape, weight in blendshapes({12: 1.0, 14: 1.0}, left=0.0).items() if weight}
    assert right == {"mouthSmileRight", "mouthDimpleRight"}


def test_a_unit_without_a_blendshape_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ValueError, match="no blendshape for action unit 18; known are 1, 2, 4"):
        blendshapes({12: 1.0, 18: 1.0})
