"""The domains: how a portrait is posed, lit, taken and spoiled, and how far (severity) from a studio's.

A recipe is a set of `Conditions`; severity interpolates from the studio's to them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from fer_meta.expressions import BASIC, COMPOUND


@dataclass(frozen=True)
class Conditions:
    """What a domain does to a portrait. Angles in degrees, lengths in shares of the frame, chances from 0 to
    1.
    """

    yaw: float  # standard deviations of the head's pose
    pitch: float
    roll: float
    shift: float  # of where the crop is centred
    zoom: float  # of the crop's size, in log
    intensity_low: float  # of the peak of an expression: 1 is FACS level E
    intensity_high: float
    unit_spread: float  # standard deviation between the units of one face
    asymmetry: float  # between the two sides
    gaze: float
    light_angle: float  # of the key light away from the front
    contrast: float  # how much of the light is the key's alone
    warmth: float  # of the light's colour
    darkness: float  # stops below the right exposure
    exposure: float  # standard deviation of that, in stops
    clutter: float  # of the background
    glasses: float
    sunglasses: float
    hat: float
    hand: float
    blocker: float
    blur: float  # radius
    motion: float  # length of the streak
    noise: float  # standard deviation, of the white level
    compression: float  # 0: none, 1: JPEG quality down to 10
    coarseness: float  # 0: none, 1: down to a fifth of the pixels
    imbalance: float  # 0: every class equally often, 1: as `Recipe.frequency`


STUDIO = Conditions(
    yaw=6,
    pitch=5,
    roll=3,
    shift=0.02,
    zoom=0.05,
    intensity_low=0.40,
    intensity_high=1.0,
    unit_spread=0.22,
    asymmetry=0.10,
    gaze=6,
    light_angle=15,
    contrast=0.35,
    warmth=0.02,
    darkness=0,
    exposure=0.2,
    clutter=0,
    glasses=0.08,
    sunglasses=0,
    hat=0,
    hand=0,
    blocker=0,
    blur=0.004,
    motion=0,
    noise=0.008,
    compression=0.1,
    coarseness=0,
    imbalance=0,
)
WILD = Conditions(
    yaw=16,
    pitch=8,
    roll=6,
    shift=0.03,
    zoom=0.08,
    intensity_low=0.40,
    intensity_high=1.1,
    unit_spread=0.24,
    asymmetry=0.14,
    gaze=12,
    light_angle=42,
    contrast=0.7,
    warmth=0.10,
    darkness=0.1,
    exposure=0.4,
    clutter=1,
    glasses=0.16,
    sunglasses=0.03,
    hat=0.12,
    hand=0.06,
    blocker=0.04,
    blur=0.008,
    motion=0.008,
    noise=0.012,
    compression=0.5,
    coarseness=0.35,
    imbalance=1,
)
FILM = Conditions(
    yaw=20,
    pitch=9,
    roll=8,
    shift=0.035,
    zoom=0.09,
    intensity_low=0.65,
    intensity_high=1.2,
    unit_spread=0.22,
    asymmetry=0.14,
    gaze=14,
    light_angle=50,
    contrast=0.8,
    warmth=0.15,
    darkness=0.5,
    exposure=0.4,
    clutter=1,
    glasses=0.12,
    sunglasses=0.02,
    hat=0.10,
    hand=0.05,
    blocker=0.04,
    blur=0.008,
    motion=0.02,
    noise=0.018,
    compression=0.7,
    coarseness=0.45,
    imbalance=1,
)


@dataclass(frozen=True)
class Recipe:
    """A domain: its conditions at severity 1, its classes and how often each is seen there.

    `frequency` is in proportion to the images of each class at severity 1. `clip_length` is the number of
    frames of a clip, None for single images. `version` goes up whenever the recipe would give other pixels or
    another index.
    """

    name: str
    title: str
    summary: str
    conditions: Conditions
    classes: tuple[str, ...]
    frequency: Mapping[str, float]
    clip_length: int | None = None
    version: int = 3


# How often each class is seen: the training images of RAF-DB (Li et al. 2017) and the clips of AFEW.
_RAF_BASIC = {
    "surprise": 1290,
    "fear": 281,
    "disgust": 717,
    "happiness": 4772,
    "sadness": 1982,
    "anger": 705,
    "neutral": 2524,
}
_AFEW = {
    "anger": 133,
    "disgust": 74,
    "fear": 81,
    "happiness": 150,
    "neutral": 144,
    "sadness": 117,
    "surprise": 74,
}

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "synthetic-studio",
            "posed studio portraits (rendered)",
            "Frontal, evenly lit, peak expressions, plain background, all classes equally often; in the"
            " manner of CK+.",
            STUDIO,
            BASIC,
            dict.fromkeys(BASIC, 1),
        ),
        Recipe(
            "synthetic-wild",
            "faces in the wild (rendered)",
            "Free pose and light, backgrounds, occlusion, spontaneous intensities and the class balance of"
            " RAF-DB.",
            WILD,
            BASIC,
            _RAF_BASIC,
        ),
        Recipe(
            "synthetic-film",
            "clips from films (rendered)",
            "Dark, low resolution, motion blur, large poses, in clips whose expression rises and falls; in"
            " the manner of AFEW.",
            FILM,
            BASIC,
            _AFEW,
            clip_length=6,
        ),
        Recipe(
            "synthetic-compound",
            "compound expressions in the wild (rendered)",
            "The eleven compound classes of RAF-DB under the conditions of synthetic-wild.",
            replace(WILD, imbalance=0),
            COMPOUND,
            dict.fromkeys(COMPOUND, 1),
        ),
    )
}


def conditions_at(recipe: Recipe, severity: float) -> Conditions:
    """The recipe's conditions at a severity: 0 the studio's, 1 its own, linear in between."""
    return Conditions(
        **{
            f.name: getattr(STUDIO, f.name) * (1 - severity) + getattr(recipe.conditions, f.name) * severity
            for f in fields(Conditions)
        }
    )
