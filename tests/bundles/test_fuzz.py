"""Whatever somebody made of a bundle, it is judged in plain lines, and nothing leaves its folder."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from helpers import bundled
from helpers.fuzz import answer, damaged, few, is_plain, json_files, room
from hypothesis import given
from hypothesis import strategies as st

from fer_meta.bundles.checking import check
from fer_meta.bundles.exporting import export


@pytest.fixture(scope="module")
def small(stored, tmp_path_factory):
    """A bundle of one method."""
    folder = tmp_path_factory.mktemp("small")
    return export(bundled.of_methods(stored, folder, "protonet"), folder / "small.zip").path


def judge(root: Path, content: bytes) -> None:
    """Nothing is beside the bundle afterwards but the folder that it was unpacked into."""
    path = root / "b.zip"
    path.write_bytes(content)
    (root / "into").mkdir()
    found = answer(lambda: check(path, root / "into"), "b.zip")
    assert {one.name for one in root.iterdir()} == {"b.zip", "into"}
    assert found is None or all(fault and is_plain(fault) for fault in found.faults)


@few(25)
@given(data=st.data())
def test_a_bundle_with_damaged_bytes_is_judged(small, data):
    content = data.draw(damaged(small.read_bytes()))
    with room() as root:
        judge(root, content)


@few(15)
@given(data=st.data())
def test_a_bundle_with_any_manifest_is_judged(small, data):
    with zipfile.ZipFile(small) as archive:
        said = json.loads(archive.read("manifest.json"))
    manifest = data.draw(json_files(said))
    bad = bundled.rezipped(small, small.with_name("bad.zip"), {"manifest.json": manifest})
    with room() as root:
        judge(root, bad.read_bytes())


PARTS = ["..", ".", "", "runs", "models", "a", "DONE", "C:", "~", "\\.."]
NAMES = st.one_of(st.text(max_size=30), st.lists(st.sampled_from(PARTS), max_size=6).map("/".join))


@few(40)
@given(name=NAMES, content=st.binary(max_size=20))
def test_a_member_of_any_name_is_judged_and_stays_in_the_folder(name, content):
    member = {"sha256": "0" * 64, "size": len(content)}
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name or "x"), content)
        archive.writestr("manifest.json", json.dumps({"format": 1, "files": {name: member}}))
    with room() as root:
        judge(root, whole.getvalue())
