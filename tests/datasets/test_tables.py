"""Images in tables and in Hugging Face data sets, and csv files by any hand."""

import gzip
import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
from helpers import trees
from PIL import Image

from fer_meta.datasets.registry import load, spec_for
from fer_meta.datasets.tables import csv_rows, whole_number
from fer_meta.errors import DatasetError

ROWS = [
    {"path": "a/1.png", "label": "happy", "subject": "ann", "clip": "c1", "frame": 3, "split": "train"},
    {"path": "a/2.png", "label": "Sad", "subject": None, "clip": None, "frame": None, "split": "PublicTest"},
    {"path": "b/3.png", "label": "1_anger", "subject": "bob", "clip": "c1", "frame": 4, "split": "test"},
]


@pytest.fixture(autouse=True)
def place(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("FER_META_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def root(tmp_path):
    for row in ROWS:
        trees.face(tmp_path / row["path"])
    return tmp_path


def scan(root, name="mine"):
    return spec_for(name, root).scan(root)


def written(root, name, rows=ROWS):
    table = pd.DataFrame(rows).astype({"frame": "Int64"} if "frame" in rows[0] else {})
    if name.endswith("parquet"):
        table.to_parquet(root / name)
    elif name.endswith("jsonl"):
        (root / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    else:
        table.to_csv(root / name, index=False)
    return root


@pytest.mark.parametrize("name", ["manifest.csv", "manifest.parquet", "manifest.jsonl"])
def test_a_table_says_all_that_an_index_knows(root, name):
    index = scan(written(root, name))
    assert index["label"].to_list() == ["happiness", "sadness", "anger"]
    assert index["split"].to_list() == ["train", "val", "test"]
    assert index["subject"].fillna("?").to_list() == ["ann", "?", "bob"]
    assert index["frame"].fillna(-1).to_list() == [3, -1, 4] and index["clip"].notna().sum() == 2
    assert len(load("mine", root, 12).images) == 3


def test_the_table_may_have_any_name_that_the_yaml_says(root):
    written(root, "list of mine.csv")
    (root / "fer-meta.yaml").write_text("manifest: list of mine.csv\nlabels: {Sad: skip}\n")
    assert scan(root)["label"].to_list() == ["happiness", "anger"]
    (root / "fer-meta.yaml").write_text("manifest: other.csv\n")
    with pytest.raises(DatasetError, match="no file .*other.csv; correct 'manifest'"):
        scan(root)


def test_an_imagefolder_with_metadata_in_its_splits_is_read(tmp_path):
    for split in ("train", "validation"):
        for number in range(2):
            trees.face(tmp_path / split / f"{number}.png")
        rows = [{"file_name": "0.png", "label": "happy"}, {"file_name": "1.png", "label": "sad"}]
        written(tmp_path / split, "metadata.jsonl", rows)
    index = scan(tmp_path)
    assert (
        index["path"].to_list()[0] == "train/0.png"
        and index["split"].to_list() == ["train"] * 2 + ["val"] * 2
    )


def test_several_faces_of_one_picture_are_cut_by_their_boxes(tmp_path):
    picture = np.zeros((20, 40), np.uint8)
    picture[:, 20:] = 200
    Image.fromarray(picture).save(tmp_path / "both.png")
    rows = [
        {"path": "both.png", "label": label, "box": box}
        for label, box in (("sad", "0 0 20 20"), ("happy", "20,0,44,20"))
    ]
    images = load("mine", written(tmp_path, "manifest.csv", rows), 12).images
    assert [int(image.mean()) for image in images] == [0, 200]


@pytest.mark.parametrize(
    "change, words",
    [
        ({"path": "../x.png"}, "is not below"),
        ({"path": "/etc/x.png"}, "is not below"),
        ({"path": "a/2.png"}, "in a table twice"),
        ({"label": "bored"}, "line 2: 'bored' is not a known expression"),
        ({"split": "fold1"}, "line 2: 'fold1' is no split"),
        ({"frame": "x"}, "'x' is no number of a frame"),
        ({"box": "1 2 1 4"}, "is not left, top, right, bottom"),
    ],
)
def test_a_wrong_row_is_one_line_that_names_it(root, change, words):
    rows = [{**ROWS[0], "box": None, **change}, *({**row, "box": None} for row in ROWS[1:])]
    pd.DataFrame(rows).to_csv(root / "manifest.csv", index=False)
    with pytest.raises(DatasetError) as raised:
        scan(root)
    assert words in str(raised.value)


def test_a_table_without_labels_or_images_says_what_it_has(root):
    written(root, "manifest.csv", [{"path": "a/1.png", "mood": "happy"}])
    with pytest.raises(DatasetError, match="no column 'label', only path, mood"):
        scan(root)
    written(root, "manifest.csv", [{**ROWS[0], "path": "gone.png"}, ROWS[1]])
    assert load("mine", root, 12).unreadable == (("gone.png", "missing"),)


# Hugging Face


def png(key):
    buffer = io.BytesIO()
    Image.fromarray(trees.pixels(key)).save(buffer, "PNG")
    return buffer.getvalue()


def hub_table(rows, names):
    image = pa.array([{"bytes": png(key), "path": None} for key, _ in rows])
    table = pa.table({"image": image, "label": pa.array([label for _, label in rows], pa.int64())})
    about = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}} if names else {}
    return table.replace_schema_metadata({"huggingface": json.dumps(about)})


NAMES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]


@pytest.mark.parametrize("name", ["mine", "fer2013"])
def test_parquet_files_of_the_hub_are_read(tmp_path, name):
    (tmp_path / "data").mkdir()
    for split in ("train", "validation", "test"):
        rows = [(f"{split}{n}", n % 7) for n in range(10)]
        table = hub_table(rows, NAMES)
        pa.parquet.write_table(table, tmp_path / f"data/{split}-00000-of-00001.parquet", row_group_size=4)
    faces = load(name, tmp_path, 12)
    assert faces.index["split"].value_counts().to_dict() == {"train": 10, "val": 10, "test": 10}
    first = faces.index.query("split == 'train'")
    assert first["label"].to_list()[:4] == ["anger", "disgust", "fear", "happiness"]
    assert (faces.images[first.index[9]][:, :, 0] == trees.pixels("train9")).all()
    assert bool(faces.spec.published) == (name == "fer2013")


def test_arrow_files_of_save_to_disk_are_read(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        table = hub_table([(f"{split}{n}", n) for n in range(7)], NAMES)
        with pa.ipc.new_stream(str(tmp_path / split / "data-00000-of-00001.arrow"), table.schema) as file:
            file.write_table(table, max_chunksize=2)
    faces = load("mine", tmp_path, 12)
    assert len(faces.images) == 14 and set(faces.index["split"]) == {"train", "test"}
    row = faces.index.query("split == 'test' and label == 'neutral'").index[0]
    assert (faces.images[row][:, :, 0] == trees.pixels("test6")).all()


def test_numbers_without_names_are_not_guessed(tmp_path):
    pa.parquet.write_table(hub_table([("a", 0), ("b", 1)], None), tmp_path / "train.parquet")
    with pytest.raises(DatasetError, match="row 0: '0' is not a known expression .*none is guessed"):
        scan(tmp_path)
    (tmp_path / "fer-meta.yaml").write_text("labels: {0: anger, 1: happy}\n")
    assert scan(tmp_path)["label"].to_list() == ["anger", "happiness"]


def test_a_changed_or_cut_parquet_file_is_noticed(tmp_path):
    file = tmp_path / "train.parquet"
    pa.parquet.write_table(hub_table([("a", 0), ("b", 1)], NAMES), file)
    before = load("mine", tmp_path, 12).content
    pa.parquet.write_table(hub_table([("c", 0), ("b", 1)], NAMES), file)
    assert load("mine", tmp_path, 12).content != before
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DatasetError, match="train.parquet: is not a whole file"):
        load("mine", tmp_path, 12)


# csv


FER_CSV = trees.fer2013_csv


def rewritten(root, change):
    file = root / "fer2013.csv"
    file.write_bytes(change(file.read_bytes()))
    return root


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\r\n", b"\n"),
        lambda text: text.replace(b"\r\n", b"\r"),
        lambda text: text.replace(b",", b";"),
        lambda text: text.replace(b",", b"\t"),
        lambda text: text.replace(b",", b" , "),
        lambda text: text.replace(b"emotion,pixels,Usage", b"Emotion, PIXELS,usage"),
        lambda text: quoted(text),
        lambda text: text.replace(b"Training", b"training").replace(b"PrivateTest", b"PRIVATETEST"),
        lambda text: text + b"\r\n\r\n",
    ],
    ids=["BOM", "LF", "CR", "semicolons", "tabs", "blanks", "case", "quotes", "usage", "blank lines"],
)
def test_the_csv_of_fer2013_may_be_written_by_anyone(tmp_path, change):
    plain = load("fer2013", FER_CSV(tmp_path / "plain"), 48)
    other = load("fer2013", rewritten(FER_CSV(tmp_path / "other"), change), 48)
    assert other.content == plain.content and len(other.images) == 42


def quoted(text):
    lines = text.decode().splitlines()
    return "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in lines).encode()


def test_labels_and_pixels_may_be_written_as_floats(tmp_path):
    plain = load("fer2013", FER_CSV(tmp_path / "plain"), 48)
    root = FER_CSV(tmp_path / "other")
    table = pd.read_csv(root / "fer2013.csv").astype({"emotion": float})
    table["pixels"] = [" ".join(f"{value}.0" for value in row.split()) for row in table["pixels"]]
    table.to_csv(root / "fer2013.csv", index=False)
    assert load("fer2013", root, 48).content == plain.content


def test_a_packed_csv_is_read(tmp_path):
    plain = load("fer2013", FER_CSV(tmp_path / "plain"), 48)
    root = FER_CSV(tmp_path / "other")
    (root / "fer2013.csv.gz").write_bytes(gzip.compress((root / "fer2013.csv").read_bytes()))
    (root / "fer2013.csv").unlink()
    assert load("fer2013", root, 48).content == plain.content
    (root / "fer2013.csv.gz").write_bytes(b"\x1f\x8b not packed")
    with pytest.raises(DatasetError, match="not a whole .gz file"):
        scan(root, "fer2013")


@pytest.mark.parametrize(
    "change", [("\n", "\r\n"), (" ", "\t"), (" ", ", "), ("\n", "\r"), ("train_00001", "\ufefftrain_00001")]
)
def test_the_list_of_rafdb_may_be_written_by_anyone(tmp_path, change):
    plain = scan(trees.rafdb_basic(tmp_path / "plain"), "rafdb-basic")
    root = trees.rafdb_basic(tmp_path / "other")
    listed = root / "basic/EmoLabel/list_patition_label.txt"
    listed.write_bytes(listed.read_text().replace(*change).encode())
    pd.testing.assert_frame_equal(scan(root, "rafdb-basic"), plain)


def test_the_images_of_rafdb_may_have_another_ending(tmp_path):
    root = trees.rafdb_basic(tmp_path)
    for image in (root / "basic/Image/aligned").iterdir():
        image.rename(image.with_suffix(".png"))
    assert not load("rafdb-basic", root, 12).unreadable


@pytest.mark.parametrize(
    "text, number",
    [("3", "3"), ("3.0", "3"), ("03", "3"), ("3.0000000e+00", "3"), ("3.5", "3.5"), ("x", "x"), ("-1", "-1")],
)
def test_whole_numbers_are_read_however_they_are_written(text, number):
    assert whole_number(text) == number


def test_the_line_of_a_csv_row_is_its_line_in_an_editor(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"x,y\r\n1,2\r\n\r\n3,4\r\n")
    assert [(row.line, row.cells) for row in csv_rows(tmp_path / "a.csv")] == [
        (1, ["x", "y"]),
        (2, ["1", "2"]),
        (4, ["3", "4"]),
    ]
