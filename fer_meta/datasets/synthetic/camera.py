"""From linear light to the pixels that a data set would hold: background, exposure, blur, noise, resolution,
JPEG.
"""

import io
from functools import reduce

import numpy as np
from PIL import Image, ImageFilter

from fer_meta.datasets.synthetic.scenes import Scene


def develop(light: np.ndarray, scene: Scene) -> np.ndarray:
    """The picture of a scene, uint8 [S, S, 3], from linear RGB and coverage float32 [2S, 2S, 4]."""
    size = len(light) // 2
    rng = np.random.default_rng([scene.seed, 5])
    backdrop = _backdrop(scene, size)
    exposure = np.float32(2.0 ** (scene.exposure + _metering(scene)))
    cover = light[..., 3:]
    image = light[..., :3] * exposure * cover + np.repeat(np.repeat(backdrop, 2, 0), 2, 1) * (1 - cover)
    image = _block(image, scene)
    image = _streak(image, scene.motion[0], scene.motion[1])
    image = image.reshape(size, 2, size, 2, 3).mean((1, 3))
    picture = Image.fromarray(_bytes(_srgb(image)))
    # As in a camera: the lens blurs, the sensor adds noise, the file loses pixels and detail.
    if scene.blur * size > 0.15:
        picture = picture.filter(ImageFilter.GaussianBlur(scene.blur * size))
    noise = scene.noise * rng.standard_normal((size, size, 3), dtype=np.float32)
    picture = Image.fromarray(_bytes(np.asarray(picture) / np.float32(255) + noise))
    return np.asarray(_compress(_coarsen(picture, scene.coarseness), scene.compression))


def _bytes(image: np.ndarray) -> np.ndarray:
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def _metering(scene: Scene) -> float:
    """A camera meters for the face: stops that lift dark skin and lower light skin, halfway."""
    return -0.5 * float(np.log2(np.mean(np.array(scene.person.skin) ** 2.2) / 0.30))


def _srgb(linear: np.ndarray) -> np.ndarray:
    # A soft shoulder instead of clipped highlights.
    x = np.maximum(linear, 0)
    x = np.where(x > 0.7, 0.7 + 0.3 * np.tanh((x - 0.7) / 0.3 * 0.9), x)
    return x ** np.float32(1 / 2.2)


def _backdrop(scene: Scene, size: int) -> np.ndarray:
    """The background, linear RGB [S, S, 3]: a plain wall, and shapes and patches in proportion to the
    clutter. One for a clip.
    """
    rng = np.random.default_rng([int(scene.person.local_seed), int(1e6 * scene.backdrop[0])])
    plain = np.array(scene.backdrop, dtype=np.float32)
    slope = np.linspace(1.08, 0.9, size, dtype=np.float32)[:, None, None]
    wall = np.broadcast_to(plain * slope, (size, size, 3)).copy()
    if scene.clutter:
        patches = (
            rng.uniform(-1, 1, (5, 5, 3)).astype(np.float32) * 0.07
            + rng.uniform(-1, 1, (5, 5, 1)).astype(np.float32) * 0.28
        )
        soft = np.stack(
            [
                np.asarray(Image.fromarray(patches[..., k]).resize((size, size), Image.Resampling.BICUBIC))
                for k in range(3)
            ],
            -1,
        )
        wall = wall + scene.clutter * soft
        for _ in range(rng.integers(2, 6)):
            x0, y0 = rng.uniform(-0.2, 1.0, 2) * size
            w, h = rng.uniform(0.08, 0.5, 2) * size
            colour = np.clip(rng.uniform(0.05, 0.9) + rng.normal(0, 0.09, 3), 0, 1).astype(np.float32)
            area = np.s_[max(0, int(y0)) : max(0, int(y0 + h)), max(0, int(x0)) : max(0, int(x0 + w))]
            wall[area] += scene.clutter * 0.7 * (colour - wall[area])
    light = np.mean(scene.key) * 0.6 + np.mean(scene.sky)
    return np.clip(wall, 0.02, 1) ** np.float32(2.2) * np.float32(
        min(light, 1.0) * 2.0 ** min(scene.exposure, 0.5)
    )


def _block(image: np.ndarray, scene: Scene) -> np.ndarray:
    """Something in front, reaching into the picture from one edge: a shoulder, a door, a scarf."""
    if scene.blocker is None:
        return image
    edge, depth, tilt = scene.blocker
    side = len(image)
    v, u = np.meshgrid(np.linspace(0, 1, side), np.linspace(0, 1, side), indexing="ij")
    along, into = ((u, v), (v, u), (u, 1 - v), (v, 1 - u))[edge]
    reach = depth + np.tan(np.deg2rad(tilt)) * (along - 0.5) + 0.02 * np.sin(9 * along + scene.seed % 7)
    colour = np.random.default_rng([scene.person.local_seed, 7]).uniform(0.02, 0.5, 3).astype(np.float32)
    colour = colour * np.float32(2.0**scene.exposure)
    cover = np.clip((reach - into) * side / 3, 0, 1)[..., None].astype(np.float32)
    return image * (1 - cover) + colour * cover


def _streak(image: np.ndarray, length: float, angle: float) -> np.ndarray:
    """Blur along a line of `length` (share of the frame) at `angle` degrees."""
    steps = round(length * len(image))
    if steps < 1:
        return image
    offsets = np.linspace(-0.5, 0.5, steps + 1) * length * len(image)
    dx, dy = np.round(np.cos(np.deg2rad(angle)) * offsets), np.round(np.sin(np.deg2rad(angle)) * offsets)
    margin = int(max(np.abs(dx).max(), np.abs(dy).max()))
    wide = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    side = len(image)
    shifted = (
        wide[margin + int(y) : margin + int(y) + side, margin + int(x) : margin + int(x) + side]
        for x, y in zip(dx, dy)
    )
    return reduce(np.add, shifted) / len(offsets)


def _coarsen(picture: Image.Image, coarseness: float) -> Image.Image:
    kept = max(8, round(picture.width * (1 - 0.8 * coarseness)))
    if kept >= picture.width:
        return picture
    return picture.resize((kept, kept), Image.Resampling.BILINEAR).resize(
        picture.size, Image.Resampling.BICUBIC
    )


def _compress(picture: Image.Image, compression: float) -> Image.Image:
    if compression < 0.02:
        return picture
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=round(95 - 85 * compression))
    return Image.open(file).convert("RGB")
