"""What a trained method answers to each query of fixed episodes, and to whole splits if it has a head of its own.

Answers, not scores: accuracy and all other statistics are made from them by the report, so a new one costs no network.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from fer_meta.algorithms.base import FewShotMethod
from fer_meta.images import fetch, normalise
from fer_meta.tasks.episodes import FixedEpisodes
from fer_meta.tasks.pools import Pool

# Images a forward pass when a whole split is embedded.
EMBED_BATCH = 256

# Decimals of a stored probability: enough for any statistic, and a tenth of the bytes.
DECIMALS = 3


@dataclass(frozen=True)
class Shown:
    """Images a method is shown: those of `pool`, out of `images` (uint8 [N, H, W, 3])."""

    images: np.ndarray
    pool: Pool


# rows of the support [S] and of the queries [Q] -> features [S, ...] and [Q, ...]
Embed = Callable[[np.ndarray, np.ndarray], tuple[Tensor, Tensor]]


def embedder(method: FewShotMethod, support: Shown, query: Shown, batchnorm: str, device) -> Embed:
    """How episodes with support from `support` and queries from `query` get their features.

    A method whose embedding does not depend on the episode embeds each image once, here, and an episode is indexing.
    """
    if method.shared_embedding and batchnorm == "eval":
        query_table = embed_all(method, query, device)
        support_table = query_table if support is query else embed_all(method, support, device)

        def look_up(table: Tensor, pool: Pool, rows: np.ndarray) -> Tensor:
            return table[torch.from_numpy(pool.positions(rows)).to(device)]

        return lambda s, q: (look_up(support_table, support.pool, s), look_up(query_table, query.pool, q))

    def one_pass(s: np.ndarray, q: np.ndarray):
        # Together, so that transductive BatchNorm sees the whole episode.
        pixels = torch.cat([fetch(support.images, s, device), fetch(query.images, q, device)])
        return method.embed(normalise(pixels)).split([len(s), len(q)])

    return one_pass


@torch.no_grad()
def embed_all(method: FewShotMethod, shown: Shown, device) -> Tensor:
    """Features [len(pool), ...] of all of a pool, in batches."""
    return torch.cat([method.embed(normalise(fetch(shown.images, part, device))).float() for part in _batches(shown.pool)])


def _batches(pool: Pool) -> list[np.ndarray]:
    return np.split(pool.rows, range(EMBED_BATCH, len(pool), EMBED_BATCH))


@torch.no_grad()
def answer_episodes(
    method: FewShotMethod,
    embed: Embed,
    support: Pool,
    query: Pool,
    episodes: FixedEpisodes,
    batchnorm: str = "eval",
    progress: Callable[[float], None] = lambda accuracy: None,
    probabilities: bool = False,
) -> pd.DataFrame:
    """What each of the method's classifiers answers to each query of `episodes`.

    Returns a row an answer, the episodes in order: `method`, `label` and `predicted` (categorical), `episode` (int32), `row` (of the
    target's data set), `confidence` (float32, the probability of `predicted`; NaN if the method gives none) and, with `probabilities`,
    `p_<class>` for each class of `query`. `progress` is told the first classifier's mean accuracy so far after each episode.
    """
    way, shots = episodes.support.shape[1:]
    device = next(method.parameters()).device
    support_labels = torch.arange(way, device=device).repeat_interleave(shots)
    answers, right = {}, []
    with batch_statistics(method) if batchnorm == "batch" else contextlib.nullcontext():
        for support_rows, query_rows in zip(episodes.support, episodes.queries):
            names = support.class_names(support_rows[:, 0])
            numbers = np.array([query.classes.index(name) for name in names])
            support_features, query_features = embed(support_rows.ravel(), query_rows)
            for name, classify in method.adapt(support_features, support_labels, names).items():
                shares = method.probabilities(name, classify(query_features)).cpu().numpy()
                answers.setdefault(name, []).append((numbers, shares))
            numbers, shares = next(iter(answers.values()))[-1]
            right.append(numbers[shares.argmax(1)] == query.class_numbers(query_rows))
            progress(float(np.concatenate(right).mean()))
    rows = np.concatenate(episodes.queries)
    episode = np.repeat(np.arange(len(episodes), dtype=np.int32), [len(part) for part in episodes.queries])
    return pd.concat(
        [_frame(method, name, query, rows, parts, probabilities).assign(episode=episode) for name, parts in answers.items()],
        ignore_index=True,
    ).astype({"method": "category"})


@torch.no_grad()
def answer_all(method: FewShotMethod, embed: Embed, pool: Pool) -> pd.DataFrame | None:
    """What the own head answers to each image of `pool`, whose features `embed` has for queries: as `answer_episodes` with probabilities
    and one episode; None if the method has no head for these classes."""
    head = method.own_head(pool.classes)
    if head is None:
        return None
    shares = torch.cat([head(embed(part[:0], part)[1].float()).softmax(1) for part in _batches(pool)]).cpu().numpy()
    return _frame(method, method.head_name, pool, pool.rows, [(np.arange(len(pool.classes)), shares)], True).assign(episode=np.int32(0))


def accuracy_of(answers: pd.DataFrame) -> float:
    """The share of right answers of the first classifier, 0 to 1."""
    first = answers[answers["method"] == answers["method"].iloc[0]]
    return float((first["label"].cat.codes == first["predicted"].cat.codes).mean())


def _frame(method, name: str, pool: Pool, rows: np.ndarray, parts: list[tuple[np.ndarray, np.ndarray]], probabilities: bool) -> pd.DataFrame:
    """Answers as a table; `parts` hold an episode's class numbers [way] and its probabilities [Q, way]."""
    predicted = np.concatenate([numbers[shares.argmax(1)] for numbers, shares in parts])
    confidence = np.concatenate([shares.max(1) for _, shares in parts]).round(DECIMALS)
    frame = pd.DataFrame({
        "method": pd.Categorical.from_codes(np.zeros(len(rows), dtype=np.int8), [name]),
        "row": rows,
        "label": pd.Categorical.from_codes(pool.class_numbers(rows), pool.classes),
        "predicted": pd.Categorical.from_codes(predicted, pool.classes),
        "confidence": np.float32("nan") if name in method.uncalibrated else confidence.astype(np.float32),
    })
    if probabilities:
        shares = np.concatenate([part[:, np.argsort(numbers)] for numbers, part in parts]).round(DECIMALS + 1)
        frame[[f"p_{name}" for name in pool.classes]] = shares.astype(np.float32)
    return frame


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
