"""Training: a step of ProtoNet, Relation Net and the supervised network against the stock loop on the same
image files.

The stock loop is learn2learn's examples/vision/protonet_miniimagenet.py: a Taskset over files in a
DataLoader, the network in PyTorch's usual layout and fp32; for the supervised network an ImageFolder in a
DataLoader with two workers. Ours also augments (the stock loop does not), in bf16 too where the processor
has units for it. Each contestant has a process of its own, for our allocator settings cannot be taken back;
they take turns.

    python benchmarks/speed_training.py one protonet ours-fp32      # one contestant, as JSON
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from speed_data import CPU, PRECISIONS, SIZE, Row, as_ours, as_the_others, image_files, in_a_process, median
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss, one_hot
from torch.utils.data import DataLoader

from fer_meta.l2l import LoadData, MetaDataset, RemapLabels, Taskset
from fer_meta.memory import keep_freed_memory
from fer_meta.methods import registry
from fer_meta.tasks.pools import Domain
from fer_meta.tasks.protocol import EpisodeShape, Protocol
from fer_meta.training import batches, loop

SHAPE = EpisodeShape(way=5, shots=5, queries=10)  # of cross-domain
METHODS = {
    "protonet": {"backbone": "conv4"},
    "relationnet": {"backbone": "conv4"},
    "supervised": {"backbone": "resnet18", "batch": 64},
}
CONTESTANTS = "stock", *(f"ours-{precision}" for precision in PRECISIONS)
STEPS = 6
REPEATS = 2


def rows(files: Path) -> list[Row]:
    lines = []
    for name, config in METHODS.items():
        told = {one: [] for one in CONTESTANTS}
        for _ in range(REPEATS):
            for one in CONTESTANTS:
                told[one].append(in_a_process(Path(__file__), "one", name, one, files))
        step = {one: median([one_told["step"] for one_told in told[one]]) for one in CONTESTANTS}
        for one in CONTESTANTS[1:]:
            ratio = step["stock"] / step[one]
            share = median([one_told["outside"] for one_told in told[one]])
            lines.append(
                Row(
                    "training",
                    f"{name}, {config['backbone']}, {one.removeprefix('ours-')}",
                    "s a step",
                    step[one],
                    {"stock loop": step["stock"]},
                    step[one] * (1 - share),
                    "forward, backward, optimiser alone",
                    "1.8 times the stock loop, 5 % outside of the limit",
                    ratio >= 1.8 and share < 0.05,
                    f"{100 * share:.1f} % of the step outside",
                )
            )
    return lines


def one(name: str, contestant: str, files: Path) -> dict:
    """Seconds a step (the median), and the share of it that is neither forward, backward nor optimiser."""
    folder = as_the_others(files)
    if contestant == "stock":
        step = _stock_supervised(folder) if name == "supervised" else _stock_episodic(name, folder)
    else:
        step = _ours(name, contestant.removeprefix("ours-"), folder, files)
    step()
    took, outside = zip(*(_timed(step) for _ in range(STEPS)))
    return {"step": median(took), "outside": median(outside)}


def _timed(step) -> tuple[float, float]:
    began = time.perf_counter()
    fetched = step()
    took = time.perf_counter() - began
    return took, fetched / took


def _ours(name: str, precision: str, folder, files: Path):
    keep_freed_memory()
    images, pool = as_ours(files, folder)
    module = registry.load(name)
    config = module.Config(steps=1000, precision=precision, **METHODS[name])
    protocol = Protocol(train=SHAPE)
    method = loop.build(module, config, protocol, pool.classes, images.shape[1], 0, CPU).train()
    _, batch_at = batches.steps_and_batches(
        method, config, Domain("speed", images, None, pool, pool, pool, None), protocol, 0, CPU
    )
    optimiser = loop.new_optimiser(method, config)
    numbers = iter(range(1000))

    def step() -> float:
        began = time.perf_counter()
        batch = batch_at(next(numbers))
        fetched = time.perf_counter() - began
        loop.train_step(method, config, optimiser, batch).tolist()
        return fetched

    return step


def _stock_episodic(name: str, folder):
    from learn2learn.data.transforms import KShots, NWays

    dataset = MetaDataset(folder, indices_to_labels=dict(enumerate(folder.targets)))
    steps = [
        NWays(dataset, SHAPE.way),
        KShots(dataset, SHAPE.images_per_class),
        LoadData(dataset),
        RemapLabels(dataset),
    ]
    loader = DataLoader(Taskset(dataset, task_transforms=steps), shuffle=True)  # of one task an epoch
    network = registry.load(name)(
        registry.load(name).Config(steps=1, **METHODS[name]), Protocol(), folder.classes, SIZE
    ).train()
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    loss_of = _stock_protonet if name == "protonet" else _stock_relationnet

    def step() -> float:
        began = time.perf_counter()
        data, labels = (part.squeeze(0) for part in next(iter(loader)))
        order = torch.sort(labels).indices
        data, labels = data[order], labels[order]
        fetched = time.perf_counter() - began
        support = torch.from_numpy(np.arange(len(data)) % SHAPE.images_per_class < SHAPE.shots)
        loss = loss_of(network, network.embed(data), labels, support)
        _update(optimiser, loss)
        return fetched

    return step


def _stock_protonet(network, embeddings, labels, support):
    """fast_adapt of the example."""
    prototypes, query = embeddings[support].reshape(SHAPE.way, SHAPE.shots, -1).mean(1), embeddings[~support]
    n, m = len(query), len(prototypes)
    logits = -((query.unsqueeze(1).expand(n, m, -1) - prototypes.unsqueeze(0).expand(n, m, -1)) ** 2).sum(
        dim=2
    )
    return cross_entropy(logits, labels[~support])


def _stock_relationnet(network, maps, labels, support):
    """Sung et al.'s own code: every query map beside every class map, all of the pairs through the relation
    module.
    """
    relation = network.relation
    classes, query = maps[support].unflatten(0, (SHAPE.way, SHAPE.shots)).sum(1), maps[~support]
    left, right = (
        classes.unsqueeze(0).repeat(len(query), 1, 1, 1, 1),
        query.unsqueeze(1).repeat(1, SHAPE.way, 1, 1, 1),
    )
    pairs = torch.cat((left, right), 2).flatten(0, 1)
    scores = relation.score(relation.second(relation.after_first(relation.first(pairs)))).view(
        len(query), SHAPE.way
    )
    return mse_loss(scores, one_hot(labels[~support], SHAPE.way).float())


def _update(optimiser, loss) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    loss.item()


def _stock_supervised(folder):
    from torchvision.models import resnet18

    batches = iter(DataLoader(folder, batch_size=METHODS["supervised"]["batch"], shuffle=True, num_workers=2))
    network = resnet18(num_classes=len(folder.classes)).train()
    optimiser = torch.optim.Adam(network.parameters(), 1e-3, weight_decay=5e-4)

    def step() -> float:
        began = time.perf_counter()
        images, labels = next(batches)
        fetched = time.perf_counter() - began
        loss = nn.functional.cross_entropy(network(images), labels)
        _update(optimiser, loss)
        return fetched

    return step


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        print(json.dumps(one(sys.argv[2], sys.argv[3], Path(sys.argv[4]))))
    else:
        with tempfile.TemporaryDirectory() as folder:
            print(*rows(image_files(Path(folder), None)), sep="\n")
