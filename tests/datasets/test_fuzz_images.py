"""Whatever is in an image is pixels or a reason; whatever is in a folder of decoded images is images or one
line.
"""

import io
import json
import os
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import trees
from helpers.fuzz import answer, damaged, few, is_plain, json_files, parquet_files, room
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, features

from fer_meta.datasets.cache import load_images
from fer_meta.datasets.decoding import face_of, read_image
from fer_meta.datasets.registry import spec_for


@cache
def pictures() -> dict[str, bytes]:
    """A small picture in every format and in several modes."""
    noise = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    ways = {
        "PNG": [{}, {"mode": "P"}, {"mode": "1"}, {"mode": "RGBA"}, {"mode": "I;16"}],
        "JPEG": [{}, {"mode": "CMYK"}, {"progressive": True}],
        "BMP": [{}, {"mode": "P"}],
        "GIF": [{"mode": "P"}],
        "WEBP": [{}, {"lossless": True}],
        "TIFF": [
            {},
            *({"compression": how} for how in ("tiff_lzw", "packbits", "jpeg", "tiff_adobe_deflate")),
        ],
        "PPM": [{}],
        "JPEG2000": [{}],
    }
    exif = Image.Exif()
    exif[0x0112] = 6
    found = {}
    for form, options in ways.items():
        if (form == "WEBP" and not features.check("webp")) or (
            form == "JPEG2000" and not features.check("jpg_2000")
        ):
            continue
        for number, option in enumerate(options):
            option = dict(option)
            mode = option.pop("mode", "RGB")
            image = (
                Image.fromarray(noise[..., 0].astype(np.uint16))
                if mode == "I;16"
                else Image.fromarray(noise).convert(mode)
            )
            file = io.BytesIO()
            image.save(
                file, form, **option, **({"exif": exif} if form in ("PNG", "JPEG", "WEBP", "TIFF") else {})
            )
            found[f"{form} {number}"] = file.getvalue()
    return found


@few(60)
@pytest.mark.filterwarnings("ignore")
@given(st.sampled_from(sorted(pictures())).flatmap(lambda name: damaged(pictures()[name])))
def test_any_image_becomes_pixels_or_a_reason(data):
    with room() as root:
        (root / "x.png").write_bytes(data)
        face = answer(lambda: face_of(lambda: read_image(root, "x.png"), 8))
    assert face is None or (face.pixels.shape == (8, 8, 3) and face.pixels.dtype == np.uint8)


def test_every_picture_is_decoded_when_it_is_not_damaged(tmp_path):
    for name, data in pictures().items():
        (tmp_path / "x.png").write_bytes(data)
        if name != "PNG 4":  # 16 bits
            assert face_of(lambda: read_image(tmp_path, "x.png"), 8).pixels.shape == (8, 8, 3)


# decoded images


@cache
def parts() -> dict[str, bytes]:
    """The files of a decoded set, without checksums: what they would find is to be found without them."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FER_META_CACHE"] = folder + "/cache"
        load_images(
            spec_for("faces", trees.folder_labels(Path(folder, "data"))),
            Path(folder, "data"),
            8,
            progress=False,
        )
        (made,) = Path(folder, "cache").iterdir()
        files = {path.name: path.read_bytes() for path in made.iterdir()}
    meta = {
        key: value for key, value in json.loads(files["meta.json"]).items() if not key.startswith("checksum")
    }
    return {**files, "meta.json": json.dumps(meta).encode()}


META = {"unreadable": [["a.png", "damaged"]], "rendered": {"recipe": "synthetic-wild", "severity": 0.5}}
"""What else meta.json may hold."""


def shown(root: Path) -> None:
    """Decoded images through all that says what they are: each text in one line."""
    faces = load_images(spec_for("faces", root), root, 8, progress=False)
    assert faces.images.shape == (len(faces.index), 8, 8, 3)
    assert all(is_plain(reason) for _, reason in faces.unreadable)
    spec = faces.spec
    texts = [spec.title, spec.summary, spec.licence, spec.citation, *spec.vocabulary]
    assert all(isinstance(text, str) and is_plain(text) for text in texts)


@few(60)
@given(st.data())
def test_any_damage_to_decoded_images_becomes_images_or_an_error(data):
    name = data.draw(st.sampled_from(["images.npy", "index.parquet", "meta.json"]))
    whole = parts()[name]
    if name == "meta.json":
        other = json_files(json.loads(whole) | META)
    elif name == "index.parquet":
        index = pd.read_parquet(io.BytesIO(whole)).astype(object)
        other = parquet_files({column: index[column].tolist() for column in index})
    else:
        other = damaged(whole)
    with room() as root:
        for file, content in parts().items():
            (root / file).write_bytes(data.draw(other) if file == name else content)
        answer(lambda: shown(root), root)
