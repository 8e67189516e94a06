"""Evaluation: 1,000 tasks, 5-way 5-shot 15-query, on 3,589 images of 84 px, ProtoNet over Conv4 and ResNet18.

Against learn2learn's usual loop (its Taskset over files, as in its examples/vision/protonet_miniimagenet.py)
and easyfsl's `evaluate`, on the same tasks, weights and machine. The peers answer a sample of the tasks, and
their time is multiplied; ours are all answered. The network was trained for a minute, so that its accuracy
means something when bf16, where the processor has units for it, is compared.
"""

import copy
from functools import partial

import numpy as np
import torch
from easyfsl.methods import PrototypicalNetworks
from easyfsl.utils import evaluate
from speed_data import CPU, PRECISIONS, Row, as_ours, as_the_others, median, seconds

from fer_meta.device import autocast
from fer_meta.evaluation.answers import Shown, answer_episodes, embedder
from fer_meta.evaluation.features import EMBED_BATCH, Features
from fer_meta.l2l import DataDescription, LoadData, MetaDataset, RemapLabels, Taskset, TaskTransform
from fer_meta.memory import keep_freed_memory
from fer_meta.methods import registry
from fer_meta.preprocessing import fetch, normalise
from fer_meta.tasks.episodes import FixedEpisodes, draw
from fer_meta.tasks.pools import Domain
from fer_meta.tasks.protocol import EpisodeShape, Protocol
from fer_meta.training import batches, loop

SHAPE = EpisodeShape(way=5, shots=5, queries=15)
TASKS = 1000
SAMPLE = 8  # tasks that a peer answers in each of the repeats
REPEATS = 3
STEPS = {"conv4": 100, "resnet18": 40}


def rows(files) -> list[Row]:
    keep_freed_memory()
    folder = as_the_others(files)
    images, pool = as_ours(files, folder)
    return [row for backbone in STEPS for row in _backbone_rows(backbone, folder, images, pool)]


def _backbone_rows(backbone, folder, images, pool) -> list[Row]:
    method, shown = _trained(backbone, images, pool), Shown(images, pool)
    episodes = draw(pool, SHAPE, 10 * TASKS, "speed")
    tasks = _part(episodes, 0, TASKS)
    contestants = {
        **{
            precision: lambda repeat, precision=precision: _ours(method, shown, tasks, precision)
            for precision in PRECISIONS
        },
        **{
            f"bare {precision}": lambda repeat, precision=precision: _bare(method, shown, precision)
            for precision in PRECISIONS
        },
        "10,000 tasks": lambda repeat: _ours(method, shown, episodes, "fp32"),
        "learn2learn": lambda repeat: _learn2learn(
            method, folder, pool, _part(episodes, repeat * SAMPLE, SAMPLE)
        ),
        "easyfsl": lambda repeat: _easyfsl(method, folder, pool, _part(episodes, repeat * SAMPLE, SAMPLE)),
    }
    spent, right = {name: [] for name in contestants}, {name: [] for name in contestants}
    for repeat in range(REPEATS):
        for name, contestant in contestants.items():
            spent[name].append(seconds(partial(_keep, right[name], contestant, repeat)))
    took = {
        name: median(values) * (TASKS / SAMPLE if name in ("learn2learn", "easyfsl") else 1)
        for name, values in spent.items()
    }
    sampled = [right["fp32"][0][repeat * SAMPLE : (repeat + 1) * SAMPLE] for repeat in range(REPEATS)]
    same = np.mean([ours == theirs for ours, theirs in zip(sampled, right["learn2learn"])])
    off = max(abs(ours.mean() - theirs) for ours, theirs in zip(sampled, right["easyfsl"]))
    agree = (
        f"{100 * same:.2f} % of answers as learn2learn's, accuracy within {100 * off:.2f} points of easyfsl's"
    )
    peers = {name: took[name] for name in ("learn2learn", "easyfsl")}
    lines = []
    for precision in PRECISIONS:
        factor, lost = (
            {"fp32": 30, "bf16": 60}[precision],
            100 * (right[precision][0].mean() - right["fp32"][0].mean()),
        )
        ratio = min(peers.values()) / took[precision]
        fine = ratio >= factor and took[precision] <= 1.15 * took[f"bare {precision}"] and abs(lost) <= 0.1
        lines.append(
            Row(
                "evaluation",
                f"{backbone}, {TASKS:,} tasks, {precision}",
                "s",
                took[precision],
                peers,
                took[f"bare {precision}"],
                "embedding each image once",
                f"{factor} times the peers, 1.15 of the limit",
                fine,
                agree if precision == "fp32" else f"accuracy {lost:+.3f} points against fp32",
            )
        )
    more = took["10,000 tasks"] / took["fp32"]
    lines.append(
        Row(
            "evaluation",
            f"{backbone}, 10,000 tasks, fp32",
            "s",
            took["10,000 tasks"],
            {},
            took["fp32"],
            "1,000 tasks",
            "1.3 of 1,000 tasks",
            more <= 1.3,
        )
    )
    return lines


def _trained(backbone: str, images, pool):
    """A ProtoNet after a minute on the first half of each class's images: better than chance, no more is
    needed.
    """
    module = registry.load("protonet")
    config = module.Config(steps=STEPS[backbone], backbone=backbone)
    protocol = Protocol(train=EpisodeShape(way=5, shots=5, queries=5))
    method = loop.build(module, config, protocol, pool.classes, images.shape[1], 0, CPU)
    steps, batch_at = batches.steps_and_batches(
        method, config, Domain("speed", images, None, pool, pool, pool, None), protocol, 0, CPU
    )
    optimiser = loop.new_optimiser(method, config)
    for step in range(steps):
        loop.train_step(method, config, optimiser, batch_at(step))
    return method.eval()


def _part(episodes: FixedEpisodes, start: int, count: int) -> FixedEpisodes:
    return FixedEpisodes(episodes.support[start : start + count], episodes.queries[start : start + count])


def _ours(method, shown: Shown, episodes: FixedEpisodes, precision: str) -> np.ndarray:
    """Embed, answer, and say which answers are right: [tasks, queries]."""
    features = Features(method, shown.images, CPU, precision)
    embed = embedder(method, shown, shown, "eval", CPU, lambda images: features)
    parts = answer_episodes(method, embed, shown.pool, shown.pool, episodes)
    right = [part["label"].cat.codes.to_numpy() == part["predicted"].cat.codes.to_numpy() for part in parts]
    return np.concatenate(right).reshape(len(episodes), -1)


@torch.no_grad()
def _bare(method, shown: Shown, precision: str) -> None:
    """The limit: a forward pass of each image."""
    with autocast(precision, CPU):
        for start in range(0, len(shown.pool), EMBED_BATCH):
            method.embed(normalise(fetch(shown.images, shown.pool.rows[start : start + EMBED_BATCH], CPU)))


class Given(TaskTransform):
    """Tasks that were drawn before, one after the other."""

    def __init__(self, dataset: MetaDataset, tasks: list[list[int]]):
        super().__init__(dataset)
        self.tasks = iter(tasks)

    def __call__(self, description):
        return [DataDescription(item) for item in next(self.tasks)]


def _keep(found: list, contestant, repeat: int) -> None:
    found.append(contestant(repeat))


def _items(pool, episodes: FixedEpisodes, number: int) -> list[list[int]]:
    """A task as items of the folder: of each class the support, then the queries."""
    way = episodes.support.shape[1]
    rows = np.concatenate([episodes.support[number], episodes.queries[number].reshape(way, -1)], axis=1)
    return pool.positions(rows)


@torch.no_grad()
def _learn2learn(method, folder, pool, episodes: FixedEpisodes) -> np.ndarray:
    """examples/vision/protonet_miniimagenet.py's test loop, with no_grad (which it lacks): a task, a forward
    pass.
    """
    dataset = MetaDataset(folder, indices_to_labels=dict(enumerate(folder.targets)))
    tasks = [_items(pool, episodes, number).ravel().tolist() for number in range(len(episodes))]
    tasks = Taskset(
        dataset,
        [Given(dataset, tasks), LoadData(dataset), RemapLabels(dataset, shuffle=False)],
        num_tasks=len(episodes),
    )
    network, right = _usual(method), []
    for number in range(len(episodes)):
        data, labels = tasks[number]
        embeddings = network(data)
        features = embeddings.view(SHAPE.way, SHAPE.images_per_class, -1)
        support, query = features[:, : SHAPE.shots].mean(1), features[:, SHAPE.shots :].flatten(0, 1)
        labels = labels.view(SHAPE.way, -1)
        n, m = len(query), len(support)
        logits = -((query.unsqueeze(1).expand(n, m, -1) - support.unsqueeze(0).expand(n, m, -1)) ** 2).sum(
            dim=2
        )
        right.append((labels[:, 0][logits.argmax(1)] == labels[:, SHAPE.shots :].flatten()).numpy())
    return np.array(right)


def _easyfsl(method, folder, pool, episodes: FixedEpisodes) -> np.ndarray:
    """Its `evaluate`, which gives an accuracy, over tasks loaded from files."""

    def loaded(items):
        return torch.stack([folder[item][0] for item in items])

    def tasks():
        for number in range(len(episodes)):
            items = _items(pool, episodes, number)
            support, query = items[:, : SHAPE.shots].ravel(), items[:, SHAPE.shots :].ravel()
            labels = torch.arange(SHAPE.way)
            yield (
                loaded(support),
                labels.repeat_interleave(SHAPE.shots),
                loaded(query),
                labels.repeat_interleave(SHAPE.queries),
                items[:, 0].tolist(),
            )

    class Tasks:
        def __len__(self):
            return len(episodes)

        def __iter__(self):
            return tasks()

    return np.array(evaluate(PrototypicalNetworks(_usual(method)), Tasks(), device="cpu", use_tqdm=False))


def _usual(method) -> torch.nn.Module:
    """The same network in the usual memory layout."""
    return copy.deepcopy(method.backbone).to(memory_format=torch.contiguous_format)
