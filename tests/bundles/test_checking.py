"""What is said of a bundle that somebody changed."""

import json
import stat
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from helpers import bundled

from fer_meta.bundles.checking import check
from fer_meta.cli.main import main

RUN = "runs/protonet-fer2013-to-press_faces-seed0"


def faults(path, tmp_path):
    (tmp_path / "into").mkdir()
    return check(path, tmp_path / "into").faults


def member(path, name):
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


def test_a_bundle_that_nobody_changed_is_sound(whole, tmp_path):
    assert faults(whole, tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"table.csv": b"x"}, "table.csv has 1 bytes"),
        ({f"{RUN}/DONE": None}, f"{RUN}/DONE is missing"),
        ({f"{RUN}/DONE": b"{}"}, f"{RUN}/DONE has 2 bytes"),
        ({"surplus.csv": b"x"}, "surplus.csv is not in manifest.json"),
        ({"face.png": b"x"}, "face.png is no file of results"),
        ({"../evil.csv": b"x"}, "../evil.csv is no file of results, or leads out of the bundle"),
        ({"runs/../evil/DONE": b"x"}, "runs/../evil/DONE is no file of results, or leads out"),
        ({"/evil.csv": b"x"}, "/evil.csv is no file of results, or leads out of the bundle"),
        ({"runs\\..\\..\\evil\\DONE": b"x"}, "is no file of results, or leads out of the bundle"),
        ({"manifest.json": None}, "manifest.json is missing"),
        ({"manifest.json": b"{"}, "manifest.json cannot be read"),
        ({"manifest.json": b"[" * 100_000}, "manifest.json cannot be read"),
        ({"manifest.json": b'{"format": 2}'}, "is of a newer fer-meta (format 2, this one reads 1); update"),
        ({"manifest.json": b'{"format": 1}'}, "manifest.json fer_meta: Field required"),
    ],
)
def test_what_is_changed_is_said_in_one_line_and_nothing_leaves_the_folder(whole, tmp_path, changes, said):
    bad = bundled.rezipped(whole, tmp_path / "bad.zip", changes)
    found = faults(bad, tmp_path)
    assert len(found) == 1 and said in found[0]
    assert {path.name for path in tmp_path.iterdir()} == {"bad.zip", "into"}


def test_a_changed_byte_is_said(whole, tmp_path):
    name = f"{RUN}/run.json"
    bad = bundled.rezipped(whole, tmp_path / "bad.zip", {name: member(whole, name).replace(b"48", b"49")})
    assert faults(bad, tmp_path) == [f"{name} was changed: its SHA-256 is not that of manifest.json"]


def test_a_link_is_refused(whole, tmp_path):
    bad = bundled.rezipped(whole, tmp_path / "bad.zip", {"runs/x/DONE": None})
    with zipfile.ZipFile(bad, "a") as archive:
        link = zipfile.ZipInfo("runs/x/DONE")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert faults(bad, tmp_path) == ["runs/x/DONE is a link or something else that is no file"]


def test_a_file_that_is_there_twice_is_refused(whole, tmp_path):
    bad = bundled.rezipped(whole, tmp_path / "bad.zip")
    with zipfile.ZipFile(bad, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("table.csv", b"x")
    assert faults(bad, tmp_path) == ["table.csv is there 2 times"]


def test_a_zip_bomb_is_not_unpacked(whole, tmp_path):
    bad = bundled.rezipped(whole, tmp_path / "bad.zip", {"bomb.csv": bytes(60_000_000)})
    [fault] = faults(bad, tmp_path)
    assert "cannot hold" in fault and not any((tmp_path / "into").iterdir())


def test_answers_that_would_fill_the_memory_are_not_read(whole, tmp_path):
    table = pa.table({"shots": pa.array(np.zeros(5_000_000, np.int16))})
    pq.write_table(table, tmp_path / "many.parquet")
    many = (tmp_path / "many.parquet").read_bytes()
    name = "episodes/many.parquet"
    bad = bundled.resaid(whole, tmp_path / "bad.zip", {name: many})
    assert faults(bad, tmp_path) == [f"{name}: 5,000,000 rows, which its {len(many):,} bytes cannot hold"]


def test_a_forged_answer_is_found_by_its_seal(whole, tmp_path):
    name = f"{RUN}/run.json"
    forged = json.dumps(json.loads(member(whole, name)) | {"image_size": 96}).encode()
    bad = bundled.resaid(whole, tmp_path / "bad.zip", {name: forged})
    assert faults(bad, tmp_path) == [f"{RUN}: run.json was changed after it was written"]


def test_a_forged_table_is_found_by_the_answers(whole, tmp_path):
    lines = member(whole, "table.csv").decode().splitlines(keepends=True)
    row = lines[1].split(",")
    place = lines[0].split(",").index("accuracy")
    forged = "".join([lines[0], ",".join([*row[:place], "0.99", *row[place + 1 :]]), *lines[2:]]).encode()
    bad = bundled.resaid(whole, tmp_path / "bad.zip", {"table.csv": forged})
    assert faults(bad, tmp_path) == [
        f"table.csv is not what the answers give: accuracy in row 1 is '0.99', not '{row[place]}'"
    ]


def test_a_column_under_another_name_is_compared_with_nothing_and_so_a_fault(whole, tmp_path):
    renamed = member(whole, "table.csv").replace(b"accuracy", b"Accuracy", 1)
    other = bundled.resaid(whole, tmp_path / "bad.zip", {"table.csv": renamed})
    assert faults(other, tmp_path) == ["table.csv is not what the answers give: it has other columns"]


def test_a_bundle_of_another_version_may_have_other_columns(whole, tmp_path):
    more = b"\n".join(line + b",1" for line in member(whole, "table.csv").splitlines())
    bundle = bundled.resaid(
        whole, tmp_path / "old.zip", {"table.csv": more}, lambda said: said | {"fer_meta": "0.0.1"}
    )
    assert faults(bundle, tmp_path) == []


def test_another_rounding_of_the_last_decimal_is_no_fault(whole, tmp_path):
    text = member(whole, "table.csv").decode()
    number = next(cell for cell in text.split(",") if cell.startswith("0.") and len(cell) == 8)
    other = f"{float(number) + 1e-6:.6f}"
    rounded = text.replace(f",{number},", f",{other},", 1).encode()
    assert rounded != text.encode()
    assert faults(bundled.resaid(whole, tmp_path / "bad.zip", {"table.csv": rounded}), tmp_path) == []


def test_a_manifest_that_says_more_than_the_runs_is_a_fault(whole, tmp_path):
    def boast(said):
        return said | {"facts": said["facts"] | {"commits": ["f" * 40]}}

    bad = bundled.resaid(whole, tmp_path / "bad.zip", {}, boast)
    assert faults(bad, tmp_path) == ["manifest.json: commits is not what the runs say"]


def test_a_line_for_each_fault_of_each_bundle_and_status_2(whole, tmp_path):
    bad = bundled.rezipped(whole, tmp_path / "bad.zip", {"table.csv": b"x", "recall.csv": b"y"})
    (tmp_path / "no.zip").write_text("no zip")
    result = CliRunner().invoke(main, ["verify", str(bad), str(tmp_path / "no.zip"), str(whole)])
    lines = result.output.splitlines()
    assert result.exit_code == 2 and len(lines) == 5
    assert lines[0].startswith(f"{bad}: recall.csv has 1 bytes")
    assert "no.zip: is no bundle" in lines[2] and "sound; 10 runs" in lines[3]
    assert lines[4].startswith("2 of 3 bundles have a fault; obtain it again")


@pytest.mark.parametrize("name, said", [
    ("mine", "mine: is a folder; `fer-meta export mine` makes a bundle of it"),
    ("mime.zip", "mime.zip: no such file; did you mean mine.zip?"),
    ("x.zip", "x.zip: no such file; give a bundle that `fer-meta export` wrote"),
])  # fmt: skip
def test_what_is_no_file_is_not_to_be_obtained_again(name, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine.zip").touch()
    result = CliRunner().invoke(main, ["verify", name])
    assert (result.exit_code, result.output) == (2, f"{said}\n")
