"""Loaders: the official layouts, right and wrong."""

import re

import numpy as np
import pandas as pd
import pytest
from helpers import layouts, trees
from helpers.layouts import fails, scan

from fer_meta.datasets import shares, units
from fer_meta.datasets.base import INDEX_COLUMNS, SPLITS
from fer_meta.datasets.registry import CATALOGUE, locate, spec_for
from fer_meta.errors import DatasetError
from fer_meta.expressions import BASIC


@pytest.fixture(params=layouts.TREES)
def tree(request, tmp_path):
    """(specification, root) of every layout of every data set."""
    name, make = layouts.TREES[request.param]
    root = make(tmp_path / "data")
    return spec_for(name, root), root


def test_every_layout_keeps_the_index_contract(tree):
    spec, root = tree
    index = spec.scan(root)
    assert tuple(index.columns[: len(INDEX_COLUMNS)]) == INDEX_COLUMNS
    assert set(index.columns) <= {*INDEX_COLUMNS, *units.COLUMNS, *shares.COLUMNS}
    assert [str(index[column].dtype) for column in INDEX_COLUMNS] == [
        "Int64" if column == "frame" else "string" for column in INDEX_COLUMNS
    ]
    assert index["path"].is_unique and not index["path"].str.contains(r"\\|^/").any()
    assert set(index["label"]) <= set(spec.vocabulary)
    assert set(index["split"].dropna()) <= set(SPLITS)
    # Each class of each split has the same number of images in the trees, so nothing was lost or mislabelled.
    for (label, _), found in index.groupby(["label", "split"], dropna=False).size().items():
        assert found == layouts.size(spec.name, label), label
    if spec.name in CATALOGUE:
        assert index["label"].nunique() == layouts.classes(spec.name)


def test_every_indexed_image_can_be_read(tree):
    spec, root = tree
    for path in spec.scan(root)["path"]:
        assert np.asarray(spec.read(root, path)).dtype == np.uint8


def test_a_second_scan_gives_the_same_order(tree):
    spec, root = tree
    pd.testing.assert_frame_equal(spec.scan(root), spec.scan(root))


def test_litter_is_passed_over(tree):
    spec, root = tree
    before = spec.scan(root)
    for litter in (".DS_Store", "__MACOSX/anger/._1.jpg", ".hidden/1.jpg", "Thumbs.db"):
        (root / litter).parent.mkdir(exist_ok=True, parents=True)
        (root / litter).write_bytes(b"")
    pd.testing.assert_frame_equal(spec.scan(root), before)


@pytest.mark.parametrize("name", [*CATALOGUE, "faces"])
def test_an_empty_folder_is_refused_with_what_was_expected_and_how_to_get_it(name, tmp_path):
    message = fails(name, tmp_path, str(tmp_path), "expected")
    if name in CATALOGUE:
        assert (
            f"to obtain it: {CATALOGUE[name].obtain}; if these are images of your own, give them another name"
            in message
        )


def test_every_specification_tells_what_a_user_needs(tree):
    spec, _ = tree
    assert all((spec.title, spec.summary, spec.obtain, spec.layout, spec.licence, spec.citation))


def test_published_counts_add_up():
    for spec in CATALOGUE.values():
        counts = {(p.split, p.label): p.counts[0] for p in spec.published}
        for split in SPLITS:
            parts = [number for (of, label), number in counts.items() if of == split and label]
            assert not parts or sum(parts) == counts[split, None]


# fer2013


def test_the_csv_keeps_its_pixels_labels_and_usage(tmp_path):
    root = trees.fer2013_csv(tmp_path)
    index = scan("fer2013", root)
    assert index.loc[0, ["path", "label", "split"]].tolist() == ["fer2013.csv#0", "anger", "train"]
    assert index["split"].unique().tolist() == ["train", "val", "test"]
    image = CATALOGUE["fer2013"].read(root, "fer2013.csv#15")
    assert (image == trees.pixels("PublicTest01", 48 * 48).reshape(48, 48)).all()


def test_both_csv_files_give_the_same_faces(tmp_path):
    one = trees.fer2013_csv(tmp_path / "one")
    other = trees.fer2013_csv(tmp_path / "other", "icml_face_data.csv", blanks=True)
    read = CATALOGUE["fer2013"].read
    for row in (0, 41):
        assert (read(one, f"fer2013.csv#{row}") == read(other, f"icml_face_data.csv#{row}")).all()


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("Training", "Holiday", ("line 2", "Usage 'Holiday'")),
        ("\n0,", "\n7,", ("line 2", "emotion '7'")),
        ("Usage", "Use", ("expected the columns 'emotion', 'pixels' and 'Usage'",)),
        ("pixels", "picture", ("expected the columns 'emotion', 'pixels' and 'Usage'",)),
        ("pixels", "Usage", ("expected the columns 'emotion', 'pixels' and 'Usage', once each",)),
        (",Training", ",Training,more", ("line 2 has 4 cells and the header has 3",)),
        ("emotion,pixels,Usage\n", "emotion,pixels,Usage\n\n0,\n", ("line 3 has 2 cells",)),
        ("\n0,", '\n"0,', ("line 2 is not a row of a csv",)),
        ("Training", "Train\udcffing", ("line 2 is not UTF-8",)),
    ],
)
def test_a_csv_with_something_unknown_is_refused(tmp_path, old, new, words):
    root = trees.fer2013_csv(tmp_path)
    path = root / "fer2013.csv"
    path.write_bytes(path.read_text().replace(old, new, 1).encode(errors="surrogateescape"))
    fails("fer2013", root, "fer2013.csv", *words)


def test_the_merged_mirror_gets_its_validation_split_back_from_the_names(tmp_path):
    index = scan("fer2013", trees.fer2013_merged(tmp_path))
    assert (
        index["split"]
        == index["path"]
        .str.extract("(Training|PublicTest|PrivateTest)")[0]
        .map({"Training": "train", "PublicTest": "val", "PrivateTest": "test"})
    ).all()


def test_a_merged_mirror_without_names_keeps_train_and_test(tmp_path):
    for folder in ("train", "test"):
        trees.face(tmp_path / folder / "happy" / "im0.png")
    assert set(scan("fer2013", tmp_path)["split"]) == {"train", "test"}


@pytest.mark.parametrize(
    "path",
    ["train/angry/PrivateTest_9.jpg", "test/angry/PublicTest_9.jpg", "validation/angry/Training_9.jpg"],
)
def test_a_name_that_contradicts_its_folder_is_an_error(tmp_path, path):
    trees.face(trees.fer2013_folders(tmp_path) / path)
    fails("fer2013", tmp_path, path, "the name says")


@pytest.mark.parametrize(
    "path, word",
    [
        ("train/contempt/Training_1.jpg", "not a known expression"),
        ("train/bored/Training_1.jpg", "not a known expression"),
        ("train/stray.jpg", "fits no known layout"),
        ("extra/happy/1.jpg", "fits no known layout"),
    ],
)
def test_fer2013_folders_with_something_else_in_them_are_refused(tmp_path, path, word):
    trees.face(trees.fer2013_folders(tmp_path) / path)
    fails("fer2013", tmp_path, word)


# RAF-DB


def test_rafdb_follows_its_list_to_the_aligned_faces(tmp_path):
    index = scan("rafdb-basic", trees.rafdb_basic(tmp_path))
    assert index.loc[0, ["path", "label", "split"]].tolist() == [
        "basic/Image/aligned/train_00001_aligned.jpg",
        "surprise",
        "train",
    ]
    # The last line of the list ends without a newline.
    assert index.iloc[-1]["path"].endswith("test_0014_aligned.jpg")
    assert index["label"].drop_duplicates().tolist() == list(BASIC)
    assert index["subject"].isna().all()


def test_basic_and_compound_in_one_folder_are_told_apart(tmp_path):
    trees.rafdb_compound(trees.rafdb_basic(tmp_path))
    basic, compound = scan("rafdb-basic", tmp_path), scan("rafdb-compound", tmp_path)
    assert set(basic["path"]).isdisjoint(compound["path"])
    assert not set(basic["label"]) & set(compound["label"])


def test_the_kaggle_mirror_gives_the_same_index_as_the_list(tmp_path):
    mirror = scan("rafdb-basic", trees.rafdb_kaggle(tmp_path / "mirror"))
    official = scan("rafdb-basic", trees.rafdb_basic(tmp_path / "official"))
    for index in (mirror, official):
        index["path"] = index["path"].str.rsplit("/", n=1).str[-1]
    pd.testing.assert_frame_equal(mirror, official)


def test_a_compound_list_given_as_basic_is_refused(tmp_path):
    trees.rafdb(tmp_path, "compound", nested=False)
    fails("rafdb-basic", tmp_path, "unknown label '8'", "expected 1 to 7")


def test_a_folder_of_the_other_subset_is_refused(tmp_path):
    trees.rafdb_basic(tmp_path)
    fails("rafdb-compound", tmp_path / "basic", "basic set")


def test_a_list_as_long_as_the_basic_one_is_no_compound_list(tmp_path):
    trees.rafdb(tmp_path, "compound", nested=False)
    rows = [f"train_{n:05}.jpg {n % 7 + 1}" for n in range(1, 15340)]
    (tmp_path / "EmoLabel/list_patition_label.txt").write_text("\n".join(rows))
    fails("rafdb-compound", tmp_path, "15339 images are the basic set")


@pytest.mark.parametrize(
    "line, words",
    [
        ("train_00001.jpg 12", ("unknown label '12'", "line 1")),
        ("train_00001.jpg", ("line 1", "expected '<name> <label>'")),
        ("valid_00001.jpg 3", ("line 1", "valid_00001.jpg")),
        ("train_00002.jpg 1", ("listed twice",)),
        ("train_\udce900001.jpg 1", ("line 1", "not UTF-8")),
    ],
)
def test_a_faulty_line_of_the_list_is_named(tmp_path, line, words):
    listed = trees.rafdb_basic(tmp_path) / "basic/EmoLabel/list_patition_label.txt"
    listed.write_bytes(
        "\n".join([line, *listed.read_text().splitlines()[1:]]).encode(errors="surrogateescape")
    )
    fails("rafdb-basic", tmp_path, "list_patition_label.txt", *words)


def test_a_missing_list_is_an_error(tmp_path):
    (trees.rafdb_basic(tmp_path) / "basic/EmoLabel/list_patition_label.txt").unlink()
    fails("rafdb-basic", tmp_path, "no list of labels", "EmoLabel/list_patition_label.txt")


def test_a_list_without_any_of_its_images_is_an_error(tmp_path):
    aligned = trees.rafdb_basic(tmp_path) / "basic/Image/aligned"
    for image in aligned.iterdir():
        image.rename(image.with_name(image.name.replace("_aligned", "")))
    fails("rafdb-basic", tmp_path, "none of the 28 listed images", "train_00001_aligned.jpg")


def test_a_mirror_whose_table_contradicts_its_folders_is_refused(tmp_path):
    table = trees.rafdb_kaggle(tmp_path) / "test_labels.csv"
    table.write_text(table.read_text().replace("test_0001_aligned.jpg,1", "test_0001_aligned.jpg,4"))
    fails("rafdb-basic", tmp_path, "test_0001_aligned.jpg", "is in folder 1", "says 4")


@pytest.mark.parametrize(
    "old, new, words",
    [
        (
            "test_0001_aligned.jpg,1",
            "test_0001_aligned.jpg,1,x",
            ("line 2 has 3 cells and the header has 2",),
        ),
        ("test_0001_aligned.jpg,1", "\udcff,1", ("line 2 is not UTF-8",)),
        ("image,label", "image,labels", ("'image' and 'label'",)),
    ],
)
def test_a_faulty_table_of_the_mirror_is_refused(tmp_path, old, new, words):
    table = trees.rafdb_kaggle(tmp_path) / "test_labels.csv"
    table.write_bytes(table.read_text().replace(old, new, 1).encode(errors="surrogateescape"))
    fails("rafdb-basic", tmp_path, "test_labels.csv", *words)


# AFEW


@pytest.mark.parametrize("make", [trees.afew, trees.afew_background, trees.afew_unpacked, trees.afew_tracks])
def test_afew_clips_are_known_by_split_class_and_name(tmp_path, make):
    index = scan("afew", make(tmp_path))
    assert index["clip"].nunique() == 14
    # This name occurs in both splits; the official validation part is the test split.
    assert {"train/anger/000000000", "test/anger/000000000"} <= set(index["clip"])
    assert set(index["split"]) == {"train", "test"}
    assert index["frame"].tolist() == [1, 2] * 14


def test_frames_are_in_the_order_of_time(tmp_path):
    for frame in (10, 9, 1):
        trees.face(tmp_path / "Train_AFEW/Happy/000000001" / f"{frame}.jpg")
    assert scan("afew", tmp_path)["frame"].tolist() == [1, 9, 10]


def test_a_frame_whose_number_no_column_holds_is_an_error_that_names_it(tmp_path):
    trees.face(tmp_path / "Train_AFEW/Happy/000000001" / f"{'9' * 20}.jpg")
    fails("afew", tmp_path, "9.jpg", "more than 18 digits")


def test_afew_test_clips_have_no_labels_and_are_left_out(tmp_path):
    trees.face(trees.afew(tmp_path) / "Test_AFEW/000000001/1.jpg")
    assert len(scan("afew", tmp_path)) == 28


def test_a_clip_of_no_class_is_an_error_that_names_it(tmp_path):
    (trees.afew_unpacked(tmp_path) / "Train_AFEW/Angry/000000000.avi").unlink()
    fails("afew", tmp_path, "Faces/000000000", "unknown class")


def test_a_clip_given_in_two_folders_is_an_error(tmp_path):
    trees.face(trees.afew_unpacked(tmp_path) / "Train_AFEW/Angry/000000000/001.jpg")
    fails("afew", tmp_path, "train/anger/000000000", "keep one copy")


def test_a_film_in_two_classes_is_an_error(tmp_path):
    (trees.afew_tracks(tmp_path) / "Train/Sad/000000000.avi").write_bytes(b"RIFF")
    fails("afew", tmp_path, "the same film is in 'anger' and 'sadness'")


# folders


def test_a_folder_with_splits_takes_subjects_and_licence_from_its_yaml(tmp_path):
    spec = spec_for("faces", trees.folder_splits(tmp_path))
    index = spec.scan(tmp_path)
    assert spec.licence == "mine"
    assert set(index["subject"]) == {"trainingperson0", "trainingperson1", "testingperson0", "testingperson1"}
    assert set(index["label"]) == {"happiness", "contempt", "happily_surprised"}
    assert set(index["split"]) == {"train", "test"}
    assert index["clip"].isna().all()


def test_a_path_that_the_pattern_does_not_match_has_no_subject(tmp_path):
    trees.face(trees.folder_splits(tmp_path) / "training/happy/nobody.png")
    assert scan("faces", tmp_path)["subject"].isna().sum() == 1


def test_a_named_group_may_stand_anywhere_in_the_pattern(tmp_path):
    trees.folder_splits(tmp_path)
    (tmp_path / "fer-meta.yaml").write_text("clip: '(train|test)ing/(?P<clip>[^/]+/[^/]+)_'\n")
    assert "Happy/trainingperson0" in set(scan("faces", tmp_path)["clip"])


@pytest.mark.parametrize(
    "text, words",
    [
        ("subjct: '(.)'", ("unknown key 'subjct'", "subject, clip")),
        ("subject: '([a-z'", ("'subject' is not a regular expression",)),
        ("clip: 'abc'", ("'clip' needs a group",)),
        ("subject: '(nowhere)'", ("'subject' matches none",)),
        ("title: [1, 2]", ("'title' must be text",)),
        ("- subject", ("expected lines `key: value`",)),
        ("subject: '", ("not readable as YAML",)),
        ("title: !!python/object/apply:os.getcwd []", ("not readable as YAML",)),
        ("title: !!float x", ("not readable as YAML",)),
        ("[" * 2000, ("not readable as YAML",)),
        ("title: &a [*a]", ("the alias is inside what it repeats",)),
        ("title: \udcff", ("line 1", "not UTF-8")),
        ("subject: '(a{99999999999})'", ("'subject' is not a regular expression",)),
    ],
)
def test_a_faulty_yaml_is_an_error_that_names_file_and_key(tmp_path, text, words):
    (trees.folder_labels(tmp_path) / "fer-meta.yaml").write_bytes(text.encode(errors="surrogateescape"))
    fails("faces", tmp_path, "fer-meta.yaml", *words)


@pytest.mark.parametrize(
    "path, word",
    [
        ("bored/1.png", "not a known expression"),
        ("1.png", "'1.png'"),
        ("train/happy/1.png", "is next to the split 'train'"),
    ],
)
def test_a_folder_of_another_shape_is_refused(tmp_path, path, word):
    trees.face(trees.folder_labels(tmp_path) / path)
    fails("faces", tmp_path, word)


# where data sets lie


def test_a_given_path_wins_over_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_META_DATA", str(tmp_path))
    (tmp_path / "afew").mkdir()
    (tmp_path / "elsewhere").mkdir()
    assert locate("afew", {}) == tmp_path / "afew"
    assert locate("afew", {"afew": tmp_path / "elsewhere"}) == tmp_path / "elsewhere"


@pytest.mark.parametrize("name", ["afew", "unheard-of"])
def test_a_data_set_that_is_not_here_is_an_error_with_the_mend(name, tmp_path, monkeypatch):
    monkeypatch.setenv("FER_META_DATA", str(tmp_path))
    with pytest.raises(DatasetError, match=re.escape(f"give --data {name}=PATH")) as caught:
        locate(name, {})
    assert name not in CATALOGUE or CATALOGUE[name].obtain in str(caught.value)


@pytest.mark.parametrize("name", ["../secrets", "a/b", "", ".hidden", "a" * 101, "odd\udcff", "two\nlines"])
def test_a_name_cannot_leave_the_data_folder(name, tmp_path, monkeypatch):
    monkeypatch.setenv("FER_META_DATA", str(tmp_path))
    with pytest.raises(DatasetError, match="not a valid name for a data set") as caught:
        locate(name, {})
    assert str(caught.value).isprintable()
