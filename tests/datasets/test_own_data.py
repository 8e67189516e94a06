"""Folders of faces in the forms in which people have them. Most come from bug reports of projects that do the
same job.
"""

import os
import tarfile
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from helpers import trees
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fer_meta.cli.data import data
from fer_meta.datasets.audit import audit
from fer_meta.datasets.base import make_index
from fer_meta.datasets.cache import load_images
from fer_meta.datasets.loaders.folder import natural
from fer_meta.datasets.registry import home_of, load, spec_for
from fer_meta.datasets.scanning import file_of
from fer_meta.errors import DatasetError
from fer_meta.expressions import BASIC

SPLIT_NAMES = [
    ("Training", "PublicTest", "PrivateTest"),
    ("FER2013Train", "FER2013Valid", "FER2013Test"),
    ("train_set", "val_set", "test_set"),
    ("train", "dev", "test"),
    ("TRAINING", "Validation", "Testing"),
    ("train-data", "valid", "test images"),
]


@pytest.fixture(autouse=True)
def place(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("FER_META_CACHE", str(tmp_path_factory.mktemp("cache")))


def invoke(*arguments):
    return CliRunner().invoke(data, [str(argument) for argument in arguments]).output


def scan(root, name="mine"):
    return spec_for(name, root).scan(root)


def tree(root, *folders, images=2, suffix=".png"):
    """`images` pictures in each of these folders."""
    for folder in folders:
        for number in range(images):
            trees.face(root / folder / f"{number}{suffix}")
    return root


def says(root, text):
    (root / "fer-meta.yaml").write_text(text)
    return root


# which files are images


def test_every_ending_that_pillow_knows_is_an_image_and_others_are_named(tmp_path):
    for suffix in (".jpg", ".jfif", ".jpe", ".pgm", ".gif", ".PNG", ".webp"):
        picture = Image.fromarray(trees.pixels(suffix))
        kind = {"j": "JPEG", "p": "PPM", "g": "GIF", "P": "PNG", "w": "WEBP"}[suffix[1]]
        (tmp_path / "anger").mkdir(exist_ok=True)
        picture.save(tmp_path / f"anger/a{suffix}", kind)
    Image.fromarray(trees.pixels("h")).save(tmp_path / "anger/h", "PNG")
    said = invoke("check", "mine", "--data", f"mine={tmp_path}")
    assert "mine: 7 images" in said and "1 without an ending, first anger/h" in said


@pytest.mark.parametrize(
    "litter", ["@eaDir/x.jpg", "#recycle/anger", "Thumbs.db", "$RECYCLE.BIN", "__MACOSX"]
)
def test_what_file_servers_and_archives_add_is_no_data(tmp_path, litter):
    tree(tmp_path, "anger", f"anger/{litter}", litter)
    assert list(scan(tmp_path)["path"]) == ["anger/0.png", "anger/1.png"]


# what the names of folders mean


@pytest.mark.parametrize("splits", SPLIT_NAMES)
@pytest.mark.parametrize("order", ["{split}/{label}", "{label}/{split}", "faces/{split}/{label}/clean"])
def test_splits_are_known_by_every_usual_name_wherever_their_folders_are(tmp_path, splits, order):
    for split in splits:
        tree(tmp_path, *(order.format(split=split, label=label) for label in trees.FER_CLASSES))
    counts = pd.crosstab(scan(tmp_path)["label"], scan(tmp_path)["split"])
    assert set(counts.index) == set(BASIC) and (counts[["train", "val", "test"]] == 2).all(axis=None)


@pytest.mark.parametrize("splits", SPLIT_NAMES)
def test_fer2013_is_read_under_every_usual_name_of_its_splits(tmp_path, splits):
    tree(tmp_path, *(f"{split}/{label}" for split in splits for label in trees.FER_CLASSES))
    assert scan(tmp_path, "fer2013")["split"].value_counts().to_dict() == {"train": 14, "val": 14, "test": 14}


def test_a_folder_around_known_data_is_passed_through(tmp_path):
    trees.fer2013_folders(tmp_path / "archive/")
    spec = spec_for("fer2013", tmp_path)
    assert home_of(spec, tmp_path) == tmp_path / "archive"
    assert len(load("fer2013", tmp_path, 12).images) == len(scan(tmp_path / "archive", "fer2013"))


def test_rafdb_is_read_when_its_test_part_is_called_valid(tmp_path):
    for folder, name in (("train", "train"), ("valid", "test")):
        for label in range(1, 8):
            trees.face(tmp_path / folder / str(label) / f"{name}_{label:05}_aligned.jpg")
    assert scan(tmp_path, "rafdb-basic")["split"].value_counts().to_dict() == {"train": 7, "test": 7}


@pytest.mark.parametrize(
    "word, label",
    [
        ("suprise", "surprise"),
        ("joyful", "happiness"),
        ("Neutrality", "neutral"),
        ("scared", "fear"),
        ("0 - anger", "anger"),
        ("1_surprise", "surprise"),
        ("03.Happily-Surprised", "happily_surprised"),
    ],
)
def test_expressions_are_known_by_their_usual_names(tmp_path, word, label):
    assert set(scan(tree(tmp_path, word, "disgust"))["label"]) == {label, "disgust"}


def test_numbers_are_never_guessed_but_may_be_mapped(tmp_path):
    tree(tmp_path, *(f"train/{number}" for number in range(8)))
    with pytest.raises(DatasetError, match=r"train/0: '0' .* none is guessed.*fer-meta.yaml.* labels: \{'0'"):
        scan(tmp_path)
    words = ["neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "skip"]
    says(tmp_path, f"labels: {{{', '.join(f'{n}: {word}' for n, word in enumerate(words))}}}\n")
    assert scan(tmp_path).groupby("label").size().to_dict() == dict.fromkeys(BASIC, 2)


def test_folders_of_people_around_the_labels_are_not_lost(tmp_path):
    tree(tmp_path, *(f"S{person:03}/{label}" for person in range(4) for label in BASIC))
    with pytest.raises(DatasetError, match=r"4 folders \(S000, .*subject: '\^\(\[\^/\]\+\)/'"):
        scan(tmp_path)
    index = scan(says(tmp_path, "subject: '^([^/]+)/'\n"))
    assert len(index) == 56 and set(index["subject"]) == {"S000", "S001", "S002", "S003"}


def test_codes_in_file_names_are_labels_by_a_pattern_and_a_map(tmp_path):
    for person in range(4):
        for code in ("AN", "DI", "AF", "HA", "NE", "SA", "SU"):
            trees.face(tmp_path / f"AF{person:02}{code}S.JPG")
    trees.face(tmp_path / "AF31V.JPG")
    says(
        tmp_path,
        "label: '^AF[0-9]+([A-Z]{2})S'\n"
        "labels: {AN: anger, DI: disgust, AF: fear, HA: happiness, NE: neutral, SA: sadness, su: surprise}\n",
    )
    assert scan(tmp_path).groupby("label").size().to_dict() == dict.fromkeys(BASIC, 4)
    assert "1 .jpg, first AF31V.JPG" in invoke("check", "mine", "--data", f"mine={tmp_path}")


def test_splits_and_frames_may_be_patterns(tmp_path):
    for name in ("a_dev_7", "b_training_12", "c_other_1"):
        trees.face(tmp_path / f"happy/{name}.png")
    says(tmp_path, "split: '_(dev|training)_'\nframe: '([0-9]+)[.]png'\n")
    index = scan(tmp_path).set_index("path")
    assert index.loc["happy/a_dev_7.png", ["split", "frame"]].to_list() == ["val", 7]
    assert index.loc["happy/b_training_12.png", "split"] == "train"
    assert pd.isna(index.loc["happy/c_other_1.png", "split"])


def test_a_data_set_may_bring_labels_of_its_own(tmp_path):
    tree(tmp_path, "train/None", "train/mild", "test/STRONG", "test/very-strong")
    with pytest.raises(DatasetError, match="is not a known expression"):
        scan(tmp_path)
    says(tmp_path, "vocabulary: ['none', mild, strong]\nlabels: {very-strong: strong}\n")
    spec = spec_for("pain", tmp_path)
    assert spec.vocabulary == ("none", "mild", "strong")
    assert spec.scan(tmp_path).groupby("label").size().to_dict() == {"none": 2, "mild": 2, "strong": 4}


@pytest.mark.parametrize(
    "text, words",
    [
        ("labels: [a]", "'labels' must be a mapping"),
        ("labels: {no: sad}", "put both in quotes"),
        ("labels: {'0': bored}", "'bored' is not a known expression"),
        ("labels: {happy: skip, sad: skip}", "leaves out all 4 images"),
        ("vocabulary: [none]", "at least two labels"),
        ("vocabulary: [mild, Mild]", "comes twice"),
        ("vocabulary: [mild, 'a,b']", "'a,b'"),
        ("split: '(happy|sad)'", "'happy' in 'happy/0.png', which is no split"),
        ("frame: '(happy|sad)'", "is no number of a frame"),
        ("label: '([a-z]+)/0'\nlabels: {happy: joy, x: 1}", "must be text"),
    ],
)
def test_a_wrong_mapping_is_one_line(tmp_path, text, words):
    says(tree(tmp_path, "happy", "sad"), text)
    with pytest.raises(DatasetError, match="fer-meta.yaml|number of a frame") as raised:
        scan(tmp_path)
    assert words in str(raised.value)


# who is on the images


def test_people_known_of_some_images_are_said(tmp_path):
    for label in BASIC:
        for number in range(4):
            name = f"anna{number}_{label}" if number % 2 else f"{number}_{label}"
            trees.face(tmp_path / label / f"{name}.png")
    says(tmp_path, "subject: '/(anna[0-9])_'\n")
    for command in (("check", "mine"), ("list", "mine")):
        said = " ".join(invoke(*command, "--data", f"mine={tmp_path}").split())
        assert "2; not known for 14 of 28 images" in said


def test_the_frames_of_a_clip_are_in_the_order_of_their_numbers(tmp_path):
    for number in range(1, 13):
        trees.face(tmp_path / f"happy/clip0/frame_{number}.png")
    says(tmp_path, "clip: '([^/]+/clip[0-9]+)/'\n")
    names = [path.rpartition("_")[2] for path in scan(tmp_path)["path"]]
    assert names == [f"{number}.png" for number in range(1, 13)]


@given(st.lists(st.tuples(st.integers(0, 10**20), st.text("a019²٣/", max_size=4))))
def test_any_names_are_in_the_order_of_their_first_numbers(pairs):
    names = sorted((f"frame_{number}.{rest}" for number, rest in pairs), key=natural)
    assert [int(name[6:].partition(".")[0]) for name in names] == sorted(number for number, _ in pairs)


def test_copies_are_named_where_there_are_no_splits(tmp_path):
    tree(tmp_path, "happy", "sad")
    (tmp_path / "sad/copy.png").write_bytes((tmp_path / "sad/0.png").read_bytes())
    said = invoke("check", "mine", "--data", f"mine={tmp_path}")
    assert "mine/sad/0.png (sadness)" in said and "mine/sad/copy.png (sadness)" in said
    faces = load("mine", tmp_path, 12)
    assert audit(faces).counts.loc["within_split", "images"] == 2


# archives


def packed(root, kind):
    file = root.with_name(f"faces.{kind}")
    names = sorted(path for path in root.rglob("*") if path.is_file())
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            for path in names:
                archive.write(path, path.relative_to(root))
    else:
        with tarfile.open(file, "w") as archive:
            archive.add(root, ".")
    return file


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize(
    "name, make",
    [
        ("mine", trees.folder_splits),
        ("fer2013", trees.fer2013_folders),
        ("fer2013", trees.fer2013_csv),
        ("rafdb-basic", trees.rafdb_basic),
        ("rafdb-basic", trees.rafdb_kaggle),
        ("afew", trees.afew),
    ],
)
def test_an_archive_gives_what_its_folder_gives(tmp_path, kind, name, make):
    root = make(tmp_path / "data")
    file = packed(root, kind)
    inside, outside = load(name, file, 12), load(name, root, 12)
    pd.testing.assert_frame_equal(inside.index, outside.index)
    assert (np.asarray(inside.images) == np.asarray(outside.images)).all() and not inside.unreadable


def test_an_archive_that_changes_is_decoded_again(tmp_path):
    file = packed(tree(tmp_path / "data", "happy", "sad"), "zip")
    before = load("mine", file, 12)
    trees.face(tmp_path / "data/happy/0.png", like="another")
    packed(tmp_path / "data", "zip")
    assert load("mine", file, 12).content != before.content


@pytest.mark.parametrize("name", ["../out.png", "/etc/out.png", "happy/../../out.png"])
def test_an_archive_that_leads_out_of_itself_is_refused(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(DatasetError, match="outside of itself"):
        scan(tmp_path / "faces.zip")


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("keep", [0, 100, 2000])
def test_a_cut_archive_is_one_line(tmp_path, kind, keep):
    file = packed(tree(tmp_path / "data", "happy"), kind)
    file.write_bytes(file.read_bytes()[: min(keep, file.stat().st_size - 1)])
    try:
        faces = load("mine", file, 12)
    except DatasetError as error:
        assert "faces" in str(error) and "\n" not in str(error)
    else:
        assert faces.unreadable or len(faces.images) == 2  # a tar file has padding at its end


# pixels


@pytest.mark.parametrize(
    "mode, scale",
    [(np.uint16, 257), (np.float32, 1 / 255), (np.float32, 1), (np.int32, 257), (np.uint8, 1)],
)
def test_deep_pixels_are_the_same_picture(tmp_path, mode, scale):
    grey = trees.pixels("grey", (12, 12))
    grey[0, :2] = 0, 255
    (tmp_path / "happy").mkdir()
    Image.fromarray((grey * float(scale)).astype(mode)).save(tmp_path / "happy/deep.tiff")
    assert (load("mine", tmp_path, 12).images[0, :, :, 0] == grey).all()


@pytest.mark.parametrize("under", [0, 90, 255])
def test_what_lies_under_transparent_pixels_is_not_seen(tmp_path, under):
    picture = np.full((12, 12, 4), under, np.uint8)
    picture[..., 3], picture[3:9, 3:9] = 0, 200
    picture[3:9, 3:9, 3] = 255
    (tmp_path / "happy").mkdir()
    Image.fromarray(picture).save(tmp_path / "happy/cut_out.png")
    image = load("mine", tmp_path, 12).images[0]
    assert (image[:3] == 0).all() and (image[4:8, 4:8] == 200).all()


@pytest.mark.skipif(os.name == "nt", reason="file names there are text")
def test_a_name_of_any_bytes_is_an_image_or_one_printable_line(tmp_path):
    tree(tmp_path, "anger")
    os.rename(tmp_path / "anger/0.png", bytes(tmp_path / "anger") + b"/\xb8\xdf_1.png")
    with pytest.raises(DatasetError) as raised:
        scan(tmp_path)
    assert str(raised.value).isprintable() and "rename" in str(raised.value)


def test_a_whole_data_set_in_a_new_spelling_is_decoded(tmp_path):
    tree(tmp_path, "Training/0 - anger", "PublicTest/joyful", suffix=".jfif")
    faces = load_images(spec_for("mine", tmp_path), tmp_path, 12, progress=False)
    assert faces.index["split"].to_list() == ["val", "val", "train", "train"] and not faces.unreadable


@pytest.mark.parametrize(
    "path, file",
    [
        ("a/faces.csv#12", "a/faces.csv"),
        ("faces.csv.gz#0", "faces.csv.gz"),
        ("b.MAT#images/7", "b.MAT#images/7"),
        ("b.mat#7", "b.mat"),
        ("c.zip#1.jpg", "c.zip"),
        ("d.avi#33", "d.avi"),
        ("e.jpg#box=0,1,20,30", "e.jpg"),
        ("f.parquet#5", "f.parquet"),
        ("odd#name.jpg", "odd#name.jpg"),
        ("no.csv#dir/x.jpg", "no.csv#dir/x.jpg"),
    ],
)
def test_a_part_of_a_file_is_known_by_that_file(path, file):
    assert file_of(path) == file


@pytest.mark.parametrize("packed", ["faces.mat", "faces.avi", "faces.zip", "faces.csv"])
def test_a_changed_source_of_any_kind_is_decoded_again(tmp_path, packed):
    """A loader of one's own may name a part of a file as FILE#PART."""
    source = tmp_path / packed
    spec = replace(
        spec_for("mine", tree(tmp_path / "other", "happy")),
        scan=lambda root: make_index([{"path": f"{packed}#{n}", "label": "happiness"} for n in range(2)]),
        read=lambda root, path: np.full((12, 12), int((root / packed).read_text()) + int(path[-1]), np.uint8),
    )
    source.write_text("10")
    before = load_images(spec, tmp_path, 12, progress=False)
    source.write_text("100")
    after = load_images(spec, tmp_path, 12, progress=False)
    assert [before.images[1].max(), after.images[1].max()] == [11, 101]
