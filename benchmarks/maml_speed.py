"""MAML against learn2learn's own loop: time of a training step and of a test episode, and memory of a
second-order step.

    python benchmarks/maml_speed.py

Conv4, 84 px, 5-way 5-shot, 15 queries a class, one task a step, one thread. Theirs is the loop of
learn2learn's examples/vision/maml_miniimagenet.py (clone, adapt, evaluate; second order in test as well) on
torch's BatchNorm. Times are processor time in one process, theirs and ours in turn, medians; memory is the
peak of a process a case, less what it held before the first step.
"""

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import pandas as pd
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from fer_meta import l2l
from fer_meta.methods import maml
from fer_meta.methods.base import Episode
from fer_meta.networks import backbones
from fer_meta.tasks.protocol import EpisodeShape, Protocol
from fer_meta.training import loop

WAY, SHOTS, QUERIES, SIZE = 5, 5, 15, 84
CLASSES = tuple("abcde")
INNER_STEPS, MEMORY_AT = 5, (1, 5, 10)
REPEATS = 2


def an_episode() -> Episode:
    """Noise, in the layout that images are normalised to."""
    generator = torch.Generator().manual_seed(0)
    pixels, labels = [], []
    for count in (SHOTS, QUERIES):
        images = torch.randn(WAY * count, 3, SIZE, SIZE, generator=generator)
        pixels.append(images.contiguous(memory_format=torch.channels_last))
        labels.append(torch.arange(WAY).repeat_interleave(count))
    return Episode(pixels[0], labels[0], pixels[1], labels[1], CLASSES)


def learn2learns(inner_steps: int) -> tuple[Callable[[], None], Callable[[], None]]:
    """A training step and a test episode of learn2learn's example."""
    backbone = backbones.vectors("conv4")
    network = nn.Sequential(backbone, nn.Linear(backbones.feature_size(backbone, SIZE), WAY))
    learner_of, episode = l2l.MAML(network, lr=0.01), an_episode()
    support, query = episode.support.contiguous(), episode.query.contiguous()

    def evaluate() -> torch.Tensor:
        learner = learner_of.clone()
        for _ in range(inner_steps):
            learner.adapt(cross_entropy(learner(support), episode.support_labels))
        return cross_entropy(learner(query), episode.query_labels)

    return lambda: evaluate().backward(), evaluate


def ours(
    inner_steps: int, batchnorm: str = "eval", **config
) -> tuple[Callable[[], None], Callable[[], None]]:
    """A training step and a test episode of ours."""
    shape = EpisodeShape(way=WAY, shots=SHOTS, queries=QUERIES)
    protocol = Protocol(way=WAY, batchnorm=batchnorm, train=shape)
    config = maml.Method.Config(steps=1, inner_steps=inner_steps, **config)
    method = loop.build(maml.Method, config, protocol, CLASSES, SIZE, 0, torch.device("cpu"))
    episode = an_episode()

    @torch.no_grad()
    def test() -> None:
        method.adapt(episode.support, episode.support_labels, CLASSES)[method.name](episode.query)

    return lambda: method.loss(episode)[0].backward(), test


CASES = {
    "learn2learn": learn2learns,
    "ours, transductive as theirs": lambda steps: ours(steps, "batch"),
    "ours": ours,
    "ours, inner_checkpoint": lambda steps: ours(steps, inner_checkpoint=True),
}


def times(repeats: int = REPEATS) -> pd.DataFrame:
    """Seconds of processor time of a training step and a test episode, by case [case, train_s, test_s]."""
    for case in CASES.values():  # a warm-up
        for work in case(1):
            work()
    runs = {name: case(INNER_STEPS) for name, case in CASES.items()}
    rows = [
        {"case": name, "train_s": processor_time(train), "test_s": processor_time(test)}
        for _ in range(repeats)
        for name, (train, test) in runs.items()
    ]
    return pd.DataFrame(rows).groupby("case", sort=False).median()


def processor_time(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def memory() -> pd.DataFrame:
    """Megabytes that second-order steps of 1, 5 and 10 inner steps add to a process, by case; two processes
    side by side.
    """

    def of(name: str) -> dict[str, float]:
        command = [sys.executable, __file__, "--memory-of", name]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    with ThreadPoolExecutor(2) as pool:
        return pd.DataFrame(list(pool.map(of, CASES)), index=list(CASES))


def added_memory(name: str) -> dict[str, float]:
    """Megabytes at each number of inner steps, fewest first, in this process, which must have done nothing
    before.
    """
    before, found = peak(), {}
    for steps in MEMORY_AT:
        CASES[name](steps)[0]()
        found[f"MB_at_{steps}"] = peak() - before
    return found


def peak() -> float:
    """The most megabytes this process has held (Linux). ru_maxrss would count its parent's too."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def table() -> pd.DataFrame:
    """Times and how many times faster than learn2learn's, and memory; a row a case."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = times()
    finally:
        torch.set_num_threads(threads)
    for column in ("train", "test"):
        found[f"{column}_times_faster"] = found[f"{column}_s"]["learn2learn"] / found[f"{column}_s"]
    return found.join(memory())


@click.command()
@click.option("--memory-of", type=click.Choice(list(CASES)), help="only the megabytes of this case")
def main(memory_of):
    """Print the table."""
    torch.set_num_threads(1)
    if memory_of:
        click.echo(json.dumps(added_memory(memory_of)))
        return
    click.echo(f"{platform.machine()}, torch {torch.__version__}, one thread, {INNER_STEPS} inner steps\n")
    click.echo(table().round(2).to_string())


if __name__ == "__main__":
    main()
