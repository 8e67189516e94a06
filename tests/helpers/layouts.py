"""All layouts of all data sets, and what their trees are made of."""

import pytest

from fer_meta.datasets.registry import spec_for
from fer_meta.errors import DatasetError
from helpers import trees, trees_clips, trees_photos

TREES = {**trees.TREES, **trees_clips.TREES, **trees_photos.TREES}
"""Every layout: the data set's name and the function that makes it below a root."""

CLASSES = {"rafdb-compound": 11, **trees_clips.CLASSES, **trees_photos.CLASSES}
SIZES = trees_photos.SIZES


def classes(name: str) -> int:
    """How many classes the trees of a data set of the catalogue have."""
    return CLASSES.get(name, 7)


def size(name: str, label: str) -> int:
    """How many images this class has in each of its splits, in the trees of a data set."""
    sizes = SIZES.get(name, {})
    return sizes.get(label, sizes.get(None, trees.PER_CLASS))


def scan(name, root):
    return spec_for(name, root).scan(root)


def fails(name, root, *words):
    """The data set is refused in one line that holds all the words."""
    with pytest.raises(DatasetError) as caught:
        scan(name, root)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message
