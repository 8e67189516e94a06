"""Mixtures: the rows asked for and no others, in equal numbers, and nothing held out that is trained on as
well.
"""

import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.made_up import LABELS, load, made_up_faces, made_up_index
from helpers.trees import afew
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_meta.datasets.base import Rendered
from fer_meta.datasets.cache import load_images
from fer_meta.datasets.loaders import fer2013
from fer_meta.datasets.mixing import balance, concatenate, frames_and_clips, hold_out, of_films, take
from fer_meta.datasets.registry import spec_for
from fer_meta.errors import DatasetError, ProtocolError
from fer_meta.tasks.episodes import Episodes
from fer_meta.tasks.pools import divide
from fer_meta.tasks.protocol import EpisodeShape, Protocol, Validation

SHAPE = EpisodeShape(way=3, shots=2, queries=2)
TRAINED = Protocol(
    way=3, shots=(1, 2), queries=2, train=SHAPE, validation=Validation(way=3, shots=2, queries=1, episodes=5)
)

COUNTS = st.dictionaries(st.sampled_from(LABELS), st.integers(1, 40), min_size=1)
SEEDS = st.integers(0, 2**31)


def faces_of(name, index, rendered=None):
    """A data set with that index, each image of one grey: its row's number."""
    faces = made_up_faces(name, index)
    faces.images[:] = np.arange(len(index), dtype=np.uint8).reshape(-1, 1, 1, 1)
    spec = replace(fer2013.SPEC, name=name, title=f"The set {name}", rendered=rendered)
    return replace(faces, content=f"content of {name}", spec=spec)


def film(clips=3, frames=2, rendered=None, labels=LABELS):
    """A made-up data set `film` of clips `train/<label>/<label>-<number>`."""
    index = made_up_index(dict.fromkeys(labels, clips * frames), split="train")
    names = [
        f"train/{label}/{label}-{clip}" for label in labels for clip in range(clips) for _ in range(frames)
    ]
    return faces_of("film", index.assign(clip=pd.array(names, dtype="string")), rendered)


def everything(faces):
    return faces, take(faces).rows


# --- take -------------------------------------------------------------------------------------------------


def test_the_official_splits_asked_for_are_taken():
    index = made_up_index({"anger": 6})
    index["split"] = pd.array(["train", "val", "test", None, "train", "test"], dtype="string")
    faces = made_up_faces("faces", index)
    assert take(faces).rows.tolist() == [0, 1, 2, 3, 4, 5]
    assert take(faces, ("train", "test")).rows.tolist() == [0, 2, 4, 5]
    assert take(faces, {"val"}).rows.dtype == np.int64


def test_all_three_splits_are_all_images_also_where_there_are_no_official_splits():
    faces = made_up_faces("faces", made_up_index({"anger": 3, "fear": 2}))
    assert faces.index["split"].isna().all()
    assert take(faces, ("train", "val", "test")).rows.tolist() == [0, 1, 2, 3, 4]


def test_a_split_that_a_data_set_does_not_have_is_an_error():
    with pytest.raises(DatasetError, match="faces: no images in val; name other splits"):
        take(made_up_faces("faces", made_up_index({"anger": 3}, split="train")), ("val",))


def test_named_clips_of_afew_are_found_by_class_and_split(tmp_path):
    faces = load_images(spec_for("afew", tmp_path), afew(tmp_path), 12, progress=False)
    # Clip 000000000 is in both parts, as happens in the real set.
    taken = take(faces, ("train",), {"anger": ["000000000"], "fear": ["0000000210", "000000210"]})
    found = faces.index.iloc[taken.rows]
    assert sorted(set(found["clip"])) == ["train/anger/000000000", "train/fear/0000000210"]
    assert len(found) == 4 and taken.missing == ("fear/000000210",)


def test_a_clip_counts_only_in_its_class():
    taken = take(film(), clips={"anger": ["anger-1"], "happiness": ["anger-1", "happiness-0"]})
    assert taken.missing == ("happiness/anger-1",)
    assert set(film().index["label"][taken.rows]) == {"anger", "happiness"}
    # Nor, in a film whose faces change, as a whole.
    index = made_up_index({"anger": 2, "fear": 2}).assign(clip=pd.array(["one"] * 4, dtype="string"))
    assert take(faces_of("film", index), clips={"fear": ["one"]}).rows.tolist() == [2, 3]


def test_not_one_named_clip_is_an_error_that_names_some():
    said = r"film: has none of the 2 named clips in train \(such as anger/a, anger/b\)"
    with pytest.raises(DatasetError, match=said):
        take(film(), ("train",), {"anger": ["a", "b"]})


def test_of_rendered_faces_the_first_clips_stand_in_for_the_named_ones():
    faces = film(clips=3, rendered=Rendered("synthetic-film", 1.0))
    taken = take(faces, ("train",), {"anger": ["004108160", "002338014"], "sadness": ["a", "b", "c", "d"]})
    clips = faces.index["clip"].iloc[taken.rows].drop_duplicates().tolist()
    assert clips == [f"train/anger/anger-{n}" for n in range(2)] + [
        f"train/sadness/sadness-{n}" for n in range(3)
    ]
    assert taken.missing == ("sadness/d",)


def test_rendered_faces_without_clips_cannot_stand_in():
    faces = faces_of("wild", made_up_index({"anger": 5}, split="train"), Rendered("synthetic-wild", 1.0))
    with pytest.raises(DatasetError, match="none of the 1 named clips"):
        take(faces, clips={"anger": ["004108160"]})


# --- concatenate ------------------------------------------------------------------------------------------


def test_a_mixture_holds_the_rows_taken_in_order_and_keeps_people_and_clips_of_two_sets_apart():
    day = faces_of("day", made_up_index({"anger": 4}, split="train", subjects=2))
    night = faces_of("night", made_up_index({"anger": 4}, split="test", subjects=2))
    mixed = concatenate("both", [(day, np.array([2, 0])), (night, np.array([0, 3]))])
    assert mixed.images[:, 0, 0, 0].tolist() == [2, 0, 0, 3] and mixed.images.dtype == np.uint8
    assert not mixed.images.flags.writeable  # as a memory map
    assert mixed.index["path"].tolist() == ["day/2.png", "day/0.png", "night/0.png", "night/3.png"]
    assert mixed.index["subject"].tolist() == ["day/s0", "day/s0", "night/s0", "night/s1"]
    assert mixed.index["clip"].isna().all() and set(mixed.index["split"]) == {"train"}
    assert mixed.index.index.tolist() == [0, 1, 2, 3] and mixed.name == mixed.spec.name == "both"


def test_a_rendered_person_is_one_person_in_all_rendered_sets_and_nobody_in_photographs():
    index = made_up_index({"anger": 2}, subjects=2)
    wild, studio = (
        faces_of(name, index, Rendered(name, 1.0)) for name in ("synthetic-wild", "synthetic-studio")
    )
    subject = concatenate("all", list(map(everything, (wild, studio, faces_of("photos", index))))).index[
        "subject"
    ]
    assert subject[:2].tolist() == subject[2:4].tolist() and not set(subject[:4]) & set(subject[4:])


def test_a_mixture_has_the_columns_of_its_parts_and_unknown_stays_unknown():
    units = pd.array(["1+2", ""] * 15, dtype="string")
    drawn = film()
    drawn = replace(drawn, index=drawn.index.assign(units=units))
    photographs = faces_of("photos", made_up_index({"anger": 3}))
    mixed = concatenate("both", [everything(photographs), everything(drawn)]).index
    assert mixed["units"].isna().tolist() == [True] * 3 + [False] * 30 and mixed["units"].iloc[3] == "1+2"
    assert mixed["subject"].isna().all() and mixed["frame"].isna().all()
    assert mixed.dtypes.to_dict() == drawn.index.dtypes.to_dict()


def test_beside_clips_a_photograph_is_a_clip_of_its_own_together_with_its_copies():
    index = made_up_index({"anger": 3})
    index["digest"] = pd.array(["same", "other", "same"], dtype="string")
    clip = concatenate("both", [everything(faces_of("photos", index)), everything(film())]).index["clip"]
    assert clip.notna().all()
    assert clip[0] == clip[2] != clip[1]
    assert clip[3:].tolist() == [f"film/{name}" for name in film().index["clip"]]


def test_only_the_rows_taken_are_copied():
    big = faces_of("big", made_up_index({"anger": 5000}))
    some = np.arange(0, 5000, 5)
    tracemalloc.start()
    mixed = concatenate("some", [(big, some), (big, some)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.3 * mixed.images.nbytes < big.images.nbytes


def test_a_mixture_is_named_after_its_images_wherever_they_lie():
    day, night = faces_of("day", made_up_index({"anger": 9})), faces_of("night", made_up_index({"anger": 9}))
    rows = np.arange(4)

    def content(*parts):
        return concatenate("both", parts).content

    assert content((day, rows), (night, rows)) == content(
        (replace(day, fingerprint="other"), rows), (night, rows)
    )
    others = [
        content((day, rows), (night, rows[:3])), content((day, rows), (night, rows[::-1])),
        content((night, rows), (day, rows)), content((day, rows), (replace(night, content="changed"), rows)),
    ]  # fmt: skip
    assert len({content((day, rows), (night, rows)), *others}) == 5


def test_a_mixture_says_what_it_is_made_of_and_whether_any_of_it_is_rendered():
    photographs, other = (
        faces_of("a", made_up_index({"anger": 2})),
        faces_of("b", made_up_index({"anger": 2})),
    )
    drawn = film(rendered=Rendered("synthetic-film", 0.5))
    plain = concatenate("plain", [everything(photographs), everything(other)])
    assert plain.spec.rendered is None and plain.spec.title == "The set a + The set b"
    assert plain.spec.licence == photographs.spec.licence  # said once
    mixed = concatenate("part", [everything(photographs), everything(drawn)])
    assert mixed.spec.rendered == Rendered("a+synthetic-film", 0.5)
    assert concatenate("more", [everything(mixed)]).spec.rendered == mixed.spec.rendered


def test_a_mixture_of_two_data_sets_is_divided_and_gives_episodes(trees):
    day, night = load("day", trees / "day"), load("night", trees / "night")
    mixed = concatenate("both", [everything(day), (night, np.arange(0, len(night.index), 2))])
    domain = divide([mixed], TRAINED, LABELS)["both"]
    assert (
        domain.test is None
        and len(domain.train) + len(domain.val) == len(mixed.index) == len(day.index) * 3 // 2
    )
    subject = mixed.index["subject"]
    assert not set(subject[domain.train.rows]) & set(subject[domain.val.rows])
    episodes = np.stack(list(Episodes(domain.train, SHAPE, "a", 20)))
    assert episodes.shape == (20, 3, 4) and set(episodes.ravel()) <= set(domain.train.rows)
    assert {path.split("/")[0] for path in mixed.index["path"].iloc[episodes.ravel()]} == {"day", "night"}


# --- balance ----------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(counts=COUNTS, per_class=st.integers(1, 60), seed=SEEDS)
def test_every_class_is_brought_to_the_number_and_none_of_its_images_is_favoured(counts, per_class, seed):
    index = made_up_index(counts)
    rows = balance(index, per_class, seed)
    assert rows.dtype == np.int64 and np.array_equal(rows, np.sort(rows))
    for label, count in counts.items():
        times = np.bincount(rows, minlength=len(index))[(index["label"] == label).to_numpy()]
        assert times.sum() == per_class and set(times) <= {per_class // count, -(-per_class // count)}
    assert np.array_equal(rows, balance(index, per_class, seed))


def test_another_seed_draws_others_and_another_class_changes_nothing():
    index = made_up_index({"anger": 50, "happiness": 50})
    rows = balance(index, 10)
    assert not np.array_equal(rows, balance(index, 10, seed=1))
    assert np.array_equal(rows[:10], balance(index[:50], 10))


def test_the_copies_that_balancing_makes_stay_on_one_side(trees):
    """Else a query would be answered by its own copy in the support, and the checkpoint picked on trained
    images.
    """
    few = concatenate("few", [(load("day", trees / "day"), np.arange(0, 300, 6))])
    few = replace(few, index=few.index.assign(subject=pd.array([None] * 50, dtype="string")))
    mixed = concatenate("balanced", [(few, balance(few.index, 40))])
    domain = divide([mixed], TRAINED.model_copy(update={"carve": 0.4}), LABELS)["balanced"]
    digest = mixed.index["digest"].to_numpy()
    assert len(mixed.index) == 200 and len(set(digest)) == 50
    assert not set(digest[domain.train.rows]) & set(digest[domain.val.rows])
    for rows in Episodes(domain.train, SHAPE, "a", 20):
        assert not set(digest[rows[:, :2]].ravel()) & set(digest[rows[:, 2:]].ravel())


# --- hold out ---------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(counts=COUNTS, per_class=st.integers(0, 12), seed=SEEDS)
def test_held_out_and_kept_are_the_whole_and_share_nothing(counts, per_class, seed):
    labels = made_up_index(counts)["label"].to_numpy()
    if min(counts.values()) < 2 * per_class:
        with pytest.raises(ProtocolError, match="lower `held_out`"):
            hold_out(labels, per_class, seed)
        return
    held, kept = hold_out(labels, per_class, seed)
    assert np.array_equal(held, ~kept)
    assert all(held[labels == label].sum() == per_class for label in counts)
    assert np.array_equal(held, hold_out(labels, per_class, seed)[0])


@settings(max_examples=60, deadline=None)
@given(
    groups=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=40, max_size=80), seed=SEEDS
)
def test_nothing_akin_to_what_is_held_out_is_kept_and_nothing_else_is_lost(groups, seed):
    labels = np.array(["anger", "fear"] * len(groups))[: len(groups)]
    # 0 is unknown, which is akin to nothing.
    both = pd.DataFrame(groups).replace(0, pd.NA).to_numpy(dtype=object)
    try:
        held, kept = hold_out(labels, 3, seed, both)
    except ProtocolError:  # the clips of six images may be nearly all
        return
    assert [held[labels == label].sum() for label in ("anger", "fear")] == [3, 3] and not (held & kept).any()
    lost, before = held, None
    while not np.array_equal(lost, before):  # what is akin to something lost is lost
        before, lost = (
            lost,
            lost
            | [any(a and a in column for a, column in zip(row, np.array(groups)[lost].T)) for row in groups],
        )
    assert np.array_equal(kept, ~lost)


NOTE_CLIPS = {
    "anger": (3, 140, 867),
    "disgust": (3, 146, 877),
    "happiness": (2, 148, 5957),
    "fear": (4, 159, 355),
    "neutral": (3, 135, 3204),
    "sadness": (3, 139, 2460),
    "surprise": (4, 153, 1619),
}
"""The 2022 note's mixture: AFEW's clips and their frames, and RAF-DB's photographs, of each class."""


def note_mixture(photographs=lambda count: count):
    """Its index. Nobody is known, the photographs are of no clip, and all images are distinct."""
    parts = []
    for label, (clips, frames, count) in NOTE_CLIPS.items():
        index = made_up_index({label: frames + photographs(count)}, split="train")
        clip = [f"{label}-{clips * frame // frames}" for frame in range(frames)] + [None] * photographs(count)
        parts.append(
            index.assign(
                clip=pd.array(clip, dtype="string"),
                path=label + "/" + index["path"],
                digest=label + index["digest"],
            )
        )
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    "per_class, photographs",
    [(50, lambda count: count), (50, lambda count: count // 5), (10, lambda count: 20)],
)
def test_holding_out_costs_no_clip_where_there_are_photographs_enough(per_class, photographs):
    """Images at random would cost every clip that one of them is from: of the note's mixture 16 of 22, with
    753 of 1,020 frames.
    """
    index = note_mixture(photographs)
    films, labels = of_films(index), index["label"].to_numpy(dtype=str)
    held, kept = hold_out(
        labels, per_class, groups=index[["digest", "clip", "subject"]].to_numpy(dtype=object), spare=films
    )
    assert frames_and_clips(index[kept]) == frames_and_clips(index) == (1020, 22)
    assert not (held & films).any() and (kept == ~held).all()
    assert all(held[labels == label].sum() == per_class for label in NOTE_CLIPS)


def test_where_photographs_are_too_few_the_shortest_clips_are_held_out_whole():
    labels = np.array(["fear"] * 40)
    clips = np.array(
        [f"clip{n}" for n, frames in enumerate((12, 4, 6, 12)) for _ in range(frames)] + [pd.NA] * 6,
        dtype=object,
    )
    held, kept = hold_out(labels, 9, groups=clips, spare=~pd.isna(clips))
    assert pd.isna(clips[held]).sum() == 6 and set(clips[held & ~pd.isna(clips)]) == {"clip1"}
    # the fourth frame of clip1 is lost
    assert set(clips[kept]) == {"clip0", "clip2", "clip3"} and kept.sum() == 30


def test_another_class_is_held_out_of_the_people_who_are_lost_already():
    index = made_up_index({"anger": 60, "fear": 20}, subjects=20)
    held, kept = hold_out(index["label"].to_numpy(), 4, groups=index["subject"])
    assert len(set(index["subject"][held])) == 4 and set(index["subject"][kept]).isdisjoint(
        index["subject"][held]
    )
    assert kept.sum() == 80 - 4 * 4


def test_one_kind_of_group_may_be_given_as_the_index_holds_it():
    index = film(clips=9).index
    clip = index["clip"]
    held, kept = hold_out(index["label"].to_numpy(), 2, groups=clip)
    assert (
        held.sum() == 10
        and not set(clip[held]) & set(clip[kept])
        and set(clip[held]) | set(clip[kept]) == set(clip)
    )


def test_what_is_held_out_of_a_class_does_not_depend_on_the_others():
    labels = np.array(["anger"] * 30 + ["fear"] * 30)
    held, _ = hold_out(labels, 5)
    assert np.array_equal(held[:30], hold_out(labels[:30], 5)[0])
    assert not np.array_equal(held, hold_out(labels, 5, seed=1)[0])


def test_a_class_that_cannot_be_held_out_is_left_out_as_long_as_enough_others_are():
    labels = np.array(["anger"] * 30 + ["fear"] * 8 + ["neutral"] * 20)
    held, kept = hold_out(labels, 5, fewest=2)
    assert not (held | kept)[labels == "fear"].any() and (held | kept)[labels != "fear"].all()
    without, _ = hold_out(labels[labels != "fear"], 5)
    assert np.array_equal(held[labels != "fear"], without), "the others are held out as if it were not there"
    with pytest.raises(ProtocolError, match=r"of fear \(8 images, 3 left\)"):
        hold_out(labels, 5, fewest=3)


def test_too_few_images_are_refused_by_class_and_count():
    labels = np.array(["anger"] * 30 + ["fear"] * 8)
    with pytest.raises(
        ProtocolError, match=r"5 images per class .* of fear \(8 images, 3 left\); lower `held_out`"
    ):
        hold_out(labels, 5)
    with pytest.raises(ProtocolError, match=r"anger \(30 images, 0 left\)"):
        hold_out(labels[:30], 5, groups=np.array(["one clip"] * 30))
