"""Names from a data set are text wherever they are shown: in a terminal, on a page and in a picture."""

import gzip
import json
import re
import shutil
import tracemalloc
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from helpers import trees
from helpers.fuzz import is_plain

from fer_meta.cli.main import main
from fer_meta.datasets import archives
from fer_meta.datasets.base import OnHub
from fer_meta.datasets.cache import load_images
from fer_meta.datasets.getting import LOCK, download
from fer_meta.datasets.registry import spec_for
from fer_meta.datasets.tables import read_lines
from fer_meta.errors import DatasetError, ImageError
from fer_meta.records.seals import DONE, broken_seal

COMMANDS = {
    "list": [],
    "check": [],
    "sheet": ["--out", "{}/sheet.png"],
    "audit": ["--page", "{}/page.html", "--csv", "{}/tables"],
}


def run(command: str, root: Path, out: Path) -> str:
    words = [word.format(out) for word in COMMANDS[command]]
    done = CliRunner().invoke(main, ["data", command, "faces", *words, "--data", f"faces={root}"])
    assert done.exit_code == 0, (done.output, done.exception)
    assert all(is_plain(line) for line in done.output.split("\n"))
    return done.output


def table(root: Path, **cells: str) -> Path:
    """A user's data set whose table has these words in every row."""
    trees.folder_labels(root)
    images = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    rows = [{"path": path, "label": path.split("/")[0], **cells} for path in images]
    (root / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return root


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["two\nlines", "red\x1b[31m", "half\ud800", "turned\u202e", "<script>"])
def test_a_person_or_a_clip_may_be_called_anything(tmp_path, command, name):
    run(command, table(tmp_path / "faces", subject=name, clip=f"{name} 1"), tmp_path)


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.found += [tag, *(name for name, _ in attributes)]


def decoded(root: Path, place: Path, **meta) -> Path:
    """Decoded images as anybody can make them: without checksums, and with these words in meta.json."""
    load_images(spec_for("faces", trees.folder_labels(root)), root, 8, progress=False)
    (made,) = (root.parent / "cache").iterdir()
    shutil.copytree(made, place)
    told = json.loads((place / "meta.json").read_text())
    told = {key: value for key, value in told.items() if not key.startswith("checksum")}
    (place / "meta.json").write_text(json.dumps(told | meta))
    return place


def test_labels_of_decoded_images_are_text_on_a_page(tmp_path):
    labels = {"happiness": "<script>alert(1)</script>", "sadness": '"><img src=x onerror=alert(1)>'}
    place = decoded(tmp_path / "faces", tmp_path / "made", vocabulary=list(labels.values()))
    index = pd.read_parquet(place / "index.parquet")
    index.assign(label=index["label"].map(labels)).to_parquet(place / "index.parquet")
    run("audit", place, tmp_path)
    page = (tmp_path / "page.html").read_text()
    tags = Tags()
    tags.feed(page)
    assert "&lt;script&gt;" in page and "script" not in tags.found and "onerror" not in tags.found


@pytest.mark.parametrize(
    "column, value", [("split", "<script>"), ("subject", "two\nlines"), ("clip", "\x1b[31m")]
)
def test_decoded_images_with_other_words_than_any_loader_makes_are_refused(tmp_path, column, value):
    place = decoded(tmp_path / "faces", tmp_path / "made")
    index = pd.read_parquet(place / "index.parquet")
    index.assign(**{column: value}).to_parquet(place / "index.parquet")
    with pytest.raises(DatasetError, match=f"{re.escape(str(place))}: damaged .*{column}"):
        spec_for("faces", place)


def test_an_audit_knows_labels_of_ones_own(tmp_path):
    root = trees.folder_labels(tmp_path / "faces")
    (root / "fer-meta.yaml").write_text("vocabulary: [happy, sad]\n")
    assert re.search("happy +2", run("audit", root, tmp_path))


def test_a_note_of_a_download_names_a_commit_and_files_of_its_folder_alone(tmp_path):
    sha = "0" * 64
    for note in (
        {"repo": "someone/faces", "revision": "\x1b]0;title\x07", "files": {}},
        {"repo": "someone/faces", "revision": "12", "files": {"../x": {"bytes": 1, "sha256": sha}}},
        {"repo": "someone/faces", "revision": "12", "files": {"x": {"sha256": sha}}},
    ):
        (tmp_path / LOCK).write_text(json.dumps(note))
        with pytest.raises(DatasetError, match="damaged; delete the folder"):
            download(OnHub("someone/faces", ()), tmp_path)


def test_what_a_seal_names_is_told_in_one_line(tmp_path):
    (tmp_path / DONE).write_text(json.dumps({"run\x1b[31m.json": "0"}))
    assert broken_seal(tmp_path) == "run\\x1b[31m.json is missing"


def test_a_file_of_an_archive_unpacks_to_no_more_than_it_states(tmp_path):
    """Zeros, a thousandth of their size when packed, under a stated size of 100 bytes."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("happy/a.png", bytes(50_000_000))
    content = (tmp_path / "x.zip").read_bytes()
    stated = (50_000_000).to_bytes(4, "little")
    assert content.count(stated) == 2
    (tmp_path / "x.zip").write_bytes(content.replace(stated, (100).to_bytes(4, "little")))
    tracemalloc.start()
    with pytest.raises(ImageError, match="damaged in the archive"):
        archives.member(tmp_path / "x.zip" / "happy/a.png")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_a_few_bytes_that_unpack_to_more_than_memory_holds_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST", 1 << 16)
    (tmp_path / "list.csv.gz").write_bytes(gzip.compress(bytes(1 << 20)))
    with pytest.raises(DatasetError, match="list.csv.gz: unpacks to over 65,536 bytes; unpack it yourself"):
        read_lines(tmp_path / "list.csv.gz")
