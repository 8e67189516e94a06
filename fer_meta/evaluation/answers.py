"""What a trained method answers to each query of fixed episodes, and to whole splits if it has a head of its
own.

Answers, not scores: accuracy and all other statistics are made from them by the report, so a new one costs no
network. They come in parts, so that memory does not grow with the number of episodes.
"""

import contextlib
import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from fer_meta.datasets.stacked import Images
from fer_meta.device import Precision, autocast
from fer_meta.errors import FerMetaError
from fer_meta.evaluation.features import EMBED_BATCH, features_once
from fer_meta.methods.base import FewShotMethod
from fer_meta.methods.readouts import NO_CONTEXT, READOUTS, Context
from fer_meta.preprocessing import fetch, normalise
from fer_meta.tasks.episodes import FixedEpisodes
from fer_meta.tasks.pools import Pool

# Episodes that make a table together.
PART = 100

# Bytes of the features of episodes that are answered together: enough to make the calls cheap, few enough to
# stay in the cache.
CACHED_BYTES = 1 << 22

# The same where readouts are fitted to the support, in hundreds of small steps: more at once cost less each.
FITTED_BYTES = 1 << 26

# Decimals of a stored probability: enough for any statistic, and a tenth of the bytes.
DECIMALS = 3


@dataclass(frozen=True)
class Shown:
    """Images a method is shown: those of `pool`, out of `images` (uint8 [N, H, W, 3])."""

    images: Images
    pool: Pool


# rows of the support [E, way, shots] and of the queries [E, Q] -> features [E, way, shots, ...] and [E, Q,
# ...]
Embed = Callable[[np.ndarray, np.ndarray], tuple[Tensor, Tensor]]
# the same rows -> what readouts use beside these features
Contexts = Callable[[np.ndarray, np.ndarray], Context]


def is_shared(method: FewShotMethod, batchnorm: str) -> bool:
    """Whether an image's features are the same in every episode."""
    return method.shared_embedding and batchnorm != "batch"


def embedder(
    method: FewShotMethod,
    support: Shown,
    query: Shown,
    batchnorm: str,
    device,
    features: Callable | None = None,
    precision: Precision = "fp32",
) -> Embed:
    """How episodes with support from `support` and queries from `query` get their features, computed in
    `precision`.

    A method whose embedding does not depend on the episode embeds each image once, and an episode is
    indexing: in `features(images)`, a Features of `images` that other protocols share, by default new ones.
    """
    if is_shared(method, batchnorm):
        features = features or features_once(method, device, precision)
        of_support, of_queries = features(support.images), features(query.images)
        return lambda s, q: (of_support(s), of_queries(q))

    def together(s: np.ndarray, q: np.ndarray):
        """One pass per episode, so that transductive BatchNorm sees all of it and nothing else."""
        parts = []
        for rows, asked in zip(s, q):
            pixels = torch.cat(
                [fetch(support.images, rows.ravel(), device), fetch(query.images, asked, device)]
            )
            with autocast(precision, device):
                embedded = method.embed(normalise(pixels, method.normalisation)).float()
            parts.append(embedded.split([rows.size, len(asked)]))
        return torch.stack([one.unflatten(0, s.shape[1:]) for one, _ in parts]), torch.stack(
            [other for _, other in parts]
        )

    return together


@torch.no_grad()
def answer_episodes(
    method: FewShotMethod,
    embed: Embed,
    support: Pool,
    query: Pool,
    episodes: FixedEpisodes,
    batchnorm: str = "eval",
    progress: Callable[[int, float], None] = lambda done, accuracy: None,
    probabilities: bool = False,
    readouts: Collection[str] | None = None,
    contexts: Contexts = lambda support, query: NO_CONTEXT,
) -> Iterator[pd.DataFrame]:
    """What each of the method's classifiers, or only those in `readouts`, answers to each query of
    `episodes`.

    Yields tables of one classifier's answers to some of the episodes, in order, with one row per answer:
    `readout`, `label` and `predicted` (categorical), `episode` (int32), `row` (of the target's data set),
    `confidence` (float32, the probability of `predicted`; NaN if the method gives none) and, with
    `probabilities`, `p_<class>` for each class of `query`. `progress` gets the number of episodes done and
    the first classifier's mean accuracy so far. `contexts` is what some readouts need (`contexts.contexts`).
    """
    renumbered = np.array(
        [query.classes.index(name) if name in query.classes else -1 for name in support.classes]
    )
    right = asked = 0
    with batch_statistics(method) if batchnorm == "batch" else contextlib.nullcontext():
        for part in _parts(episodes):
            support_rows, query_rows = episodes.support[part], np.stack(list(episodes.queries[part]))
            numbers = renumbered[support.class_numbers(support_rows[:, :, 0])]
            names = [[query.classes[number] for number in row] for row in numbers]
            labels = query.class_numbers(query_rows)
            answers = _answers(
                method,
                embed,
                support_rows,
                query_rows,
                names,
                is_shared(method, batchnorm),
                readouts,
                contexts,
            )
            for place, (name, shares) in enumerate(answers.items()):
                predicted = np.take_along_axis(numbers, shares.argmax(2), 1)
                frame = _frame(
                    method,
                    name,
                    query,
                    query_rows.ravel(),
                    labels.ravel(),
                    predicted.ravel(),
                    shares.max(2).ravel(),
                )
                if probabilities:
                    _add_probabilities(
                        frame,
                        query,
                        np.take_along_axis(shares, np.argsort(numbers)[:, None], 2).reshape(
                            -1, numbers.shape[1]
                        ),
                    )
                yield frame.assign(
                    episode=np.repeat(np.arange(len(episodes), dtype=np.int32)[part], query_rows.shape[1])
                )
                if place == 0:
                    right, asked = right + int((predicted == labels).sum()), asked + labels.size
            progress(part.stop, right / asked)


def _parts(episodes: FixedEpisodes) -> Iterator[slice]:
    """Slices of `episodes` whose episodes have equally many queries."""
    start = 0
    for _, same in itertools.groupby(map(len, episodes.queries)):
        end = start + sum(1 for _ in same)
        for first in range(start, end, PART):
            yield slice(first, min(first + PART, end))
        start = end


def _answers(
    method, embed: Embed, support_rows, query_rows, names, shared: bool, readouts, contexts: Contexts
) -> dict[str, np.ndarray]:
    """Each classifier's probabilities [E, Q, way], by as many episodes at once as the method can take."""
    parts, start, together = [], 0, 1
    while start < len(names):
        part = slice(start, start + together)
        rows = support_rows[part], query_rows[part]
        features = embed(*rows)
        answers = method.answer(*features, names[part], readouts, contexts(*rows))
        if undeclared := sorted(set(answers) - {*method.own, *map(method.read_as, READOUTS)}):
            raise FerMetaError(
                f"method {method.name!r}: gives answers called {', '.join(undeclared)}, which its `own` does"
                " not name; name them there, or write `answer` and `own_classifiers` anew"
            )
        parts.append(
            {name: method.probabilities(name, logits).cpu().numpy() for name, logits in answers.items()}
        )
        if start == 0 and shared:
            limit = FITTED_BYTES if method.readouts else CACHED_BYTES
            together = max(1, limit // (4 * sum(one.numel() for one in features)))
        start = part.stop
    return {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}


@torch.no_grad()
def answer_all(method: FewShotMethod, embed: Embed, pool: Pool) -> Iterator[pd.DataFrame]:
    """What the own head answers to each image of `pool`, whose features `embed` has for queries: as
    `answer_episodes` with probabilities and one episode; nothing if the method has no head for these classes.
    """
    head = method.own_head(pool.classes)
    if head is None:
        return
    for start in range(0, len(pool), EMBED_BATCH):
        rows = pool.rows[start : start + EMBED_BATCH]
        _, features = embed(rows[None, None, :0], rows[None])
        shares = head(features[0].float()).softmax(1).cpu().numpy()
        frame = _frame(
            method, method.head_name, pool, rows, pool.class_numbers(rows), shares.argmax(1), shares.max(1)
        )
        _add_probabilities(frame, pool, shares)
        yield frame.assign(episode=np.int32(0))


def accuracies_of(answers: Iterable[pd.DataFrame]) -> dict[str, float]:
    """The share of right answers of each classifier, 0 to 1, by its name."""
    right: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for part in answers:
        name = part["readout"].iloc[0]
        right[name] += int((part["label"].cat.codes == part["predicted"].cat.codes).sum())
        asked[name] += len(part)
    return {name: right[name] / count for name, count in asked.items()}


def uar_of(answers: Iterable[pd.DataFrame]) -> float:
    """One classifier's recall, 0 to 1, averaged over the classes of the queries (UAR)."""
    table = pd.concat([part[["label", "predicted"]] for part in answers], ignore_index=True)
    right = table["label"].cat.codes == table["predicted"].cat.codes
    return float(right.groupby(table["label"], observed=True).mean().mean())


def _frame(method, name: str, pool: Pool, rows, labels, predicted, confidence) -> pd.DataFrame:
    """Answers of one classifier as a table; `labels` and `predicted` are class numbers of `pool`."""
    return pd.DataFrame(
        {
            "readout": pd.Categorical.from_codes(np.zeros(len(rows), dtype=np.int8), [name]),
            "row": rows,
            "label": pd.Categorical.from_codes(labels, pool.classes),
            "predicted": pd.Categorical.from_codes(predicted, pool.classes),
            "confidence": (
                confidence.round(DECIMALS).astype(np.float32)
                if method.is_calibrated(name)
                else np.float32("nan")
            ),
        }
    )


def _add_probabilities(frame: pd.DataFrame, pool: Pool, shares: np.ndarray) -> None:
    """One column per class; `shares` [rows, classes] in the order of the pool's classes."""
    frame[[f"p_{name}" for name in pool.classes]] = shares.round(DECIMALS + 1).astype(np.float32)


@contextlib.contextmanager
def batch_statistics(network: nn.Module):
    """BatchNorm by the batch's own statistics (transductive), the running ones neither used nor touched."""
    layers = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    before = [(m.training, m.track_running_stats) for m in layers]
    for layer in layers:
        layer.training, layer.track_running_stats = True, False
    try:
        yield
    finally:
        for layer, (training, tracking) in zip(layers, before):
            layer.training, layer.track_running_stats = training, tracking
