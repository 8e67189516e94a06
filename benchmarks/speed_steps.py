"""A training step of each method against the bare network, and against easyfsl on the same tensors.

    OMP_NUM_THREADS=1 python benchmarks/speed_steps.py

Ours is the whole step: images fetched, augmented and normalised, forward, loss, backward, optimiser. The bare
network gets the same images, ready: forward, the mean of what it gives, backward, optimiser. easyfsl's is its
method around the same backbone, trained on the ready images. One thread, fp32, processor time, in turn in one
process; medians. Methods with an inner loop are measured by maml_speed.py.
"""

import time
from collections.abc import Callable
from copy import deepcopy

import click
import easyfsl.methods
import numpy as np
import pandas as pd
import torch
from speed_data import CPU, median, processor
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, one_hot

from fer_meta.expressions import BASIC
from fer_meta.memory import keep_freed_memory
from fer_meta.methods import registry
from fer_meta.methods.base import Episode, FewShotMethod, LabelledImages
from fer_meta.tasks.pools import Domain, Pool
from fer_meta.tasks.protocol import EpisodeShape, Protocol
from fer_meta.training import batches, loop

SHAPE = EpisodeShape(way=5, shots=5, queries=10)
PROTOCOL = Protocol(train=SHAPE)
IMAGES, BATCH = 2100, 75  # a batch has as many images as an episode
REPEATS = 7
Step = Callable[[], object]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--size", default=48, show_default=True, help="Pixels of an image's side.")
@click.option("--backbone", default="conv4", show_default=True)
def main(size: int, backbone: str) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    keep_freed_memory()
    domain = a_domain(size)
    rows = [row(name, backbone, domain) for name in registry.built_in() if is_measured(name)]
    click.echo(f"{backbone}, {size} px, {BATCH} images a step, fp32, one thread of {processor()}\n")
    click.echo(pd.DataFrame(rows).to_string(index=False, float_format="%.3f", na_rep=""))


def is_measured(name: str) -> bool:
    return registry.load(name).trained and registry.kind(name) != "inner-loop"


def a_domain(size: int) -> Domain:
    """Noise under seven labels."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES, size, size, 3), dtype=np.uint8)
    pool = Pool("noise", np.arange(IMAGES), np.arange(IMAGES) % len(BASIC), BASIC, None, None, {}, 0, "")
    return Domain("noise", images, None, pool, pool, pool, None)


def row(name: str, backbone: str, domain: Domain) -> dict:
    method_class = registry.load(name)
    settings = {"batch": BATCH} if not method_class.episodic or name == "meta_baseline" else {}
    config = method_class.Config(steps=1000, precision="fp32", backbone=backbone, **settings)
    size = domain.images.shape[1]
    method = loop.build(method_class, config, PROTOCOL, domain.train.classes, size, 0, CPU).train()
    _, batch_at = batches.steps_and_batches(method, config, domain, PROTOCOL, 0, CPU)
    first = 999 if name == "meta_baseline" else 0  # its second stage
    optimiser = loop.new_optimiser(method, config)
    batch = batch_at(first)
    contestants = {
        "ours": lambda: loop.train_step(method, config, optimiser, batch_at(first)).tolist(),
        "bare network": bare_step(deepcopy(method), config, batch),
    }
    if peer := peer_step(name, deepcopy(method), config, batch):
        contestants["easyfsl"] = peer
    took = in_turn(contestants)
    return {
        "method": name,
        **took,
        "outside of the network": f"{100 * (1 - took['bare network'] / took['ours']):.1f} %",
    }


def in_turn(contestants: dict[str, Step]) -> dict[str, float]:
    """The median processor seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for step in contestants.values():
        step()
    for _ in range(REPEATS):
        for name, step in contestants.items():
            began = time.process_time()
            step()
            seconds[name].append(time.process_time() - began)
    return {name: median(told) for name, told in seconds.items()}


def bare_step(method: FewShotMethod, config, batch: LabelledImages | list[Episode]) -> Step:
    images = pixels(batch)
    optimiser = loop.new_optimiser(method, config)
    return lambda: update(optimiser, bare_output(method, images).mean())


def pixels(batch: LabelledImages | list[Episode]) -> Tensor:
    if isinstance(batch, LabelledImages):
        return batch.images
    [episode] = batch
    return torch.cat([episode.support, episode.query])


def bare_output(method: FewShotMethod, images: Tensor) -> Tensor:
    """What the networks of a method give: its backbone and, where it has one, its head or its relation
    module.
    """
    if hasattr(method, "relation"):
        maps = method.embed(images)
        return method.relation(maps[: SHAPE.way], maps[SHAPE.way * SHAPE.shots :])
    features = method.backbone(images)
    return method.head(features) if isinstance(getattr(method, "head", None), nn.Module) else features


def peer_step(name: str, method: FewShotMethod, config, batch) -> Step | None:
    """easyfsl's own method around `method`'s networks."""
    if name not in PEERS:
        return None
    [episode] = batch
    theirs = PEERS[name](method).train()
    optimiser = loop.new_optimiser(theirs, config)

    def step() -> None:
        theirs.process_support_set(episode.support, episode.support_labels)
        scores = theirs(episode.query)
        if name.startswith("relationnet"):
            loss = mse_loss(scores, one_hot(episode.query_labels, SHAPE.way).float())
        else:
            loss = cross_entropy(scores, episode.query_labels)
        update(optimiser, loss)

    return step


def update(optimiser, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def easyfsl_relation(method) -> nn.Module:
    """With the relation module of the paper: a convolution of concatenated maps."""
    relation = method.relation
    plain = nn.Sequential(relation.first, relation.after_first, relation.second, relation.score)
    maps = nn.Module()
    maps.forward = method.backbone.maps
    maps.backbone = method.backbone
    return easyfsl.methods.RelationNetworks(maps, feature_dimension=64, relation_module=plain)


PEERS = {
    "protonet": lambda method: easyfsl.methods.PrototypicalNetworks(method.backbone),
    "relationnet": easyfsl_relation,
    "relationnet_mean": easyfsl_relation,
}


if __name__ == "__main__":
    main()
