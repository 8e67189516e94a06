"""Loaders: each image of each official layout comes back under its own expression."""

import pytest
from helpers import layouts
from helpers.painting import SIDE, Album

from fer_meta.datasets.cache import load_images
from fer_meta.datasets.registry import spec_for


@pytest.mark.parametrize("layout", layouts.TREES)
def test_each_image_comes_back_under_its_own_expression(layout, tmp_path):
    name, make = layouts.TREES[layout]
    with Album() as album:
        root = make(tmp_path / "data")
    faces = load_images(spec_for(name, root), root, SIDE, progress=False)
    pictures = album.nearest(faces.images)
    assert len(set(pictures)) == len(pictures)
    assert faces.index["label"].tolist() == [album.shown[picture] for picture in pictures]
