"""What is on each image of a rendered set: who, with which expression, in which pose and light.

The same image of the same seed keeps its person and its random draws at every severity, so that only the
conditions change.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from fer_meta.datasets.base import SPLITS, make_index
from fer_meta.datasets.synthetic.anatomy import ONE_SIDED, draw_units, units_text
from fer_meta.datasets.synthetic.people import Person, Rgb, draw_person
from fer_meta.datasets.synthetic.recipes import Conditions, Recipe, conditions_at
from fer_meta.datasets.units import unit_columns

_SPLIT_OF = [
    "train", "test", "train", "val", "train", "test", "train", "test", "train", "test", "train", "val",
    "train", "test", "train", "test", "train", "val", "train", "test",
]  # fmt: skip
# The split of person number n is that of n modulo 20. It depends on nothing else, so that no person of a seed
# is in the training images of one domain and the test images of another, however large either is.

# The random numbers of a shot.
_NORMAL = [
    "left", "right", "azimuth", "elevation", "warmth", "sky_warmth", "gaze_across", "gaze_up", "roll",
    "shift_x", "shift_y", "zoom", "exposure", "grey", "grey_r", "grey_g", "grey_b", "tilt", "yaw", "pitch",
    "turn", "nod", "slide",
]  # fmt: skip
_UNIFORM = [
    "peak", "side", "contrast", "rim", "darkness", "sunglasses", "glasses", "hat", "hat_r", "hat_g",
    "hat_b", "hand", "hand_side", "hand_x", "hand_z", "hand_turn", "blocker", "edge", "depth", "blur",
    "motion", "motion_angle", "noise", "compression", "coarseness", "apex",
]  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """All that decides one image. Angles in degrees; lengths of the image in shares of the frame; colours
    sRGB, lights linear.

    `units` gives each action unit's intensity now. `left` and `right` scale them on either side of the face.
    `light` is the (azimuth, elevation) of the key, azimuth towards the person's left. `hand` is (x, z, turn)
    of a hand's middle in metres and degrees, `blocker` (edge 0 to 3, depth, tilt). `glasses`: 0 none, 1
    clear, 2 dark. `seed` is for what is left: background and noise.
    """

    person: Person
    units: Mapping[int, float]
    left: float
    right: float
    gaze: tuple[float, float]
    yaw: float
    pitch: float
    roll: float
    shift: tuple[float, float]
    zoom: float
    light: tuple[float, float]
    key: Rgb
    sky: Rgb
    fill: float
    rim: float
    exposure: float
    clutter: float
    backdrop: Rgb
    glasses: int
    hat: Rgb | None
    hand: tuple[float, float, float] | None
    blocker: tuple[int, float, float] | None
    blur: float
    motion: tuple[float, float]
    noise: float
    compression: float
    coarseness: float
    seed: int


def draw_scenes(
    recipe: Recipe, *, subjects: int, images: int, severity: float, seed: int
) -> tuple[pd.DataFrame, list[Scene]]:
    """The index of a set and, in the same order, what to render.

    The index has INDEX_COLUMNS, `units` (string such as "1+2+25", "" for neutral) and how strongly each unit
    is shown (`fer_meta.datasets.units`), before the two sides of the face differ. People are divided among
    the splits, images among the people. Raises ValueError if a split would have no person, or a class no
    image in some split.
    """
    conditions = conditions_at(recipe, severity)
    length = recipe.clip_length or 1
    rows: list[dict[str, Any]] = []
    scenes: list[Scene] = []
    shot = 0
    for split, (people, count) in _divide(subjects, images // length).items():
        labels = _labels(recipe, conditions.imbalance, count, np.random.default_rng([seed, shot, 3]), split)
        for k, label in enumerate(labels):
            person = draw_person(seed, people[k % len(people)])
            frames = draw_shot(conditions, person, label, [seed, shot], length)
            for frame, (scene, units) in enumerate(frames):
                in_clip = recipe.clip_length is not None
                rows.append(
                    {
                        "path": f"{len(rows):06d}",
                        "label": label,
                        "subject": person.name,
                        "split": split,
                        "units": units_text(units),
                        "clip": f"c{shot:06d}" if in_clip else None,
                        "frame": frame if in_clip else None,
                    }
                )
                scenes.append(scene)
            shot += 1
    units = pd.array([row["units"] for row in rows], dtype="string")
    shown = unit_columns([scene.units for scene in scenes])
    return make_index(rows).assign(units=units, **shown), scenes


def draw_shot(
    conditions: Conditions, person: Person, label: str, key: list[int], frames: int = 1
) -> list[tuple[Scene, frozenset[int]]]:
    """One portrait, or the frames of one clip, of a person: (scene, action units). `key` seeds every draw.

    In a clip the expression rises and falls and the head turns a little; light, place and units stay.
    """
    c = conditions
    rng = np.random.default_rng([*key, 2])
    units = draw_units(label, np.random.default_rng([*key, 4]))
    # Everything is drawn whatever the conditions, so that the same image at another severity has the same
    # draws.
    n = dict(zip(_NORMAL, rng.standard_normal(48).tolist()))
    u = dict(zip(_UNIFORM, rng.random(48).tolist()))
    peak = c.intensity_low + (c.intensity_high - c.intensity_low) * u["peak"]
    strength = {
        unit: peak * float(np.clip(1 + c.unit_spread * rng.standard_normal(), 0.5, 1.6))
        for unit in sorted(units)
    }
    still = _still(c, person, label, n, u, seed=int(rng.random() * 2**31))
    shots = []
    for frame in range(frames):
        t = (frame + 0.5) / frames
        now, drift = (_envelope(t, 0.35 + 0.3 * u["apex"]), t - 0.5) if frames > 1 else (1.0, 0.0)
        scene = replace(
            still,
            units={unit: value * now for unit, value in strength.items()},
            yaw=_within(c.yaw * n["yaw"] + 0.6 * c.yaw * n["turn"] * drift, -60, 60),
            pitch=_within(c.pitch * n["pitch"] + 0.6 * c.pitch * n["nod"] * drift, -28, 28),
            shift=(still.shift[0] + 0.02 * drift * n["slide"], still.shift[1]),
            seed=still.seed + frame,
        )
        shots.append((scene, units))
    return shots


def _still(
    c: Conditions, person: Person, label: str, n: Mapping[str, float], u: Mapping[str, float], seed: int
) -> Scene:
    """What all frames of a shot share: the scene with its head straight and its face at rest. `n` are its
    normal draws, `u` its uniform ones.
    """
    left, right = 1 + c.asymmetry * n["left"], 1 + c.asymmetry * n["right"]
    if label in ONE_SIDED:
        left, right = (1.25, 0.1) if u["side"] < 0.5 else (0.1, 1.25)
    contrast = c.contrast * (0.6 + 0.4 * u["contrast"])
    grey = 0.55 + 0.22 * n["grey"]
    return Scene(
        person=person,
        units={},
        left=left,
        right=right,
        gaze=(c.gaze * n["gaze_across"], 0.5 * c.gaze * n["gaze_up"]),
        yaw=0.0,
        pitch=0.0,
        roll=_within(c.roll * n["roll"], -35, 35),
        shift=(c.shift * n["shift_x"], c.shift * n["shift_y"]),
        zoom=float(np.exp(c.zoom * n["zoom"])),
        light=(
            _within(c.light_angle * n["azimuth"], -120, 120),
            _within(30 + 0.35 * c.light_angle * n["elevation"], -10, 75),
        ),
        key=_tint(0.55 + 0.75 * contrast, c.warmth * n["warmth"]),
        sky=_tint(0.62 * (1 - 0.75 * contrast), c.warmth * n["sky_warmth"]),
        fill=0.30 * (1 - 0.85 * contrast),
        rim=0.8 * c.contrast * max(0.0, u["rim"] - 0.6),
        exposure=-c.darkness * (0.5 + u["darkness"]) + c.exposure * n["exposure"],
        clutter=c.clutter,
        backdrop=_of_channels(
            lambda channel: _within(grey + (0.025 + 0.02 * c.clutter) * n[f"grey_{channel}"], 0.08, 0.9)
        ),
        glasses=2 if u["sunglasses"] < c.sunglasses else 1 if u["glasses"] < c.glasses else 0,
        hat=_of_channels(lambda channel: 0.06 + 0.6 * u[f"hat_{channel}"]) if u["hat"] < c.hat else None,
        hand=_hand(u) if u["hand"] < c.hand else None,
        blocker=(
            (int(u["edge"] * 4), 0.12 + 0.2 * u["depth"], 25 * n["tilt"])
            if u["blocker"] < c.blocker
            else None
        ),
        blur=c.blur * u["blur"],
        motion=(2 * c.motion * u["motion"] ** 2, 180 * u["motion_angle"]),
        noise=c.noise * (0.3 + 0.7 * u["noise"]),
        compression=c.compression * u["compression"],
        coarseness=c.coarseness * u["coarseness"],
        seed=seed,
    )


def _envelope(t: float, apex: float) -> float:
    """Intensity over a clip: from a third it rises to 1 at `apex` and falls back."""
    distance = (apex - t) / apex if t < apex else (t - apex) / (1 - apex)
    return 0.3 + 0.7 * float(np.cos(0.5 * np.pi * distance))


def _of_channels(value: Callable[[str], float]) -> Rgb:
    return value("r"), value("g"), value("b")


def _tint(strength: float, warmth: float) -> Rgb:
    return float(strength * (1 + warmth)), float(strength), float(strength * (1 - 1.4 * warmth))


def _hand(u: Mapping[str, float]) -> tuple[float, float, float]:
    """A hand on chin, cheek or mouth: where its middle is (x, z; metres) and how it is turned (degrees)."""
    side = 1.0 if u["hand_side"] < 0.5 else -1.0
    return side * (0.02 + 0.05 * u["hand_x"]), -0.115 + 0.05 * u["hand_z"], side * (10 + 45 * u["hand_turn"])


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def split_of_person(number: int) -> str:
    return _SPLIT_OF[number % len(_SPLIT_OF)]


def _divide(subjects: int, shots: int) -> dict[str, tuple[list[int], int]]:
    """The people of each split, and how many images or clips it gets: in proportion to its people."""
    people = {split: [n for n in range(subjects) if split_of_person(n) == split] for split in SPLITS}
    if not all(people.values()):
        raise ValueError(f"{subjects} subjects are too few for train, val and test; give 4 or more")
    ends = np.round(np.cumsum([len(some) for some in people.values()]) / subjects * shots).astype(int)
    return {
        split: (some, int(end - start)) for (split, some), start, end in zip(people.items(), [0, *ends], ends)
    }


def _labels(recipe: Recipe, imbalance: float, count: int, rng: np.random.Generator, split: str) -> list[str]:
    """`count` labels in random order, in the proportions that the imbalance gives (largest remainders)."""
    frequency = np.array([recipe.frequency[label] for label in recipe.classes], dtype=float)
    share = (1 - imbalance) / len(frequency) + imbalance * frequency / frequency.sum()
    exact = share * count
    counts = np.floor(exact).astype(int)
    counts[np.argsort(counts - exact, kind="stable")[: count - counts.sum()]] += 1
    if counts.min() == 0:
        rare = recipe.classes[int(counts.argmin())]
        raise ValueError(f"too few images: {split} would have none of '{rare}'; give more images")
    labels = np.repeat(np.array(recipe.classes, dtype=object), counts)
    return list(rng.permutation(labels))
