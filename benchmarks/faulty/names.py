"""Odd names of places."""

import shutil
from collections.abc import Iterator
from functools import partial

from .fault import Fault
from .places import Home

NAMES = {
    "spaces": "my own faces",
    "umlauts": "Gesichter für größere Übung",
    "a leading dash": "-faces",
    "quotes": "a'b\"c",
    "`%`": "50%d %s",
    "`$`": "$HOME_${x}",
    "`*` and `[`": "a*b[c]",
    "1,800 letters": "/".join(["x" * 200] * 9),
}
USUAL = {"out": "results", "data": "data/day", "suite": "tiny.yaml", "cache": "cache"}


def odd() -> Iterator[Fault]:
    everywhere = partial(Fault, stage="all places", status=0, done=2)
    for words, name in NAMES.items():
        yield everywhere(f"a name with {words}", before=partial(make, name=name), paths=called(name))
    links = {place: f"elsewhere/../link-{place}.yaml" for place in USUAL}
    yield everywhere("links", before=link, paths=links)
    relative = {place: f"=../{usual}" for place, usual in USUAL.items()}
    yield everywhere("relative, with ..", paths=relative)
    among = {"out": "data/day/results"}
    yield Fault("within the data", "results", status=0, done=2, paths=among, plots=True)
    yield Fault("within the data", "cache", status=0, done=2, paths={"cache": "data/day/cache"})
    yield Fault("a name with a line break", "cache", status=0, done=2, paths={"cache": "cache/a\nb"})


def refused() -> Iterator[Fault]:
    refuse = partial(Fault, stage="results", status=2)
    said = "has a control character"
    yield refuse("a name with a line break", said=said, paths={"out": "results/a\nb"})
    said = r"File name too long\); give another --out"
    yield refuse("a name of 300 letters", said=said, paths={"out": "results/" + "x" * 300})
    said = "/results/{}/tiny: cannot be written .*; give another --out"
    yield refuse("below a file", said=said.format("file/x"), before=a_file, paths={"out": "results/file/x"})
    yield refuse("a link to itself", said=said.format("loop"), before=a_loop, paths={"out": "results/loop"})


def a_file(home: Home) -> None:
    (home.results / "file").touch()


def a_loop(home: Home) -> None:
    (home.results / "loop").symlink_to("loop")


def called(name: str) -> dict[str, str]:
    """All places within folders of this name."""
    suite = f"results/{name}.d/{name}/tiny.yaml"
    return {"out": f"results/{name}", "data": f"data/{name}", "suite": suite, "cache": f"cache/{name}"}


def make(home: Home, name: str) -> None:
    (home.data / name).parent.mkdir(parents=True, exist_ok=True)
    home.day.rename(home.data / name)
    suite = home.folder / called(name)["suite"]
    suite.parent.mkdir(parents=True)
    shutil.copy(home.suite, suite)


def link(home: Home) -> None:
    for place, usual in USUAL.items():
        (home.folder / f"link-{place}.yaml").symlink_to(home.folder / usual)
