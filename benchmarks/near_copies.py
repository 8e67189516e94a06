"""How many copies of photographs the search for near copies finds, and how many pairs that it finds are none.

    python benchmarks/near_copies.py --data fer2013=PATH --data pressfaces=PATH

Known copies are made of 500 images of each data set. Unrelated pairs are an image of one data set and an
image, or a mirror image, of the other. Writes results/benchmarks/near_copies.md.
"""

import io
import platform
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from fer_meta.cli.options import data_option
from fer_meta.datasets.cache import CachedFaces
from fer_meta.datasets.near_copies import MOST_BITS, hash_both, hashes_of, near_copies, near_pairs
from fer_meta.datasets.registry import load, resolve
from fer_meta.fileio import write_text

SIZE, IMAGES = 48, 500
LIMITS = (24, 40, 48, MOST_BITS, 60, 64, 68)
BITS = 256


def saved(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, format="JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def rescaled(image: Image.Image, side: int) -> Image.Image:
    return image.resize((side, side), Image.Resampling.BICUBIC)


def cropped(image: Image.Image, share: float) -> Image.Image:
    """Without a strip at the left and at the top."""
    return image.crop((round(share * image.width), round(share * image.height), image.width, image.height))


def marked(image: Image.Image) -> Image.Image:
    image = image.copy()
    ImageDraw.Draw(image).text((2, 0.6 * image.height), "photos", "white", font_size=image.width / 4)
    return image


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "saved again, JPEG 75": lambda image: saved(image, 75),
    "saved again, JPEG 30": lambda image: saved(image, 30),
    "at half its size": lambda image: rescaled(image, image.width // 2),
    "at twice its size": lambda image: rescaled(image, image.width * 2),
    "a third brighter": lambda image: ImageEnhance.Brightness(image).enhance(4 / 3),
    "a third darker": lambda image: ImageEnhance.Brightness(image).enhance(2 / 3),
    "contrast 1.5": lambda image: ImageEnhance.Contrast(image).enhance(1.5),
    "a word across it": marked,
    "4 % cropped on two sides": lambda image: cropped(image, 0.04),
    "8 % cropped on two sides": lambda image: cropped(image, 0.08),
    "turned by 3 degrees": lambda image: image.rotate(3, Image.Resampling.BICUBIC),
    "mirrored": ImageOps.mirror,
    "mirrored, JPEG 50, 4 % cropped": lambda image: cropped(saved(ImageOps.mirror(image), 50), 0.04),
}


@click.command()
@data_option
@click.option("--out", default=Path("results/benchmarks/near_copies.md"), type=click.Path(path_type=Path))
def main(data: dict[str, Path], out: Path) -> None:
    faces = [load(name, root, SIZE) for name, root in resolve(("fer2013", "pressfaces"), data).items()]
    lines = [
        "# Near copies",
        "",
        "`python benchmarks/near_copies.py --data fer2013=PATH --data pressfaces=PATH`",
        "",
        "Two images are near copies if at most so many of the 256 bits of their hashes differ, or of one hash"
        f" and that of the other's mirror image. The package takes {MOST_BITS}.",
        "",
        *found_of_edits(faces, data),
        "",
        *unrelated(*faces),
        "",
        *sizes(data),
        "",
        *groups(faces),
    ]
    write_text(out, "\n".join(lines) + "\n")
    click.echo("\n".join(lines))


def some(faces: CachedFaces) -> np.ndarray:
    """Rows of images that are not blank, none identical to another."""
    rows = np.flatnonzero(~(faces.index["blank"] | faces.index["digest"].duplicated()))
    return np.sort(np.random.default_rng(0).choice(rows, min(IMAGES, len(rows)), replace=False))


def found_of_edits(faces: list[CachedFaces], data: dict[str, Path]) -> list[str]:
    """Edits are made of the sources, as they would be, and cropped and resized as a data set is."""
    bits: dict[str, list[int]] = {name: [] for name in EDITS}
    for one in faces:
        for row in some(one):
            with Image.open(Path(data[one.name]) / one.index["path"].iloc[row]) as file:
                source = file.convert("RGB")
            own = hash_both(np.asarray(one.images[row]))[0]
            for name, edit in EDITS.items():
                bits[name].append(int((own != hash_both(as_cached(edit(source)))).sum(axis=1).min()))
    rows = [
        [name, *(f"{100 * np.mean(np.array(values) <= limit):.1f}" for limit in LIMITS)]
        for name, values in bits.items()
    ]
    number = len(bits["mirrored"])
    return [
        f"**Copies that are found**, in % of {number:,} photographs of FER2013 and press photographs.",
        "",
        *table(["copy", *map(str, LIMITS)], rows),
    ]


def as_cached(image: Image.Image, size: int = SIZE) -> np.ndarray:
    return np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR))


def signs(faces: CachedFaces) -> np.ndarray:
    """float32 [N, 2, 256] of the images that are not blank, each once."""
    rows = np.flatnonzero(~(faces.index["blank"] | faces.index["digest"].duplicated()))
    return np.where(np.unpackbits(hashes_of(faces)[rows], axis=-1), np.float32(1), np.float32(-1))


def within(one: np.ndarray, other: np.ndarray, each_once: bool = False) -> tuple[int, list[int]]:
    """The number of pairs of rows, and how many of them differ in LIMITS bits at most."""
    found, pairs = np.zeros(len(LIMITS), dtype=np.int64), 0
    for start in range(0, len(one), 512):
        block = one[start : start + 512]
        part = block @ other[start if each_once else 0 :].T
        if each_once:
            rows, columns = np.tril_indices(len(block))
            part[rows, columns] = -BITS
            pairs -= len(rows)
        found += [np.count_nonzero(part >= BITS - 2 * limit) for limit in LIMITS]
        pairs += part.size
    return pairs, found.tolist()


def unrelated(fer2013: CachedFaces, pressfaces: CachedFaces) -> list[str]:
    fer, press = signs(fer2013), signs(pressfaces)
    kinds = {
        "FER2013 and press photographs": within(press[:, 0], fer[:, 0]),
        "FER2013 and mirrored press photographs": within(press[:, 1], fer[:, 0]),
        "FER2013 and its mirror images": within(fer[:, 0], fer[:, 1], each_once=True),
        "FER2013 and itself": within(fer[:, 0], fer[:, 0], each_once=True),
    }
    rows = [[name, f"{pairs:,}", *(f"{n:,}" for n in found)] for name, (pairs, found) in kinds.items()]
    return [
        "**Pairs that are found** among images that are not identical. The first two lines are of unrelated"
        " photographs: what is found there is false. The third is nearly all of unrelated photographs. The"
        " last has the near copies of FER2013.",
        "",
        *table(["pairs of", "pairs", *map(str, LIMITS)], rows),
    ]


def sizes(data: dict[str, Path]) -> list[str]:
    """How far the hash of a cached image is from that of the source."""
    root, rows = data["pressfaces"], []
    for size in (24, 32, 48, 64, 96):
        faces = load("pressfaces", root, size)
        bits = []
        for row in range(0, len(faces.index), 4):
            with Image.open(Path(root) / faces.index["path"].iloc[row]) as file:
                source = file.convert("RGB")
            side = min(source.size)
            pair = hash_both(as_cached(source, side))[0], hash_both(np.asarray(faces.images[row]))[0]
            bits.append(int((pair[0] != pair[1]).sum()))
        rows.append(
            [f"{size} px", f"{np.mean(bits):.1f}", str(np.quantile(bits, 0.95).astype(int)), str(max(bits))]
        )
    return [
        f"**Bits that differ between the hash of a cached image and that of its source** ({len(bits)} press"
        " photographs, their longer side 128 px).",
        "",
        *table(["cached at", "mean", "95 % of them", "most"], rows),
    ]


def groups(faces: list[CachedFaces]) -> list[str]:
    kept = [hashes_of(one) for one in faces]
    began = time.process_time()
    found = near_copies(*faces)
    seconds = time.process_time() - began
    began = time.process_time()
    for row in range(IMAGES):
        hash_both(np.asarray(faces[0].images[row]))
    each = (time.process_time() - began) / IMAGES
    digests = pd.concat([one.index["digest"] for one in faces], ignore_index=True)
    first = np.flatnonzero(~digests.duplicated())
    pairs = near_pairs(np.concatenate(kept)[first])
    near = found["near_digest"].to_numpy()[first]
    apart = int((near[pairs.first] != near[pairs.second]).sum())
    largest = pd.Series(near).value_counts().iloc[0]
    return [
        f"**Groups.** Of {len(pairs.first):,} near pairs, {apart} are in two groups, because a group ends two"
        f" steps from its centre. The largest group has {largest} different images.",
        "",
        f"**Processor time.** Hashes of an image and its mirror image: {1000 * each:.1f} ms. A comparison of"
        f" all {len(digests):,} images: {seconds:.0f} s, all threads together ({platform.machine()}, NumPy"
        f" {np.__version__}).",
    ]


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"| :-- {'| --: ' * (len(head) - 1)}|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


if __name__ == "__main__":
    main()
