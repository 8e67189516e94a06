"""Which words of a record are paths of a machine."""

import pytest

from fer_meta.bundles.private import without_paths


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/anna/my weights.safetensors", "my weights.safetensors"),
        (r"C:\Users\anna\w.pt", "w.pt"),
        (r"\\server\share\w.pt", "w.pt"),
        ("~anna/net.py:Net", "net.py:Net"),
        ("../nets/net.py:Net", "net.py:Net"),
        ("nets/net.py:Net", "net.py:Net"),
        ("broken: /home/anna/faces/b.png is damaged", "broken: b.png is damaged"),
        ("mine: 3 files, first '~/faces/b.heic'", "mine: 3 files, first 'b.heic'"),
    ],
)
def test_of_a_path_the_last_part_stays(text, shown):
    assert without_paths({"error": [text]}) == {"error": [shown]}


@pytest.mark.parametrize(
    "text",
    [
        "timm/resnet18",
        "episodes/mine-1shot-0badcafe.parquet",
        "happy/anna_0001.jpg",
        "10 images/class, and/or 1 / 2",
        "see https://example.org/a/b",
        "<b>bold</b> </script>",
        "studio -> wild",
    ],
)
def test_other_words_stay(text):
    assert without_paths(text) == text


def test_a_command_says_neither_where_results_are_kept_nor_where_its_files_lie():
    files = "--suite '/a b/mine.yaml' --weights=/e/w.pt --methods x,/f/m.py:M"
    command = f"fer-meta bench {files} --out=/c/d --seeds 3"
    assert without_paths({"command": command}) == {
        "command": "fer-meta bench --suite mine.yaml --weights=w.pt --methods x,m.py:M --seeds 3"
    }
