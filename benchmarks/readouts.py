"""How long each readout takes for 600 episodes, after the features are there: 5-way, 5-shot, 15 queries per
class, 1280 features per image.

python benchmarks/readouts.py
"""

import argparse
import time

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from fer_meta.evaluation.answers import Shown, answer_episodes, embedder
from fer_meta.evaluation.contexts import contexts
from fer_meta.methods.base import FewShotMethod, TrainingConfig
from fer_meta.methods.readouts import READOUTS
from fer_meta.tasks.episodes import draw
from fer_meta.tasks.pools import Pool
from fer_meta.tasks.protocol import EpisodeShape

CLASSES = ("anger", "disgust", "fear", "happiness", "sadness")
IMAGES, FEATURES = 2000, 1280
COLUMNS = ("readout", "seconds", "processor's seconds", "accuracy")


class Table(FewShotMethod):
    """A network whose features are there: those of image i, which holds nothing but its number, are row i."""

    name = "table"
    head_name = "table-head"
    own = {"table-head": "Own head"}
    Config = TrainingConfig
    readouts = tuple(key for key, one in READOUTS.items() if not one.on_pixels)

    def __init__(self, classes: np.ndarray):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        means = torch.randn(len(CLASSES), FEATURES, generator=generator)
        noise = torch.randn(len(classes), FEATURES, generator=generator)
        self.features = (1 + 0.08 * means[classes] + noise).relu()
        self.head = torch.nn.Linear(FEATURES, len(CLASSES))

    def __call__(self, rows: np.ndarray) -> torch.Tensor:
        return self.features[torch.from_numpy(rows.ravel())].view(*rows.shape, FEATURES)

    def own_head(self, classes):
        columns = [CLASSES.index(name) for name in classes]
        return lambda features: self.head(features)[:, columns]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--episodes", type=int, default=600)
    parser.add_argument("--shots", type=int, default=5)
    given = parser.parse_args()
    classes = np.arange(IMAGES) % len(CLASSES)
    pool = Pool("made-up", np.arange(IMAGES), classes, CLASSES, None, None, {}, 0, "")
    images = np.zeros((IMAGES, 1, 1, 3), dtype=np.uint8)
    method, shown = Table(classes), Shown(images, pool)
    seen = shown, shown, "eval", torch.device("cpu"), lambda _: method
    embed, more = embedder(method, *seen), contexts(method, shown, *seen)
    shape = EpisodeShape(way=len(CLASSES), shots=given.shots, queries=15)
    episodes = draw(pool, shape, given.episodes, "benchmark")
    rows = []
    for key in method.readouts:
        for _ in range(2):  # the first pays for set-up
            began, busy = time.perf_counter(), time.process_time()
            parts = answer_episodes(
                method, embed, pool, pool, episodes, readouts={method.read_as(key)}, contexts=more
            )
            right = np.concatenate([part["label"].array == part["predicted"].array for part in parts])
            seconds = time.perf_counter() - began, time.process_time() - busy
        rows.append((key, *seconds, 100 * right.mean()))
    rows.append(("probe, scikit-learn", *one_after_the_other(method.features.numpy(), classes, episodes)))
    print(pd.DataFrame(rows, columns=COLUMNS).round(2).to_string(index=False))
    print(f"{torch.get_num_threads()} thread(s)")


def one_after_the_other(features: np.ndarray, classes: np.ndarray, episodes) -> tuple[float, float, float]:
    """Seconds, processor's seconds and accuracy of scikit-learn's logistic regression."""
    began, busy, right = time.perf_counter(), time.process_time(), []
    for support, queries in zip(episodes.support.reshape(len(episodes), -1), episodes.queries):
        model = LogisticRegression(max_iter=1000).fit(normalize(features[support]), classes[support])
        right.append(model.predict(normalize(features[queries])) == classes[queries])
    return time.perf_counter() - began, time.process_time() - busy, 100 * np.mean(right)


if __name__ == "__main__":
    main()
