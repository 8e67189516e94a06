"""Data sets of drawn faces: small enough for a test, clear enough to be learned."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from fer_meta.datasets.cache import CachedFaces, load_images
from fer_meta.datasets.registry import spec_for

LABELS = ("anger", "happiness", "neutral", "sadness", "surprise")
SIZE = 32


def drawn_face(label: str, rng: np.random.Generator, dark: bool = False) -> Image.Image:
    """A face of `label`, its place and its grey drawn from `rng`."""
    skin, ink = int(rng.integers(150, 230)), int(rng.integers(0, 60))
    if dark:
        skin, ink = skin // 2, ink // 2
    image = Image.new("L", (SIZE, SIZE), int(rng.integers(0, 120)))
    draw = ImageDraw.Draw(image)
    x, y = rng.integers(-2, 3, size=2)
    draw.ellipse((3 + x, 1 + y, 28 + x, 31 + y), fill=skin)
    slant = 4 if label == "anger" else 0
    for left, outer, inner in ((8, 0, slant), (18, slant, 0)):
        draw.line((left + x, 9 + outer - slant + y, left + 6 + x, 9 + inner - slant + y), fill=ink, width=2)
        draw.ellipse((left + 1 + x, 12 + y, left + 4 + x, 15 + y), fill=ink)
    mouth = (10 + x, 20 + y, 22 + x, 28 + y)
    if label == "happiness":
        draw.arc(mouth, 20, 160, fill=ink, width=2)
    elif label == "sadness":
        draw.arc((10 + x, 23 + y, 22 + x, 31 + y), 200, 340, fill=ink, width=2)
    elif label == "surprise":
        draw.ellipse((12 + x, 20 + y, 19 + x, 29 + y), fill=ink)
    else:
        draw.line((11 + x, 24 + y, 21 + x, 24 + y), fill=ink, width=2)
    return image


def draw_tree(
    root: Path, people: int = 30, images: int = 2, labels=LABELS, dark: bool = False, seed: int = 0
) -> Path:
    """`<label>/p<person>_<n>.png` and the `fer-meta.yaml` that says where the subject is."""
    rng = np.random.default_rng(seed)
    for label in labels:
        (root / label).mkdir(parents=True, exist_ok=True)
        for person in range(people):
            for n in range(images):
                drawn_face(label, rng, dark).save(root / label / f"p{person:03d}_{n}.png")
    (root / "fer-meta.yaml").write_text("subject: '/p(?P<subject>\\d+)_'\n")
    return root


def load(name: str, root: Path) -> CachedFaces:
    """The tree at `root` as a cached data set."""
    return load_images(spec_for(name, root), root, SIZE, progress=False)


def made_up_index(
    counts: dict[str, int], split: str | None = None, subjects: int | None = None
) -> pd.DataFrame:
    """An index without pictures: `counts` images a label, each distinct, the subjects dealt in turn."""
    labels = [label for label, count in counts.items() for _ in range(count)]
    number = range(len(labels))
    return pd.DataFrame(
        {
            "path": pd.array([f"{i}.png" for i in number], dtype="string"),
            "label": pd.array(labels, dtype="string"),
            "subject": pd.array(
                [None if subjects is None else f"s{i % subjects}" for i in number], dtype="string"
            ),
            "clip": pd.array([None] * len(labels), dtype="string"),
            "frame": pd.array([None] * len(labels), dtype="Int64"),
            "split": pd.array([split] * len(labels), dtype="string"),
            "digest": pd.array([f"d{i}" for i in number], dtype="string"),
            "blank": [False] * len(labels),
        }
    )


def made_up_faces(name: str, index: pd.DataFrame) -> CachedFaces:
    """A data set with that index and black images."""
    images = np.zeros((len(index), SIZE, SIZE, 3), dtype=np.uint8)
    return CachedFaces(name, images, index, "fingerprint", "content", (), None)
