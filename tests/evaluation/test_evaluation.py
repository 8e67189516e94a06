"""What the evaluator writes down is what a method, called by hand on the same pixels, answers."""

import contextlib

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.methods import CLASSES, SIZE, build

from fer_meta.evaluation.answers import Shown, answer_episodes, batch_statistics, embedder
from fer_meta.evaluation.features import Features
from fer_meta.preprocessing import fetch, normalise
from fer_meta.tasks.episodes import draw
from fer_meta.tasks.pools import Pool
from fer_meta.tasks.protocol import EpisodeShape, Protocol

pytestmark = pytest.mark.numeric


@pytest.mark.parametrize("name", ["protonet", "relationnet", "maml", "supervised"])
@pytest.mark.parametrize("batchnorm", ["eval", "batch"])
def test_answers_are_those_of_the_classifier_asked_by_hand(name, batchnorm):
    """The evaluator's tables, whatever is embedded once or episode by episode, against the method called on
    the pixels.
    """
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (30, SIZE, SIZE, 3), dtype=np.uint8)
    labels = np.repeat(np.arange(3), 10)
    pool = Pool("made-up", np.arange(30), labels, CLASSES, None, None, {}, 0, "")
    method = build(
        name, Protocol(way=3, batchnorm=batchnorm, train=EpisodeShape(way=3, shots=2, queries=2))
    ).eval()
    episodes = draw(pool, EpisodeShape(way=3, shots=2, queries=2), 3, "a")
    shown = Shown(images, pool)
    device = torch.device("cpu")
    embed = embedder(method, shown, shown, batchnorm, device)
    answers = pd.concat(
        list(answer_episodes(method, embed, pool, pool, episodes, batchnorm, probabilities=True))
    )
    for number, (support, query) in enumerate(zip(episodes.support, episodes.queries)):
        names = pool.class_names(support[:, 0])
        pixels = normalise(fetch(images, np.append(support.ravel(), query), device))
        with torch.no_grad(), batch_statistics(method) if batchnorm == "batch" else contextlib.nullcontext():
            features = method.embed(pixels).float()
            classifiers = method.adapt(features[:6], torch.arange(3).repeat_interleave(2), names)
            for key, classify in classifiers.items():
                shares = method.probabilities(key, classify(features[6:])).numpy()
                found = answers[(answers["episode"] == number) & (answers["readout"] == key)]
                assert found["row"].to_list() == query.tolist() and found[
                    "label"
                ].to_list() == pool.class_names(query)
                answered = shares[np.arange(len(shares)), [names.index(name) for name in found["predicted"]]]
                np.testing.assert_allclose(answered, shares.max(1), atol=1e-4)  # the best one, or one as good
                np.testing.assert_allclose(found[[f"p_{c}" for c in names]], shares, atol=1e-3)


CPU = torch.device("cpu")


def faces(count=40, seed=0):
    """Made-up images of three classes, and the pool of all of them."""
    images = np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
    return images, Pool("made-up", np.arange(count), np.arange(count) % 3, CLASSES, None, None, {}, 0, "")


def test_an_image_is_embedded_once_for_all_shots_and_protocols(monkeypatch):
    images, pool = faces()
    method, shown = build("protonet").eval(), Shown(images, pool)
    embedded = []
    embed = method.embed
    monkeypatch.setattr(method, "embed", lambda pixels: embedded.append(len(pixels)) or embed(pixels))
    features = Features(method, images, CPU)
    asked = set()
    for shots in (1, 2, 3):
        episodes = draw(pool, EpisodeShape(way=3, shots=shots, queries=4), 10, f"{shots}")
        list(
            answer_episodes(
                method, embedder(method, shown, shown, "eval", CPU, lambda _: features), pool, pool, episodes
            )
        )
        asked |= {*episodes.support.ravel().tolist(), *np.concatenate(episodes.queries).tolist()}
    assert sum(embedded) == len(asked)


def test_features_are_those_of_the_image_whatever_was_asked_for_before():
    images, _ = faces()
    method = build("protonet").eval()
    features, rows = Features(method, images, CPU), np.array([[7, 3], [3, 31]])
    features(np.array([30, 3]))
    with torch.no_grad():
        by_hand = method.embed(normalise(fetch(images, rows.ravel(), CPU)))
    torch.testing.assert_close(features(rows).flatten(0, 1), by_hand, rtol=1e-3, atol=1e-3)


def test_features_in_bf16_are_nearly_those_in_fp32():
    images, pool = faces()
    method = build("protonet").eval()
    exact, rounded = (Features(method, images, CPU, precision)(pool.rows) for precision in ("fp32", "bf16"))
    assert rounded.dtype == torch.float32 and not torch.equal(exact, rounded)
    assert torch.nn.functional.cosine_similarity(exact, rounded).min() > 0.999


@pytest.mark.parametrize("count", [1, 99, 100, 101, 250])
def test_episodes_come_in_parts_without_loss(count):
    """However many there are, each episode is answered once and in order, and progress ends at the last."""
    images, pool = faces()
    method, shown = build("protonet").eval(), Shown(images, pool)
    episodes, told = draw(pool, EpisodeShape(way=3, shots=1, queries=2), count, "b"), []
    embed = embedder(method, shown, shown, "eval", CPU)
    parts = list(
        answer_episodes(
            method, embed, pool, pool, episodes, progress=lambda done, accuracy: told.append(done)
        )
    )
    answers = pd.concat(parts, ignore_index=True)
    assert answers["episode"].to_list() == np.repeat(np.arange(count), 6).tolist()
    assert answers["row"].to_list() == np.concatenate(episodes.queries).tolist() and told[-1] == count
