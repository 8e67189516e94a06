"""What the evaluator writes down is what a method, called by hand on the same pixels, answers."""

import contextlib

import numpy as np
import pandas as pd
import pytest
import torch
from test_methods import CLASSES, SIZE, build

from fer_meta.evaluation.episodes import Shown, answer_episodes, batch_statistics, embedder
from fer_meta.images import fetch, normalise
from fer_meta.tasks.episodes import draw
from fer_meta.tasks.pools import Pool
from fer_meta.tasks.protocol import EpisodeShape, Protocol


@pytest.mark.parametrize("name", ["protonet", "relationnet", "maml", "supervised"])
@pytest.mark.parametrize("batchnorm", ["eval", "batch"])
def test_answers_are_those_of_the_classifier_asked_by_hand(name, batchnorm):
    """The evaluator's tables, whatever is embedded once or episode by episode, against the method called on the pixels."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, SIZE, SIZE, 3), dtype=np.uint8)
    labels = np.repeat(np.arange(3), 10)
    pool = Pool("made-up", np.arange(30), labels, CLASSES, None, None, {}, 0, "")
    method = build(name, Protocol(way=3, batchnorm=batchnorm, train=EpisodeShape(way=3, shots=2, queries=2))).eval()
    episodes = draw(pool, EpisodeShape(way=3, shots=2, queries=2), 3, "a")
    shown = Shown(images, pool)
    device = torch.device("cpu")
    embed = embedder(method, shown, shown, batchnorm, device)
    answers = pd.concat(list(answer_episodes(method, embed, pool, pool, episodes, batchnorm, probabilities=True)))
    for number, (support, query) in enumerate(zip(episodes.support, episodes.queries)):
        names = pool.class_names(support[:, 0])
        pixels = normalise(fetch(images, np.append(support.ravel(), query), device))
        with torch.no_grad(), batch_statistics(method) if batchnorm == "batch" else contextlib.nullcontext():
            features = method.embed(pixels).float()
            classifiers = method.adapt(features[:6], torch.arange(3).repeat_interleave(2), names)
            for key, classify in classifiers.items():
                shares = method.probabilities(key, classify(features[6:])).numpy()
                found = answers[(answers["episode"] == number) & (answers["method"] == key)]
                assert found["row"].to_list() == query.tolist() and found["label"].to_list() == pool.class_names(query)
                assert found["predicted"].to_list() == [names[i] for i in shares.argmax(1)]
                np.testing.assert_allclose(found[[f"p_{c}" for c in names]], shares, atol=1e-3)
