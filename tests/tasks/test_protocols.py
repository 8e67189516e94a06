"""The fields of a protocol: what each of them makes of the episodes."""

import numpy as np
import pandas as pd
import pytest
from helpers.made_up import LABELS, made_up_faces, made_up_index
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from fer_meta.errors import ProtocolError
from fer_meta.tasks.episodes import draw, draw_with_held_support
from fer_meta.tasks.pools import divide
from fer_meta.tasks.protocol import Protocol

SHAPES = dict(way=5, shots=(1, 2), queries=3, train=dict(way=3, shots=2, queries=2),
              validation=dict(way=3, shots=2, queries=1, episodes=5))  # fmt: skip
FRAMES = 4


def clips_index(name: str = "", clips_per_class: int = 12) -> pd.DataFrame:
    """Three splits of clips of FRAMES frames, two of each class a person."""
    parts = []
    for split in ("train", "val", "test"):
        part = made_up_index(dict.fromkeys(LABELS, clips_per_class * FRAMES), split)
        number = np.arange(len(part)) // FRAMES
        part["clip"] = pd.array([f"{name}{split}-{n}" for n in number], dtype="string")
        part["subject"] = pd.array(
            [f"{name}{split}-{n % clips_per_class // 2}" for n in number], dtype="string"
        )
        for column in ("path", "digest"):
            part[column] = f"{name}{split}-" + part[column]
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def film(**protocol):
    index = clips_index()
    protocol = Protocol(**{**SHAPES, **protocol})
    return index, protocol, divide([made_up_faces("film", index)], protocol, LABELS)["film"]


def sides(episodes, index, column):
    """For each episode and class: the values of `column` in the support, and those in the class's queries."""
    values = index[column].to_numpy(dtype=str)
    for support, queries in zip(episodes.support, episodes.queries):
        for s, q in zip(support, queries.reshape(len(support), -1)):
            yield values[s], values[q]


@pytest.mark.parametrize("disjoint, apart, may_share", [
    ("subject", ["digest", "clip", "subject"], []),
    ("clip", ["digest", "clip"], ["subject"]),
    ("image", ["digest"], ["clip", "subject"]),
    ("nothing", [], ["digest", "clip", "subject"]),
])  # fmt: skip
def test_each_step_of_disjoint_keeps_apart_what_it_says_and_no_more(disjoint, apart, may_share):
    index, protocol, domain = film(disjoint=disjoint)
    episodes = draw(domain.test, protocol.test_shape(2), 60, "a")
    for column in ("digest", "clip", "subject"):
        shared = [bool(set(s) & set(q)) for s, q in sides(episodes, index, column)]
        assert any(shared) == (column in may_share), column
        assert column not in apart or not any(shared)


def test_copies_that_are_kept_never_face_each_other_unless_nothing_is_kept_apart():
    index = clips_index().assign(clip=pd.NA, subject=pd.NA)
    index["digest"] = [f"d{n // 3}" for n in range(len(index))]  # each image three times
    shown = {}
    for disjoint in ("image", "nothing"):
        protocol = Protocol(**{**SHAPES, "disjoint": disjoint, "copies": "kept"})
        pool = divide([made_up_faces("copies", index)], protocol, LABELS)["copies"].test
        shown[disjoint] = [
            bool(set(s) & set(q))
            for s, q in sides(draw(pool, protocol.test_shape(2), 40, "a"), index, "digest")
        ]
    assert not any(shown["image"]) and any(shown["nothing"])


def test_the_notes_sampler_takes_a_class_support_from_one_clip_whose_other_frames_may_be_queries():
    index, protocol, domain = film(disjoint="image", support_clips="one")
    pairs = list(sides(draw(domain.test, protocol.test_shape(2), 60, "a"), index, "clip"))
    assert all(len(set(s)) == 1 for s, _ in pairs) and any(set(s) & set(q) for s, q in pairs)
    with pytest.raises(ProtocolError, match="no clip of 9 images"):
        draw(domain.test, protocol.test_shape(2).model_copy(update={"shots": 9}), 1, "a")


def test_the_notes_sampler_takes_all_photographs_of_a_class_for_one_clip_and_a_longer_clip_more_often():
    """In the note's folders the photographs of a class lay together; it drew an image, and then from that
    image's folder.
    """
    index = clips_index()
    # of each class 4 clips are left, and 32 photographs
    photographs = pd.Series(np.arange(len(index)) % (12 * FRAMES) >= 4 * FRAMES)
    index["clip"] = index["clip"].mask(photographs, index["digest"])  # as a mixture names them
    protocol = Protocol(**{**SHAPES, "disjoint": "image", "support_clips": "one"})
    pool = divide([made_up_faces("mixed", index)], protocol, LABELS)["mixed"].test
    folders = index.assign(clip=index["clip"].mask(photographs, "-"))
    supports = [s for s, _ in sides(draw(pool, protocol.test_shape(2), 200, "a"), folders, "clip")]
    assert all(len(set(s)) == 1 for s in supports)
    assert 0.6 < np.mean([s[0] == "-" for s in supports]) < 0.73  # 32 of 48 images


def test_without_any_clip_the_notes_sampler_is_the_usual_one():
    index = clips_index().assign(clip=pd.array([None] * 720, dtype="string"))
    pools = [
        divide([made_up_faces("photographs", index)], Protocol(**{**SHAPES, "support_clips": how}), LABELS)[
            "photographs"
        ].test
        for how in ("one", "any")
    ]
    assert pools[0].digest == pools[1].digest


def test_with_nothing_carved_all_is_trained_on_and_validated_on():
    index = clips_index().query("split != 'val'").reset_index(drop=True)
    faces = [made_up_faces(name, index.assign(digest=name + index["digest"])) for name in ("a", "b")]
    domains = divide(faces, Protocol(**{**SHAPES, "carve": 0}), LABELS, ["a"], oracle=True)
    assert len(domains["a"].train) == (index["split"] == "train").sum() and np.array_equal(
        domains["a"].val.rows, domains["a"].train.rows
    )
    assert np.array_equal(domains["b"].val.rows, domains["b"].test.rows)


def test_an_image_held_out_shares_no_copy_clip_or_person_with_one_trained_on():
    index, _, domain = film(disjoint="clip", support_from="source-train", held_out=3, shots=(2,))
    held, train = index.iloc[domain.held.rows], index.iloc[domain.train.rows]
    assert all(not set(held[column]) & set(train[column]) for column in ("digest", "clip", "subject"))
    index, _, domain = film(disjoint="nothing", support_from="source-train", held_out=3, shots=(2,))
    assert len(domain.train) == (index["split"] == "train").sum() - 15


@pytest.mark.parametrize("disjoint", ["clip", "subject"])
def test_support_that_is_held_out_shows_no_clip_or_person_that_is_tested(disjoint):
    """Official splits may share people; then those of the support are of the others."""
    index = clips_index()
    for column in ("clip", "subject"):  # a third of the people of train are in test too
        index[column] = index[column].str.replace(r"^(train|test)-(.*[02])$", r"both-\2", regex=True)
    both = {column: set(index[column][index["split"] == "test"]) for column in ("clip", "subject")}
    protocol = Protocol(
        **{**SHAPES, "disjoint": disjoint, "support_from": "source-train", "held_out": 3, "shots": (2,)}
    )
    domain = divide([made_up_faces("film", index)], protocol, LABELS)["film"]
    held, train = index.iloc[domain.held.rows], index.iloc[domain.train.rows]
    assert len(held) == 15 and (held.groupby("label").size() == 3).all()
    assert not set(held["clip"]) & both["clip"] and set(train["clip"]) & both["clip"]
    if disjoint == "subject":
        assert not set(held["subject"]) & both["subject"]
    few = Protocol(**{**protocol.model_dump(), "held_out": 47})
    with pytest.raises(ProtocolError, match="images of clips and people that are not tested"):
        divide([made_up_faces("film", index)], few, LABELS)


@settings(max_examples=20, deadline=None)
@given(
    held_out=st.integers(2, 8),
    shots=st.integers(1, 2),
    episodes=st.integers(2, 9),
    disjoint=st.sampled_from(["image", "clip"]),
)
def test_with_support_from_training_every_test_image_is_a_query_exactly_once(
    held_out, shots, episodes, disjoint
):
    index, _protocol, domain = film(
        disjoint=disjoint, support_from="source-train", held_out=held_out, queries="all", shots=(shots,)
    )
    fixed = draw_with_held_support(domain.held, domain.test, 5, shots, "all", episodes, "a")
    assert sorted(np.concatenate(fixed.queries)) == sorted(domain.test.rows) and len(fixed) == episodes
    assert set(fixed.support.ravel()) <= set(domain.held.rows) and len(domain.held) == 5 * held_out
    held = index.iloc[domain.held.rows]
    trained = index.iloc[np.concatenate([domain.train.rows, domain.val.rows])]
    assert not set(held["digest"]) & set(trained["digest"])
    if disjoint == "clip":
        assert not set(held["clip"]) & set(trained["clip"])
    assert (held.groupby("label").size() == held_out).all()


def test_only_what_is_trained_on_gives_up_images_for_the_support():
    first, second = (made_up_faces(name, clips_index(name)) for name in ("a", "b"))
    protocol = Protocol(**{**SHAPES, "support_from": "source-train", "held_out": 3, "shots": (2,)})
    domains = divide([first, second], protocol, LABELS, ["a"])
    assert len(domains["a"].held) == 15 and domains["b"].held is None
    assert len(domains["a"].train) < len(divide([second], Protocol(**SHAPES), LABELS)["b"].train)


def test_support_from_training_works_with_drawn_queries_too():
    _, _, domain = film(support_from="source-train", held_out=4)
    fixed = draw_with_held_support(domain.held, domain.test, 3, 2, 3, 20, "a")
    assert fixed.support.shape == (20, 3, 2) and {len(q) for q in fixed.queries} == {9}
    for support, queries in zip(fixed.support, fixed.queries):
        assert domain.held.class_names(support[:, 0]) == domain.test.class_names(queries.reshape(3, 3)[:, 0])


def test_a_way_that_is_not_all_classes_cannot_ask_every_image():
    _, _, domain = film(support_from="source-train", held_out=4)
    with pytest.raises(ProtocolError, match="5 classes are tested.*`way: 4`.*exactly 4"):
        draw_with_held_support(domain.held, domain.test, 4, 1, "all", 3, "a")


@pytest.mark.parametrize("fields, words", [
    ({"queries": "all"}, "needs support_from: source-train"),
    ({"queries": 0}, "queries must be at least 1, or all"),
    ({"support_from": "source-train", "tested_classes": "unseen"}, "use tested_classes: seen"),
    ({"support_from": "source-train", "held_out": 3, "shots": [5]},
     "held_out: 3 images per class are too few for 5 shots"),
])  # fmt: skip
def test_fields_that_contradict_each_other_are_refused(fields, words):
    with pytest.raises(ValidationError, match=words):
        Protocol(**fields)


def test_training_keeps_apart_what_the_test_does_unless_it_says_otherwise():
    protocol = Protocol(disjoint="subject", train={"way": 3, "disjoint": "image"})
    assert (protocol.train.disjoint, protocol.validation.disjoint) == ("image", "subject")
    assert Protocol(support_clips="one").train.support_clips == "one" and Protocol().train.queries == 10


def test_copies_count_as_seen_only_if_they_are_trained_on():
    first, second = clips_index("a"), clips_index("b")
    second.loc[second["split"] == "train", "digest"] = first.loc[first["split"] == "val", "digest"].to_numpy()
    faces = [made_up_faces("a", first), made_up_faces("b", second)]
    assert divide(faces, Protocol(**SHAPES), LABELS, ["a"])["a"].val.copies_removed == 0
    with pytest.raises(ProtocolError, match="a \\(val\\)"):  # nothing of it is left
        divide(faces, Protocol(**SHAPES), LABELS, ["a", "b"])


def test_what_is_only_trained_on_needs_no_people_to_test_on():
    """FER2013 has no subjects, yet may be the source of a subject-disjoint test on faces of known people."""
    anonymous, known = (
        made_up_faces("a", clips_index("a").assign(subject=pd.array([None] * 720, dtype="string"))),
        made_up_faces("b", clips_index("b")),
    )
    protocol = Protocol(
        **{
            **SHAPES,
            "disjoint": "subject",
            "train": {"way": 3, "shots": 2, "queries": 2, "disjoint": "clip"},
            "validation": {"way": 3, "shots": 2, "queries": 1, "disjoint": "clip"},
        }
    )
    domains = divide([anonymous, known], protocol, LABELS, ["a"], ["b"])
    assert domains["a"].test is None and len(domains["b"].test) == 240
    with pytest.raises(ProtocolError, match="no subject"):
        divide([anonymous, known], protocol, LABELS, ["a"])
