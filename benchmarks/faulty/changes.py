"""Data, caches and results that change or vanish under a bench; damaged files."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from .fault import Do, Fault, end_by, striking
from .places import Home, paint

# --- under a running bench ----------------------------------------------------------------------------------


def changing_data() -> Iterator[Fault]:
    read = r"/data/day/.*\.png: cannot be read"
    replaced = r"/data/day: 1 file changed during decoding, first 'anger/1\.png'"
    ways: dict[str, tuple[Do, str]] = {
        "pictures deleted": (lambda home: shutil.rmtree(home.day / "surprise"), read),
        "a picture replaced": (
            lambda home: shutil.copy(home.day / "anger/0.png", home.day / "anger/1.png"),
            replaced,
        ),
        "folder renamed": (lambda home: home.day.rename(home.data / "night"), read),
    }
    for way, (strike, said) in ways.items():
        yield striking(way, "decoding", strike, said, 2, repair=paint_again)
        for stage in ("record of a model", "report"):
            yield striking(way, stage, strike, status=0, repair=paint_again, done=2)


def paint_again(home: Home) -> None:
    for path in home.data.iterdir():
        shutil.rmtree(path)
    paint(home.day)


def changing_results() -> Iterator[Fault]:
    missing = ("/results/tiny/.*: is missing; run .* again", 2, 1)
    unwritten = ("/results/tiny: the report cannot be written .*run the same command again", 1, 0)
    ends = {"second checkpoint": missing, "record of a run": missing, "report": unwritten}
    for stage, (said, status, failed) in ends.items():
        yield striking(
            "results deleted", stage, lambda home: shutil.rmtree(home.bench), said, status, failed=failed
        )


def changing_cache() -> Iterator[Fault]:
    anew = "damaged.*; decoding the images again"
    for stage in ("plan", "record of a model", "answers"):
        yield striking("cache deleted", stage, no_cache, status=0, done=2)
    said = "FAILED: a file that it was reading became shorter"
    yield striking("cache cut", "record of a model, 2 jobs", cut_cache, said, failed=2, jobs=2, again=anew)
    said = r"FAILED: .*/cache/.*/images\.npy: was changed while it was in use"
    for stage in ("record of a model", "answers"):
        yield striking("other pixels in the cache", stage, other_pixels, said, failed=2, again=anew)


def no_cache(home: Home) -> None:
    for place in home.cache.iterdir():
        shutil.rmtree(place, ignore_errors=True)


def cut_cache(home: Home) -> None:
    os.truncate(next(home.cache.glob("day-*/images.npy")), 4096)


def other_pixels(home: Home) -> None:
    with next(home.cache.glob("day-*/images.npy")).open("r+b") as file:
        file.seek(4096)
        file.write(np.random.default_rng(1).bytes(1 << 18))


# --- between two benches ------------------------------------------------------------------------------------


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(path.stat().st_size))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def folder(path: Path) -> None:
    path.unlink()
    (path / "inside").mkdir(parents=True)


HARMS: dict[str, Callable[[Path], None]] = {
    "cut in half": cut,
    "zeroed": zeroed,
    "random bytes": noise,
    "empty": empty,
    "a folder in its place": folder,
}
OF_BENCH = {
    "plan": "plan.json",
    "episodes": "episodes/*",
    "note of the end": "finished.json",
    "table": "table.txt",
    "note of the report": "report.json",
}
OF_RUN = {
    "answers": "runs/proto*/predictions.parquet",
    "record of a run": "runs/proto*/run.json",
    "seal of a run": "runs/proto*/DONE",
}
OF_MODEL = {
    "checkpoint": "models/proto*/checkpoints/step-000002.safetensors",
    "history": "models/proto*/history.jsonl",
    "seal of a model": "models/proto*/DONE",
}
OF_CACHE = {"images": "*/images.npy", "index": "*/index.parquet", "record": "*/meta.json"}


def damaged() -> Iterator[Fault]:
    for name, harm in HARMS.items():
        befall = partial(Fault, name, finished=True, **_ends(harm))
        for what, at in OF_BENCH.items():
            yield befall(what, before=partial(_harmed, harm=harm, at=at))
        for what, at in OF_RUN.items():
            more = {} if harm is folder else _said(what, harm, "run proto.* it is done again")
            if harm is folder and what != "seal of a run":  # it alone fails
                more = {"status": 1, "failed": 1, "done": 1}
            yield befall(what, before=partial(_harmed, harm=harm, at=at), **more)
        for what, at in OF_MODEL.items():
            more = _said(what, harm, "model proto.* it is trained again")
            if harm is folder:
                more = {"status": 1, "failed": 1, "done": 1}
            yield befall(what, before=partial(_harmed, harm=harm, at=at, needed="runs/proto*/DONE"), **more)
        for what, at in OF_CACHE.items():
            harmed = partial(_harmed, harm=harm, at=at, place="cache", needed="finished.json")
            said = "damaged.*; decoding the images again"
            yield Fault(name, f"cache: {what}", said, 0, finished=True, before=harmed)
        if harm is not folder:
            yield striking(
                name,
                "second checkpoint, then the state of the training",
                end_by(signal.SIGTERM),
                "interrupted",
                128 + signal.SIGTERM,
                repair=partial(_harmed, harm=harm, at="models/proto*/resume.pt"),
                again=r"resume\.pt is damaged; it is trained again",
            )


def _ends(harm: Callable) -> dict:
    if harm is not folder:
        return {"status": 0}
    said = "Is a directory.*; a file is expected here; remove the folder"
    return {"status": 2, "said": said, "repair": _remove_folders}


def _said(what: str, harm: Callable, line: str) -> dict:
    """An empty seal is that of an older version, which kept no digests: nothing is damaged."""
    return {} if harm is empty and what.startswith("seal") else {"said": line}


def _harmed(home: Home, harm: Callable[[Path], None], at: str, place: str = "", needed: str = "") -> None:
    """Damage a file. The one that is `needed` is removed, so that the next bench looks at it."""
    harm(next((home.folder / place if place else home.bench).glob(at)))
    if needed:
        next(home.bench.glob(needed)).unlink()


def _remove_folders(home: Home) -> None:
    for inside in [*home.bench.rglob("inside")]:
        shutil.rmtree(inside.parent)
