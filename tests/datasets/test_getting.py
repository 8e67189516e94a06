"""`fer-meta data get`: what is downloaded arrived whole, or nothing looks finished."""

import errno
import hashlib
import io
import json
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from helpers import hub as fake
from helpers import trees
from PIL import Image

from fer_meta.cli.main import main
from fer_meta.datasets import getting, registry
from fer_meta.datasets.base import OnHub
from fer_meta.datasets.loaders import fer2013

constants = pytest.importorskip("huggingface_hub.constants")

FILES = {
    "data/train.parquet": np.random.default_rng(0).bytes(300_000),
    "data/test.parquet": np.random.default_rng(1).bytes(5_000),
}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub that has the files of `faces`, and huggingface_hub asks it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between attempts
    spec = replace(fer2013.SPEC, name="faces", hub=OnHub(fake.REPO, tuple(FILES)))
    monkeypatch.setitem(registry.CATALOGUE, "faces", spec)
    with fake.serving(dict(FILES)) as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        yield hub


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_META_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def get(*words, accept=True, **options):
    return CliRunner().invoke(
        main, ["data", "get", *words, *(["--accept-licence"] if accept else [])], **options
    )


def line(done, status):
    """The one line of an error."""
    assert done.exit_code == status, done.output
    said = [text for text in done.stderr.splitlines() if text.startswith("fer-meta: ")]
    assert len(said) == 1 and "Traceback" not in done.output
    return said[0]


def test_all_files_arrive_with_their_commit_and_checksums(hub, home):
    done = get("faces")
    assert done.exit_code == 0 and fer2013.SPEC.licence in " ".join(done.output.split())
    for name, data in FILES.items():
        assert (home / "faces" / name).read_bytes() == data
    lock = json.loads((home / "faces" / getting.LOCK).read_text())
    assert (lock["repo"], lock["revision"]) == (fake.REPO, fake.COMMIT)
    assert {name: file["sha256"] for name, file in lock["files"].items()} == {
        name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()
    }
    assert [path.name for path in home.iterdir()] == ["faces"]
    assert sorted(path.name for path in (home / "faces").iterdir()) == ["data", getting.LOCK]


def test_fer2013_can_be_read_as_it_arrives(hub, home, monkeypatch):
    """In the form of the copy on the hub: three parquet files with images and the challenge's numbers."""
    names = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
    hub.files = {name: parquet(name, names) for name in fer2013.HUB.files}
    spec = replace(fer2013.SPEC, hub=replace(fer2013.HUB, repo=fake.REPO))
    monkeypatch.setitem(registry.CATALOGUE, "fer2013", spec)
    assert get("fer2013").exit_code == 0
    faces = registry.load("fer2013", home / "fer2013", 12)
    assert faces.index.groupby("split").size().to_dict() == {"train": 7, "val": 7, "test": 7}
    assert faces.index["label"].head(7).to_list() == list(fer2013.LABELS) and not faces.unreadable
    done = CliRunner().invoke(main, ["data", "check", "fer2013"])
    assert "21 images" in done.output and getting.LOCK not in done.output


def parquet(key: str, names: list[str]) -> bytes:
    """One file as the hub's own tools write it: a picture of each label."""
    rows = []
    for label, _ in enumerate(names):
        picture = io.BytesIO()
        Image.fromarray(trees.pixels(f"{key}{label}")).save(picture, format="PNG")
        rows.append({"image": {"bytes": picture.getvalue(), "path": None}, "label": label})
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
    about = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows).replace_schema_metadata(about), file)
    return file.getvalue()


def test_a_second_run_compares_and_downloads_nothing(hub, home):
    get("faces")
    hub.asked.clear()
    done = get("faces", accept=False)
    assert done.exit_code == 0 and "as it was downloaded" in done.output and not hub.asked
    (home / "faces/data/test.parquet").write_bytes(b"other")
    assert "is not the file that was downloaded; delete the folder" in line(get("faces"), 2)


def test_a_connection_that_breaks_is_taken_up_where_it_broke(hub, home, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 50_000)  # what is written at a time
    hub.breaks_at = 200_000
    assert get("faces").exit_code == 0
    assert ("GET", "data/train.parquet", 200_000) in hub.asked
    assert (home / "faces/data/train.parquet").read_bytes() == FILES["data/train.parquet"]


def test_a_connection_that_breaks_each_time_is_one_line(hub, home):
    hub.breaks_at = 1
    assert "broke off" in line(get("faces"), 1)
    assert not (home / "faces").exists()


def test_wrong_bytes_look_unfinished_and_the_files_that_are_right_are_kept(hub, home):
    hub.flips.add("data/test.parquet")
    assert "did not arrive as the hub states" in line(get("faces"), 2)
    assert not (home / "faces").exists()
    hub.flips.clear()
    hub.asked.clear()
    assert get("faces").exit_code == 0
    assert {name for method, name, _ in hub.asked if method == "GET"} == {"data/test.parquet"}


def test_a_revision_can_be_named_and_an_unknown_one_is_one_line(hub, home):
    assert "has no revision 0000000" in line(get("faces", "--revision", "0000000"), 2)
    assert get("faces", "--revision", fake.COMMIT).exit_code == 0
    assert f"at revision {fake.COMMIT}; name another folder" in line(get("faces", "--revision", "0000000"), 2)


def test_a_data_set_that_asks_for_access_says_where(hub, home):
    hub.gated = True
    said = line(get("faces"), 2)
    assert f"https://huggingface.co/datasets/{fake.REPO}" in said and "hf auth login" in said
    assert not (home / "faces").exists()


def test_a_data_set_or_a_file_that_is_gone_is_one_line(hub, home, monkeypatch):
    del hub.files["data/test.parquet"]
    assert "has no data/test.parquet" in line(get("faces"), 2)
    monkeypatch.setitem(
        registry.CATALOGUE, "faces", replace(registry.CATALOGUE["faces"], hub=OnHub("no/one", ("a",)))
    )
    assert "no such data set" in line(get("faces"), 2)


@pytest.mark.parametrize("how", ["no server", "told to stay offline"])
def test_without_a_network_the_line_says_so(hub, home, monkeypatch, how):
    if how == "no server":
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    else:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "could not be reached" in line(get("faces"), 1)
    assert not (home / "faces").exists()


def test_a_full_disk_is_one_line_with_the_fix(hub, home, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    assert "no space left" in line(get("faces"), 1)


@pytest.mark.parametrize("answer", ["n\n", "\n"])
def test_nothing_is_downloaded_unless_the_licence_is_accepted(hub, home, monkeypatch, answer):
    assert "--accept-licence" in line(get("faces", accept=False), 2)
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True, raising=False)
    assert "was not accepted" in line(get("faces", accept=False, input=answer), 2)
    assert not hub.asked and not home.exists()
    assert get("faces", accept=False, input="y\n").exit_code == 0


def test_a_folder_of_the_user_is_left_alone(hub, home, tmp_path):
    mine = trees.face(home / "faces/happy/1.png").parent
    assert "not downloaded; name another folder with --out" in line(get("faces"), 2)
    assert list(mine.iterdir())
    assert get("faces", "--out", str(tmp_path / "other")).exit_code == 0


def test_where_to_is_asked_for(hub):
    assert "FER_META_DATA" in line(get("faces"), 2)


def test_a_data_set_that_needs_an_agreement_prints_the_steps_until_it_is_here(home):
    done = get("rafdb-basic")
    said = " ".join(done.output.split())
    assert done.exit_code == 2 and "http://www.whdeng.cn/RAF" in said and "list_patition_label.txt" in said
    trees.rafdb_basic(home / "rafdb-basic")
    assert get("rafdb-basic").exit_code == 0


def test_a_rendered_set_needs_no_download_and_an_unknown_one_is_an_error(home):
    assert "needs no download" in get("synthetic-wild").output
    assert "no folder" in line(get("nothing-like-it"), 2)


def test_a_missing_extra_says_what_to_install(hub, home, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "pip install 'fer-meta[hub]'" in line(get("faces"), 1)
