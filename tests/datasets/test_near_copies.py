"""Near copies: what was made of one photograph is found, what was not stays apart."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.photographs import EDITS, brighter, saved_again, write
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fer_meta.datasets import near_copies as module
from fer_meta.datasets.base import NEAR, Rendered, copies_of
from fer_meta.datasets.cache import load_images
from fer_meta.datasets.near_copies import MOST_BITS, hashes_of, near_copies, near_pairs, with_near_copies
from fer_meta.datasets.registry import spec_for
from fer_meta.errors import DatasetError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_META_CACHE", str(tmp_path / "cache"))


def load(root):
    return load_images(spec_for(root.name, root), root, 48, progress=False)


def found(*faces):
    """The findings by data set and path."""
    paths = [f"{one.name}/{path}" for one in faces for path in one.index["path"]]
    return near_copies(*faces, progress=False).set_axis(paths)


@pytest.fixture
def strangers(tmp_path):
    """Thirty photographs of two labels."""
    for n in range(30):
        write(tmp_path / f"strangers/{'happy' if n % 2 else 'sad'}/{n:02d}.png", f"stranger {n}")
    return tmp_path / "strangers"


@pytest.mark.parametrize("edit", EDITS)
def test_a_photograph_is_known_again_after_an_edit(strangers, edit):
    write(strangers / "happy/edited.png", "stranger 3", EDITS[edit])
    near = found(load(strangers))
    own, edited = (near.loc[f"strangers/happy/{name}.png"] for name in ("03", "edited"))
    assert own[NEAR] == edited[NEAR] and own["bits"] == edited["bits"] <= MOST_BITS
    assert own["mirrored"] + edited["mirrored"] == (edit == "mirrored")
    assert near[NEAR].nunique() == 30


def test_strangers_are_nobodys_copies(strangers):
    faces = load(strangers)
    near = near_copies(faces, progress=False)
    assert near[NEAR].tolist() == faces.index["digest"].tolist()
    assert near["bits"].isna().all() and not near["mirrored"].any()


def test_copies_across_data_sets_have_one_name_whatever_the_order(strangers, tmp_path):
    write(tmp_path / "others/fear/a.png", "stranger 5", saved_again)
    write(tmp_path / "others/fear/b.png", "nobody")
    one, other = load(strangers), load(tmp_path / "others")
    near, turned = found(one, other), found(other, one)
    assert near.loc["others/fear/a.png", NEAR] == near.loc["strangers/happy/05.png", NEAR]
    pd.testing.assert_frame_equal(near, turned.loc[near.index])
    first, second = with_near_copies([one, other], progress=False)
    assert set(copies_of(first.index)) & set(copies_of(second.index)) == {near.loc["others/fear/a.png", NEAR]}
    assert copies_of(one.index).equals(one.index["digest"]), "and the faces that were given stay as they were"


def test_identical_images_keep_together_with_their_near_copies(strangers):
    write(strangers / "sad/twin.png", "stranger 4")
    write(strangers / "sad/edited.png", "stranger 4", brighter)
    near = found(load(strangers))
    names = [f"strangers/sad/{name}.png" for name in ("04", "twin", "edited")]
    assert near.loc[names, NEAR].nunique() == 1


def test_blank_images_are_no_copies_of_each_other(strangers):
    for grey in (10, 60, 200):
        Image.new("L", (48, 48), grey).save(strangers / f"sad/blank{grey}.png")
    near = found(load(strangers))
    assert near.filter(like="blank", axis="index")[NEAR].nunique() == 3


def test_frames_of_one_clip_are_compared_only_with_other_splits(strangers):
    for split in ("train", "test"):
        for n, edit in enumerate((saved_again, brighter)):
            write(strangers / f"sad/{split}{n}.png", "film", edit)
    faces = load(strangers)
    frames = faces.index["path"].str.contains("train|test")
    split = faces.index["path"].str.extract("(train|test)")[0]
    # In one split, nothing is a copy: frames of a clip are alike by nature.
    clip = pd.array(np.where(frames, "film", None), dtype="string")
    together = replace(faces, index=faces.index.assign(clip=clip, split="test"))
    assert near_copies(together, progress=False)[NEAR].nunique() == len(faces.index) - 2
    apart = replace(faces, index=faces.index.assign(clip=clip, split=split.astype("string")))
    assert near_copies(apart, progress=False).loc[frames.to_numpy(), NEAR].nunique() == 1


def test_rendered_faces_are_not_searched(strangers):
    write(strangers / "happy/edited.png", "stranger 3", saved_again)
    faces = load(strangers)
    rendered = replace(faces, spec=replace(faces.spec, rendered=Rendered("synthetic-wild", 1.0)))
    assert near_copies(rendered, progress=False)["bits"].isna().all()


def test_hashes_are_kept_and_made_again_if_they_are_damaged(strangers, tmp_path, monkeypatch):
    faces = load(strangers)
    made = hashes_of(faces, progress=False)
    [kept] = (tmp_path / "cache").glob("*.npy")
    with monkeypatch.context() as patched:
        patched.setattr(module, "hash_both", None)  # it would fail if it were called
        assert np.array_equal(hashes_of(faces, progress=False), made)
    kept.write_bytes(kept.read_bytes()[:-5])
    assert np.array_equal(hashes_of(faces, progress=False), made)


def test_a_set_in_which_all_images_are_alike_is_refused_in_one_line(strangers, monkeypatch):
    monkeypatch.setattr(module, "MOST_PAIRS", 2)
    for n in range(3):
        Image.fromarray(np.asarray(Image.open(strangers / "sad/00.png")) // (n + 2)).save(
            strangers / f"sad/dark{n}.png"
        )
    with pytest.raises(DatasetError, match="over 2 pairs.*copies: removed"):
        near_copies(load(strangers), progress=False)


def flipped(bits, places):
    changed = bits.copy()
    changed[:, places] ^= 1
    return changed


def test_a_chain_of_images_each_like_the_next_is_not_one_group():
    rng = np.random.default_rng(0)
    chain = [rng.integers(0, 2, (2, 256), dtype=np.uint8)]
    for _ in range(20):
        chain.append(flipped(chain[-1], rng.choice(256, 40, replace=False)))
    pairs = near_pairs(np.packbits(np.array(chain), axis=-1), progress=False)
    centre, _ = module._stars(len(chain), pairs)
    assert (pairs.second - pairs.first == 1).sum() == 20
    assert len(set(centre)) > 3 and all(np.ptp(np.flatnonzero(centre == one)) <= 4 for one in set(centre))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 80), st.booleans()), min_size=2, max_size=12),
    st.integers(0, 2**31),
)
def test_the_pairs_are_those_that_a_look_at_every_pair_finds(edits, seed):
    rng = np.random.default_rng(seed)
    photographs = rng.integers(0, 2, (4, 2, 256), dtype=np.uint8)
    hashes = [
        flipped(photographs[which], rng.choice(256, number, replace=False)) for which, number, _ in edits
    ]
    hashes = np.array([one[::-1] if mirrored else one for one, (*_, mirrored) in zip(hashes, edits)])
    pairs = near_pairs(np.packbits(hashes, axis=-1), progress=False)
    expected = {}
    for i in range(len(hashes)):
        for j in range(i + 1, len(hashes)):
            plain, mirror = (int((hashes[i, 0] != hashes[j, side]).sum()) for side in (0, 1))
            if min(plain, mirror) <= MOST_BITS:
                expected[i, j] = (min(plain, mirror), mirror < plain)
    got = zip(pairs.first.tolist(), pairs.second.tolist(), pairs.bits.tolist(), pairs.mirrored.tolist())
    assert {(i, j): (bits, mirrored) for i, j, bits, mirrored in got} == expected
