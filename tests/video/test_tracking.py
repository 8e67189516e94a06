"""Which face of a clip is its main one."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_meta.video.faces import Face
from fer_meta.video.tracking import Seen, is_cut, main_face, overlap, thumbnail

PICTURE = (200, 100)


def face(x, y=20.0, side=40.0):
    return Face((x, y, side, side), np.zeros((5, 2)))


def clip(*frames, rate=10, cuts=()):
    return [Seen(number / rate, faces, number in cuts) for number, faces in enumerate(frames)]


def test_the_face_does_not_jump_to_one_that_is_larger_for_a_while():
    main = [face(10 + n) for n in range(6)]
    other = [face(120, side=60) for _ in range(2)]
    frames = [[one] for one in main]
    frames[2].insert(0, other[0])
    frames[3].insert(0, other[1])
    assert main_face(clip(*frames), PICTURE) == main


def test_where_the_main_face_is_not_seen_no_other_takes_its_place():
    main, other = [face(10) for _ in range(5)], face(120)
    found = main_face(clip([main[0]], [main[1]], [other], [main[3]], [main[4]]), PICTURE)
    assert found == [main[0], main[1], None, main[3], main[4]]


def test_a_face_that_was_hidden_for_long_may_be_somebody_elses():
    first, later = [face(10) for _ in range(3)], face(10)
    frames = [[one] for one in first] + [[]] * 20 + [[later]]
    assert main_face(clip(*frames), PICTURE)[-1] is None


def test_nobody_is_followed_through_a_cut():
    before, after = [face(10) for _ in range(3)], [face(12) for _ in range(2)]
    found = main_face(clip(*[[one] for one in before + after], cuts={3}), PICTURE)
    assert found == [*before, None, None]


def test_frames_that_are_far_apart_in_time_are_still_followed():
    main = [face(10) for _ in range(4)]
    assert main_face(clip(*[[one] for one in main], rate=0.2), PICTURE) == main


def test_of_equal_faces_the_one_in_the_middle_is_taken():
    left, middle, right = face(0), face(80), face(160)
    assert main_face(clip([left, middle, right]), PICTURE) == [middle]


def test_a_clip_without_faces_has_no_main_face():
    assert main_face(clip([], []), PICTURE) == [None, None]
    assert main_face([], PICTURE) == []


SIDES = st.floats(5, 60)
FACES = st.lists(st.builds(face, st.floats(0, 150), st.floats(0, 60), SIDES), max_size=3)


@given(st.lists(FACES, max_size=12))
def test_the_main_face_is_one_of_each_frames_and_overlaps_itself(frames):
    found = main_face(clip(*frames), PICTURE)
    assert len(found) == len(frames)
    assert all(one is None or one in faces for one, faces in zip(found, frames))
    seen = [one for one in found if one is not None]
    assert bool(seen) == any(frames)
    assert all(overlap(one, next_one) >= 0.3 for one, next_one in pairwise(seen))


def test_overlap_is_the_shared_part():
    assert overlap(face(0), face(0)) == 1
    assert overlap(face(0), face(20)) == pytest.approx(1 / 3)
    assert overlap(face(0), face(40)) == 0
    assert overlap(face(0, side=0), face(0, side=0)) == 0


def test_another_picture_is_a_cut_and_the_same_one_brighter_or_moved_is_none():
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 150, (2, 8, 8, 3), dtype=np.uint8)
    one, other = np.kron(coarse, np.ones((1, 16, 16, 1), dtype=np.uint8))
    black = np.zeros_like(one)
    assert is_cut(thumbnail(one), thumbnail(other))
    assert is_cut(thumbnail(one), thumbnail(black))
    assert not is_cut(thumbnail(black), thumbnail(black))
    assert not is_cut(thumbnail(one), thumbnail(one + 100))
    assert not is_cut(thumbnail(one), thumbnail(np.roll(one, 4, axis=1)))
