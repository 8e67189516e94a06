"""Scenes to pixels: faces in batches, one bounding-volume hierarchy for all images of a slot, rays by warp.

Each slot's hierarchy is built once, on the mean head, and refitted to every image's vertices. On the CPU a
launch is one thread, so each core renders batches of its own; a GPU gets larger batches from one thread.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import warp as wp
from scipy.sparse import csr_array

from fer_meta.datasets.synthetic import shading
from fer_meta.datasets.synthetic.anatomy import blendshapes
from fer_meta.datasets.synthetic.camera import develop
from fer_meta.datasets.synthetic.head import Head, Part, load_head, scalp_field
from fer_meta.datasets.synthetic.people import Person, local_shape
from fer_meta.datasets.synthetic.scenes import Scene
from fer_meta.datasets.synthetic.shading import Look, occlusion, shade

_DISTANCE = 0.85  # metres from the face to the camera
# As tight as FER2013: its eyes are 0.36 of the frame apart, 0.38 below its top (`benchmarks/readers.py`).
_FRAME = 1.0  # side of the frame, in heights of a face from hairline to chin
_RISE = 0.045  # the frame's middle above the face's, in sides of the frame
_REACH = 0.025  # metres within which the face hides the sky from itself
_RAYS = 5  # from each vertex, to find how much
_AWAY = np.array(
    [0, 3, 0], dtype=np.float32
)  # where what is not in the picture is put: behind the head, without size
_HAND_DEPTH = -0.062  # metres; in front of the nose


class Renderer:
    """Draws scenes at `size` x `size` pixels on a device ("cpu", "cuda", ...). A picture does not depend on
    those it is drawn with.
    """

    def __init__(self, size: int, device: str = "cpu") -> None:
        on_gpu = str(device).startswith("cuda")
        _start_warp()
        # compiled once, before threads ask for it
        wp.load_module(shading, device=str(device) if on_gpu else "cpu")
        self._size = size
        self._head = load_head()
        self._incidence = _incidence(self._head)
        self._model = lru_cache(maxsize=1024)(self._model_of)
        self._batch = 64 if on_gpu else 8
        self._easels = [
            _Easel(self._head, self._batch, 2 * size, str(device) if on_gpu else "cpu")
            for _ in range(1 if on_gpu else os.cpu_count() or 1)
        ]

    def __call__(self, scenes: Sequence[Scene]) -> np.ndarray:
        """The pictures, uint8 [len(scenes), size, size, 3]."""
        starts = range(0, len(scenes), self._batch)
        pictures = np.empty((len(scenes), self._size, self._size, 3), dtype=np.uint8)

        def work(number: int) -> None:
            for start in starts[number :: len(self._easels)]:
                some = scenes[start : start + self._batch]
                pictures[start : start + len(some)] = self._draw(self._easels[number], some)

        with ThreadPoolExecutor(len(self._easels)) as pool:
            list(pool.map(work, range(len(self._easels))))
        return pictures

    def _draw(self, easel: "_Easel", scenes: Sequence[Scene]) -> np.ndarray:
        head, models = self._head, [self._model(scene.person) for scene in scenes]
        weights = np.stack([_weights(head.action_names, scene) for scene in scenes])
        points = np.stack([model.points for model in models])
        points += (weights @ head.actions.reshape(len(weights[0]), -1)).reshape(points.shape)
        normals = self._normals(points)
        for k, (scene, model) in enumerate(zip(scenes, models)):
            _dress(head, points[k], normals[k], scene, model)
        light = easel.draw(
            points,
            normals,
            np.stack([model.paint for model in models]),
            [_look(scene, model) for scene, model in zip(scenes, models)],
        )
        return np.stack([develop(image, scene) for image, scene in zip(light, scenes)])

    def _normals(self, points: np.ndarray) -> np.ndarray:
        """Unit normals of vertices, float32 [B, V, 3]: those of their triangles, weighted by area."""
        a, b, c = (points[:, self._head.faces[:, k]] for k in range(3))
        of_faces = np.cross(b - a, c - a).transpose(1, 0, 2).reshape(len(self._head.faces), -1)
        normals = (self._incidence @ of_faces).reshape(-1, len(points), 3).transpose(1, 0, 2)
        return np.ascontiguousarray(
            normals / (np.linalg.norm(normals, axis=-1, keepdims=True) + 1e-12), dtype=np.float32
        )

    def _model_of(self, person: Person) -> "_Model":
        head = self._head
        points = head.neutral(person.macro, local_shape(person, tuple(head.local)))
        field = scalp_field(head.canonical, person.hairline)
        grown = _ramp(-0.004, 0.006, field) * (0.25 if person.bald else 1.0)
        paint = np.stack([grown, _beard(head, person), np.zeros_like(grown)], axis=-1)
        return _Model(person, points, paint.astype(np.float32), field[head.scalp], _face_box(head, points))


@dataclass(frozen=True)
class _Model:
    """What all pictures of a person share: `points` [V, 3] of the neutral face, `paint` [V, 3] (hair, beard,
    -), `field` [S] how far inside the hair each vertex of the scalp lies, and the face's `box`: height of its
    middle and its own height, metres.
    """

    person: Person
    points: np.ndarray
    paint: np.ndarray
    field: np.ndarray
    box: tuple[float, float]


class _Easel:
    """The meshes and buffers of one thread."""

    def __init__(self, head: Head, batch: int, side: int, device: str) -> None:
        count = len(head.canonical)
        self.side, self.device = side, device

        def held(values: np.ndarray | list, dtype: type) -> wp.array:
            return wp.array(values, dtype=dtype, device=device)

        self.points = held(np.broadcast_to(head.canonical, (batch, count, 3)), wp.vec3)
        self.normals, self.paint = (wp.zeros((batch, count), dtype=wp.vec3, device=device) for _ in range(2))
        indices = held(head.faces.ravel(), wp.int32)
        self.meshes = [wp.Mesh(points=self.points[k], indices=indices) for k in range(batch)]
        self.ids = held([mesh.id for mesh in self.meshes], wp.uint64)
        self.canonical = held(head.canonical, wp.vec3)
        self.lips = held(head.lips, float)
        self.triangles = held(head.faces, wp.int32)
        self.part = held(head.part, wp.int32)
        self.rows = held(_occluded_rows(head), wp.int32)
        self.directions = held(_sphere(_RAYS), wp.vec3)
        self.out = wp.zeros((batch, side * side), dtype=wp.vec4, device=device)

    def draw(
        self, points: np.ndarray, normals: np.ndarray, paint: np.ndarray, looks: list[Look]
    ) -> np.ndarray:
        """Linear RGB and coverage, float32 [B, side, side, 4]."""
        count = len(points)
        for buffer, values in ((self.points, points), (self.normals, normals), (self.paint, paint)):
            buffer[:count].assign(values)
        for mesh in self.meshes[:count]:
            mesh.refit()
        seen: wp.array = wp.array(looks, dtype=Look, device=self.device)
        wp.launch(
            occlusion,
            dim=(count, len(self.rows)),
            device=self.device,
            inputs=[
                self.ids,
                self.points,
                self.normals,
                seen,
                self.rows,
                self.directions,
                _REACH,
                self.paint,
            ],
        )
        wp.launch(
            shade,
            dim=(count, self.side * self.side // 4),
            device=self.device,
            inputs=[
                self.ids,
                seen,
                self.normals,
                self.paint,
                self.canonical,
                self.lips,
                self.triangles,
                self.part,
                self.side,
                self.out,
            ],
        )
        return self.out[:count].numpy().reshape(count, self.side, self.side, 4)


def _start_warp() -> None:
    """Start warp without what its native code says on standard error, at any log level, on a machine that has
    no CUDA driver.
    """
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            wp.init()
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _weights(names: tuple[str, ...], scene: Scene) -> np.ndarray:
    """Weights of the facial actions, float32 [52]: the action units and the gaze."""
    moved = blendshapes(scene.units, scene.left, scene.right)
    # Local targets leave some mouths ajar; lips that no unit parts are closed.
    ajar = 0.14 * max(0.0, 1 - 2 * scene.units.get(25, 0.0) - 2 * scene.units.get(26, 0.0))
    moved["mouthClose"] = moved.get("mouthClose", 0.0) + ajar
    across, upward = scene.gaze[0] / 30, scene.gaze[1] / 30
    outward, inward = ("Left", "Right") if across > 0 else ("Right", "Left")
    moved |= {f"eyeLookOut{outward}": abs(across), f"eyeLookIn{inward}": abs(across)}
    moved |= {f"eyeLook{'Up' if upward > 0 else 'Down'}{side}": abs(upward) for side in ("Left", "Right")}
    return np.array([moved.get(name, 0.0) for name in names], dtype=np.float32)


def _dress(head: Head, points: np.ndarray, normals: np.ndarray, scene: Scene, model: _Model) -> None:
    """Put hair, hat and hand in their places, in `points` [V, 3]."""
    person = model.person
    lift = (
        _lift(model.field, 0.0012 if person.bald else person.hair_volume)
        if scene.hat is None
        else _lift(model.field + 0.012, 0.010)
    )
    points[head.shell] = points[head.scalp] + normals[head.scalp] * lift[:, None]
    normals[head.shell] = normals[head.scalp]
    if person.hair_length:
        hanging = model.points[head.strands[0]].copy()
        hanging[:, 2] = np.maximum(hanging[:, 2], -0.06 - 0.16 * person.hair_length)
        points[head.strands[0]] = hanging
        points[head.strands[1]] = _turned(hanging)  # a second layer behind the gaps of the first
    else:
        for layer in head.strands:
            points[layer] = _AWAY
    if scene.hand is None:
        points[head.hand] = _AWAY
    else:
        _place_hand(head, points, normals, scene.hand)


def _turned(hair: np.ndarray) -> np.ndarray:
    """Hair [N, 3] turned about the middle of the head and drawn in a little."""
    cos, sin = np.cos(np.deg2rad(9)), np.sin(np.deg2rad(9))
    middle = np.array([0, 0.09, 0])
    at = (hair - middle) * np.array([0.96, 0.96, 1])
    return (
        np.stack([cos * at[:, 0] - sin * at[:, 1], sin * at[:, 0] + cos * at[:, 1], at[:, 2]], axis=1)
        + middle
    )


def _lift(field: np.ndarray, volume: float) -> np.ndarray:
    """By how much hair stands off the skin, metres [S]; below the hairline the shell dives under the skin."""
    return (volume * _ramp(0.0, 0.03, field) - 0.004 * (1 - _ramp(0.0, 0.008, field))).astype(np.float32)


def _place_hand(
    head: Head, points: np.ndarray, normals: np.ndarray, hand: tuple[float, float, float]
) -> None:
    """Lay the hand over the face: its palm towards it, its fingers up, turned in the picture's plane."""
    shape = head.canonical[head.hand]
    shape = shape - shape.mean(0)
    axes = np.linalg.svd(shape, full_matrices=False)[2]  # length, width, thickness
    axes[0] *= np.sign(axes[0, 2]) * -1  # in the rest pose the fingers point down
    axes[2] = np.cross(axes[0], axes[1])
    x, z, turn = hand
    cos, sin = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    to = np.array([[-sin, 0, cos], [cos, 0, sin], [0, 1, 0]])  # where length, width and thickness go
    to[2] = np.cross(to[0], to[1])
    turned = axes.T @ to
    points[head.hand] = shape @ turned + np.array([x, _HAND_DEPTH, z])
    normals[head.hand] = normals[head.hand] @ turned


def _look(scene: Scene, model: _Model) -> Look:
    person = model.person
    look = Look()
    forward, right, up = _axes(scene)
    middle, height = model.box
    half = 0.5 * _FRAME * height * scene.zoom
    across, upward = scene.shift[0], scene.shift[1] + _RISE
    target = np.array([0, 0.012, middle]) + 2 * half * (across * right + upward * up)
    look.camera, look.forward = _vec(target - _DISTANCE * forward), _vec(forward)
    look.right, look.up, look.half = _vec(right), _vec(up), half / _DISTANCE

    side, top = np.deg2rad(scene.light)
    look.key = _vec(
        -np.cos(side) * np.cos(top) * forward + np.sin(side) * np.cos(top) * right + np.sin(top) * up
    )
    look.rim = _vec(0.5 * forward - np.sign(np.sin(side) + 1e-9) * 0.8 * right + 0.3 * up)
    look.key_rgb, look.sky_rgb = _vec(scene.key), _vec(scene.sky)
    look.fill_rgb, look.rim_rgb = _vec([scene.fill] * 3), _vec([scene.rim] * 3)

    look.skin, look.lip, look.hair, look.brow = (
        _linear(c) for c in (person.skin, person.lip, person.hair, person.brow)
    )
    look.iris, look.teeth = _linear(person.iris), _linear(person.teeth)
    look.shell = _linear(scene.hat or person.hair)
    look.gloss = person.gloss
    look.brow_height, look.brow_thickness = person.brow_height, person.brow_thickness
    look.brow_arch, look.brow_density = person.brow_arch, person.brow_density

    def at(*units: tuple[int, float]) -> float:
        return sum(share * scene.units.get(unit, 0.0) for unit, share in units)

    look.age = person.age_lines
    look.forehead_inner, look.forehead_outer = at((1, 0.9)), at((2, 0.9))
    look.glabella, look.nose = at((4, 1.0), (9, 0.4)), at((9, 1.0), (10, 0.2))
    look.furrow = min(1.4, at((9, 0.6), (10, 0.8), (11, 1.0), (12, 0.7), (15, 0.2), (6, 0.2)))
    look.crow, look.pouch = at((6, 0.8), (7, 0.25), (12, 0.1)), at((6, 0.8), (7, 0.5), (9, 0.3))
    look.chin, look.corner = at((17, 1.0)), at((15, 0.9), (20, 0.3))
    look.dimple_left, look.dimple_right = (
        at((14, 1.0), (12, 0.2)) * scene.left,
        at((14, 1.0), (12, 0.2)) * scene.right,
    )

    look.glasses = scene.glasses
    if scene.glasses:
        rng = np.random.default_rng([person.local_seed, 9])
        look.glasses_rgb = _vec(rng.uniform(0.0, 0.12, 3))
        look.glasses_x, look.glasses_wide = 0.0335, rng.uniform(0.023, 0.028)
        look.glasses_high, look.glasses_rim = rng.uniform(0.016, 0.023), rng.uniform(0.08, 0.20)
        look.glasses_y = -0.032
    return look


def _axes(scene: Scene) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The camera's forward, right and up: a head turned one way is seen by a camera that went the other."""
    yaw, pitch, roll = np.deg2rad([scene.yaw, scene.pitch, scene.roll])
    forward = np.array([np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), -np.sin(pitch)])
    right = np.array([np.cos(yaw), -np.sin(yaw), 0.0])
    up = np.cross(right, forward)
    return forward, np.cos(roll) * right + np.sin(roll) * up, np.cos(roll) * up - np.sin(roll) * right


def _face_box(head: Head, points: np.ndarray) -> tuple[float, float]:
    """Height of the middle of a neutral face above the eyes, and the face's height from hairline to chin,
    metres.
    """
    front = (np.abs(head.canonical[:, 0]) < 0.012) & (head.canonical[:, 1] < 0.02)
    chin = points[front & (head.canonical[:, 2] > -0.128) & (head.canonical[:, 2] < -0.11), 2].min()
    brow = points[front & (head.canonical[:, 2] > 0.04) & (head.canonical[:, 2] < 0.06), 2].max()
    return float((chin + brow) / 2), float(brow - chin)


def _beard(head: Head, person: Person) -> np.ndarray:
    """How much of each vertex is covered by beard or moustache, [V], 0 to 1."""
    x, y, z = np.abs(head.canonical[:, 0]), head.canonical[:, 1], head.canonical[:, 2]
    jaw = (
        _ramp(-0.060, -0.080, z + 0.25 * np.maximum(x - 0.03, 0) * -1)
        * _ramp(-0.155, -0.135, z)
        * _ramp(0.10, 0.07, y)
    )
    cheek = (
        _ramp(0.040, 0.055, x) * _ramp(-0.030, -0.055, z) * _ramp(-0.155, -0.135, z) * _ramp(0.10, 0.07, y)
    )
    lip = _ramp(-0.049, -0.054, z) * _ramp(-0.072, -0.064, z) * _ramp(0.036, 0.026, x) * _ramp(0.02, 0.0, y)
    return np.maximum(person.beard * np.maximum(jaw, cheek), person.moustache * lip) * (1 - head.lips)


def _occluded_rows(head: Head) -> np.ndarray:
    """The vertices of the face proper, whose folds, nostrils and sockets hide the sky from one another."""
    skin = np.unique(head.faces[head.part == Part.SKIN])
    x, y, z = head.canonical[skin].T
    return skin[(np.abs(x) < 0.066) & (y < 0.04) & (z > -0.135) & (z < 0.06)].astype(np.int32)


def _incidence(head: Head) -> csr_array:
    """[V, F]: 1 where a vertex is a corner of a triangle."""
    count = len(head.faces)
    ones = np.ones(3 * count, dtype=np.float32)
    return csr_array(
        (ones, (head.faces.ravel(), np.repeat(np.arange(count), 3))), shape=(len(head.canonical), count)
    )


def _sphere(count: int) -> np.ndarray:
    """Directions spread evenly over a sphere, float32 [count, 3] (a Fibonacci lattice)."""
    k = np.arange(count) + 0.5
    z, angle = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    r = np.sqrt(1 - z * z)
    return np.stack([r * np.cos(angle), r * np.sin(angle), z], axis=1).astype(np.float32)


def _ramp(a: float, b: float, x: np.ndarray) -> np.ndarray:
    """0 before a, 1 after b, smooth between; a may be the larger."""
    t = np.clip((x - a) / (b - a), 0, 1)
    return t * t * (3 - 2 * t)


def _linear(colour) -> wp.vec3:
    return _vec(np.array(colour) ** 2.2)


def _vec(values) -> wp.vec3:
    return wp.vec3(*(float(v) for v in values))
