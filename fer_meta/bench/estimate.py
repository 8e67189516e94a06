"""How long a plan takes here: one step and one episode of each method are timed, the rest is multiplication."""

import dataclasses
import time

import numpy as np
import torch

from fer_meta import training
from fer_meta.bench.plan import Run
from fer_meta.bench.runner import Bench, new_method
from fer_meta.evaluation.episodes import embed_all, embedder, score_episodes
from fer_meta.tasks.pools import Pool

# Images embedded and episodes scored to time one.
SAMPLE_IMAGES = 64
SAMPLE_EPISODES = 2


def estimate(bench: Bench, runs: list[Run]) -> dict[str, float]:
    """Seconds for each of `runs` that is not done, by its id; a model's training counts with the first run that needs it."""
    seconds, costs, trained = {}, {}, set()
    for run in runs:
        model = run.model
        if bench.is_done(run):
            continue
        key = model.algorithm, model.source
        if key not in costs:
            costs[key] = _measure(bench, run)
        step, image, episode, steps = costs[key]
        seconds[run.id] = _scoring(bench, run, image, episode)
        if model.id not in trained and not (bench.model_folder(model) / "DONE").exists():
            trained.add(model.id)
            val = bench.domains[model.source].val
            seconds[run.id] += steps * step + _validations(bench, model.algorithm, val, image, episode)
    return seconds


def _scoring(bench: Bench, run: Run, image: float, episode: dict[int, float]) -> float:
    """Each selection's checkpoint on the test episodes, and each checkpoint on the oracle's."""
    target = bench.targets[run.model.source, run.target]
    once = image * len(target.test) + sum(len(e) * episode[shots] for shots, e in target.episodes.items())
    oracle = "oracle" in bench.suite.selection and run.target != run.model.source
    return once * len(bench.suite.selection) + oracle * _validations(bench, run.model.algorithm, target.val, image, episode)


def _validations(bench: Bench, algorithm: str, val: Pool, image: float, episode: dict[int, float]) -> float:
    shape = bench.suite.protocol.validation
    return bench.suite.algorithms[algorithm].validations * (image * len(val) + shape.episodes * max(episode.values()))


def _measure(bench: Bench, run: Run) -> tuple[float, float, dict[int, float], int]:
    """Seconds a training step, an image embedded, an episode scored (by shots); and how many steps there are."""
    model, protocol = run.model, bench.suite.protocol
    config, domain = bench.suite.algorithms[model.algorithm], bench.domains[model.source]
    method = new_method(bench, model)
    steps, batch_at = training.batches(method, config, domain, protocol, model.seed, bench.device)
    method.train()

    def step():
        with torch.autocast(bench.device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            loss, _ = method.loss(batch_at(0))
        loss.backward()
        return loss.item()

    seconds_a_step = _second_time(step)
    method.eval()
    target = bench.targets[model.source, run.target]
    rows = target.test.rows[:SAMPLE_IMAGES]
    seconds_an_image = 0.0
    if method.shared_embedding and protocol.batchnorm == "eval":
        images = bench.domains[run.target].images
        seconds_an_image = _second_time(lambda: embed_all(method, images, rows, bench.device)) / len(rows)
    return seconds_a_step, seconds_an_image, _episode_seconds(bench, run, method), steps


def _episode_seconds(bench: Bench, run: Run, method) -> dict[int, float]:
    target, batchnorm = bench.targets[run.model.source, run.target], bench.suite.protocol.batchnorm
    seconds = {}
    for shots, episodes in target.episodes.items():
        sample = episodes[:SAMPLE_EPISODES]
        embed = embedder(method, bench.domains[run.target].images, _only(target.test, sample), batchnorm, bench.device)
        seconds[shots] = _second_time(
            lambda: score_episodes(method, embed, target.test, sample, shots, batchnorm)
        ) / len(sample)
    return seconds


def _only(pool: Pool, episodes) -> Pool:
    """The part of `pool` that `episodes` touch, so that timing a few does not embed everything."""
    kept = np.isin(pool.rows, episodes)
    return dataclasses.replace(pool, rows=pool.rows[kept], labels=pool.labels[kept])


def _second_time(function) -> float:
    """Seconds of the second call: the first pays for set-up."""
    function()
    began = time.perf_counter()
    function()
    return time.perf_counter() - began
