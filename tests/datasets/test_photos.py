"""Data sets of photographs: what each index says of its small tree, and the wrong folders that users have."""

import random
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import trees_photos
from helpers.layouts import fails, scan
from helpers.trees import PER_CLASS, face

from fer_meta.datasets.cache import load_images
from fer_meta.datasets.loaders import raf_ce
from fer_meta.datasets.registry import CATALOGUE, spec_for
from fer_meta.datasets.units import unit_intensities
from fer_meta.errors import DatasetError
from fer_meta.expressions import COMPOUND
from fer_meta.testing import check_dataset


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


def changed(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("layout", trees_photos.TREES)
def test_every_data_set_passes_the_check_for_authors(layout, root):
    name, make = trees_photos.TREES[layout]
    check_dataset(CATALOGUE[name], make(root))


def zipped(folder: Path, archive: Path, top: Path) -> Path:
    """What is in a folder as an archive of paths below `top`; the folder is gone then."""
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(top))
    shutil.rmtree(folder)
    return archive


@pytest.mark.parametrize("layout", trees_photos.TREES)
def test_every_data_set_is_read_from_an_archive_of_its_folder(layout, root):
    name, make = trees_photos.TREES[layout]
    whole = scan(name, make(root))
    archive = zipped(root, root.parent / "data.zip", root)
    index = scan(name, archive)
    pd.testing.assert_frame_equal(index, whole)
    assert np.asarray(CATALOGUE[name].read(archive, index["path"].iloc[-1])).size


@pytest.mark.parametrize("layout", trees_photos.TREES)
def test_any_change_to_a_list_becomes_an_index_or_an_error_in_one_line(layout, root):
    name, make = trees_photos.TREES[layout]
    texts = [path for path in make(root).rglob("*") if path.suffix in (".txt", ".csv", ".lst", ".npy")]
    draw = random.Random(0)
    for path in draw.choices(texts, k=12) if texts else ():
        whole = path.read_bytes()
        at = draw.choice([0, len(whole) - 1, draw.randrange(len(whole))])
        junk = draw.choice(
            [b"", b"\xff", b"\0", b"\n", b",", b" ", b'"', b"9" * 30, b"../../x", b"nan", b"-"]
        )
        path.write_bytes(whole[:at] + junk + whole[at + 1 :])
        try:
            index = scan(name, root)
            assert len(index) and index["path"].is_unique and index["label"].notna().all()
        except DatasetError as error:
            assert str(error).isprintable()
        path.write_bytes(whole)


# CK+


def test_a_sequence_gives_its_first_frame_as_neutral_and_its_last_three_under_its_label(root):
    index = scan("ckplus", trees_photos.ckplus(root))
    assert index["clip"].unique().tolist() == [f"S00{number}_001" for number in range(1, 8)]
    assert index[:4][["label", "subject", "clip", "frame"]].values.tolist() == [
        ["neutral", "S001", "S001_001", 1],
        *(["anger", "S001", "S001_001", frame] for frame in (4, 5, 6)),
    ]
    assert index["path"][0] == "cohn-kanade-images/S001/001/S001_001_00000001.png"
    # The third sequence has the frames 2 to 5.
    assert index[index["clip"] == "S003_001"]["frame"].tolist() == [2, 3, 4, 5]
    assert index["split"].isna().all()


def test_the_action_units_of_a_peak_are_known_and_of_other_frames_unknown(root):
    index = scan("ckplus", trees_photos.ckplus(root))
    peak = index.set_index("path").loc["cohn-kanade-images/S001/001/S001_001_00000006.png"]
    # 1 was seen and not graded, 12 is at level E; 62 is none of ours.
    assert peak[["AU1", "AU2", "AU12"]].tolist() == pytest.approx([0.6, 0, 1])
    assert np.isnan(unit_intensities(index)).all(axis=1).sum() == len(index) - 1


def test_without_their_folder_no_action_units_are_named(root):
    shutil.rmtree(trees_photos.ckplus(root) / "FACS")
    assert unit_intensities(scan("ckplus", root)) is None


def test_ckplus_is_read_from_its_archives(root):
    whole = scan("ckplus", trees_photos.ckplus(root))
    for archive, folder in (
        ("extended-cohn-kanade-images.zip", "cohn-kanade-images"),
        ("Emotion_labels.zip", "Emotion"),
        ("FACS_labels.zip", "FACS"),
    ):
        zipped(root / folder, root / archive, root)
    index = scan("ckplus", root)
    pd.testing.assert_frame_equal(index.drop(columns="path"), whole.drop(columns="path"))
    assert np.asarray(CATALOGUE["ckplus"].read(root, index["path"][0])).shape == (12, 12)


@pytest.mark.parametrize("folder", ["cohn-kanade-images", "Emotion"])
def test_ckplus_without_images_or_labels_says_which_is_missing(root, folder):
    shutil.rmtree(trees_photos.ckplus(root) / folder)
    fails("ckplus", root, f"no folder '{folder}'", "expected cohn-kanade-images/")


def test_ckplus_with_labels_of_images_that_are_not_there_is_refused(root):
    shutil.rmtree(trees_photos.ckplus(root) / "cohn-kanade-images/S004")
    fails("ckplus", root, "1 of 7 labelled sequences have no images, first S004_001")


@pytest.mark.parametrize(
    "path, text, words",
    [
        ("Emotion/S002/001/S002_001_00000006_emotion.txt", "8.0e+00", ("says '8'", "0 to 7")),
        ("Emotion/S002/001/S002_001_00000005_emotion.txt", "1", ("S002_001", "keep one copy")),
        ("FACS/S001/001/S001_001_00000006_facs.txt", "1 6", ("'1 6'", "<unit> <intensity>")),
        ("FACS/S001/001/S001_001_00000006_facs.txt", "12", ("'12'", "<unit> <intensity>")),
    ],
)
def test_a_faulty_label_file_of_ckplus_is_named(root, path, text, words):
    trees_photos.write(trees_photos.ckplus(root) / path, text)
    fails("ckplus", root, *words)


def test_ck48_keeps_person_sequence_and_frame(root):
    index = scan("ckplus48", trees_photos.ckplus48(root))
    assert index.iloc[0][["path", "label", "subject", "clip", "frame"]].tolist() == [
        "anger/S000_004_00000017.png",
        "anger",
        "S000",
        "S000_004",
        17,
    ]


def test_official_ckplus_given_as_ck48_is_refused(root):
    fails("ckplus48", trees_photos.ckplus(root), "not a known expression")


# JAFFE, KDEF, CFEE: names


def test_jaffe_takes_the_expression_from_the_second_part_of_a_name(root):
    index = scan("jaffe", trees_photos.jaffe(root)).set_index("path")
    assert index.loc["NE.AN1.40.tiff"][["label", "subject"]].tolist() == ["anger", "NE"]
    assert index.loc["KA.FE1.39.tiff", "label"] == "fear"


def test_kdef_has_the_straight_views_and_the_same_people_in_both_sessions(root):
    index = scan("kdef", trees_photos.kdef(root)).set_index("path")
    assert index.loc["KDEF/AF01/AF01SUS.JPG"][["label", "subject"]].tolist() == ["surprise", "F01"]
    assert set(index["subject"]) == {"F01"} and index["clip"].isna().all()
    assert index.index.str.endswith("S.JPG").all()


def test_the_five_views_of_a_pose_are_one_clip(root):
    index = scan("kdef-all", trees_photos.kdef(root))
    pose = index[index["clip"] == "BF01AF"].sort_values("frame")
    angles = pose["path"].str.extract("BF01AF(.*)[.]JPG")[0]
    assert dict(zip(angles, pose["frame"])) == {"FL": 1, "HL": 2, "S": 3, "HR": 4, "FR": 5}
    assert set(pose["label"]) == {"fear"} and set(pose["subject"]) == {"F01"}


def test_kdef_without_straight_views_and_averaged_faces_are_refused(root):
    fails("kdef", trees_photos.kdef(root, angles=("FL",)), "no straight view")
    face(root.parent / "akdef/FAFFL.JPG")
    fails("kdef", root.parent / "akdef", "none of 1 images has such a name, first 'FAFFL.JPG'")


def test_cfee_reads_from_the_table_what_its_numbers_mean(root):
    index = scan("cfee", trees_photos.cfee(root)).set_index("path")
    assert index.loc["21-26/Images6/23_221.jpg"][["label", "subject"]].tolist() == ["appalled", "221"]
    assert index.loc["21-26/Images6/08_126_8963.JPG", "label"] == "happily_surprised"
    assert index.loc["21-26/Images6/25_221.jpg", "label"] == "hatred"


def test_cfee_without_its_table_is_refused(root):
    (trees_photos.cfee(root) / "AU_annotation_all_subjects.csv").unlink()
    fails("cfee", root, "no AU_annotation_all_subjects.xls")


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("23,Appalled", "23,Bored", ("'Bored' is not a known expression",)),
        ("23,Appalled\n", "", ("23_126", "names no expression 23")),
    ],
)
def test_a_table_of_cfee_that_lacks_a_meaning_is_refused(root, old, new, words):
    changed(trees_photos.cfee(root) / "AU_annotation_all_subjects.csv", old, new)
    fails("cfee", root, *words)


@pytest.fixture
def sheet(root, monkeypatch):
    """CFEE with a table in .xls, which pandas reads with a package that may be missing."""
    (trees_photos.cfee(root) / "AU_annotation_all_subjects.csv").unlink()
    (root / "AU_annotation_all_subjects.xls").write_bytes(b"xls")

    def returns(answer):
        def read_excel(file, sheet_name, header):
            assert file.read() == b"xls" and sheet_name == "summary" and header is None
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(pd, "read_excel", read_excel)

    return returns


def test_the_table_of_cfee_may_be_an_excel_sheet(root, sheet):
    sheet(pd.DataFrame([[float(number), name, "x"] for number, name in trees_photos.CFEE.items()]))
    assert scan("cfee", root)["label"].nunique() == len(trees_photos.CFEE)


@pytest.mark.parametrize(
    "error, words",
    [
        (ImportError("Missing optional dependency 'xlrd'."), ("pip install", "xlrd", "save its sheet")),
        (ValueError("no\nsheet"), ("no readable sheet 'summary'", "no sheet")),
    ],
)
def test_an_excel_sheet_that_cannot_be_read_is_one_line(root, sheet, error, words):
    sheet(error)
    fails("cfee", root, "AU_annotation_all_subjects.xls", *words)


# Oulu-CASIA, SFEW: folders


def test_oulu_reads_the_strong_visible_light_alone(root):
    index = scan("oulu-casia", trees_photos.oulu_casia(root))
    assert index["path"].str.startswith("VL_Acropped/Strong/P001/").all()
    assert index[:4][["label", "subject", "clip", "frame"]].values.tolist() == [
        ["neutral", "P001", "P001/anger", 0],
        *(["anger", "P001", "P001/anger", frame] for frame in (2, 3, 4)),
    ]


def test_oulu_takes_cropped_faces_before_whole_pictures(root):
    trees_photos.oulu_casia(trees_photos.oulu_casia(root, "OriginalImg/VL"))
    assert scan("oulu-casia", root)["path"].str.startswith("VL_Acropped/").all()


def test_oulu_in_near_infrared_alone_is_refused(root):
    shutil.rmtree(trees_photos.oulu_casia(root) / "VL_Acropped")
    fails("oulu-casia", root, "no folder of the sequences in strong visible light")


def test_a_sequence_of_one_frame_is_refused(root):
    trees_photos.oulu_casia(root)
    for frame in range(4):
        (root / f"VL_Acropped/Strong/P001/Fear/{frame:03}.jpeg").unlink()
    fails("oulu-casia", root, "Fear/004.jpeg", "only frame of its sequence")


def test_sfew_takes_aligned_faces_and_the_validation_part_as_test(root):
    index = scan("sfew", trees_photos.sfew(root))
    assert index["path"].str.contains("Aligned").all()
    assert index.groupby("split")["clip"].unique().map(list).to_dict() == {
        "train": ["Train_Film"],
        "test": ["Val_Film"],
    }
    assert index["frame"].unique().tolist() == [0, 1]


def test_sfew_with_its_whole_frames_alone_is_read(root):
    shutil.rmtree(trees_photos.sfew(root) / "Train/Train_Aligned_Faces")
    train = scan("sfew", root).query("split == 'train'")
    assert len(train) == 7 * PER_CLASS and train["path"].str.startswith("Train/").all()


def test_sfew_of_the_test_part_alone_has_no_labels(root):
    face(root / "Test/Film_004512014_00000002.png")
    fails("sfew", root, "no labelled frames")


def test_frames_that_are_in_no_part_of_sfew_are_refused(root):
    face(root / "Angry/Film_004512014_00000002.png")
    fails("sfew", root, "not in a train or validation folder")


# AffectNet, ExpW: faces in boxes


def test_affectnet_lists_give_boxes_and_leave_out_what_is_no_expression(root):
    index = scan("affectnet", trees_photos.affectnet_lists(root))
    assert index.iloc[0][["path", "label", "split"]].tolist() == [
        "Manually_Annotated_Images/0/training0.jpg#box=2,3,14,15",
        "neutral",
        "train",
    ]
    assert set(index["split"]) == {"train", "test"} and index["label"].iloc[2] == "happiness"
    picture = np.asarray(CATALOGUE["affectnet"].read(root, index["path"][0].partition("#")[0]))
    assert (np.asarray(CATALOGUE["affectnet"].read(root, index["path"][0])) == picture[3:15, 2:14]).all()


@pytest.mark.parametrize("headed", [(True, True), (False, False)])
def test_the_lists_of_affectnet_may_have_headers_or_none(root, headed):
    assert len(scan("affectnet", trees_photos.affectnet_lists(root, headed))) == 2 * 8 * PER_CLASS


def test_both_releases_of_affectnet_have_the_same_labels(root):
    files = scan("affectnet", trees_photos.affectnet_files(root / "new"))
    lists = scan("affectnet", trees_photos.affectnet_lists(root / "old"))
    for index in (files, lists):
        assert index[["label", "split"]].value_counts().eq(PER_CLASS).all()
    assert files["label"].tolist() == lists["label"].tolist()
    assert files["path"][0] == "train_set/images/00.jpg"


def test_affectnet_lists_without_images_are_refused(root):
    shutil.rmtree(trees_photos.affectnet_lists(root) / "Manually_Annotated_Images")
    fails("affectnet", root, "no folder Manually_Annotated_Images")
    (root / "Manually_Annotated_Images").mkdir()
    fails("affectnet", root, "none of the 32 listed images is there", "unpack")


def test_affectnet_images_without_their_lists_are_refused(root):
    shutil.rmtree(trees_photos.affectnet_lists(root) / "Manually_Annotated_file_lists")
    fails("affectnet", root, "no lists and no folders of labelled faces")


def test_a_picture_of_affectnet_without_a_label_is_an_error(root):
    (trees_photos.affectnet_files(root) / "val_set/annotations/31_exp.npy").unlink()
    fails("affectnet", root, "31_exp.npy", "cannot be read")


def test_a_label_that_would_run_code_is_not_read(root):
    label = trees_photos.affectnet_files(root) / "val_set/annotations/31_exp.npy"
    np.save(label, np.array({"a": 1}), allow_pickle=True)
    fails("affectnet", root, "31_exp.npy", "is no label")


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("0/training0.jpg", "../../training0.jpg", ("line 2", "no file in the folder of images")),
        (",2,3,12,12,", ",2,3,12,wide,", ("line 2", "'wide' in its box")),
        ("2.5,0,-2", "2.5,11,-2", ("line 2", "unknown expression '11'")),
        ("face_x", "x", ("expected the columns",)),
    ],
)
def test_a_faulty_line_of_a_list_of_affectnet_is_named(root, old, new, words):
    changed(trees_photos.affectnet_lists(root) / "Manually_Annotated_file_lists/training.csv", old, new)
    fails("affectnet", root, "training.csv", *words)


def test_expw_has_a_row_per_face_with_its_box_and_any_confidence(root):
    index = scan("expw", trees_photos.expw(root))
    # top 2, left 10, right 20, bottom 12 in the list
    assert index["path"][:2].tolist() == [
        "image/origin/0.jpg#box=0,2,10,12",
        "image/origin/0.jpg#box=10,2,20,12",
    ]
    assert index["label"][:3].tolist() == ["anger", "anger", "disgust"]
    # The row that is there twice counts once; the face with two labels is left out.
    assert len(index) == 7 * PER_CLASS and not index["path"].str.contains("#box=0,0,4,4").any()


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("0.jpg 0 2 0 10 12 0.5 0", "0.jpg 0 2 0 10 12 0", ("line 1", "<confidence> <label>")),
        ("0.jpg 0 2 0 10 12 0.5 0", "0.jpg 0 2 0 10 12 0.5 7", ("line 1", "unknown label '7'")),
        ("0.jpg 0 2 0 10 12 0.5 0", "0.jpg 0 2 0 nan 12 0.5 0", ("line 1", "'nan' in its box")),
    ],
)
def test_a_faulty_line_of_the_list_of_expw_is_named(root, old, new, words):
    changed(trees_photos.expw(root) / "label/label.lst", old, new)
    fails("expw", root, "label.lst", *words)


@pytest.mark.parametrize(
    "folder, words", [("label", "no list label/label.lst"), ("image", "no folder image")]
)
def test_expw_without_its_list_or_images_is_refused(root, folder, words):
    shutil.rmtree(trees_photos.expw(root) / folder)
    fails("expw", root, words)


# FERPlus, RAF-ML: votes


def test_all_layouts_of_ferplus_give_the_same_labels_and_shares(root):
    known = ["label", "split", *(f"share_{label}" for label in ("neutral", "fear", "contempt"))]
    tables = [
        scan("ferplus", make(root / make.__name__))[known]
        for make in (trees_photos.ferplus_csv, trees_photos.ferplus_folders, trees_photos.ferplus_table)
    ]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    pd.testing.assert_frame_equal(tables[0], tables[2])


def test_ferplus_keeps_a_majority_after_single_votes_and_nothing_else(root):
    index = scan("ferplus", trees_photos.ferplus_csv(root))
    assert index["path"][:2].tolist() == ["fer2013.csv#0", "fer2013.csv#1"]
    # Contempt has six votes of ten, and four others one each: these are no votes for the label, but shares.
    contempt = index[index["label"] == "contempt"].iloc[0]
    assert contempt["share_contempt"] == pytest.approx(0.6) and contempt["share_neutral"] == pytest.approx(
        0.1
    )
    # A tie, a half, `unknown`, no face and an image without a name are in no part.
    assert len(index) == 3 * 8 * PER_CLASS
    assert index["split"].unique().tolist() == ["train", "val", "test"]


def test_votes_of_other_rows_than_the_pixels_are_refused(root):
    changed(trees_photos.ferplus_csv(root) / "fer2013new.csv", "Training,fer0000000.png", "PublicTest,x.png")
    fails("ferplus", root, "not those of fer2013.csv", "same order")


@pytest.mark.parametrize(
    "gone, words",
    [
        ("fer2013new.csv", "no csv files and no folder FER2013Train"),
        ("fer2013.csv", "votes without images"),
    ],
)
def test_ferplus_needs_both_csv_files(root, gone, words):
    (trees_photos.ferplus_csv(root) / gone).unlink()
    fails("ferplus", root, words)


def test_the_authors_repository_without_images_is_refused(root):
    for image in trees_photos.ferplus_folders(root).rglob("*.png"):
        image.unlink()
    fails("ferplus", root, "none of the 48 listed images is there", "generate_training_data.py")


def test_raf_ml_is_labelled_by_more_than_half_of_the_votes(root):
    index = scan("raf-ml", trees_photos.raf_ml(root))
    first = index.iloc[0]
    assert first[["path", "label", "split"]].tolist() == [
        "Image/aligned/000_aligned.jpg",
        "surprise",
        "train",
    ]
    assert first[["share_surprise", "share_fear"]].tolist() == pytest.approx([0.6, 0.08])
    assert not index["path"].str.contains("/.6._").any()  # half and half
    assert index.groupby("split").size().to_dict() == {"train": 12, "test": 12}


def test_raf_ml_without_its_list_of_parts_has_no_splits(root):
    (trees_photos.raf_ml(root) / "EmoLabel/partition_label.txt").unlink()
    assert scan("raf-ml", root)["split"].isna().all()


def test_the_soft_labels_are_in_the_cache_which_follows_them(root):
    listed = trees_photos.raf_ml(root) / "EmoLabel/distribution.txt"

    def cached():
        return load_images(spec_for("raf-ml", root), root, 12, progress=False).index["share_surprise"][0]

    assert cached() == pytest.approx(0.6)
    changed(listed, "000.jpg 0.6", "000.jpg 0.9")
    assert cached() == pytest.approx(0.9 / 1.3)


@pytest.mark.parametrize(
    "file, old, new, words",
    [
        ("distribution.txt", "000.jpg 0.6", "000.jpg", ("line 1", "<surprise> <fear>")),
        ("distribution.txt", "000.jpg 0.6", "000.jpg -0.6", ("line 1", "the shares -0.6")),
        ("partition_label.txt", "000.jpg 0", "000.jpg 2", ("line 1", "the number '2'", "0 to 1")),
        (
            "partition_label.txt",
            "001.jpg 0",
            "000.jpg 1",
            ("line 2", "contradicts another line of '000.jpg'"),
        ),
    ],
)
def test_a_faulty_line_of_a_list_of_raf_ml_is_named(root, file, old, new, words):
    changed(trees_photos.raf_ml(root) / "EmoLabel" / file, old, new)
    fails("raf-ml", root, file, *words)


@pytest.mark.parametrize("name, make", [("raf-ml", trees_photos.raf_ml), ("raf-ce", trees_photos.raf_ce)])
def test_raf_without_the_aligned_images_is_refused(root, name, make):
    for image in make(root).rglob("*.jpg"):
        image.unlink()
    fails(name, root, "listed images is there", "unpack the archive of aligned images")
    for folder in list(root.rglob("aligned")):
        folder.rmdir()
    fails(name, root, "no folder of aligned images")


def test_a_name_that_no_file_can_have_is_a_missing_image(root):
    changed(trees_photos.raf_ml(root) / "EmoLabel/distribution.txt", "000.jpg", "0\x000.jpg")
    faces = load_images(spec_for("raf-ml", root), root, 12, progress=False)
    assert [reason for _, reason in faces.unreadable] == ["missing"]


# RAF-CE


def test_raf_ce_numbers_its_classes_and_parts_in_its_own_way(root):
    index = scan("raf-ce", trees_photos.raf_ce(root))
    assert index["label"].drop_duplicates().tolist() == list(raf_ce.LABELS)
    assert index["label"].drop_duplicates().tolist()[9] == "angrily_surprised" != COMPOUND[9]
    assert index["split"].drop_duplicates().tolist() == ["train", "test", "val"]
    assert index["path"][0] == "aligned/0000_aligned.jpg"
    # One image is coded, with a unit on the left side alone; the next is `null`.
    assert index.loc[0, ["AU1", "AU2", "AU12"]].tolist() == pytest.approx([0.6, 0, 0.6])
    assert np.isnan(unit_intensities(index)[1]).all()


@pytest.mark.parametrize("kind", ["emolabel", "partition"])
def test_raf_ce_without_one_of_its_lists_is_refused(root, kind):
    (trees_photos.raf_ce(root) / f"RAFCE_{kind}.txt").unlink()
    fails("raf-ce", root, f"no list RAFCE_{kind}.txt")


def test_lists_of_raf_ce_that_do_not_belong_together_are_refused(root):
    changed(trees_photos.raf_ce(root) / "RAFCE_partition.txt", "0003.jpg 0\n", "")
    fails("raf-ce", root, "lacks 1 of 84 images of RAFCE_emolabel.txt", "0003_aligned.jpg")
