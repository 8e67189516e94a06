"""Small networks of every method."""

import torch

from fer_meta.methods import registry
from fer_meta.tasks.protocol import EpisodeShape, Protocol
from fer_meta.training import loop

CLASSES = ("anger", "happiness", "neutral")
PROTOCOL = Protocol(way=3, train=EpisodeShape(way=3, shots=2, queries=2))
SIZE = 32


def build(name, protocol=PROTOCOL, size=SIZE, **config):
    module = registry.load(name)
    if name == "supervised":
        config = {"backbone": "conv4", **config}
    if name == "maml":
        config = {"inner_steps": 2, **config}
    return loop.build(
        module, module.Config(steps=1, **config), protocol, CLASSES, size, 0, torch.device("cpu")
    )
