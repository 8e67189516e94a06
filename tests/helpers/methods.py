"""Small networks of every method."""

from fer_meta.methods import registry
from fer_meta.testing import CLASSES, PROTOCOL, SIZE, an_episode, build_method

__all__ = ["CLASSES", "PROTOCOL", "SIZE", "SMALL", "an_episode", "build"]

# What makes a method small enough for a test.
SMALL = {
    "supervised": {"backbone": "conv4"},
    "maml": {"inner_steps": 2},
    "proto_maml": {"inner_steps": 2},
    "reptile": {"inner_steps": 2, "test_steps": 2},
    "frozen": {"backbone": "conv4", "weights": "none"},
}


def build(name, protocol=PROTOCOL, size=SIZE, **config):
    return build_method(registry.load(name), protocol, size, **{**SMALL.get(name, {}), **config})
