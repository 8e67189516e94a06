"""A face's five landmarks come to the template's places, whatever the face's size and angle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_meta.errors import ImageError
from fer_meta.video.align import TEMPLATE, aligned, similarity

ANGLES, SCALES = st.floats(-np.pi, np.pi), st.floats(0.1, 10)
SHIFTS = st.tuples(st.floats(-500, 500), st.floats(-500, 500))


def moved(points, angle, scale, shift):
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ turn.T + np.array(shift)


@given(ANGLES, SCALES, SHIFTS)
def test_every_turn_scale_and_shift_is_found(angle, scale, shift):
    matrix = similarity(TEMPLATE, moved(TEMPLATE, angle, scale, shift))
    found = TEMPLATE @ matrix[:, :2].T + matrix[:, 2]
    assert np.allclose(found, moved(TEMPLATE, angle, scale, shift), atol=1e-6)


@given(st.integers(0, 1000))
@settings(max_examples=20)
def test_no_other_similarity_is_nearer(seed):
    rng = np.random.default_rng(seed)
    to = TEMPLATE + rng.normal(0, 5, TEMPLATE.shape)
    matrix = similarity(TEMPLATE, to)
    at = TEMPLATE @ matrix[:, :2].T + matrix[:, 2]
    a, b = matrix[0, 0], matrix[1, 0]
    assert np.allclose(matrix[:, :2], [[a, -b], [b, a]])  # no shear, no reflection
    near = moved(at, *rng.normal(0, 0.02, 1), 1 + rng.normal(0, 0.02), rng.normal(0, 0.5, 2))
    assert ((at - to) ** 2).sum() <= ((near - to) ** 2).sum() + 1e-9


@pytest.mark.parametrize("size", [56, 112, 224])
@pytest.mark.parametrize(("angle", "scale"), [(0, 1), (0.4, 2), (-0.6, 5), (0.2, 0.7)])
def test_what_is_painted_at_the_landmarks_comes_to_the_templates_places(size, angle, scale):
    landmarks = moved(TEMPLATE, angle, scale, (150 * scale, 100 * scale))
    side = int(400 * scale)
    y, x = np.mgrid[:side, :side]
    width = max(3 * scale, 3 * 112 / size * scale)
    light = sum(np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * width**2)) for u, v in landmarks)
    picture = np.repeat((200 * np.clip(light, 0, 1)).astype(np.uint8)[..., None], 3, axis=2)
    face = aligned(picture, landmarks, size)[..., 0].astype(float)
    assert face.shape == (size, size)
    y, x = np.mgrid[:size, :size]
    for u, v in (TEMPLATE + 0.5) * size / 112 - 0.5:
        near = face * (np.hypot(x - u, y - v) < 8 * size / 112)
        assert np.hypot((near * x).sum() / near.sum() - u, (near * y).sum() / near.sum() - v) < 0.35


def test_beyond_the_edge_of_the_picture_it_is_black():
    picture = np.full((112, 112, 3), 200, dtype=np.uint8)
    face = aligned(picture, TEMPLATE - [56, 0], 112)
    assert (face[:, :50] == 0).all() and (face[:, 62:] == 200).all()


@pytest.mark.parametrize("landmarks", [np.full((5, 2), 30.0), np.full((5, 2), np.nan), TEMPLATE * 1e-6])
def test_landmarks_that_are_no_faces_are_refused(landmarks):
    with pytest.raises(ImageError, match="landmarks"):
        aligned(np.zeros((50, 50, 3), dtype=np.uint8), landmarks, 112)
