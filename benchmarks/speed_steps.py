"""A training step and a test episode of each method, against the bare network, and against easyfsl or
learn2learn on the same tensors.

    OMP_NUM_THREADS=1 python benchmarks/speed_steps.py
    python benchmarks/speed_steps.py --device cuda

Ours is the whole step: images fetched, augmented and normalised, forward, loss, backward, optimiser. The bare
network gets the same images, ready: forward, the mean of what it gives, backward, optimiser. A peer is
easyfsl's method around the same networks, or the loop of learn2learn's examples (clone, adapt, evaluate) with
torch's BatchNorm; it gets the ready images too. A test episode is embedded and answered by itself, though
ours needs that in no evaluation where an image's features do not depend on the episode. In turn in one
process, fp32; medians. On a CPU: one thread, processor time. On a GPU: until all is computed, by the clock.
Methods that take inner steps with the whole network pass
through it many times, so they have no bare network.
"""

import time
from collections.abc import Callable
from copy import deepcopy

import click
import easyfsl.methods
import numpy as np
import pandas as pd
import torch
from easyfsl.modules import MultiHeadAttention
from speed_data import median, processor
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, nll_loss, one_hot

from fer_meta import l2l
from fer_meta.expressions import BASIC
from fer_meta.memory import keep_freed_memory
from fer_meta.methods import registry
from fer_meta.methods.base import Episode, FewShotMethod, LabelledImages
from fer_meta.methods.inner_loop import WholeNetwork
from fer_meta.networks import backbones
from fer_meta.tasks.pools import Domain, Pool
from fer_meta.tasks.protocol import EpisodeShape, Protocol
from fer_meta.training import batches, loop

SHAPE = EpisodeShape(way=5, shots=5, queries=10)
PROTOCOL = Protocol(train=SHAPE)
IMAGES, BATCH = 2100, 75  # a batch has as many images as an episode
REPEATS = 7
GPU_REPEATS = 50
INNER_STEPS, INNER_LR = 5, 0.01
Step = Callable[[], object]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--size", default=48, show_default=True, help="Pixels of an image's side.")
@click.option("--only", multiple=True, help="Only this method. Repeatable.")
@click.option("--device", default="cpu", show_default=True, type=torch.device, help="Where: cpu or cuda.")
def main(size: int, only: tuple[str, ...], device: torch.device) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    keep_freed_memory()
    domain = a_domain(size)
    rows = [row(name, settings, domain, device) for name, settings in cases() if not only or name in only]
    on_cpu = device.type == "cpu"
    where = f"one thread of {processor()}" if on_cpu else torch.cuda.get_device_name(device)
    click.echo(f"Conv4, {size} px, {BATCH} images a step, fp32, {where}; {'s' if on_cpu else 'ms'}\n")
    table = pd.DataFrame(rows)
    if not on_cpu:
        table[table.select_dtypes("number").columns] *= 1000
    click.echo(table.to_string(index=False, float_format="%.3f" if on_cpu else "%.2f", na_rep=""))


def cases() -> list[tuple[str, dict]]:
    """Every method that is trained, and its settings; a second line for what has a peer of another kind."""
    trained = [name for name in registry.built_in() if registry.load(name).trained]
    inner = {"batch": 1, "inner_steps": INNER_STEPS, "inner_lr": INNER_LR}
    settings = {name: inner if registry.kind(name) == "inner-loop" else {} for name in trained}
    return [
        *((name, settings[name]) for name in trained if not registry.load(name).needs_units),
        ("matchingnet", {"context": "full", "reads": SHAPE.way * SHAPE.shots}),
        *((name, inner | {"first_order": True}) for name in ("maml", "meta_sgd")),
    ]


def a_domain(size: int) -> Domain:
    """Noise under seven labels."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES, size, size, 3), dtype=np.uint8)
    pool = Pool("noise", np.arange(IMAGES), np.arange(IMAGES) % len(BASIC), BASIC, None, None, {}, 0, "")
    return Domain("noise", images, None, pool, pool, pool, None)


def row(name: str, settings: dict, domain: Domain, device: torch.device) -> dict:
    method_class = registry.load(name)
    labelled = {} if method_class.episodic and name != "meta_baseline" else {"batch": BATCH}
    config = method_class.Config(
        steps=1000, precision="fp32", **{"backbone": "conv4", **labelled, **settings}
    )
    size = domain.images.shape[1]
    method = loop.build(method_class, config, PROTOCOL, domain.train.classes, size, 0, device).train()
    _, batch_at = batches.steps_and_batches(method, config, domain, PROTOCOL, 0, device)
    number = config.steps - 1 if name == "meta_baseline" else 0  # of its second stage
    optimiser, batch = loop.new_optimiser(method, config), batch_at(number)
    steps = {"step": lambda: loop.train_step(method, config, optimiser, batch_at(number)).tolist()}
    if not isinstance(method, WholeNetwork):
        steps["bare network"] = bare_step(deepcopy(method), config, batch)
    tests = {}
    if isinstance(batch, list):
        tests["test"] = test_episode(deepcopy(method), batch[0])
        if peer := peer_of(name, deepcopy(method), config, batch[0]):
            steps["peer's step"], tests["peer's test"] = peer
    took = in_turn(steps, device) | in_turn(tests, device)
    shown = ", ".join(
        f"{key} {value}" for key, value in settings.items() if key in ("context", "first_order")
    )
    return {
        "method": f"{name} ({shown})" if shown else name,
        **took,
        "outside of the network": (
            f"{100 * (1 - took['bare network'] / took['step']):.1f} %" if "bare network" in took else ""
        ),
    }


def in_turn(contestants: dict[str, Step], device: torch.device) -> dict[str, float]:
    """The median seconds of each: of the processor, or by the clock until a GPU has computed all."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for step in contestants.values():
        step()
    for _ in range(REPEATS if device.type == "cpu" else GPU_REPEATS):
        for name, step in contestants.items():
            began = now(device)
            step()
            seconds[name].append(now(device) - began)
    return {name: median(values) for name, values in seconds.items()}


def now(device: torch.device) -> float:
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def bare_step(method: FewShotMethod, config, batch: LabelledImages | list[Episode]) -> Step:
    images = batch.images if isinstance(batch, LabelledImages) else pixels(batch[0])
    optimiser = loop.new_optimiser(method, config)
    return lambda: update(optimiser, bare_output(method, images).mean())


def pixels(episode: Episode) -> Tensor:
    return torch.cat([episode.support, episode.query])


def bare_output(method: FewShotMethod, images: Tensor) -> Tensor:
    """What the networks of a method give: its backbone and, where it has them, its head, its relation module,
    its attention or its LSTMs.
    """
    support = SHAPE.way * SHAPE.shots
    if hasattr(method, "relation"):
        maps = method.embed(images)
        if hasattr(method, "of_shots"):  # CSRN
            return method.of_shots(maps[:support], maps[support:])
        return method.relation(maps[: SHAPE.way], maps[support:])
    features = method.backbone(images)
    if hasattr(method, "set_to_set"):
        return method.set_to_set(features[None])
    if getattr(method, "context", None) is not None:
        return torch.cat(method.context(features[None, :support], features[None, support:]), 1)
    return method.head(features) if isinstance(getattr(method, "head", None), nn.Module) else features


def test_episode(method: FewShotMethod, episode: Episode) -> Step:
    method.eval()

    @torch.no_grad()
    def answer() -> Tensor:
        support, query = method.embed(episode.support), method.embed(episode.query)
        classifiers = method.adapt(support, episode.support_labels, episode.classes)
        return next(iter(classifiers.values()))(query)

    return answer


def peer_of(name: str, method: FewShotMethod, config, episode: Episode) -> tuple[Step, Step] | None:
    """A training step and a test episode of the peer, if there is one."""
    if name in EASYFSL and getattr(config, "context", "full") == "full":
        return easyfsls(name, EASYFSL[name](method), config, episode)
    return learn2learns(name, config, episode) if name in LEARN2LEARN else None


def easyfsls(name: str, theirs, config, episode: Episode) -> tuple[Step, Step]:
    def train() -> None:
        theirs.train().process_support_set(episode.support, episode.support_labels)
        scores = theirs(episode.query)
        if name.startswith("relationnet"):
            loss = mse_loss(scores, one_hot(episode.query_labels, SHAPE.way).float())
        elif name == "matchingnet":
            loss = nll_loss(scores, episode.query_labels)
        else:
            loss = cross_entropy(scores, episode.query_labels)
        update(optimiser, loss)

    @torch.no_grad()
    def test() -> None:
        theirs.eval().process_support_set(episode.support, episode.support_labels)
        theirs(episode.query)

    optimiser = loop.new_optimiser(theirs, config)
    return train, test


def learn2learns(name: str, config, episode: Episode) -> tuple[Step, Step]:
    """The loop of learn2learn's examples/vision (anil_*, maml_*, metasgd)."""
    backbone = backbones.vectors("conv4")
    size = episode.query.shape[-1]
    head = nn.Linear(backbones.feature_size(backbone, size), SHAPE.way)
    learner_of = LEARN2LEARN[name](
        head if name == "anil" else nn.Sequential(backbone, head), config.inner_lr, config.first_order
    )
    everything = nn.ModuleList([learner_of, *([backbone] if name == "anil" else [])]).to(episode.query.device)
    optimiser = loop.new_optimiser(everything, config)
    parts = [len(episode.support), len(episode.query)]

    def evaluate() -> Tensor:
        everywhere = pixels(episode)
        support, query = (backbone(everywhere) if name == "anil" else everywhere).split(parts)
        learner = learner_of.clone()
        for _ in range(config.inner_steps):
            learner.adapt(cross_entropy(learner(support), episode.support_labels))
        return cross_entropy(learner(query), episode.query_labels)

    return lambda: update(optimiser, evaluate()), evaluate


def update(optimiser, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def easyfsl_relation(method) -> easyfsl.methods.RelationNetworks:
    """With the relation module of the paper: a convolution of concatenated maps."""
    relation = method.relation
    plain = nn.Sequential(relation.first, relation.after_first, relation.second, relation.score)
    maps = nn.Module()
    maps.forward, maps.backbone = method.backbone.maps, method.backbone
    return easyfsl.methods.RelationNetworks(maps, feature_dimension=64, relation_module=plain)


def easyfsl_feat(method) -> easyfsl.methods.FEAT:
    size = method.set_to_set.norm.normalized_shape[0]
    attention = MultiHeadAttention(1, size, size, size)
    return easyfsl.methods.FEAT(method.backbone, attention_module=attention.to(device_of(method)))


def easyfsl_matching(method) -> easyfsl.methods.MatchingNetworks:
    size = method.context.direction.shape[0]
    theirs = easyfsl.methods.MatchingNetworks(method.backbone, feature_dimension=size)
    return theirs.to(device_of(method))


def device_of(method: FewShotMethod) -> torch.device:
    return next(method.parameters()).device


EASYFSL = {
    "protonet": lambda method: easyfsl.methods.PrototypicalNetworks(method.backbone),
    "matchingnet": easyfsl_matching,
    "feat": easyfsl_feat,
    "relationnet": easyfsl_relation,
    "relationnet_mean": easyfsl_relation,
}
LEARN2LEARN = {
    "maml": lambda network, lr, first: l2l.MAML(network, lr=lr, first_order=first),
    "anil": lambda network, lr, first: l2l.MAML(network, lr=lr, first_order=first),
    "meta_sgd": lambda network, lr, first: l2l.MetaSGD(network, lr=lr, first_order=first),
}


if __name__ == "__main__":
    main()
