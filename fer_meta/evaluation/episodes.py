"""Accuracy of a trained method on fixed episodes, and on whole splits for methods with a head of their own."""

import contextlib
from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from fer_meta.algorithms.base import FewShotMethod
from fer_meta.images import fetch, normalise
from fer_meta.tasks.pools import Pool

# Images a forward pass when a whole split is embedded.
EMBED_BATCH = 256

# rows [R] of the data set -> features [R, ...]
Embed = Callable[[np.ndarray], Tensor]


def embedder(method: FewShotMethod, images: np.ndarray, pool: Pool, batchnorm: str, device) -> Embed:
    """How the episodes of `pool` get their features.

    A method whose embedding does not depend on the episode embeds each image once, here, and an episode is indexing.
    """
    if method.shared_embedding and batchnorm == "eval":
        table = embed_all(method, images, pool.rows, device)
        return lambda rows: table[torch.from_numpy(np.searchsorted(pool.rows, rows)).to(device)]
    return lambda rows: method.embed(normalise(fetch(images, rows, device)))


@torch.no_grad()
def embed_all(method: FewShotMethod, images: np.ndarray, rows: np.ndarray, device) -> Tensor:
    """Features [len(rows), ...] of `rows`, in batches."""
    parts = np.split(rows, range(EMBED_BATCH, len(rows), EMBED_BATCH))
    return torch.cat([method.embed(normalise(fetch(images, part, device))).float() for part in parts])


@torch.no_grad()
def score_episodes(
    method: FewShotMethod,
    embed: Embed,
    pool: Pool,
    episodes: np.ndarray,
    shots: int,
    batchnorm: str = "eval",
    progress: Callable[[float], None] = lambda accuracy: None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score each of the method's classifiers on `episodes` [E, way, shots + queries] (rows of the data set).

    Returns a row an episode (`method`, `episode`, `accuracy` in 0..1) and the confusion counts (`method`, `true`, `predicted`,
    `count`, by class name). `progress` is told the first classifier's mean accuracy so far after each episode.
    """
    _, way, per_class = episodes.shape
    device = next(method.parameters()).device
    support_labels = torch.arange(way, device=device).repeat_interleave(shots)
    truth = np.arange(way).repeat(per_class - shots)
    accuracies = defaultdict(list)
    confusion = defaultdict(lambda: np.zeros((len(pool.classes),) * 2, dtype=np.int64))
    with batch_statistics(method) if batchnorm == "batch" else contextlib.nullcontext():
        for rows in episodes:
            labels = pool.class_numbers(rows[:, 0])
            features = embed(rows.ravel()).unflatten(0, rows.shape)
            support, query = features[:, :shots].flatten(0, 1), features[:, shots:].flatten(0, 1)
            names = [pool.classes[i] for i in labels]
            for name, classify in method.adapt(support, support_labels, names).items():
                predicted = classify(query).argmax(1).cpu().numpy()
                accuracies[name].append(float((predicted == truth).mean()))
                np.add.at(confusion[name], (labels[truth], labels[predicted]), 1)
            progress(float(np.mean(next(iter(accuracies.values())))))
    rows = [(name, i, a) for name, values in accuracies.items() for i, a in enumerate(values)]
    counts = [
        (name, pool.classes[i], pool.classes[j], int(matrix[i, j]))
        for name, matrix in confusion.items()
        for i, j in zip(*np.nonzero(matrix))
    ]
    return (
        pd.DataFrame(rows, columns=["method", "episode", "accuracy"]),
        pd.DataFrame(counts, columns=["method", "true", "predicted", "count"]),
    )


@torch.no_grad()
def classify_all(method: FewShotMethod, images: np.ndarray, pool: Pool, device) -> np.ndarray | None:
    """The own head's class number for each image of `pool` ([M] int64), or None if the method has no head for these classes."""
    head = method.own_head(pool.classes)
    if head is None:
        return None
    return head(embed_all(method, images, pool.rows, device)).argmax(1).cpu().numpy()


@contextlib.contextmanager
def batch_statistics(network: nn.Module):
    """BatchNorm by the batch's own statistics (transductive), the running ones neither used nor touched."""
    layers = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    before = [(m.training, m.track_running_stats) for m in layers]
    for layer in layers:
        layer.training, layer.track_running_stats = True, False
    try:
        yield
    finally:
        for layer, (training, tracking) in zip(layers, before):
            layer.training, layer.track_running_stats = training, tracking
