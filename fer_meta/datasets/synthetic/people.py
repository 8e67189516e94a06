"""Identities: age, sex, ancestry, weight, facial shape, skin, hair, eyes. Everything is drawn from a seed and
a number.

The ranges are chosen to look like the people of FER data sets, not measured from a population.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fer_meta.datasets.synthetic.head import ANCESTRIES, LOWEST_HAIRLINE

Rgb = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Person:
    """One identity. Colours are sRGB, 0 to 1; lengths are metres; the rest is 0 to 1 unless said otherwise.

    `macro` and `local` are the arguments of `Head.neutral`. `hair_length` is 0 for short hair; `hair_volume`
    is by how much it stands off the scalp; `hairline` its height above the eyes. `beard` and `moustache` are
    densities. `age_lines` is the depth of the wrinkles of age.
    """

    name: str
    macro: Mapping[str, float]
    local_seed: int
    skin: Rgb
    lip: Rgb
    hair: Rgb
    brow: Rgb
    iris: Rgb
    teeth: Rgb
    hairline: float
    hair_volume: float
    hair_length: float
    bald: bool
    brow_height: float
    brow_thickness: float
    brow_arch: float
    brow_density: float
    beard: float
    moustache: float
    age_lines: float
    gloss: float


_SKINS = {  # from light to dark
    "caucasian": ((0.93, 0.78, 0.70), (0.74, 0.55, 0.44)),
    "asian": ((0.92, 0.77, 0.64), (0.70, 0.52, 0.39)),
    "african": ((0.60, 0.42, 0.32), (0.27, 0.18, 0.14)),
}
_HAIRS = {
    "black": (0.07, 0.06, 0.06),
    "dark": (0.16, 0.11, 0.08),
    "brown": (0.30, 0.19, 0.12),
    "fair": (0.66, 0.50, 0.31),
    "red": (0.47, 0.20, 0.10),
    "grey": (0.62, 0.61, 0.60),
}
_HAIR_ODDS = {
    "caucasian": (0.12, 0.34, 0.28, 0.20, 0.06),
    "asian": (0.75, 0.2, 0.05, 0, 0),
    "african": (0.85, 0.13, 0.02, 0, 0),
}
_IRISES = {
    "brown": (0.26, 0.14, 0.07),
    "hazel": (0.38, 0.28, 0.13),
    "green": (0.35, 0.42, 0.28),
    "blue": (0.38, 0.50, 0.60),
    "dark": (0.13, 0.08, 0.05),
}
_IRIS_ODDS = {
    "caucasian": (0.33, 0.2, 0.14, 0.28, 0.05),
    "asian": (0.3, 0, 0, 0, 0.7),
    "african": (0.2, 0, 0, 0, 0.8),
}


@lru_cache(maxsize=4096)
def draw_person(seed: int, number: int) -> Person:
    """The `number`-th identity of a seed; the same on every machine."""
    rng = np.random.default_rng([seed, number, 1])
    main = str(rng.choice(ANCESTRIES, p=(0.28, 0.30, 0.42)))
    ancestry = rng.dirichlet([0.35] * 3) * 0.5
    macro = {a: float(ancestry[i] + 0.5 * (a == main)) for i, a in enumerate(ANCESTRIES)}
    is_male = rng.random() < 0.5
    age = float(np.clip(rng.gamma(3.2, 8.5) + 12, 14, 80))
    macro |= {
        "male": float(np.clip(rng.normal(0.88 if is_male else 0.12, 0.10), 0, 1)),
        "age": age,
        "weight": float(np.clip(rng.normal(0.52, 0.2), 0.05, 1)),
    }

    tone = rng.beta(1.6, 1.6)
    light, dark = (np.array(c) for c in _SKINS[main])
    skin = np.clip(light + (dark - light) * tone + rng.normal(0, 0.012, 3), 0.1, 0.97)
    makeup = 0.0 if is_male else float(rng.random() < 0.45) * rng.uniform(0.3, 1.0)
    lip = (
        skin * np.array([0.92, 0.68, 0.68]) * (1 - 0.6 * makeup) + np.array([0.70, 0.16, 0.20]) * 0.6 * makeup
    )
    greying = rng.random() < np.clip((age - 42) / 35, 0, 0.9)
    shade = str(rng.choice(list(_HAIRS)[:5], p=_HAIR_ODDS[main]))
    natural = np.array(_HAIRS[shade]) * rng.uniform(0.8, 1.2)
    hair = natural * (1 - 0.85 * greying) + np.array(_HAIRS["grey"]) * 0.85 * greying
    iris = np.array(_IRISES[str(rng.choice(list(_IRISES), p=_IRIS_ODDS[main]))]) * rng.uniform(0.85, 1.15)
    brow = (
        natural * (0.75 if shade in ("fair", "red") else 0.95) * (1 - 0.4 * greying)
        + np.array(_HAIRS["grey"]) * 0.4 * greying
    )
    bearded = is_male and age > 19
    style = rng.random()
    return Person(
        name=f"{seed}-{number:04d}",
        macro=macro,
        local_seed=int(rng.integers(2**31)),
        skin=_rgb(skin),
        lip=_rgb(lip),
        hair=_rgb(hair),
        brow=_rgb(brow),
        iris=_rgb(iris),
        teeth=_rgb(np.array([0.97, 0.95, 0.88]) * rng.uniform(0.88, 1.0)),
        hairline=float(
            np.clip(
                rng.normal(0.068, 0.006)
                + (0.02 * rng.random() if is_male and age > 40 else 0)
                - 0.028 * (rng.random() < (0.12 if is_male else 0.3)),
                LOWEST_HAIRLINE,
                0.09,
            )
        ),
        hair_volume=float(rng.uniform(0.002, 0.014) if is_male else rng.uniform(0.006, 0.022)),
        hair_length=float(rng.uniform(0.3, 1.0)) if rng.random() < (0.08 if is_male else 0.68) else 0.0,
        bald=bool(is_male and style < np.clip((age - 25) / 120, 0.02, 0.3)),
        brow_height=float(rng.normal(0.0190, 0.0013)),
        brow_thickness=float(np.clip(rng.normal(0.0046 if is_male else 0.0035, 0.0007), 0.0022, 0.0065)),
        brow_arch=float(rng.uniform(0.003, 0.009)),
        brow_density=float(rng.uniform(0.65, 0.95)),
        beard=(
            float(rng.uniform(0.25, 0.9))
            if bearded and rng.random() < 0.25
            else float(rng.uniform(0, 0.18)) * bearded
        ),
        moustache=(
            float(rng.uniform(0.3, 0.9))
            if bearded and rng.random() < 0.25
            else float(rng.uniform(0, 0.15)) * bearded
        ),
        age_lines=float(np.clip((age - 32) / 45, 0, 1) * rng.uniform(0.5, 1.0)),
        gloss=float(rng.uniform(0.05, 0.16)),
    )


def local_shape(person: Person, names: tuple[str, ...]) -> dict[str, float]:
    """Weights of local targets: few are strong, most are none. Those of the left and the right side are
    nearly the same.
    """
    rng = np.random.default_rng(person.local_seed)
    draws = {}
    for name in names:
        stem = name[2:] if name[:2] in ("l-", "r-") else name
        if stem not in draws:
            draws[stem] = max(0.0, rng.normal(-0.15, 0.38)) * _MODERATION.get(stem.split("-")[0], 1.0)
        draws[name] = draws[stem] * (1.0 + 0.15 * rng.normal() * (name != stem))
    return {name: min(draws[name], 1.0) for name in names if draws[name] > 0.01}


# Targets that would turn a head into a caricature, or that resemble an expression, are held back.
_MODERATION = {"head": 0.6, "neck": 0.3, "eyebrows": 0.5, "mouth": 0.5, "ear": 0.7}


def _rgb(colour: np.ndarray) -> Rgb:
    red, green, blue = np.clip(colour, 0.02, 0.98).tolist()
    return red, green, blue
