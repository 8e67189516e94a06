"""Expressions as FACS action units: which units a face shows, how well they tell classes apart, how they move
it.

Sources. The six basic and eleven compound classes follow S. Du, Y. Tao and A. M. Martinez, "Compound facial
expressions of emotion", PNAS 111(15), 2014, doi 10.1073/pnas.1322355111, Table 1 (rows 1-14 and 16-18), as
re-printed by public sources; the asterisks beside some of its shares are left out. The paper calls a unit
prototypical that more than 70 % of its subjects showed and says no more: here such a unit is always shown.
The other units are shown with the share of subjects that the table gives, each independently, which is our
assumption. Contempt, which the paper has not, is the one-sided 12 + 14 of EMFACS. Neutral shows no unit.

Anger and disgust have a second way, with an open mouth, which the paper's posed subjects did not show and
photographs do. Anger: the 4 + 5 + 7 + 23 of EMFACS with 25, and with 10 and 26, which some of its lists add,
each on half of these faces, which is our assumption. Disgust: 9 + 10 + 25 with 26, and 4 as often as the
paper has it. The shares are what we counted in FER2013: of 120 training photographs of a class, evenly spread
over its folder, 51 of anger and about 64 of disgust have parted lips, and about 16 of these 64 a dropped jaw.

Two pairs of classes have the same prototypical units: fear and sadly fearful (1, 4, 20, 25), sadness and
sadly angry (4, 15). Only the optional units tell them apart, so no reader of faces, however good, is always
right about them: `bayes_accuracy` says how often one that sees every unit can be.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations

import numpy as np

from fer_meta.expressions import canonical


@dataclass(frozen=True)
class Prototype:
    """The action units of one expression: those always shown, and those shown with a probability (0..1)."""

    always: frozenset[int]
    sometimes: Mapping[int, float] = field(default_factory=dict)


PROTOTYPES = {
    "surprise": Prototype(frozenset({1, 2, 25, 26}), {5: 0.66}),
    "fear": Prototype(frozenset({1, 4, 20, 25}), {2: 0.57, 5: 0.63, 26: 0.33}),
    "disgust": Prototype(frozenset({9, 10, 17}), {4: 0.31, 24: 0.26}),
    "happiness": Prototype(frozenset({12, 25}), {6: 0.51}),
    "sadness": Prototype(frozenset({4, 15}), {1: 0.60, 6: 0.50, 11: 0.26, 17: 0.67}),
    "anger": Prototype(frozenset({4, 7, 24}), {10: 0.26, 17: 0.52, 23: 0.29}),
    "neutral": Prototype(frozenset()),
    "contempt": Prototype(frozenset({12, 14})),
    "happily_surprised": Prototype(frozenset({1, 2, 12, 25}), {5: 0.64, 26: 0.67}),
    "happily_disgusted": Prototype(frozenset({10, 12, 25}), {4: 0.32, 6: 0.61, 9: 0.59}),
    "sadly_fearful": Prototype(frozenset({1, 4, 20, 25}), {2: 0.46, 5: 0.24, 6: 0.34, 15: 0.30}),
    "sadly_angry": Prototype(frozenset({4, 15}), {6: 0.26, 7: 0.48, 11: 0.20, 17: 0.50}),
    "sadly_surprised": Prototype(frozenset({1, 4, 25, 26}), {2: 0.27, 6: 0.31}),
    "sadly_disgusted": Prototype(
        frozenset({4, 10}), {1: 0.49, 6: 0.61, 9: 0.20, 11: 0.35, 15: 0.54, 17: 0.47, 25: 0.43}
    ),
    "fearfully_angry": Prototype(frozenset({4, 20, 25}), {5: 0.40, 7: 0.39, 10: 0.30, 11: 0.33}),
    "fearfully_surprised": Prototype(frozenset({1, 2, 5, 20, 25}), {4: 0.47, 10: 0.35, 11: 0.22, 26: 0.51}),
    "angrily_surprised": Prototype(frozenset({4, 25, 26}), {5: 0.35, 7: 0.50, 10: 0.34}),
    "angrily_disgusted": Prototype(frozenset({4, 10, 17}), {7: 0.60, 9: 0.57, 24: 0.36}),
    "disgustedly_surprised": Prototype(frozenset({1, 2, 5, 10}), {4: 0.45, 9: 0.37, 17: 0.66, 24: 0.33}),
}
"""The units of each expression that can be rendered: BASIC, CONTEMPT and COMPOUND."""

OPEN_MOUTHED: dict[str, tuple[float, Prototype]] = {
    "anger": (0.43, Prototype(frozenset({4, 5, 7, 23, 25}), {10: 0.5, 26: 0.5})),
    "disgust": (0.53, Prototype(frozenset({9, 10, 25}), {4: 0.31, 26: 0.25})),
}
"""Expressions with a second way to show them: the share of the class's faces (0..1) and their units."""

ONE_SIDED = frozenset({"contempt"})
"""Expressions shown on one side of the face; {12, 14} is enough to know contempt by, as no other class has
14.
"""


def draw_units(label: str, rng: np.random.Generator) -> frozenset[int]:
    """The units one face shows: all of the always-units and each optional one with its probability, of one
    way to show the class.

    Raises ValueError for an unknown class.
    """
    ways = _ways(label)
    prototype = ways[0][1] if len(ways) == 1 or rng.random() < ways[0][0] else ways[1][1]
    shown = rng.random(len(prototype.sometimes)) < np.array(list(prototype.sometimes.values()))
    return prototype.always.union(unit for unit, is_shown in zip(prototype.sometimes, shown) if is_shown)


def _ways(label: str) -> list[tuple[float, Prototype]]:
    """The ways to show a class and the share of each. Raises ValueError for an unknown class."""
    name = canonical(label)
    share, other = OPEN_MOUTHED.get(name, (0.0, None))
    return [(1 - share, PROTOTYPES[name]), *([(share, other)] if other else [])]


def units_text(units: frozenset[int]) -> str:
    """The units as an index stores them: ascending and joined, `1+2+25`; no unit is the empty text."""
    return "+".join(str(unit) for unit in sorted(units))


def units_of(text: str) -> frozenset[int]:
    """The units of a text by `units_text`. Raises ValueError if it is not one."""
    try:
        return frozenset(int(unit) for unit in text.split("+")) if text else frozenset()
    except ValueError:
        raise ValueError(f"'{text}' is not a list of action units; expected numbers such as 1+2+25") from None


# --- what a perfect reader of units can know --------------------------------------------------------------


def pattern_probabilities(label: str) -> dict[frozenset[int], float]:
    """Every set of units that a class can show and its probability; they sum to 1.

    Raises ValueError for an unknown class.
    """
    patterns: dict[frozenset[int], float] = {}
    for share, prototype in _ways(label):
        of_way = {prototype.always: share}
        for unit, probability in prototype.sometimes.items():
            without = {units: chance * (1 - probability) for units, chance in of_way.items()}
            of_way = without | {units | {unit}: chance * probability for units, chance in of_way.items()}
        for units, chance in of_way.items():
            patterns[units] = patterns.get(units, 0.0) + chance
    return patterns


def bayes_accuracy(classes: Sequence[str]) -> float:
    """The exact accuracy (0..1) of the best classifier that sees every unit, when the classes are equally
    likely.

    It takes the class most likely to show the units it sees; where several are, any choice gives the same
    accuracy. Raises ValueError for an unknown class, one named twice, or no class.

    >>> bayes_accuracy(["happiness", "sadness"])
    1.0
    """
    return bayes_episode_accuracy(classes, len(classes))


def bayes_episode_accuracy(classes: Sequence[str], way: int) -> float:
    """The mean of `bayes_accuracy` over all subsets of `way` classes: what an episode drawn at random allows.

    Raises ValueError for an unknown class, one named twice, or a way that is not from 1 to the number of
    classes.
    """
    return _bayes_episode_accuracy(tuple(canonical(label) for label in classes), way)


@cache
def _bayes_episode_accuracy(classes: tuple[str, ...], way: int) -> float:
    if len(set(classes)) < len(classes):
        raise ValueError(f"a class is named twice in {', '.join(classes)}")
    if not 1 <= way <= len(classes):
        raise ValueError(
            f"{way}-way cannot be made of {len(classes)} classes; ways go from 1 to the number of classes"
        )
    chances = [pattern_probabilities(label) for label in classes]
    patterns = list({pattern: None for of_class in chances for pattern in of_class})
    table = np.array([[of_class.get(pattern, 0.0) for pattern in patterns] for of_class in chances])
    subsets = list(combinations(range(len(classes)), way))
    mean = math.fsum(table[list(subset)].max(0).sum() / way for subset in subsets) / len(subsets)
    return min(mean, 1.0)  # rounding may leave a little more


# --- how units move a face --------------------------------------------------------------------------------

SHAPES: dict[int, dict[str, float]] = {
    1: {"browInnerUp": 1.9},  # inner brow raiser
    2: {"browOuterUp": 1.5},  # outer brow raiser
    4: {"browDown": 1.2, "browOuterUp": 0.1},  # brow lowerer
    5: {"eyeWide": 2.2},  # upper lid raiser
    6: {"cheekSquint": 1.4, "eyeSquint": 0.6},  # cheek raiser
    7: {"eyeSquint": 0.9},  # lid tightener
    # nose wrinkler: it takes cheeks, both lids and the upper lip along; noseSneer alone would frown
    9: {
        "noseSneer": 2.9,
        "browInnerUp": 1.2,
        "cheekSquint": 0.4,
        "eyeSquint": 1.2,
        "eyeBlink": 0.45,
        "mouthUpperUp": 0.6,
    },
    10: {"mouthUpperUp": 1.5},  # upper lip raiser
    11: {},  # nasolabial deepener: no blendshape has it: the renderer draws the furrow by shading
    12: {"mouthSmile": 1.6},  # lip corner puller
    14: {"mouthDimple": 1.5},  # dimpler
    15: {"mouthFrown": 2.6, "mouthStretch": 0.3},  # lip corner depressor
    17: {"mouthShrugLower": 1.7},  # chin raiser
    20: {"mouthStretch": 2.4},  # lip stretcher
    # mouthPress widens the mouth into a smirk; rolling the lips in reads as pressing them.
    23: {"mouthRollUpper": 0.35, "mouthRollLower": 0.35, "mouthPucker": 0.35},  # lip tightener
    # lip pressor
    24: {"mouthRollUpper": 0.65, "mouthRollLower": 0.65, "mouthPress": 0.25, "mouthFrown": 0.5},
    25: {"jawOpen": 0.18, "mouthUpperUp": 0.5, "mouthLowerDown": 0.7},  # lips part
    26: {"jawOpen": 0.75},  # jaw drop
}
"""Weight of each blendshape when a unit is at intensity 1; those of `SIDED` name both sides.

After the map of py-feat (docs/pages/au_reference.md, approximate by its own account); the weights are ours,
set by eye and by what two readers of photographs make of the faces (`benchmarks/readers.py`).
"""

SIDED = frozenset({
    "browDown", "browOuterUp", "cheekSquint", "eyeBlink", "eyeSquint", "eyeWide", "mouthDimple", "mouthFrown",
    "mouthLowerDown", "mouthPress", "mouthSmile", "mouthStretch", "mouthUpperUp", "noseSneer",
})  # fmt: skip
"""The shapes of `SHAPES` that exist once for each side of the face."""

TOGETHER: dict[tuple[int, int], dict[str, float]] = {
    # Brows raised all along take the upper lids with them.
    (1, 2): {"eyeWide": 0.5},
    # The brows are drawn together and raised inside; in full, browDown would undo browInnerUp.
    (1, 4): {"browDown": -0.4, "browOuterUp": -0.1},
    # Sad brows slant: they go up inside even where that is not coded, and the upper lids droop.
    (4, 15): {"browInnerUp": 0.8, "browDown": -0.3, "eyeBlink": 0.3},
    # A glare: the inner ends of the brows go down to the root of the nose, the outer ends do not. Of
    # noseSneer the lip is left out.
    (4, 7): {"browDown": 0.6, "browOuterUp": 0.6, "noseSneer": 1.6, "mouthUpperUp": -0.4},
    # Corners that go down leave less of the lower lip to be pushed up.
    (15, 17): {"mouthShrugLower": -0.5},
    # A raised chin closes the lips under a raised one.
    (10, 17): {"mouthUpperUp": -0.7, "mouthShrugLower": 0.3},
    # Lips that part under a wrinkled nose leave the jaw and the lower lip where they were: it is pushed up.
    (9, 25): {
        "jawOpen": -0.1,
        "mouthUpperUp": -0.7,
        "mouthLowerDown": -0.5,
        "mouthShrugLower": 0.6,
        "browDown": -0.4,
    },
    # Tightened lids hold the upper ones back.
    (5, 7): {"eyeWide": -0.8},
    # Raised upper lids stay up over a wrinkled nose.
    (5, 9): {"eyeBlink": -0.45, "eyeSquint": -0.6},
    # Lips that are tight and open are square over the teeth, neither rolled in nor pursed.
    (23, 25): {
        "mouthRollUpper": -0.35,
        "mouthRollLower": -0.35,
        "mouthPucker": -0.35,
        "mouthStretch": 0.8,
        "mouthUpperUp": 0.7,
        "mouthLowerDown": 0.9,
    },
    # A dropped jaw parts the lips by itself, and leaves them slack over the teeth and less wide.
    (25, 26): {"mouthUpperUp": -0.5, "mouthLowerDown": -0.7, "mouthClose": 0.18},
    (20, 26): {"mouthStretch": -0.8},
}
"""What is added to the shapes of two units as far as both are shown (the lesser intensity of the two), so
that the weights have no jumps.
"""


def blendshapes(units: Mapping[int, float], left: float = 1.0, right: float = 1.0) -> dict[str, float]:
    """Weights of the facial actions of anny (the 52 of ARKit) that `units` move; those not named stay at 0.

    `units` gives each unit's intensity: 1 is its peak (FACS level E), 0 none, and more than 1 exaggerates.
    `left` and `right` multiply the shapes of one side of the face (the subject's own); a shape with no sides
    gets their mean. Raises ValueError for a unit without an entry in `SHAPES`.

    >>> blendshapes({26: 0.5})
    {'jawOpen': 0.375}
    """
    unknown = sorted(set(units) - set(SHAPES))
    if unknown:
        raise ValueError(
            f"no blendshape for action unit {unknown[0]}; known are {', '.join(map(str, SHAPES))}"
        )
    weights: dict[str, float] = {}
    for unit in sorted(units):
        for shape, weight in SHAPES[unit].items():
            weights[shape] = weights.get(shape, 0.0) + weight * units[unit]
    for (one, other), shapes in TOGETHER.items():
        if one in units and other in units:
            for shape, weight in shapes.items():
                weights[shape] = weights.get(shape, 0.0) + weight * min(units[one], units[other])
    return _on_both_sides(weights, left, right)


def _on_both_sides(weights: Mapping[str, float], left: float, right: float) -> dict[str, float]:
    sided = {}
    for shape, weight in weights.items():
        if shape in SIDED:
            sided[f"{shape}Left"], sided[f"{shape}Right"] = weight * left, weight * right
        else:
            sided[shape] = weight * (left + right) / 2
    return sided
