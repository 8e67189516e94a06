"""Near copies: one photograph saved again, rescaled, brightened, cropped a little, marked or mirrored.

Two images are near copies if their perceptual hashes (ImageHash's phash of 256 bits,
https://github.com/JohannesBuchner/imagehash) differ in at most MOST_BITS, or the hash of one and that of the
other's mirror image. results/benchmarks/near_copies.md says how many copies that finds, and how many pairs
are false.

The hashes are those of the decoded images in the cache. A hash holds the 16 lowest frequencies alone, which
48 pixels show as well as the source does; in the cache every data set is cropped alike, whatever it was read
from; and what a network sees is what must not be on two sides.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image, ImageOps
from scipy.sparse import coo_array

from fer_meta.datasets.base import NEAR
from fer_meta.datasets.cache import CachedFaces, progress_bar
from fer_meta.datasets.places import cache_dir, explained
from fer_meta.errors import DatasetError
from fer_meta.fileio import replacing

MOST_BITS = 56
"""Of 256: the most that differ where no two unrelated faces of 68 million pairs are taken for copies."""

MOST_PAIRS = 20_000_000

_SIDE = 16
_BITS = _SIDE * _SIDE
_STEPS = 2
_BLOCK = 512


class Pairs(NamedTuple):
    """Near pairs, each once: two rows [P], how many bits differ, and whether one is nearer to the other's
    mirror image than to the other.
    """

    first: np.ndarray
    second: np.ndarray
    bits: np.ndarray
    mirrored: np.ndarray


def with_near_copies(faces: Sequence[CachedFaces], progress: bool = True) -> list[CachedFaces]:
    """`faces`, whose indexes have the column NEAR of `near_copies`: `fer_meta.datasets.base.copies_of` then
    takes near copies for copies.
    """
    near = near_copies(*faces, progress=progress)[NEAR].array
    ends = np.cumsum([0, *(len(one.index) for one in faces)])
    return [
        replace(one, index=one.index.assign(**{NEAR: near[start:end]}))
        for one, start, end in zip(faces, ends, ends[1:])
    ]


def near_copies(*faces: CachedFaces, progress: bool = True) -> pd.DataFrame:
    """One row per image of `faces`, in their order: NEAR (string: the digest of the centre of its group, the
    same for all copies and near copies), `mirrored` (bool: it shows the centre's mirror image) and `bits`
    (Int64: how many of 256 differ from the nearest image with other pixels; NA if no such image is near).

    A group is a star: its centre is the image with the most near copies, and the others are near copies of
    the centre or of one of these. So a chain of images, each a little like the next, ends after two steps.

    Blank images are not searched, for their hashes mean nothing, nor are rendered ones, for none is made of
    another. Frames of one clip in one split are not compared: they are alike by nature.

    Raises DatasetError if over MOST_PAIRS pairs are near, or if the hashes cannot be kept in the cache.
    """
    images = pd.concat([one.index for one in faces], ignore_index=True)
    home = np.repeat(np.arange(len(faces)), [len(one.index) for one in faces])
    rendered = np.array([one.spec.rendered is not None for one in faces])[home]
    rows = np.flatnonzero(~images["blank"].to_numpy(dtype=bool) & ~rendered)
    # Identical images are one node. The nodes are in the order of their digests, whatever that of the data.
    digests, first, node = np.unique(
        images["digest"].to_numpy(dtype=str)[rows], return_index=True, return_inverse=True
    )
    hashes = np.concatenate([hashes_of(one, progress) for one in faces])[rows[first]]
    pairs = near_pairs(hashes, _scenes(images.iloc[rows], home[rows], node), progress)
    centre, mirrored = _stars(len(digests), pairs)
    bits = np.full(len(digests), _BITS)
    np.minimum.at(bits, np.concatenate([pairs.first, pairs.second]), np.tile(pairs.bits, 2))
    found = pd.DataFrame({NEAR: images["digest"], "mirrored": False, "bits": pd.array([_BITS] * len(images))})
    found.iloc[rows, 0], found.iloc[rows, 1], found.iloc[rows, 2] = (
        digests[centre][node],
        mirrored[node],
        bits[node],
    )
    return found.assign(bits=found["bits"].mask(found["bits"] == _BITS))


def hashes_of(faces: CachedFaces, progress: bool = True) -> np.ndarray:
    """The hash of each image and of its mirror image (uint8 [N, 2, 32], packed bits), computed once: they are
    kept in the cache. Zeros for what is rendered.
    """
    import imagehash

    if faces.spec.rendered:
        return np.zeros((len(faces.index), 2, _BITS // 8), dtype=np.uint8)
    size = faces.images.shape[1]
    name = f"{faces.name}-{size}px-{faces.content[:12]}.phash-{imagehash.__version__}.npy"
    place = cache_dir() / name
    with suppress(OSError, ValueError, EOFError):  # not there, or damaged
        kept = np.load(place, allow_pickle=False)
        if kept.shape == (len(faces.index), 2, _BITS // 8) and kept.dtype == np.uint8:
            return kept
    found = np.packbits(_hashed(faces, progress), axis=-1)
    with explained(place), replacing(place) as temporary, temporary.open("wb") as file:
        np.save(file, found)
    return found


def _hashed(faces: CachedFaces, progress: bool) -> np.ndarray:
    """bool [N, 2, 256]; in threads, since Pillow and SciPy release the lock."""
    images, parts = faces.images, []
    with (
        ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
        progress_bar(len(images), f"{faces.name}: hashing", progress) as bar,
    ):
        for start in range(0, len(images), _BLOCK):
            part = list(pool.map(hash_both, images[start : start + _BLOCK]))
            parts += part
            bar.update(len(part))
    return np.array(parts)


def hash_both(pixels: np.ndarray) -> np.ndarray:
    """The hashes of an image (uint8 [H, W, 3]) and of its mirror image: bool [2, 256]."""
    import imagehash

    image = Image.fromarray(pixels)
    both = (image, ImageOps.mirror(image))
    return np.stack([imagehash.phash(one, hash_size=_SIDE).hash.ravel() for one in both])


def near_pairs(hashes: np.ndarray, scenes: np.ndarray | None = None, progress: bool = True) -> Pairs:
    """The pairs of `hashes` (uint8 [N, 2, 32], see `hashes_of`) that differ in MOST_BITS at most, less those
    of one scene ([N] int; negative: no scene). Raises DatasetError if they are over MOST_PAIRS.

    As numbers of +1 and -1, two hashes have the product 256 - 2 * (bits that differ): a product of matrices
    compares a block with all others, and 34,000 images take half a minute on two cores.
    """
    signs = np.where(np.unpackbits(hashes, axis=-1), np.float32(1), np.float32(-1))
    found, number = [], 0
    with progress_bar(len(hashes), "near copies: comparing", progress) as bar:
        for start in range(0, len(hashes), _BLOCK):
            block = signs[start : start + _BLOCK, 0]
            plain, mirror = block @ signs[start:, 0].T, block @ signs[start:, 1].T
            first, second = np.nonzero(np.maximum(plain, mirror) >= _BITS - 2 * MOST_BITS)
            first, second = first[second > first], second[second > first]  # each pair once
            products = plain[first, second], mirror[first, second]
            bits, flipped = (_BITS - np.maximum(*products).astype(int)) // 2, products[1] > products[0]
            part = Pairs(first + start, second + start, bits, flipped)
            if scenes is not None:
                apart = (scenes[part.first] != scenes[part.second]) | (scenes[part.first] < 0)
                part = Pairs(*(column[apart] for column in part))
            found.append(part)
            number += len(part.first)
            if number > MOST_PAIRS:
                raise DatasetError(
                    f"over {MOST_PAIRS:,} pairs of images look alike, so near copies cannot be recognised;"
                    " say `copies: removed`, or name frames of one film as a clip"
                )
            bar.update(len(block))
    return Pairs(*map(np.concatenate, zip(*found))) if found else Pairs(*np.empty((4, 0), dtype=int))


def _scenes(images: pd.DataFrame, home: np.ndarray, node: np.ndarray) -> np.ndarray:
    """The number of the clip and split of each node, -1 for one of no clip or of several."""
    names = images["clip"].astype(object) + "/" + images["split"].astype(object).fillna("")
    scene = pd.Series(pd.factorize(home.astype(str) + names.to_numpy())[0]).where(
        images["clip"].notna().to_numpy(), -1
    )
    ends = scene.groupby(node).agg(["min", "max"])
    return ends["min"].where(ends["min"] == ends["max"], -1).to_numpy()


def _stars(nodes: int, pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """The centre of each node's group ([N] int), itself where it is alone, and whether the node is mirrored
    against it ([N] bool).
    """
    ends = np.concatenate([pairs.first, pairs.second]), np.concatenate([pairs.second, pairs.first])
    sign = np.tile(np.where(pairs.mirrored, -1, 1), 2)
    graph = coo_array((sign, ends), shape=(nodes, nodes)).tocsr()
    degree = np.diff(graph.indptr)
    centre, mirrored, free = np.arange(nodes), np.zeros(nodes, dtype=bool), np.ones(nodes, dtype=bool)
    for start in np.argsort(-degree, kind="stable")[: np.count_nonzero(degree)]:
        if not free[start]:
            continue
        free[start], reached = False, [start]
        for _ in range(_STEPS):
            origins, reached = reached, []
            for origin in origins:
                edges = np.arange(graph.indptr[origin], graph.indptr[origin + 1])
                edges = edges[free[graph.indices[edges]]]
                new = graph.indices[edges]
                centre[new], free[new] = start, False
                mirrored[new] = mirrored[origin] ^ (graph.data[edges] < 0)
                reached.extend(new)
    return centre, mirrored
