"""Clips as frames below lists, stills of clips, and characters: what each loader reads and refuses."""

import shutil

import numpy as np
import pytest
from helpers import trees, trees_clips
from helpers.layouts import fails, scan

from fer_meta.datasets.audit import check_counts
from fer_meta.datasets.cache import load_images
from fer_meta.datasets.loaders import omniglot
from fer_meta.datasets.registry import CATALOGUE, spec_for


def of_clips(index):
    """The label and split of each clip."""
    return {clip: (part["label"].iloc[0], part["split"].iloc[0]) for clip, part in index.groupby("clip")}


def rewrite(path, old, new):
    path.write_bytes(path.read_text().replace(old, new, 1).encode(errors="surrogateescape"))


# DFEW

SET_1 = "EmoLabel_DataSplit/train(single-labeled)/set_1.csv"


@pytest.mark.parametrize("make", [trees_clips.dfew_official, trees_clips.dfew_affine])
def test_a_fold_of_dfew_says_split_and_class_of_each_listed_clip_and_no_other(tmp_path, make):
    make(tmp_path)
    first, second = of_clips(scan("dfew", tmp_path)), of_clips(scan("dfew-2", tmp_path))
    assert len(first) == len(second) == 14  # the fifteenth clip is in no list
    assert first["00001"] == ("happiness", "train") and first["00007"] == ("fear", "train")
    assert first["00008"] == ("happiness", "test")
    assert second["00001"] == ("happiness", "test") and second["00008"] == ("happiness", "train")


def test_frames_are_the_films_own_and_in_the_order_of_time(tmp_path):
    trees_clips.dfew_official(tmp_path, folds=[1])
    trees.face(tmp_path / "Clip/clip_224x224/00001/00001_00010.jpg")
    index = scan("dfew", tmp_path)
    assert index[index["clip"] == "00001"]["frame"].tolist() == [1, 2, 10]
    assert index["path"].str.startswith("Clip/clip_224x224/").all()
    shutil.rmtree(tmp_path / "Clip/clip_224x224")
    index = scan("dfew", tmp_path)
    assert index["path"].str.startswith("Clip/clip_224x224_16f/").all() and len(index) == 28


def test_a_listed_clip_without_frames_is_reported_and_not_lost(tmp_path):
    trees_clips.dfew_official(tmp_path, folds=[1])
    shutil.rmtree(tmp_path / "Clip/clip_224x224/00002")  # not there
    for frame in (tmp_path / "Clip/clip_224x224/00003").iterdir():  # there, but empty
        frame.unlink()
    faces = load_images(spec_for("dfew", tmp_path), tmp_path, 8)
    assert len(faces.index) == 24
    assert faces.unreadable == tuple((f"Clip/clip_224x224/0000{n}/frame", "missing") for n in (2, 3))
    total = next(count for count in check_counts(faces) if count.found == 12)
    assert total.published == (11697,) and not total.agrees


@pytest.mark.parametrize("text, clips", [
    ("\ufeffvideo_name,label\r\n00001,1.0\r\n\r\n2,7\r\n", {"00001": "happiness", "00002": "fear"}),
    ("label;video_name\n3;16372\n", {"16372": "neutral"}),
])  # fmt: skip
def test_a_list_of_dfew_is_read_however_it_was_saved(tmp_path, text, clips):
    trees_clips.dfew_official(tmp_path, folds=[1])
    (tmp_path / SET_1).write_text(text)
    index = scan("dfew", tmp_path)
    train = index[index["split"] == "train"]
    assert dict(zip(train["clip"], train["label"])) == clips


@pytest.mark.parametrize("old, new, words", [
    ("1,1", "1,0", ("line 2", "unknown label '0'", "expected 1 to 7")),
    ("label", "emotion", ("'video_name' and 'label'",)),
    ("2,2", "1,2", ("line 3", "'00001' is listed twice")),
    ("2,2", "8,2", ("test(single-labeled)", "line 2", "'00008' is listed twice")),
    ("2,2", "../../8,2", ("line 3", "'../../8' is no clip")),
    ("2,2", "2", ("line 3 has 1 cells",)),
    ("video", "vide\udcff", ("line 1 is not UTF-8",)),
])  # fmt: skip
def test_a_faulty_list_of_dfew_is_refused(tmp_path, old, new, words):
    trees_clips.dfew_official(tmp_path, folds=[1])
    rewrite(tmp_path / SET_1, old, new)
    fails("dfew", tmp_path, *words)


def test_dfew_without_lists_frames_or_one_fold_is_refused_with_what_is_expected(tmp_path):
    trees_clips.dfew_official(tmp_path, folds=[1])
    fails("dfew-2", tmp_path, "no lists of clips", "set_2.csv", CATALOGUE["dfew"].obtain)
    shutil.rmtree(tmp_path / "Clip")
    fails("dfew", tmp_path, "no folder of frames", "Clip/", "films alone are not read")
    for n in range(20, 30):
        trees.face(tmp_path / f"Clip/jpg_256/{n:05}/1.jpg")
    fails("dfew", tmp_path, "jpg_256", "no frame of the 14 listed clips is in it")
    (tmp_path / SET_1).unlink()
    fails("dfew", tmp_path, f"no list '{SET_1}'")


# FERV39k


def test_ferv39k_keeps_the_scene_in_the_name_of_a_clip(tmp_path):
    index = scan("ferv39k", trees_clips.ferv39k(tmp_path))
    clips = of_clips(index)
    assert len(clips) == 14 and not any(clip.startswith("War/") for clip in clips)
    assert clips["Action/Sad/0001"] == ("sadness", "train")
    assert clips["DailyLife/Sad/0001"] == ("sadness", "test")
    # `1_0.jpg`, `2_0.jpg`: the last number is not that of the frame, and is not taken for it.
    assert index["frame"].isna().all()
    assert index["path"].tolist()[:2] == [f"2_ClipsforFaceCrop/Action/Angry/0001/{n}_0.jpg" for n in (1, 2)]


@pytest.mark.parametrize("old, new, words", [
    ("0001 Angry", "0001 Bored", ("train_All.csv", "line 1", "'Bored' is not a known expression")),
    ("0001 Angry", "0001 Angry 3", ("line 1", "expected '<clip> <expression>'")),
    ("Disgust/0001", "Angry/0001", ("line 2", "'Action/Angry/0001' is listed twice")),
])  # fmt: skip
def test_a_faulty_list_of_ferv39k_is_refused(tmp_path, old, new, words):
    trees_clips.ferv39k(tmp_path)
    rewrite(tmp_path / "4_setups/All_scenes/train_All.csv", old, new)
    fails("ferv39k", tmp_path, *words)


def test_frames_of_ferv39k_without_lists_are_refused(tmp_path):
    shutil.rmtree(trees_clips.ferv39k(tmp_path) / "4_setups")
    fails("ferv39k", tmp_path, "no lists of clips", "4_setups/All_scenes")


# MAFW


def test_mafw_has_its_eleven_classes_in_the_fold_that_the_name_says(tmp_path):
    trees_clips.mafw_frames(tmp_path)
    rewrite(tmp_path / "split/single/no_caption/set_2/train.txt", "00001.mp4 anger", "00001.mp4\tcontempt")
    first, second = of_clips(scan("mafw", tmp_path)), of_clips(scan("mafw-2", tmp_path))
    assert len(first) == len(second) == 22
    assert first["00001"] == ("anger", "train") and second["00001"] == ("contempt", "train")
    assert first["00011"] == ("disappointment", "train") and first["00012"] == ("anger", "test")


def test_the_films_of_mafw_alone_are_refused(tmp_path):
    shutil.rmtree(trees_clips.mafw_frames(tmp_path) / "data/faces")
    fails("mafw", tmp_path, "no folder of frames", "films alone, data/clips/*.mp4, are not read")


def test_the_clips_of_several_expressions_are_no_single_ones(tmp_path):
    trees_clips.mafw_frames(tmp_path)
    rewrite(tmp_path / "split/single/no_caption/set_1/train.txt", "anger", "sadness_surprise")
    fails("mafw", tmp_path, "line 1", "'sadness_surprise' is not a known expression")


# CAER


def test_stills_of_caer_are_whole_scenes_or_the_faces_in_the_boxes(tmp_path):
    trees_clips.caer_stills(tmp_path)
    spec = spec_for("caer-s", tmp_path)
    assert np.asarray(spec.read(tmp_path, spec.scan(tmp_path)["path"][0])).shape == (20, 30)
    trees_clips.caer_faces(tmp_path)
    index = spec.scan(tmp_path)
    assert len(index) == 28  # an image without a box is left out
    assert index["path"][1] == "train/Anger/0002.png#box=2,2,11,14"
    assert index["clip"].isna().all() and index["subject"].isna().all()
    scene, face = (
        np.asarray(spec.read(tmp_path, path)) for path in ("train/Anger/0002.png", index["path"][1])
    )
    assert (face == scene[2:14, 2:11]).all()


def test_boxes_may_name_the_images_from_the_folder_of_their_split(tmp_path):
    before = scan("caer-s", trees_clips.caer_faces(tmp_path))
    for split in trees_clips.SPLITS:
        listed = tmp_path / f"{split}.txt"
        listed.write_text(listed.read_text().replace(f"{split}/", ""))
    assert scan("caer-s", tmp_path).equals(before)


def test_a_box_in_an_image_that_is_missing_is_reported(tmp_path):
    (trees_clips.caer_faces(tmp_path) / "test/Sad/0001.png").unlink()
    faces = load_images(spec_for("caer-s", tmp_path), tmp_path, 8)
    assert faces.unreadable == (("test/Sad/0001.png#box=1,2,10,14", "missing"),)


def test_boxes_of_one_split_alone_or_of_other_images_are_refused(tmp_path):
    trees_clips.caer_faces(tmp_path)
    rewrite(tmp_path / "train.txt", "Anger/0001.png,0,1,2", "Anger/0001.png,0,1")
    fails("caer-s", tmp_path, "train.txt", "line 1", "<left>,<top>,<right>,<bottom>")
    (tmp_path / "train.txt").unlink()
    fails("caer-s", tmp_path, "for test alone")
    for split in trees_clips.SPLITS:
        (tmp_path / f"{split}.txt").write_text(f"{split}/Anger/9999.png,0,1,2,3,4\n")
    fails("caer-s", tmp_path, "none of the 2 images")


def test_clips_of_caer_are_known_by_split_class_and_name(tmp_path):
    index = scan("caer", trees_clips.caer_clips(tmp_path))
    clips = of_clips(index)
    assert len(clips) == 21 and clips["val/anger/0001"] == ("anger", "val")
    assert index["split"].unique().tolist() == ["train", "val", "test"]


def test_stills_given_as_clips_and_films_alone_are_refused(tmp_path):
    fails("caer", trees_clips.caer_stills(tmp_path / "stills"), "'test/Anger/0001.png' fits no known layout")
    fails("caer-s", trees_clips.caer_clips(tmp_path / "clips"), "fits no known layout")
    for frame in (tmp_path / "clips").rglob("*.jpg"):
        frame.unlink()
    fails("caer", tmp_path / "clips", "no frames", "films <clip>.avi alone are not read")


# Omniglot


@pytest.mark.parametrize("make", [trees_clips.omniglot, trees_clips.omniglot_packed])
def test_omniglot_has_its_characters_as_labels_and_drawers_of_an_alphabet_as_subjects(tmp_path, make):
    index = scan("omniglot", make(tmp_path))
    train, test = (index[index["split"] == split] for split in ("train", "test"))
    assert train["label"].unique().tolist() == [f"malay_jawi_arabic_character0{n}" for n in (1, 2, 3)]
    assert test["label"].unique().tolist() == [f"aurek_besh_character0{n}" for n in (1, 2, 3)]
    assert set(train["subject"]) == {"malay_jawi_arabic_01", "malay_jawi_arabic_02"}


def test_omniglot_has_as_many_characters_as_published():
    train, test = (omniglot.VOCABULARY[split] for split in ("train", "test"))
    assert (len(train), len(test), len(set(train + test))) == (964, 659, 1623)
    assert CATALOGUE["omniglot"].published[0].counts == (32460,)


@pytest.mark.parametrize("path", [
    "images_background/Klingon/character01/0001_01.png",
    "images_background/Aurek-Besh/character01/0001_01.png",  # of the other part
    "images_background/Greek/character25/0001_01.png",  # Greek has 24
    "images_background/Greek/character01/01.png",
    "images_background/Greek/0001_01.png",
])  # fmt: skip
def test_what_is_no_character_of_omniglot_is_refused(tmp_path, path):
    trees.face(trees_clips.omniglot(tmp_path) / path)
    fails("omniglot", tmp_path, path, "is no drawing of a character of images_background")


def test_half_of_omniglot_is_refused(tmp_path):
    shutil.rmtree(trees_clips.omniglot(tmp_path) / "images_evaluation")
    fails("omniglot", tmp_path, "no folder images_evaluation")


# AFEW in archives


def test_afew_is_read_from_its_archives_as_if_they_were_unpacked(tmp_path):
    packed = scan("afew", trees_clips.afew_packed(tmp_path / "packed"))
    unpacked = scan("afew", trees.afew_unpacked(tmp_path / "unpacked"))
    assert packed["path"][0].startswith(
        "Train_AFEW/AlignedFaces_LBPTOP_Points.zip/AlignedFaces_LBPTOP_Points/"
    )
    assert packed.drop(columns="path").equals(unpacked.drop(columns="path"))


def test_an_archive_of_what_is_unpacked_already_is_left_alone(tmp_path):
    root = trees.afew_unpacked(tmp_path)
    before = scan("afew", root)
    (root / "Train_AFEW/AlignedFaces_LBPTOP_Points.zip").write_bytes(b"half of a download")
    (root / "Test_AFEW").mkdir()
    (root / "Test_AFEW/AlignedFaces.zip").write_bytes(b"no labels: not looked at")
    assert scan("afew", root).equals(before)


def test_one_split_may_be_unpacked_and_the_other_not(tmp_path):
    trees_clips.afew_packed(tmp_path)
    shutil.unpack_archive(tmp_path / "Val_AFEW/AlignedFaces_LBPTOP_Points.zip", tmp_path / "Val_AFEW")
    index = scan("afew", tmp_path)
    assert index["clip"].nunique() == 14 and len(index) == 28
    assert index["path"].str.contains(".zip/").tolist() == [True] * 14 + [False] * 14


def test_a_damaged_archive_of_frames_is_named(tmp_path):
    trees_clips.afew_packed(tmp_path)
    (tmp_path / "Val_AFEW/AlignedFaces_LBPTOP_Points.zip").write_bytes(b"half of a download")
    fails("afew", tmp_path, "Val_AFEW/AlignedFaces_LBPTOP_Points.zip", "not a whole archive")
