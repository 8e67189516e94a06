"""Splits, pools and episodes: nothing that is tested on was trained on, and everything that was left out is
said.
"""

import random

import numpy as np
import pytest
from helpers.made_up import LABELS, load, made_up_faces, made_up_index
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fer_meta.errors import ProtocolError
from fer_meta.tasks.episodes import Episodes, draw, fingerprint
from fer_meta.tasks.pools import divide, restrict
from fer_meta.tasks.protocol import EpisodeShape, Protocol, Validation
from fer_meta.tasks.splits import assign_splits

SMALL = dict(
    way=3, shots=(1, 2), queries=2, train=EpisodeShape(way=3, shots=2, queries=2),
    validation=Validation(way=3, shots=2, queries=1, episodes=5),
)  # fmt: skip


def one_domain(index, **protocol):
    return divide([made_up_faces("made-up", index)], Protocol(**{**SMALL, **protocol}), LABELS)["made-up"]


def whole(episodes):
    """Fixed episodes as one array [E, way, shots + queries]."""
    queries = np.stack(episodes.queries).reshape(*episodes.support.shape[:2], -1)
    return np.concatenate([episodes.support, queries], axis=2)


# --- episodes ---------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    disjoint=st.sampled_from(["image", "subject"]),
    way=st.integers(2, 5), shots=st.integers(1, 5), queries=st.integers(1, 6),
    subjects=st.integers(8, 40), seed=st.integers(0, 2**31),
)  # fmt: skip
def test_support_and_query_never_share_an_image_or_what_the_protocol_keeps_apart(
    disjoint, way, shots, queries, subjects, seed
):
    faces = made_up_faces("made-up", _three_splits(60, subjects))
    pool = divide([faces], Protocol(**SMALL, disjoint=disjoint), LABELS)["made-up"].test
    shape = EpisodeShape(way=way, shots=shots, queries=queries)
    try:
        episodes = whole(draw(pool, shape, 5, str(seed)))
    # few subjects and many shots: it must say so, and never give a leaking episode
    except ProtocolError as error:
        assert disjoint == "subject" and "class" in str(error)
        return
    subject, label = faces.index["subject"].to_numpy(), faces.index["label"].to_numpy()
    for rows in episodes:
        assert rows.shape == (way, shots + queries)
        assert len(set(rows.ravel())) == rows.size
        assert all(len(set(label[row])) == 1 for row in rows) and len(set(label[rows[:, 0]])) == way
        assert set(rows.ravel()) <= set(pool.rows)
        if disjoint == "subject":
            assert not set(subject[rows[:, :shots]].ravel()) & set(subject[rows[:, shots:]].ravel())


def test_an_episode_depends_on_its_seed_and_number_alone():
    pool = one_domain(made_up_index(dict.fromkeys(LABELS, 60), subjects=60)).test
    shape = EpisodeShape(way=3, shots=2, queries=3)
    episodes = Episodes(pool, shape, "a", 10)
    backwards = [episodes[i] for i in reversed(range(10))][::-1]
    random.seed(99)
    assert np.array_equal(np.stack(backwards), whole(draw(pool, shape, 10, "a")))
    assert not np.array_equal(whole(draw(pool, shape, 10, "a")), whole(draw(pool, shape, 10, "b")))
    assert fingerprint(whole(draw(pool, shape, 10, "a"))) != fingerprint(whole(draw(pool, shape, 10, "b")))


def test_drawing_episodes_leaves_the_global_generator_alone():
    pool = one_domain(made_up_index(dict.fromkeys(LABELS, 60), subjects=60)).test
    random.seed(5)
    expected = random.random()
    random.seed(5)
    draw(pool, EpisodeShape(way=3, shots=2, queries=3), 4, "a")
    assert random.random() == expected


def test_episode_labels_are_dealt_anew_each_time():
    """With fixed labels a method could learn the classes by heart and ignore the support."""
    pool = one_domain(made_up_index(dict.fromkeys(LABELS, 60), subjects=60)).test
    first = {
        tuple(pool.class_names(rows[:, 0]))
        for rows in draw(pool, EpisodeShape(way=5, shots=1, queries=1), 40, "a").support
    }
    assert len(first) > 20


def test_a_task_set_is_a_learn2learn_task_set_that_ends(trees):
    from fer_meta.l2l import MetaDataset, Taskset

    pool = divide([load("day", trees / "day")], Protocol(**SMALL), LABELS)["day"].train
    tasks = Episodes(pool, EpisodeShape(way=3, shots=2, queries=3), "a", 7)
    assert isinstance(tasks, Taskset) and isinstance(tasks.dataset, MetaDataset)
    assert len(list(tasks)) == len(tasks) == 7
    with pytest.raises(IndexError):
        tasks[7]


def test_learn2learns_own_transforms_work_on_the_faces(trees):
    """For users who bring their learn2learn code: pixels and labels, without any of our protocol."""
    from learn2learn.data.transforms import KShots, LoadData, NWays, RemapLabels

    from fer_meta.datasets.face_dataset import FaceDataset
    from fer_meta.l2l import MetaDataset, Taskset

    faces = FaceDataset(load("day", trees / "day"))
    data = MetaDataset(faces, indices_to_labels=dict(enumerate(faces.labels)))
    images, labels = Taskset(
        data, [NWays(data, 3), KShots(data, 4), LoadData(data), RemapLabels(data)], num_tasks=2
    )[0]
    assert images.shape == (12, 3, 32, 32) and sorted(labels.tolist()) == [0] * 4 + [1] * 4 + [2] * 4


def test_keeping_people_apart_needs_to_know_them():
    with pytest.raises(ProtocolError, match="no subject"):
        one_domain(made_up_index(dict.fromkeys(LABELS, 60)), disjoint="subject")


def test_photographs_without_clips_are_clips_of_one_image():
    index = made_up_index(dict.fromkeys(LABELS, 60))
    assert one_domain(index, disjoint="clip").test.digest == one_domain(index, disjoint="image").test.digest


def test_clips_that_only_some_images_have_are_refused():
    index = made_up_index(dict.fromkeys(LABELS, 60))
    index.loc[:200, "clip"] = "c1"
    with pytest.raises(ProtocolError, match="no clip"):
        one_domain(index, disjoint="clip")


def test_a_class_with_one_subject_cannot_be_support_and_query_and_is_excluded_by_name():
    index = _three_splits(subjects=30)
    index.loc[index["label"] == "anger", "subject"] = "only"
    assert one_domain(index, disjoint="subject").test.excluded == {"anger": 12}
    with pytest.raises(ProtocolError, match="from two subjects or more: anger"):
        one_domain(index, disjoint="subject", small_classes="error")


# --- splits -----------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(subjects=st.integers(3, 80))
@example(subjects=4)
def test_no_person_is_in_two_splits(subjects):
    index = made_up_index(dict.fromkeys(LABELS, 40), subjects=subjects)
    split = assign_splits(index, Protocol())
    assert set(split) == {"train", "val", "test"}
    assert index.assign(split=split).groupby("subject")["split"].nunique().max() == 1


def test_two_people_cannot_be_divided_in_three():
    with pytest.raises(ProtocolError, match="too few to divide"):
        assign_splits(made_up_index(dict.fromkeys(LABELS, 40), subjects=2), Protocol())


def test_without_people_copies_stay_on_one_side():
    index = made_up_index(dict.fromkeys(LABELS, 40))
    index["digest"] = [f"d{i // 2}" for i in range(len(index))]
    split = assign_splits(index, Protocol())
    assert index.assign(split=split).groupby("digest")["split"].nunique().max() == 1


def test_official_splits_are_kept_and_val_is_carved_from_train():
    train = made_up_index(dict.fromkeys(LABELS, 50), "train")
    test = made_up_index(dict.fromkeys(LABELS, 20), "test")
    index = _stack(train, test)
    split = assign_splits(index, Protocol(carve=0.2))
    assert (split[index["split"] == "test"] == "test").all()
    assert set(split[index["split"] == "train"]) == {"train", "val"}
    assert (split == "val").sum() == pytest.approx(50, abs=5)
    assert np.array_equal(split, assign_splits(index, Protocol(carve=0.2)))


def test_shares_are_those_asked_for():
    split = assign_splits(made_up_index(dict.fromkeys(LABELS, 100)), Protocol(split=(0.6, 0.1, 0.3)))
    assert [(split == name).mean() for name in ("train", "val", "test")] == pytest.approx(
        [0.6, 0.1, 0.3], abs=0.02
    )


# --- pools ------------------------------------------------------------------------------------------------


def test_copies_of_training_images_are_removed_from_the_test_side_and_counted():
    index = _three_splits()
    index.loc[index.index[index["split"] == "test"][:3], "digest"] = index["digest"].iloc[:3].to_list()
    domain = one_domain(index)
    assert domain.test.copies_removed == 3
    assert not set(index["digest"].iloc[domain.test.rows]) & set(index["digest"].iloc[domain.train.rows])
    kept = one_domain(index, copies="kept")
    assert kept.test.copies_removed == 0 and len(kept.test) == len(domain.test) + 3


def test_copies_in_another_data_sets_training_images_are_removed_too():
    """A face crawled into two data sets is no unseen domain."""
    first, second = _three_splits(), _three_splits()
    second["digest"] = "other-" + second["digest"]
    second.loc[second.index[second["split"] == "test"][:4], "digest"] = first["digest"].iloc[:4].to_list()
    domains = divide([made_up_faces("a", first), made_up_faces("b", second)], Protocol(**SMALL), LABELS)
    assert domains["b"].test.copies_removed == 4 and domains["a"].test.copies_removed == 0


def test_of_copies_within_the_test_split_one_stays_unless_their_labels_differ():
    index = _three_splits()
    test = index.index[index["split"] == "test"]
    index.loc[test[:2], "digest"] = "twice"  # both anger
    index.loc[[test[5], test[-1]], "digest"] = "disputed"  # anger and surprise
    domain = one_domain(index)
    assert (index["digest"].iloc[domain.test.rows] == "twice").sum() == 1
    assert (index["digest"].iloc[domain.test.rows] == "disputed").sum() == 0
    assert domain.test.copies_removed == 3


def test_a_class_too_small_is_excluded_and_recorded_or_an_error_that_names_it():
    index = _three_splits()
    few = index.index[(index["split"] == "test") & (index["label"] == "sadness")]
    index = index.drop(few[3:]).reset_index(drop=True)
    domain = one_domain(index)
    assert domain.test.excluded == {"sadness": 3}
    assert "sadness" not in domain.test.classes and "sadness" in domain.train.classes
    with pytest.raises(ProtocolError, match=r"made-up \(test\).*sadness \(3\)"):
        one_domain(index, small_classes="error")


def test_too_few_classes_is_an_error_that_says_which_are_there():
    with pytest.raises(ProtocolError, match="3-way.*anger, sadness.*lower"):
        pool = one_domain(_three_splits()).test
        restrict(pool, ("anger", "sadness"), _three_splits(), 3)


def test_a_restricted_pool_keeps_images_and_names_together():
    index = _three_splits()
    pool = restrict(one_domain(index).test, ("neutral", "sadness", "anger"), index, 3)
    assert pool.classes == ("anger", "neutral", "sadness")
    assert [pool.classes[k] for k in pool.labels] == index["label"].iloc[pool.rows].to_list()


def test_a_pools_digest_names_its_images_and_not_their_place():
    index = _three_splits()
    extra = _stack(
        made_up_index({"contempt": 5}, "train").assign(digest=lambda t: t["digest"] + "contempt"), index
    )
    assert one_domain(index).test.digest == one_domain(extra).test.digest
    changed = index.copy()
    changed.loc[changed.index[changed["split"] == "test"][0], "digest"] = "new"
    assert one_domain(index).test.digest != one_domain(changed).test.digest


def _stack(*tables):
    import pandas as pd

    return pd.concat(tables, ignore_index=True)


def _three_splits(images: int = 12, subjects: int | None = None):
    counts = dict.fromkeys(LABELS, images)
    return _stack(
        *(
            made_up_index(counts, split, subjects).assign(digest=lambda t, s=split: s + t["digest"])
            for split in ("train", "val", "test")
        )
    )
