"""One training over several data sets: each episode from one of them, or its queries from another; nothing
leaks between them, and the same seed gives the same episodes.
"""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.made_up import LABELS, made_up_faces, made_up_index
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_meta.datasets.base import Rendered
from fer_meta.datasets.stacked import Stacked
from fer_meta.errors import ProtocolError
from fer_meta.methods import registry
from fer_meta.tasks.episodes import Episodes, draw_with_held_support
from fer_meta.tasks.joined import join
from fer_meta.tasks.pools import divide, restrict
from fer_meta.tasks.protocol import EpisodeShape, Protocol
from fer_meta.training import batches

SHAPES = dict(
    way=3, shots=(1, 2), queries=2, train=dict(way=3, shots=2, queries=2),
    validation=dict(way=3, shots=2, queries=1, episodes=5),
)  # fmt: skip


def faces(name: str, labels=LABELS, images: int = 24, subjects: int = 12, recipe: str = "", **columns):
    """A data set whose images are all of one grey: its row's number."""
    index = made_up_index(dict.fromkeys(labels, images), subjects=subjects)
    index = index.assign(digest=f"{name}-" + index["digest"]).assign(**columns)
    spec = SimpleNamespace(rendered=Rendered(recipe, 1.0) if recipe else None)
    made = made_up_faces(name, index)
    grey = np.arange(len(index), dtype=np.uint8)[:, None, None, None]
    return replace(made, images=np.broadcast_to(grey, made.images.shape), spec=spec)


def joined(*data, **protocol):
    protocol = Protocol(**{**SHAPES, **protocol})
    return join(data, list(divide(data, protocol, LABELS).values()), protocol)


def homes(source, rows: np.ndarray) -> np.ndarray:
    """The name of the data set of each row of a joined source."""
    return source.index["path"].str.partition("/")[0].to_numpy(dtype=str)[rows]


# --- episodes ---------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    number=st.integers(2, 4), way=st.integers(2, 5), disjoint=st.sampled_from(["image", "subject"]),
    other=st.booleans(), seed=st.integers(0, 2**31), rounds=st.integers(1, 3),
)  # fmt: skip
def test_each_episode_is_of_one_data_set_or_of_two_and_all_come_equally_often(
    number, way, disjoint, other, seed, rounds
):
    source = joined(*(faces(f"d{i}") for i in range(number)), disjoint=disjoint)
    shape = EpisodeShape(
        way=way, shots=2, queries=2, disjoint=disjoint, query_from="other" if other else "same"
    )
    kinds = number * (number - 1) if other else number
    tasks = Episodes(source.train, shape, str(seed), rounds * kinds)
    found = []
    for rows in tasks:
        support, queries = homes(source, rows[:, :2]), homes(source, rows[:, 2:])
        assert len(set(support.ravel())) == len(set(queries.ravel())) == 1
        assert (support[0, 0] != queries[0, 0]) == other
        assert len(set(rows.ravel())) == rows.size and set(rows.ravel()) <= set(source.train.rows)
        label = source.index["label"].to_numpy()[rows]
        assert (label == label[:, :1]).all() and len(set(label[:, 0])) == way
        if disjoint == "subject":
            subject = source.index["subject"].to_numpy()
            assert not set(subject[rows[:, :2]].ravel()) & set(subject[rows[:, 2:]].ravel())
        found.append((support[0, 0], queries[0, 0]))
    assert {found.count(pair) for pair in found} == {rounds} and len(set(found)) == kinds


@pytest.mark.parametrize("query_from", ["same", "other"])
def test_an_episode_of_several_data_sets_depends_on_its_seed_and_number_alone(query_from):
    source = joined(faces("a"), faces("b"))
    shape = EpisodeShape(way=3, shots=2, queries=2, query_from=query_from)
    tasks = Episodes(source.train, shape, "s", 8)
    backwards = [tasks[i] for i in reversed(range(8))][::-1]
    again = joined(faces("a"), faces("b"))
    assert again.train.digest == source.train.digest
    assert np.array_equal(backwards, list(Episodes(again.train, shape, "s", 8)))
    assert not np.array_equal(backwards, list(Episodes(again.train, shape, "t", 8)))


def test_a_copy_in_another_data_set_is_never_a_query_of_its_own_support():
    one = faces("a")
    index = one.index.assign(subject=pd.array([None] * len(one.index), dtype="string"), split="train")
    index.loc[index.index % 4 == 0, "split"] = "val"
    one = replace(one, index=index)
    source = joined(one, replace(one, name="b"), copies="kept")
    digest = source.index["digest"].to_numpy()
    shape = EpisodeShape(way=3, shots=2, queries=2, query_from="other")
    for rows in Episodes(source.train, shape, "s", 40):
        assert not set(digest[rows[:, :2]].ravel()) & set(digest[rows[:, 2:]].ravel())


def test_a_rendered_person_is_the_same_in_two_data_sets_and_a_photographed_one_is_not():
    rendered = joined(faces("x", recipe="x"), faces("y", recipe="y"), disjoint="subject")
    photographed = joined(faces("a"), faces("b"), disjoint="subject")
    assert len(set(photographed.train.groups)) == 2 * len(set(rendered.train.groups))


def test_queries_of_another_data_set_need_two():
    one = divide([faces("a")], Protocol(**SHAPES), LABELS)["a"]
    with pytest.raises(ProtocolError, match=r"a \(train\): `query_from: other` .*--sources a\+b"):
        Episodes(one.train, EpisodeShape(way=3, shots=2, queries=2, query_from="other"), "s", 1)


def test_held_out_support_of_an_episode_is_of_one_data_set_in_turn():
    protocol = dict(support_from="source-train", held_out=3)
    source = joined(faces("a", subjects=None), faces("b", subjects=None), **protocol)
    target = divide([faces("c")], Protocol(**SHAPES), LABELS)["c"].test
    episodes = draw_with_held_support(source.held, target, 3, 2, 2, 10, "s")
    of = [set(homes(source, support.ravel())) for support in episodes.support]
    assert sorted(map(sorted, of)) == [["a"]] * 5 + [["b"]] * 5
    assert not set(episodes.support.ravel()) & {*source.train.rows, *source.val.rows}


# --- pools ------------------------------------------------------------------------------------------------


def test_only_classes_that_each_data_set_can_train_are_trained_and_the_others_are_named():
    source = joined(faces("a", LABELS[:4]), faces("b", LABELS[1:]))
    assert source.train.classes == source.val.classes == tuple(LABELS[1:4])
    assert set(source.train.excluded) == {LABELS[0], LABELS[4]}
    assert set(homes(source, source.train.rows)) == {"a", "b"}
    with pytest.raises(ProtocolError, match=r"a\+b \(train\): 3-way .* there are 1 \(neutral\)"):
        joined(faces("a", LABELS[:3]), faces("b", LABELS[2:]))


def test_a_pool_of_several_data_sets_is_another_one_than_that_of_their_images_mixed():
    source = joined(faces("a"), faces("b"))
    fewer = restrict(source.train, LABELS[:4], source.index, 3)
    assert np.array_equal(fewer.homes, source.train.homes[source.train.labels < 4])
    mixed = replace(source.train, homes=None)
    assert restrict(mixed, LABELS[:4], source.index, 3).digest != fewer.digest


def test_stacked_images_are_those_of_each_data_set_at_its_place():
    random = np.random.default_rng(0)
    parts = [random.integers(0, 256, (number, 4, 4, 3), np.uint8) for number in (3, 1, 5)]
    rows = np.array([8, 0, 3, 3, 2, 4])
    assert len(Stacked(parts)) == 9
    assert np.array_equal(Stacked(parts)[rows], np.concatenate(parts)[rows])
    with pytest.raises(ValueError, match="cannot be stacked"):
        Stacked([parts[0], np.zeros((1, 5, 5, 3), np.uint8)])


def batches_of(name: str, source):
    """The batches of a method, each image as its grey, which is its row in its own data set."""
    method, device = registry.load(name), torch.device("cpu")
    config = method.Config.model_validate({**SETTINGS[name], "augment": False, "steps": 100})
    batch_at = batches.steps_and_batches(method, config, source, Protocol(**SHAPES), 0, device)[1]

    def greys(images) -> list[int]:
        mean, std = method.normalisation.mean[0], method.normalisation.std[0]
        return (255 * (images[:, 0, 0, 0] * std + mean)).round().int().tolist()

    return batch_at, greys


SETTINGS = {
    "supervised": {"backbone": "conv4", "batch": 8, "class_balance": "natural"},
    "protonet": {"backbone": "conv4", "batch": 2},
}


def in_own(source, rows) -> list[int]:
    """The rows of a source of two equal data sets, in their own."""
    return (np.asarray(rows) % (len(source.index) // 2)).tolist()


def test_supervised_batches_are_of_the_images_of_all_data_sets():
    source = joined(faces("a"), faces("b"))
    batch_at, greys = batches_of("supervised", source)
    epoch = [batch_at(step) for step in range(-(-len(source.train) // 8))]
    seen = [pair for batch in epoch for pair in zip(greys(batch.images), batch.labels.tolist())]
    assert sorted(seen) == sorted(zip(in_own(source, source.train.rows), source.train.labels.tolist()))


def test_the_tasks_of_a_batch_are_of_one_data_set_each_and_have_its_pixels():
    source = joined(faces("a"), faces("b"))
    batch_at, greys = batches_of("protonet", source)
    tasks = Episodes(source.train, Protocol(**SHAPES).train, "train/0", 2)
    assert {str(homes(source, rows)[0, 0]) for rows in tasks} == {"a", "b"}
    for task, rows in zip(batch_at(0), tasks):
        assert greys(task.support) == in_own(source, rows[:, :2].ravel())
        assert greys(task.query) == in_own(source, rows[:, 2:].ravel())
